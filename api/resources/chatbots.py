"""Chatbots: the menu tree of each department."""

from collections.abc import Sequence

import msgspec
from msgspec import field

from api.endpoint import Ctx, Id, crud
from storage import chatbots
from storage.chatbots import Chatbot
from storage.database import Statements


class ChatbotQuery(msgspec.Struct, kw_only=True):
    """Those of one department, or below one of them."""

    department_id: Id | None = field(name="queueId", default=None)
    parent_id: Id | None = field(name="chatbotId", default=None)


class ChatbotView(Chatbot, frozen=True, kw_only=True, rename="camel"):
    """An option with those below it."""

    options: tuple["ChatbotView", ...] = ()


def _tree(row: Chatbot, found: list[Chatbot], above: frozenset[int] = frozenset()) -> ChatbotView:
    """A ring of parents, which two changes can make, is cut where it closes."""
    seen = above | {row.id}
    below = [
        _tree(other, found, seen)
        for other in found
        if other.parent_id == row.id and other.id not in seen
    ]
    return ChatbotView(**msgspec.structs.asdict(row), options=tuple(below))


async def shown(ctx: Ctx, source: Statements, found: Sequence[Chatbot]) -> list[ChatbotView]:
    """Options, each with the tree below it."""
    every = await chatbots.rows.all_of(source, ctx.company_id)
    return [_tree(row, every) for row in found]


routes = crud(
    "/chatbot",
    chatbots.rows,
    noun="chatbot",
    missing="ERR_NO_CHATBOT_FOUND",
    only=("show", "create", "change", "delete"),
    needs=("name",),
    view=ChatbotView,
    show=shown,
)


@routes.get()
async def list_chatbots(ctx: Ctx, query: ChatbotQuery) -> list[ChatbotView]:
    """List the options at the top, each with the tree below it; or those that are asked for."""
    found = await chatbots.rows.all_of(ctx.parts.database, ctx.company_id)
    if query.department_id is None and query.parent_id is None:
        return [_tree(row, found) for row in found if row.parent_id is None]
    return [
        _tree(row, found)
        for row in found
        if (query.parent_id is None or row.parent_id == query.parent_id)
        and query.department_id in (None, row.department_id)
    ]
