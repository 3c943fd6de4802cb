"""Messages of a conversation: read, send, edit, delete, and private notes."""

from collections.abc import Mapping

import msgspec
from msgspec import field

from actors.channels.base import Outbound, OutText
from actors.tickets.commands import (
    DeleteMessage,
    EditMessage,
    MarkRead,
    React,
    SendMessage,
    StoredFile,
    WriteNote,
)
from api.endpoint import Ctx, Id, Page, Routes, Short, Text, Upload
from api.errors import Detail, Invalid
from api.resources.asking import ask, send_key, to_message, to_ticket
from api.resources.attachments import attached
from api.resources.visibility import viewer, visible_message, visible_ticket
from storage import contact_book, message_pages, old_messages
from storage.contacts import Contact
from storage.errors import NotFound
from storage.ids import MessageId
from storage.message_pages import MessageRows
from storage.old_messages import OldMessage
from storage.snapshots import CompanySnapshot
from storage.tickets import Ticket
from storage.views import MessageView, TicketView, message_view, ticket_view

routes = Routes("/messages", tag="messages", missing="ERR_NO_MESSAGE_FOUND", paid=True)


class MessageQuery(msgspec.Struct, kw_only=True, rename="camel"):
    """Which page; reading marks the ticket read unless `markAsRead` is false."""

    page_number: Page = 1
    mark_as_read: bool = True


