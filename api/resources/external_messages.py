"""The external API: programs send messages, by the connection their token is bound to."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from msgspec import UNSET, field

from actors.channels.base import Outbound, OutText
from actors.errors import OtherOpenTicket
from actors.router import EnsureContact, NewContact
from actors.tickets.commands import CreateTicket, SendMessage, StoredFile, UpdateTicket
from api.endpoint import Ctx, Id, Routes, Short, Text, Upload, program
from api.errors import Detail, Invalid, Missing, NotAvailable
from api.resources.asking import ask, send_key
from api.resources.attachments import attached
from api.resources.linked_pictures import linked_picture
from api.resources.messages import Quoted
from storage import api_usages
from storage.connections import Connection, network
from storage.conversations import message_by_key
from storage.ids import ConnectionId, ContactId, DepartmentId, MessageId, TicketId, UserId
from storage.messages import Message
from storage.snapshots import CompanySnapshot
from storage.views import MessageView

routes = Routes(
    "/api/messages",
    tag="external",
    guard=program("messages:send"),
    missing="ERR_NO_CONTACT_FOUND",
    feature="use_external_api",
    paid=True,
)
_LONGEST_NUMBER = 17
Content = tuple[Outbound, str, StoredFile | None]
"""What is sent, its text, and the file it was made of."""


class ExternalMessage(msgspec.Struct, kw_only=True, rename="camel"):
    """Whom to write what; `medias` are files of a multipart form, `body` their first caption."""

    number: Short
    body: Text = ""
    user_id: Id | None = None
    department_id: Id | None = field(name="queueId", default=None)
    connection_id: Id | None = field(name="whatsappId", default=None)
    send_signature: bool = False
    close_ticket: bool = False
    no_register: bool = False
    quoted: Quoted | None = field(name="quotedMsg", default=None)


class Sent(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Stored, and ordered to be sent: what happens to it next is in the ticket."""

    status: str = "SUCCESS"
    ticket_id: int
    message_ids: tuple[int, ...]


@routes.post("/send", lacks="way to send without keeping what was sent")
async def send(ctx: Ctx, body: ExternalMessage, uploads: tuple[Upload, ...]) -> Sent:
    """Write to a number: its contact and ticket are found or made, then the order is stored."""
    if not uploads and not body.body.strip():
        raise Invalid(Detail("$.body", "empty"))
    ctx.parts.api_tokens.use(ctx.principal, len(uploads) - 1)

    async def contents(text: str) -> list[Content]:
        if not uploads:
            return [(OutText(body=text), text, None)]
        found: list[Content] = []
        for place, upload in enumerate(uploads):
            caption = text if place == 0 else ""
            content, file = await attached(ctx, upload, caption)
            found.append((content, caption, file))
        return found

    return await _delivered(ctx, body, max(len(uploads), 1), contents)


class LinkedImage(msgspec.Struct, kw_only=True, rename="camel"):
    """Whom to send which picture; `url` is fetched from here, from public addresses alone."""

    number: Short
    url: Text
    caption: Text = ""
    connection_id: Id | None = field(name="whatsappId", default=None)


@routes.post("/send/linkImage", deadline=60.0)
async def send_linked(ctx: Ctx, body: LinkedImage) -> Sent:
    """Send a picture by its address, and close the ticket."""
    whole = ExternalMessage(
        number=body.number,
        body=body.caption,
        connection_id=body.connection_id,
        close_ticket=True,
    )

    async def contents(text: str) -> list[Content]:
        content, file = await linked_picture(ctx, body.url, text)
        return [(content, text, file)]

    return await _delivered(ctx, whole, 1, contents)


async def _delivered(
    ctx: Ctx,
    body: ExternalMessage,
    count: int,
    contents: Callable[[str], Awaitable[list[Content]]],
) -> Sent:
    """Find or make contact and ticket, then store an order for each of `count` contents.

    What was sent before under this request's key is answered from: only the rest is sent, to the
    same ticket, and counted.
    """
    if body.no_register:
        raise NotAvailable
    snapshot = await ctx.parts.snapshots.current(ctx.company_id)
    own = connection_of(ctx, snapshot, body.connection_id)
    number = number_of(body.number)
    text = _signed(body, snapshot)
    if body.department_id is not None and body.department_id not in snapshot.departments:
        raise Invalid(Detail("$.queueId", "no such department"))
    before = await _sent_before(ctx, count)
    ready = await contents(text) if len(before) < count else []
    if before:
        contact_id, ticket_id = before[0].contact_id, before[0].ticket_id
    else:
        contact_id = await _contact(ctx, own, number)
        ticket_id = await _ticket(ctx, own, contact_id, body)
    sent: list[int] = [message.id for message in before]
    for place, (content, caption, file) in enumerate(ready[len(before) :], len(before)):
        message = await _send(ctx, contact_id, ticket_id, body, content, caption, file, place)
        sent.append(message.id)
        kind = "text" if file is None else file.mime
        await api_usages.count(ctx.parts.database, ctx.company_id, kind)
    if body.close_ticket:
        await ask(ctx, _change(ctx, contact_id, ticket_id, status="closed", farewell=False))
    return Sent(ticket_id=ticket_id, message_ids=tuple(sent))


