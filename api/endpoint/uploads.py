"""Uploaded files on their way into the company's media store."""

from typing import Any

from actors.media import MediaTooLarge, StoredMedia
from api.endpoint.context import Ctx
from api.errors import Detail, Invalid, TooLarge
from api.http_types import Upload
from storage import settings


async def stored(ctx: Ctx, uploads: tuple[Upload, ...]) -> dict[str, Any]:
    """Keep the first uploaded file. Raises Invalid when there is none, TooLarge."""
    if not uploads:
        raise Invalid(Detail("$.file", "missing"))
    found = await kept(ctx, uploads[0])
    return {"media_path": found.key, "media_name": uploads[0].filename}


async def kept(ctx: Ctx, upload: Upload) -> StoredMedia:
    """An upload in the company's media store. Raises TooLarge."""
    limit = await settings.file_limit(
        ctx.parts.database, "uploadLimit", ctx.parts.settings.upload_limit
    )
    try:
        return await ctx.parts.media.put(
            ctx.company_id, upload.chunks(), limit=limit, claimed=upload.content_type
        )
    except MediaTooLarge as error:
        raise TooLarge from error
