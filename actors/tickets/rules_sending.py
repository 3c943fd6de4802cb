"""What an agent's message does: the bubble, its order to be sent, and the ticket's counters."""

from typing import Final

import msgspec

from actors.channels.base import (
    Channel,
    Identity,
    Outbound,
    OutButtons,
    OutCallButton,
    OutContacts,
    OutCopyButton,
    OutEdit,
    OutList,
    OutLocation,
    OutLocationRequest,
    OutMedia,
    OutPix,
    OutReaction,
    OutRead,
    OutRevoke,
    OutTemplate,
    OutText,
    OutUrlButton,
    Unsendable,
)
from actors.channels.registry import Channels, UnknownChannel
from actors.errors import (
    InvalidRequest,
    NoDefaultConnection,
    NotConnected,
    NotDeletable,
    NotEditable,
    NotSupported,
)
from actors.events import MessageRemoved
from actors.texts import rendered
from actors.tickets import writes
from actors.tickets.commands import SendMessage, StoredFile, WriteNote
from actors.tickets.draft import Draft
from actors.tickets.rules_inbound import AUTOMATIC, REACTION
from storage.connections import Connection
from storage.contacts import Contact
from storage.ids import ConnectionId, UserId
from storage.messages import Message
from storage.tickets import Ticket
from storage.views import message_view

CONNECTED: Final = "CONNECTED"
PENDING: Final = 1
NOTE_PREFIX: Final = "PVT"


class Refused(InvalidRequest):
    """The channel would never accept this message; `code` says why."""

    def __init__(self, error: Unsendable) -> None:
        super().__init__(str(error))
        self.code = error.code


def destination(contact: Contact) -> Identity:
    """The name by which the contact is written to."""
    number = contact.number
    if contact.channel != "whatsapp":
        return Identity(scoped_id=number)
    if number.isdigit():
        return Identity(phone=number)
    if contact.remote_jid and contact.remote_jid.endswith("@lid"):
        return Identity(lid=number)
    return Identity(bsuid=number)


def usable_connection(draft: Draft, ticket: Ticket) -> tuple[Ticket, Connection]:
    """The connection that carries this ticket's sends; a ticket without one gets the default.

    Raises NoDefaultConnection, or NotConnected when it has no live session.
    """
    connections = draft.snapshot.connections
    connection = connections.get(ticket.connection_id or ConnectionId(0))
    if connection is None:
        connection = draft.snapshot.default_connection()
        if connection is None or draft.active_on(connection.id) not in (None, ticket):
            msg = f"ticket {ticket.id}"
            raise NoDefaultConnection(msg)
        ticket = draft.change(ticket, connection_id=connection.id)
    if connection.status != CONNECTED:
        raise NotConnected(connection.name)
    return ticket, connection


def _channel(channels: Channels, connection: Connection) -> Channel:
    try:
        return channels.get(connection.channel)
    except UnknownChannel:
        raise NotConnected(connection.channel) from None


def send(draft: Draft, channels: Channels, command: SendMessage, quoted: Message | None) -> Message:
    """Stores an agent's message with the order to send it."""
    ticket = draft.ticket(command.ticket_id)
    content = command.content
    if not command.forwarded:  # what somebody else wrote is passed on as it is
        content = _rendered(draft, ticket, content)
    return _send(
        draft,
        channels,
        ticket,
        content,
        by=command.by,
        body=command.body,
        media_type=command.media_type,
        file=command.file,
        quoted=quoted,
        forwarded=command.forwarded,
        key=command.key,
    )


def send_automatic(draft: Draft, channels: Channels, ticket: Ticket, text: str) -> None:
    """Sends a text of the settings, marked as automatic; an empty one is not sent."""
    body = rendered(text, ticket, draft.contact, draft.snapshot, draft.now).strip()
    if body:
        _send(draft, channels, ticket, OutText(body=AUTOMATIC + body), policy="drop")


def _rendered(draft: Draft, ticket: Ticket, content: Outbound) -> Outbound:
    if isinstance(content, OutText):
        body = rendered(content.body, ticket, draft.contact, draft.snapshot, draft.now)
        return msgspec.structs.replace(content, body=body)
    return content