def connection_of(ctx: Ctx, snapshot: CompanySnapshot, asked: int | None) -> Connection:
    """The one that the token is bound to, else the one that is asked for, else the default."""
    bound = ctx.principal.connection_id
    if bound is None and asked is None:
        found = snapshot.default_connection()
    else:
        found = snapshot.connections.get(ConnectionId(bound or asked or 0))
    if found is None:
        raise Missing(code="ERR_NO_DEF_WAPP_FOUND" if asked is None else "ERR_NO_WAPP_FOUND")
    return found


def number_of(text: str) -> str:
    """The digits of what was given; more than a phone number has name a group."""
    if "@" in text:
        text = text.partition("@")[0]
    number = "".join(letter for letter in text if letter in "0123456789-")
    if not 5 <= len(number) <= 40:
        raise Invalid(Detail("$.number", "digits with country code"))
    return number if len(number) > _LONGEST_NUMBER else number.replace("-", "")


def _signed(body: ExternalMessage, snapshot: CompanySnapshot) -> str:
    """The text, under the name of the user it is sent for where that is wanted."""
    if body.user_id is None:
        return body.body
    member = snapshot.users.get(UserId(body.user_id))
    if member is None:
        raise Invalid(Detail("$.userId", "no such user"))
    return f"*{member.name}:*\n{body.body}" if body.send_signature else body.body


async def _contact(ctx: Ctx, own: Connection, number: str) -> ContactId:
    new = NewContact(
        name=number,
        number=number,
        is_group=len(number) > _LONGEST_NUMBER,
        connection_id=own.id,
        channel=network(own.channel),
    )
    found = await ctx.parts.system.ask(EnsureContact(company_id=ctx.company_id, contact=new))
    return ContactId(found.id)


async def _ticket(
    ctx: Ctx, own: Connection, contact_id: ContactId, body: ExternalMessage
) -> TicketId:
    """The contact's active ticket on this connection, given to whom the caller names."""
    user_id = None if body.user_id is None else UserId(body.user_id)
    department_id = None if body.department_id is None else DepartmentId(body.department_id)
    command = CreateTicket(
        company_id=ctx.company_id,
        contact_id=contact_id,
        by=None,
        connection_id=own.id,
        user_id=user_id,
        department_id=department_id,
        status="pending" if user_id is None else "open",
    )
    try:
        return TicketId((await ask(ctx, command)).id)
    except OtherOpenTicket as other:
        ticket_id = TicketId(other.ticket_id)
    if user_id is not None or department_id is not None:
        given = {} if user_id is None else {"user_id": user_id, "status": "open"}
        where = UNSET if department_id is None else department_id
        await ask(ctx, _change(ctx, contact_id, ticket_id, department_id=where, **given))
    return ticket_id


def _change(ctx: Ctx, contact_id: ContactId, ticket_id: TicketId, **changes: Any) -> UpdateTicket:
    return UpdateTicket(
        company_id=ctx.company_id, contact_id=contact_id, ticket_id=ticket_id, by=None, **changes
    )


async def _send(
    ctx: Ctx,
    contact_id: ContactId,
    ticket_id: TicketId,
    body: ExternalMessage,
    content: Outbound,
    text: str,
    file: StoredFile | None,
    place: int,
) -> MessageView:
    command = SendMessage(
        company_id=ctx.company_id,
        contact_id=contact_id,
        ticket_id=ticket_id,
        by=None if body.user_id is None else UserId(body.user_id),
        content=content,
        body=text,
        file=file,
        quoted_message_id=None if body.quoted is None else MessageId(body.quoted.id),
        key=send_key(ctx, place),
    )
    return await ask(ctx, command)


async def _sent_before(ctx: Ctx, count: int) -> list[Message]:
    """The messages that an earlier try of this request sent: the first of `count`, in order."""
    found: list[Message] = []
    while len(found) < count and (key := send_key(ctx, len(found))):
        message = await message_by_key(ctx.parts.database, ctx.company_id, key)
        if message is None:
            break
        found.append(message)
    return found