class MessagePage(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A page of a conversation, oldest first."""

    messages: list[MessageView]
    ticket: TicketView
    count: int
    has_more: bool


class Quoted(msgspec.Struct):
    """The message that is answered; clients send it whole, its id counts."""

    id: Id


class NewMessage(msgspec.Struct, kw_only=True, rename="camel"):
    """A text, or one caption for each file; `isPrivate` makes it a note that is never sent."""

    body: list[Text] = []
    quoted: Quoted | None = field(name="quotedMsg", default=None)
    is_private: bool = False


class NewText(msgspec.Struct):
    """A message's new text."""

    body: Text


class EarlierTexts(msgspec.Struct, frozen=True, rename="camel"):
    """What an edited message said before."""

    old_messages: list[OldMessage]


class Reaction(msgspec.Struct, kw_only=True):
    """An emoji; empty takes it back."""

    emoji: Short = field(name="type", default="")


@routes.get("/{ticket_key}")
async def list_messages(ctx: Ctx, ticket_key: str, query: MessageQuery) -> MessagePage:
    """Show a page of the conversation of a ticket (id or uuid), earlier tickets included."""
    ticket = await visible_ticket(ctx, ticket_key)
    unread = ticket.unread_messages > 0 and ticket.status in ("open", "group")
    shown = None
    if query.mark_as_read and unread:
        shown = await ask(ctx, MarkRead(**to_ticket(ctx, ticket)))
    return await _page(ctx, ticket, shown, query.page_number)


@routes.post("/{ticket_key}")
async def send(
    ctx: Ctx, ticket_key: str, body: NewMessage, uploads: tuple[Upload, ...]
) -> MessageView | None:
    """Send text or files, or write a private note; answers the last message of what was sent."""
    ticket = await visible_ticket(ctx, ticket_key)
    sent = None
    if not uploads:
        text = "\n".join(body.body)
        if not text.strip():
            raise Invalid(Detail("$.body", "empty"))
        return await _send(ctx, ticket, body, OutText(body=text), text, None, 0)
    for place, upload in enumerate(uploads):
        caption = body.body[place] if place < len(body.body) else ""
        content, file = await attached(ctx, upload, caption)
        sent = await _send(ctx, ticket, body, content, caption, file, place)
    return sent


@routes.post("/edit/{message_id}")
async def edit(ctx: Ctx, message_id: MessageId, body: NewText) -> MessageView:
    """Replace the text of an own message, where the channel can."""
    message = await visible_message(ctx, message_id)
    return await ask(ctx, EditMessage(**to_message(ctx, message), body=body.body))


@routes.put("/{message_id}")
async def edit_there(ctx: Ctx, message_id: MessageId, body: NewText) -> MessageView:
    """The same under the path that other clients use."""
    return await edit(ctx, message_id, body)


@routes.get("/{message_id}/history")
async def list_earlier_texts(ctx: Ctx, message_id: MessageId) -> EarlierTexts:
    """Show the texts a message had before it was edited, the first one first."""
    message = await visible_message(ctx, message_id)
    found = await old_messages.of_message(ctx.parts.database, ctx.company_id, message.id)
    return EarlierTexts(found)


@routes.post("/react/{message_id}")
async def react(ctx: Ctx, message_id: MessageId, body: Reaction) -> MessageView:
    """Put an emoji on a message, or take it back."""
    message = await visible_message(ctx, message_id)
    return await ask(ctx, React(**to_message(ctx, message), emoji=body.emoji))


@routes.post("/{message_id}/reactions")
async def react_there(ctx: Ctx, message_id: MessageId, body: Reaction) -> MessageView:
    """The same under the path that other clients use."""
    return await react(ctx, message_id, body)


@routes.delete("/{message_id}")
async def remove(ctx: Ctx, message_id: MessageId) -> MessageView:
    """Delete an own message for everyone, or a private note."""
    message = await visible_message(ctx, message_id)
    return await ask(ctx, DeleteMessage(**to_message(ctx, message)))


async def _send(
    ctx: Ctx,
    ticket: Ticket,
    body: NewMessage,
    content: Outbound,
    text: str,
    file: StoredFile | None,
    place: int,
) -> MessageView:
    quoted = await visible_quote(ctx, body.quoted)
    if body.is_private:
        note = WriteNote(**to_ticket(ctx, ticket), body=text, file=file, quoted_message_id=quoted)
        return await ask(ctx, note)
    command = SendMessage(
        **to_ticket(ctx, ticket),
        content=content,
        body=text,
        file=file,
        quoted_message_id=quoted,
        key=send_key(ctx, place),
    )
    return await ask(ctx, command)


async def visible_quote(ctx: Ctx, quoted: Quoted | None) -> MessageId | None:
    """The message that is answered, which its quote shows; None for one that is not there.

    Raises Forbidden for one in a ticket that the caller may not open.
    """
    if quoted is None:
        return None
    try:
        return (await visible_message(ctx, MessageId(quoted.id))).id
    except NotFound:
        return None


async def _authors(ctx: Ctx, contact: Contact, rows: MessageRows) -> Mapping[str, Contact]:
    """Who wrote into a group, by the name that messages hold of each; nobody elsewhere."""
    found = {message.participant for message in (*rows.messages, *rows.quoted)}
    names = sorted(name for name in found if name)
    if not contact.is_group or not names:
        return {}
    database, company_id = ctx.parts.database, ctx.company_id
    return await contact_book.authors_of(database, company_id, contact.channel, names)


def _views(
    rows: MessageRows,
    contact: Contact,
    authors: Mapping[str, Contact],
    snapshot: CompanySnapshot,
) -> list[MessageView]:
    quoted = {message.id: message for message in rows.quoted}
    shown = []
    for message in rows.messages:
        answered = quoted.get(message.quoted_id) if message.quoted_id else None
        view = message_view(
            message,
            snapshot,
            contact=authors.get(message.participant or "", contact),
            quoted=answered,
            quoted_contact=authors.get(answered.participant or "", contact) if answered else None,
        )
        shown.append(view)
    return shown


async def _page(ctx: Ctx, ticket: Ticket, shown: TicketView | None, number: int) -> MessagePage:
    """A page under its ticket: `shown` where it has just changed, else as it was read."""
    database, company_id = ctx.parts.database, ctx.company_id
    snapshot = await ctx.parts.snapshots.current(company_id)
    rows = await message_pages.page(
        database, company_id, await viewer(ctx), ticket, number=number, marks=ctx.parts.marks
    )
    if rows.contact is None:
        raise NotFound  # deleted since the ticket was read
    views = _views(rows, rows.contact, await _authors(ctx, rows.contact, rows), snapshot)
    return MessagePage(
        messages=views,
        ticket=shown or ticket_view(ticket, rows.contact, rows.tags, snapshot),
        count=rows.count,
        has_more=rows.more,
    )