def _send(
    draft: Draft,
    channels: Channels,
    ticket: Ticket,
    content: Outbound,
    *,
    by: UserId | None = None,
    body: str = "",
    media_type: str = "",
    file: StoredFile | None = None,
    quoted: Message | None = None,
    forwarded: bool = False,
    key: str = "",
    policy: str = "ask",
) -> Message:
    ticket, connection = usable_connection(draft, ticket)
    channel = _channel(channels, connection)
    content = _addressed(draft, content, quoted)
    try:
        channel.check(content)
    except Unsendable as error:
        raise Refused(error) from error
    provider_id = channel.new_provider_id() or None
    shown, kind = shown_as(content)
    message = Message(
        company_id=draft.company_id,
        id=draft.message_id(),
        ticket_id=ticket.id,
        contact_id=draft.contact.id,
        connection_id=connection.id,
        department_id=ticket.department_id,
        user_id=by,
        tracking_id=draft.tracking(ticket).id if ticket.is_active else None,
        provider_id=provider_id,
        remote_jid=draft.contact.remote_jid,
        body=body or shown,
        media_type=media_type or kind,
        media_path=file.key if file else getattr(content, "link", "") or None,
        media_mime=file.mime if file else None,
        media_name=file.filename if file else None,
        from_me=True,
        ack=PENDING,
        read=True,
        is_forwarded=forwarded,
        quoted_id=quoted.id if quoted is not None else None,
        created_at=draft.now,
        updated_at=draft.now,
    )
    draft.add_message(message, quoted=quoted)
    if by is not None and not isinstance(content, OutReaction):
        draft.replied(ticket)
    draft.mark_read(ticket)
    draft.touch(ticket, last_message=message.body, from_me=True, unread=0)
    draft.order(
        "send",
        content,
        connection_id=connection.id,
        ticket=ticket,
        message=message,
        provider_id=provider_id,
        key=key or None,
        policy=policy,
    )
    return message


def _addressed(draft: Draft, content: Outbound, quoted: Message | None) -> Outbound:
    contact = draft.contact
    answers = quoted is not None and not isinstance(content, OutReaction)
    quoted_id = (quoted.provider_id or "") if quoted is not None and answers else ""
    if contact.is_group:
        return msgspec.structs.replace(content, group_id=contact.number, quoted_id=quoted_id)
    return msgspec.structs.replace(content, to=destination(contact), quoted_id=quoted_id)


_MEDIA_TYPES: Final = {"document": "application"}
_BUTTONED: Final = (
    OutButtons,
    OutUrlButton,
    OutCallButton,
    OutCopyButton,
    OutPix,
    OutLocationRequest,
)


def shown_as(content: Outbound) -> tuple[str, str]:
    """The text and the family's media type under which agents see what was sent."""
    if isinstance(content, OutText):
        return content.body, "conversation"
    if isinstance(content, OutMedia):
        kind = _MEDIA_TYPES.get(content.kind, content.kind)
        return content.caption or content.filename, kind
    if isinstance(content, OutReaction):
        return content.emoji, REACTION
    if isinstance(content, OutContacts):
        return ", ".join(card.formatted_name for card in content.contacts), "contactMessage"
    if isinstance(content, OutLocation):
        return content.location.name or "📍", "locationMessage"
    if isinstance(content, OutTemplate):
        return content.name, "templateMessage"
    if isinstance(content, OutList):
        return content.body, "listMessage"
    if isinstance(content, _BUTTONED):
        return content.body, "buttonsMessage"
    code = "ERR_VALIDATION"
    raise Refused(Unsendable(code, f"{type(content).__name__} is not a message of its own"))


def write_note(draft: Draft, command: WriteNote, quoted: Message | None) -> Message:
    """Stores a private note; the customer never sees it and no counter moves."""
    ticket = draft.ticket(command.ticket_id)
    return note(draft, ticket, command.body, by=command.by, file=command.file, quoted=quoted)


