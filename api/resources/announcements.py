"""Announcements, written by operators, read by every company."""

from collections.abc import Sequence

import msgspec

from api.endpoint import Ctx, crud, super_user
from api.resources.media import signature
from storage import announcements
from storage.announcements import Announcement
from storage.database import Statements


async def shown(ctx: Ctx, _: Statements, found: Sequence[Announcement]) -> list[Announcement]:
    """Notices with the signed addresses of their files, which are another company's."""
    settings = ctx.parts.settings
    snapshot = await ctx.snapshot()
    views: list[Announcement] = []
    for notice in found:
        author, key = notice.author_company_id, notice.media_path
        if author is not None and key is not None:
            signed = signature(settings.secrets.media_secret, author, key)
            address = f"{snapshot.urls.file(author, key)}?s={signed}"
            notice = msgspec.structs.replace(notice, media_path=address)
        views.append(notice)
    return views


routes = crud(
    "/announcements",
    announcements.rows,
    noun="announcement",
    missing="ERR_NO_ANNOUNCEMENT_FOUND",
    write=super_user,
    needs=("title", "text"),
    fixed=("author_company_id",),
    stamp=lambda ctx: {"author_company_id": ctx.company_id},
    media=True,
    show=shown,
)
