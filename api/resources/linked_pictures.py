"""Pictures by their address: fetched from public addresses alone, and sent like uploads."""

from urllib.parse import urlsplit

from actors.channels.base import OutMedia
from actors.http import HttpFailure, HttpRequest
from actors.media_types import HEAD, sniff
from actors.tickets.commands import StoredFile
from api.endpoint import Ctx
from api.errors import Detail, Invalid

FETCHING = 20.0
"""Seconds for the whole picture."""

LARGEST = 16 * 1024 * 1024
"""Bytes; a picture is held in memory while it is fetched, and no network takes a larger one."""


async def linked_picture(ctx: Ctx, url: str, caption: str) -> tuple[OutMedia, StoredFile]:
    """Fetch a picture and keep it; what is sent of it, and where it lies.

    Raises Invalid for an address that is not public, does not answer with a picture, or with one
    that is too large.
    """
    limit = min(LARGEST, ctx.parts.settings.upload_limit)
    request = HttpRequest(method="GET", url=url.strip(), deadline=FETCHING, named_by=ctx.company_id)
    async with ctx.parts.http.memory.hold(limit):
        reply = await ctx.parts.http.call(request, limit=limit)
        if isinstance(reply, HttpFailure):
            raise Invalid(Detail("$.url", "not allowed" if reply.blocked else "no answer"))
        if reply.status != 200:
            raise Invalid(Detail("$.url", f"answered {reply.status}"))
        claimed = reply.header("content-type")
        if not sniff(reply.body[:HEAD], claimed).startswith("image/"):
            raise Invalid(Detail("$.url", "not a picture"))
        stored = await ctx.parts.media.put(ctx.company_id, reply.body, limit=limit, claimed=claimed)
    name = urlsplit(url).path.rpartition("/")[2][:255] or "image"
    content = OutMedia(
        kind="image", stored=stored.key, mime=stored.mime, caption=caption, filename=name
    )
    file = StoredFile(key=stored.key, filename=name, mime=stored.mime, size=stored.size)
    return content, file
