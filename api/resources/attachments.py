"""Uploaded files on their way into a message."""

from actors.channels.base import OutMedia
from actors.tickets.commands import StoredFile
from api.endpoint import Ctx, Upload
from api.endpoint.uploads import kept

_KINDS = {"image": "image", "video": "video", "audio": "audio"}


async def attached(ctx: Ctx, upload: Upload, caption: str) -> tuple[OutMedia, StoredFile]:
    """Keep an upload in the company's media store; what is sent of it, and where it lies.

    Raises TooLarge.
    """
    stored = await kept(ctx, upload)
    content = OutMedia(
        kind=_KINDS.get(stored.mime.partition("/")[0], "document"),
        stored=stored.key,
        mime=stored.mime,
        caption=caption,
        filename=upload.filename,
        voice=stored.mime == "audio/ogg",
    )
    file = StoredFile(key=stored.key, filename=upload.filename, mime=stored.mime, size=stored.size)
    return content, file
