"""Forwarding: a message of one conversation is sent on into another."""

from typing import Any

import msgspec
from msgspec import field

from actors.channels.base import OutText
from actors.errors import OtherOpenTicket
from actors.forwards import content_of
from actors.tickets.commands import CreateTicket, SendMessage
from api.endpoint import Ctx, Id, Routes
from api.errors import Detail, Forbidden, Invalid
from api.resources.asking import ask, send_key, to_ticket
from api.resources.messages import Quoted, visible_quote
from api.resources.visibility import viewer, visible_message, visible_ticket
from storage import contacts
from storage.ids import ContactId, DepartmentId, MessageId, TicketId
from storage.tickets import Ticket
from storage.views import MessageView

routes = Routes(tag="messages", missing="ERR_NO_MESSAGE_FOUND", paid=True)


class Forward(msgspec.Struct, kw_only=True, rename="camel"):
    """What to send on, and to whom: a ticket, or a contact's running ticket or a new one."""

    message_id: Id
    contact_id: Id | None = None
    ticket_id: Id | None = None
    department_id: Id | None = field(name="queueId", default=None)
    quoted: Quoted | None = field(name="quotedMsg", default=None)
    sign_message: bool = False


@routes.post("/message/forward")
async def forward(ctx: Ctx, body: Forward) -> MessageView:
    """Send a message on to another contact, marked as forwarded."""
    message = await visible_message(ctx, MessageId(body.message_id))
    content, file = content_of(message)
    text = message.body
    if body.sign_message and isinstance(content, OutText):
        text = await _signed(ctx, text)
        content = OutText(body=text)
    quoted = await visible_quote(ctx, body.quoted)
    ticket = await _target(ctx, body)
    command = SendMessage(
        **to_ticket(ctx, ticket),
        content=content,
        body=text,
        file=file,
        quoted_message_id=quoted,
        forwarded=True,
        key=send_key(ctx),
    )
    return await ask(ctx, command)


@routes.post("/messages/forward")
async def forward_there(ctx: Ctx, body: Forward) -> MessageView:
    """The same under the path that other clients use."""
    return await forward(ctx, body)


async def _signed(ctx: Ctx, text: str) -> str:
    snapshot = await ctx.parts.snapshots.current(ctx.company_id)
    member = snapshot.users.get(ctx.user_id)
    return text if member is None else f"*{member.name}:*\n{text}"


async def _target(ctx: Ctx, body: Forward) -> Ticket:
    """The ticket to write into, opened for the caller where the contact has none.

    Raises Invalid without any target, NotFound for another company's, Forbidden for a ticket that
    the caller may not see.
    """
    if body.ticket_id is not None:
        return await visible_ticket(ctx, str(body.ticket_id))
    if body.contact_id is None:
        raise Invalid(Detail("$.contactId", "missing"))
    contact = await contacts.get(ctx.parts.database, ctx.company_id, ContactId(body.contact_id))
    who = await viewer(ctx)
    if contact.is_group and not (who.is_admin or who.allow_group):
        raise Forbidden
    department: dict[str, Any] = {}
    if body.department_id is not None:
        department["department_id"] = DepartmentId(body.department_id)
    command = CreateTicket(
        company_id=ctx.company_id,
        contact_id=contact.id,
        by=ctx.user_id,
        user_id=ctx.user_id,
        **department,
    )
    try:
        ticket_id = (await ask(ctx, command)).id
    except OtherOpenTicket as other:
        ticket_id = TicketId(other.ticket_id)
    return await visible_ticket(ctx, str(ticket_id))
