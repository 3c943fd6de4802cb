"""Tags: labels on contacts and tickets, and lanes of the board."""

import msgspec

from api.endpoint import Ctx, Int, Routes, Short, admin, crud, user
from storage import tags
from storage.tags import Tag

MISSING = "ERR_NO_TAG_FOUND"

routes = crud(
    "/tags",
    tags.rows,
    noun="tag",
    missing=MISSING,
    plural="tags",
    only=("page", "show", "create", "delete"),
    write=user,
    needs=("name",),
    filters={"kanban": int},
)
changes = crud(
    "/tags", tags.rows, noun="tag", missing=MISSING, only=("change",), write=admin, needs=("name",)
)


class TagNames(msgspec.Struct, kw_only=True, rename="camel"):
    """Part of a name, and lanes (1) or plain tags (0)."""

    search_param: Short = ""
    kanban: Int | None = None


class Lanes(msgspec.Struct, frozen=True):
    """The lanes of the board."""

    lista: list[Tag]


@routes.get("/list")
async def list_names(ctx: Ctx, query: TagNames) -> list[Tag]:
    """List every tag by name, for choosing some."""
    text = query.search_param.strip().lower()
    found = [tag for tag in await _all(ctx, query.kanban) if text in tag.name.lower()]
    return sorted(found, key=lambda tag: tag.name.lower())


@routes.get("/kanban", feature="use_kanban")
async def list_lanes(ctx: Ctx) -> Lanes:
    """List the lanes of the board."""
    return Lanes(sorted(await _all(ctx, 1), key=lambda tag: tag.id))


lanes = Routes("/tag", tag="tags")


@lanes.get("/kanban", feature="use_kanban")
async def list_lanes_there(ctx: Ctx) -> Lanes:
    """The same under the path that other clients use."""
    return await list_lanes(ctx)


async def _all(ctx: Ctx, kanban: int | None) -> list[Tag]:
    snapshot = await ctx.parts.snapshots.current(ctx.company_id)
    return [tag for tag in snapshot.tags.values() if kanban is None or tag.kanban == kanban]