def note(
    draft: Draft,
    ticket: Ticket,
    body: str,
    *,
    by: UserId | None,
    file: StoredFile | None = None,
    quoted: Message | None = None,
) -> Message:
    """A private note on a ticket."""
    message_id = draft.message_id()
    message = Message(
        company_id=draft.company_id,
        id=message_id,
        ticket_id=ticket.id,
        contact_id=draft.contact.id,
        connection_id=ticket.connection_id,
        department_id=ticket.department_id,
        user_id=by,
        provider_id=f"{NOTE_PREFIX}{message_id}",
        body=body or (file.filename if file else ""),
        media_type=file.mime.partition("/")[0] if file else "conversation",
        media_path=file.key if file else None,
        media_mime=file.mime if file else None,
        media_name=file.filename if file else None,
        from_me=True,
        ack=2,
        read=True,
        is_private=True,
        quoted_id=quoted.id if quoted is not None else None,
        created_at=draft.now,
        updated_at=draft.now,
    )
    draft.add_message(message, quoted=quoted)
    return message


def tell_read(draft: Draft, channels: Channels, ticket: Ticket) -> None:
    """Orders a read receipt for the newest message that came by the ticket's connection."""
    connection = draft.snapshot.connections.get(ticket.connection_id or ConnectionId(0))
    if connection is None or connection.channel not in channels:
        return
    if not channels.get(connection.channel).capabilities.reads:
        return
    newest = draft.state.received.get(connection.id)
    if newest is not None and connection.status == CONNECTED:
        content = _addressed(draft, OutRead(message_id=newest), None)
        draft.order("mark_read", content, connection_id=connection.id, ticket=ticket, policy="drop")


def react(
    draft: Draft, channels: Channels, target: Message, emoji: str, by: UserId | None
) -> Message:
    """Puts an emoji on a message. Raises NotSupported where the channel cannot."""
    ticket = draft.ticket(target.ticket_id)
    _, connection = usable_connection(draft, ticket)
    if not _channel(channels, connection).capabilities.reactions or not target.provider_id:
        msg = "reactions"
        raise NotSupported(msg)
    content = OutReaction(target_id=target.provider_id, emoji=emoji)
    return _send(draft, channels, ticket, content, by=by, quoted=target)


def edit(draft: Draft, channels: Channels, message: Message, body: str) -> Message:
    """Replaces the text of our message. Raises NotEditable, NotSupported, NotConnected."""
    if not message.from_me or message.is_deleted:
        raise NotEditable(str(message.id))
    ticket = draft.ticket(message.ticket_id)
    if not message.is_private:
        ticket, connection = usable_connection(draft, ticket)
        if not _channel(channels, connection).capabilities.edits or not message.provider_id:
            msg = "edits"
            raise NotSupported(msg)
        content = _addressed(draft, OutEdit(target_id=message.provider_id, body=body), None)
        draft.order("edit", content, connection_id=connection.id, ticket=ticket)
    changed = draft.edit_message(message, body)
    if ticket.last_message == message.body:
        draft.change(ticket, last_message=body)
    return changed


def delete(draft: Draft, channels: Channels, message: Message) -> Message:
    """Deletes our message for everyone, or a private note. Raises NotDeletable, NotSupported."""
    if message.is_private:
        draft.write(writes.remove_message(message))
        draft.publish(
            MessageRemoved(
                company_id=draft.company_id,
                message=message_view(
                    msgspec.structs.replace(message, is_deleted=True), draft.snapshot
                ),
            )
        )
        return message
    if not message.from_me or message.is_deleted:
        raise NotDeletable(str(message.id))
    ticket, connection = usable_connection(draft, draft.ticket(message.ticket_id))
    if not _channel(channels, connection).capabilities.revokes or not message.provider_id:
        msg = "deleting for everyone"
        raise NotSupported(msg)
    content = _addressed(draft, OutRevoke(target_id=message.provider_id), None)
    draft.order("revoke", content, connection_id=connection.id, ticket=ticket)
    return draft.change_message(message, is_deleted=True)
