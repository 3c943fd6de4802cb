"""Tags: labels on contacts and tickets, and lanes of the board."""

from typing import Annotated

import msgspec
from msgspec import UNSET

from actors.events import RecordChanged
from api.endpoint import Ctx, Int, Named, Page, Routes, Short, admin
from api.errors import Detail, Invalid
from storage import tags
from storage.ids import CompanyId, TagId
from storage.tags import Tag, TagPatch
from storage.views import TagView, tag_view

routes = Routes(tag="tags", missing="ERR_NO_TAG_FOUND")
Body = Annotated[TagPatch, Named(TagView)]


class TagQuery(msgspec.Struct, kw_only=True, rename="camel"):
    """Part of a name, lanes (1) or plain tags (0), and which page."""

    search_param: Short = ""
    kanban: Int | None = None
    page_number: Page = 1


class TagPage(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A page of tags by name."""

    tags: list[TagView]
    count: int
    has_more: bool


class Lanes(msgspec.Struct, frozen=True):
    """The lanes of the board."""

    lista: list[TagView]


class Removed(msgspec.Struct, frozen=True):
    """A deletion's answer."""

    message: str = "Tag deleted"


@routes.get("/tags")
async def list_tags(ctx: Ctx, query: TagQuery) -> TagPage:
    """List tags by name."""
    wanted = [tag for tag in await _all(ctx, query.kanban) if _matches(tag, query.search_param)]
    start = (query.page_number - 1) * 20
    page = wanted[start : start + 20]
    more = len(wanted) > start + len(page)
    return TagPage(tags=[tag_view(tag) for tag in page], count=len(wanted), has_more=more)


@routes.get("/tags/list")
async def list_names(ctx: Ctx, query: TagQuery) -> list[TagView]:
    """List every tag, for choosing some."""
    found = await _all(ctx, query.kanban)
    return [tag_view(tag) for tag in found if _matches(tag, query.search_param)]


@routes.get("/tags/kanban", feature="use_kanban")
async def list_lanes(ctx: Ctx) -> Lanes:
    """List the lanes of the board."""
    lanes = sorted(await _all(ctx, 1), key=lambda tag: tag.id)
    return Lanes([tag_view(tag) for tag in lanes])


@routes.get("/tag/kanban", feature="use_kanban")
async def list_lanes_there(ctx: Ctx) -> Lanes:
    """The same under the path that other clients use."""
    return await list_lanes(ctx)


@routes.get("/tags/{tag_id}")
async def show(ctx: Ctx, tag_id: TagId) -> TagView:
    """Show a tag."""
    return tag_view(await tags.get(ctx.parts.database, ctx.company_id, tag_id))


@routes.post("/tags")
async def create(ctx: Ctx, body: Body) -> TagView:
    """Add a tag; its name is unique among tags, and among lanes."""
    if body.name is UNSET or not body.name.strip():
        raise Invalid(Detail("$.name", "missing"))
    async with ctx.parts.database.begin(ctx.company_id) as tx:
        made = await tags.create(tx, ctx.company_id, body)
        tx.publish(_changed(ctx.company_id, made, "create"))
        ctx.settle(tx, tag_view(made))
    return tag_view(made)


@routes.put("/tags/{tag_id}", guard=admin)
async def update(ctx: Ctx, tag_id: TagId, body: Body) -> TagView:
    """Change a tag."""
    async with ctx.parts.database.begin(ctx.company_id) as tx:
        changed = await tags.change(tx, ctx.company_id, tag_id, body)
        tx.publish(_changed(ctx.company_id, changed, "update"))
    return tag_view(changed)


@routes.delete("/tags/{tag_id}")
async def remove(ctx: Ctx, tag_id: TagId) -> Removed:
    """Delete a tag from everything that carries it."""
    async with ctx.parts.database.begin(ctx.company_id) as tx:
        await tags.delete(tx, ctx.company_id, tag_id)
        gone = RecordChanged(
            company_id=ctx.company_id, noun="tag", action="delete", record_id=tag_id
        )
        tx.publish(gone)
    return Removed()


async def _all(ctx: Ctx, kanban: int | None) -> list[Tag]:
    snapshot = await ctx.parts.snapshots.current(ctx.company_id)
    found = [tag for tag in snapshot.tags.values() if kanban is None or tag.kanban == kanban]
    return sorted(found, key=lambda tag: tag.name.lower())


def _matches(tag: Tag, text: str) -> bool:
    return text.strip().lower() in tag.name.lower()


def _changed(company_id: CompanyId, tag: Tag, action: str) -> RecordChanged:
    return RecordChanged(
        company_id=company_id,
        noun="tag",
        action=action,
        record_id=tag.id,
        record=tag_view(tag),
    )
