"""Tickets: lists as agents may see them, and everything that is done to one."""

from typing import cast

import msgspec
from msgspec import UNSET, UnsetType, field

from actors.tickets.commands import (
    CloseTickets,
    CreateTicket,
    DeleteTicket,
    LogAccess,
    MarkRead,
    MarkUnread,
    UpdateTicket,
)
from api.endpoint import Ctx, Id, Int, Routes, Short, Text, sees_real_time
from api.errors import Detail, Forbidden, Invalid
from api.resources.asking import ask, to_ticket
from api.resources.ticket_query import STATUSES, TicketQuery, filter_of
from api.resources.visibility import viewer, visible_ticket
from api.ticket_lists import one_shown
from storage import contacts, ticket_lists, tickets
from storage.ids import ConnectionId, ContactId, DepartmentId, TicketId, UserId
from storage.tickets import Ticket
from storage.time_zones import zone
from storage.views import TicketView

routes = Routes(tag="tickets", missing="ERR_NO_TICKET_FOUND", paid=True)


class TicketPage(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A page of tickets."""

    tickets: list[TicketView]
    count: int
    has_more: bool


class NewTicket(msgspec.Struct, kw_only=True, rename="camel"):
    """A conversation that an agent opens."""

    contact_id: Id
    status: Short = "open"
    user_id: Id | None = None
    department_id: Id | None = field(name="queueId", default=None)
    connection_id: Id | None = field(name="whatsappId", default=None)


class TicketChange(msgspec.Struct, kw_only=True, rename="camel"):
    """Accept, return, transfer, close, reopen: what is sent is set, the rest stays."""

    status: Short | UnsetType = UNSET
    user_id: Id | UnsetType | None = UNSET
    department_id: Id | UnsetType | None = field(name="queueId", default=UNSET)
    connection_id: Id | UnsetType | None = field(name="whatsappId", default=UNSET)
    unread: Int | UnsetType = field(name="unreadMessages", default=UNSET)
    last_message: Text | UnsetType = UNSET
    is_bot: bool | UnsetType = UNSET
    use_integration: bool | UnsetType = UNSET
    integration_id: Id | UnsetType | None = UNSET
    bot_budget_used: Int | UnsetType = field(name="amountUsedBotQueues", default=UNSET)
    send_farewell: bool = field(name="sendFarewellMessage", default=True)
    just_close: bool = False
    transferred: bool = field(name="isTransfered", default=False)
    note: Text = field(name="msgTransfer", default="")


class Closing(msgspec.Struct):
    """Which tickets to close."""

    status: Short = ""


class Removed(msgspec.Struct, frozen=True):
    """A deletion's answer."""

    message: str = "ticket deleted"


@routes.get("/tickets")
async def list_tickets(ctx: Ctx, query: TicketQuery) -> TicketPage:
    """List the tickets of one column, or search, as far as the caller may see them."""
    return await _page(ctx, query, ticket_lists.PAGE)


@routes.get("/ticket/kanban", feature="use_kanban")
async def list_board(ctx: Ctx, query: TicketQuery) -> TicketPage:
    """List the tickets of the board: what is open or waits."""
    return await _board(ctx, query)


@routes.get("/dashboard/moments", guard=sees_real_time)
async def list_moments(ctx: Ctx, query: TicketQuery) -> list[TicketView]:
    """List what is open or waits now, for the live board by department."""
    return (await list_board(ctx, query)).tickets


@routes.get("/usersMoments", guard=sees_real_time)
async def list_user_moments(ctx: Ctx, query: TicketQuery) -> list[TicketView]:
    """List what agents are working on now, for the live board by user."""
    return (await _board(ctx, query, owned=True)).tickets


@routes.get("/tickets/u/{uuid}")
async def show_by_uuid(ctx: Ctx, uuid: str) -> TicketView:
    """Show a ticket by its public id, and note that it was looked into and read."""
    ticket = await visible_ticket(ctx, uuid)
    await ask(ctx, LogAccess(**to_ticket(ctx, ticket)))
    if ticket.unread_messages and ticket.status in ("open", "group"):
        return await ask(ctx, MarkRead(**to_ticket(ctx, ticket)))
    return await _shown(ctx, ticket)


@routes.get("/tickets/{ticket_id}")
async def show(ctx: Ctx, ticket_id: TicketId) -> TicketView:
    """Show a ticket and note that it was looked into."""
    ticket = await visible_ticket(ctx, str(ticket_id))
    await ask(ctx, LogAccess(**to_ticket(ctx, ticket)))
    return await _shown(ctx, ticket)


@routes.post("/tickets")
async def create(ctx: Ctx, body: NewTicket) -> TicketView:
    """Open a conversation with a contact; refused while one is active on that connection."""
    database, company_id = ctx.parts.database, ctx.company_id
    contact = await contacts.get(database, company_id, ContactId(body.contact_id))
    if contact.is_group and not (ctx.principal.is_admin or ctx.principal.allow_group):
        raise Forbidden
    command = CreateTicket(
        company_id=company_id,
        contact_id=contact.id,
        by=ctx.user_id,
        connection_id=None if body.connection_id is None else ConnectionId(body.connection_id),
        user_id=None if body.user_id is None else UserId(body.user_id),
        department_id=None if body.department_id is None else DepartmentId(body.department_id),
        status=_status(body.status),
    )
    return await ask(ctx, command)


@routes.put("/tickets/{ticket_id}")
async def update(ctx: Ctx, ticket_id: TicketId, body: TicketChange) -> TicketView:
    """Accept, return, transfer, close or reopen a ticket."""
    ticket = await visible_ticket(ctx, str(ticket_id))
    changed = {
        name: value
        for name, value in msgspec.structs.asdict(body).items()
        if name not in ("send_farewell", "just_close")
    }
    if body.status is not UNSET and _status(body.status) == "closed":
        _check_closing(ctx, ticket.status)
    command = UpdateTicket(
        **to_ticket(ctx, ticket),
        farewell=body.send_farewell and not body.just_close,
        **changed,
    )
    return await ask(ctx, command)


@routes.put("/setunredmsg/{ticket_id}")
async def mark_unread(ctx: Ctx, ticket_id: TicketId) -> TicketView:
    """Show a ticket as unread again."""
    ticket = await visible_ticket(ctx, str(ticket_id))
    command = MarkUnread(
        company_id=ticket.company_id, contact_id=ticket.contact_id, ticket_id=ticket.id
    )
    return await ask(ctx, command)


@routes.delete("/tickets/{ticket_id}")
async def remove(ctx: Ctx, ticket_id: TicketId) -> Removed:
    """Delete a ticket with its messages: its agent, or an admin."""
    ticket = await visible_ticket(ctx, str(ticket_id))
    if not ctx.principal.is_admin and ticket.user_id != ctx.user_id:
        raise Forbidden
    await ask(ctx, DeleteTicket(**to_ticket(ctx, ticket)))
    return Removed()


@routes.post("/tickets/closeAll")
async def close_all(ctx: Ctx, body: Closing) -> None:
    """Close every ticket of one status, an agent his own, without a farewell."""
    status = _status(body.status)
    _check_closing(ctx, status)
    owner = None if (await viewer(ctx)).is_admin else ctx.user_id
    chosen = await tickets.contacts_with(
        ctx.parts.database,
        ctx.company_id,
        status,
        user_id=owner,
    )
    for contact_id in chosen:
        command = CloseTickets(
            company_id=ctx.company_id,
            contact_id=contact_id,
            by=ctx.user_id,
            status=status,
            user_id=owner,
        )
        await ask(ctx, command)


async def _board(ctx: Ctx, query: TicketQuery, *, owned: bool = False) -> TicketPage:
    query.not_closed = True
    return await _page(ctx, query, 400, owned=owned)


async def _page(ctx: Ctx, query: TicketQuery, size: int, *, owned: bool = False) -> TicketPage:
    snapshot = await ctx.parts.snapshots.current(ctx.company_id)
    wanted = filter_of(query, zone(snapshot.company.timezone), size)
    if owned:
        wanted = msgspec.structs.replace(wanted, owned=True)
    lists = ctx.parts.ticket_lists
    cards = lists.cards(snapshot)
    page = await ticket_lists.page(
        ctx.parts.database,
        ctx.company_id,
        await viewer(ctx),
        wanted,
        known=cards,
        counts=lists.counts,
        marks=ctx.parts.marks,
    )
    lists.add(cards, page.rows, snapshot)
    return TicketPage(
        # Encoded already: JSON does not tell a view from its text.
        tickets=cast("list[TicketView]", [cards[key] for key in page.keys]),
        count=page.count,
        has_more=page.more,
    )


async def _shown(ctx: Ctx, ticket: Ticket) -> TicketView:
    snapshot = await ctx.parts.snapshots.current(ctx.company_id)
    rows = await ticket_lists.one(ctx.parts.database, ctx.company_id, ticket.id)
    return one_shown(rows, snapshot)


def _check_closing(ctx: Ctx, status: str) -> None:
    """Raises Forbidden for agents who may not close what still waits."""
    who = ctx.principal
    if status == "pending" and not (who.is_admin or who.close_pending_ticket):
        raise Forbidden


def _status(name: str) -> str:
    if name not in STATUSES:
        raise Invalid(Detail("$.status", "no such status"))
    return name
