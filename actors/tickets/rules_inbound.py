"""What an input does to a contact's tickets: a pipeline of pure rules over a draft.

Order: seen before → not for us → which ticket → message → what follows from it. Rules that answer
by themselves (menus, hours, ratings, bots) belong in FOLLOWING.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final

import msgspec

from actors.channels.base import Inbound, InboundEdit, InboundMessage, InboundRevoke
from actors.errors import UnknownConnection
from actors.tickets.draft import Draft
from actors.tickets.showing import author_of
from storage.connections import Connection
from storage.ids import ConnectionId
from storage.messages import Message
from storage.tickets import Status, Ticket

AUTOMATIC: Final = "\u200e"
"""Begins every text that this program sends by itself."""

REACTION: Final = "reactionMessage"
DELETED_TEXT: Final = "🚫 Mensagem apagada"

FETCHED: Final = 2
"""The delivery state of a message that the business typed on its own phone: it has left."""


def take(draft: Draft, connection_id: ConnectionId, inbounds: Sequence[Inbound]) -> int:
    """Decides about inputs in order; returns how many had been seen before.

    Raises UnknownConnection: it was deleted, or is newer than what is known here. Nothing may be
    counted as taken then.
    """
    duplicates = 0
    connection = draft.snapshot.connections.get(connection_id)
    if connection is None:
        raise UnknownConnection(str(connection_id))
    for inbound in inbounds:
        key = (connection_id, inbound.provider_id)
        if draft.seen(key):
            duplicates += 1
        elif _concerns_us(draft, connection, inbound):
            _TAKERS[type(inbound)](draft, connection, inbound)
    return duplicates


def references(inbounds: Sequence[Inbound]) -> set[str]:
    """The provider ids of stored messages that deciding about these inputs needs."""
    found: set[str] = set()
    for inbound in inbounds:
        if isinstance(inbound, InboundMessage):
            found.add(inbound.reaction_to or inbound.quoted_id)
        else:
            found.add(inbound.target_id)
    found.discard("")
    return found


def authors(deliveries: Sequence[Sequence[Inbound]]) -> list[str]:
    """The names of those who wrote into a group, as messages hold them."""
    found = {
        _label(item.participant.aliases())
        for inbounds in deliveries
        for item in inbounds
        if isinstance(item, InboundMessage) and item.participant
    }
    return sorted(name for name in found if name)


def own_ids(deliveries: Sequence[Sequence[Inbound]]) -> tuple[str, ...]:
    """The provider ids of messages that the business typed on its own phone."""
    return tuple(
        [
            item.provider_id
            for inbounds in deliveries
            for item in inbounds
            if isinstance(item, InboundMessage) and item.from_me
        ]
    )


def _concerns_us(draft: Draft, connection: Connection, inbound: Inbound) -> bool:
    """Groups only where the connection wants them; never our own automatic texts' echo."""
    if inbound.group_id and not connection.allow_group:
        return False
    return not (
        isinstance(inbound, InboundMessage)
        and inbound.from_me
        and inbound.body.startswith(AUTOMATIC)
    )


def _take_message(draft: Draft, connection: Connection, inbound: InboundMessage) -> None:
    ticket = _ticket_for(draft, connection, inbound)
    if ticket is None:
        draft.claim((connection.id, inbound.provider_id), receipt=True)
        return
    draft.claim((connection.id, inbound.provider_id), receipt=False)
    tracking = draft.tracking(ticket)
    referred = inbound.reaction_to or inbound.quoted_id
    quoted = draft.stored(referred) if referred else None
    participant = inbound.participant
    message = Message(
        company_id=draft.company_id,
        id=draft.message_id(),
        ticket_id=ticket.id,
        contact_id=draft.contact.id,
        connection_id=connection.id,
        department_id=ticket.department_id,
        tracking_id=tracking.id,
        provider_id=inbound.provider_id,
        remote_jid=draft.contact.remote_jid,
        participant=_label(participant.aliases()) if participant else None,
        body=inbound.body,
        media_type=inbound.media_type,
        media_mime=inbound.media.mime if inbound.media else None,
        media_name=inbound.media.filename or None if inbound.media else None,
        from_me=inbound.from_me,
        ack=FETCHED if inbound.from_me else 0,
        read=inbound.from_me,
        is_forwarded=inbound.forwarded,
        quoted_id=quoted.id if quoted is not None else None,
        sent_at=inbound.timestamp,
        created_at=draft.now,
        updated_at=draft.now,
    )
    author = None
    if message.participant:
        author = draft.authors.get(message.participant) or author_of(
            draft.contact, inbound.name, message.participant
        )
    data = msgspec.Raw(inbound.raw) if inbound.raw else None
    draft.add_message(message, author=author, quoted=quoted, data=data)
    ticket = _touched(draft, ticket, inbound)
    if inbound.media is not None:
        draft.order(
            "media_fetch",
            inbound.media,
            connection_id=connection.id,
            ticket=ticket,
            message=message,
        )
    for rule in FOLLOWING:
        rule(draft, connection, ticket, inbound)


def _label(aliases: Sequence[tuple[str, str]]) -> str | None:
    return aliases[0][1] if aliases else None


def _touched(draft: Draft, ticket: Ticket, inbound: InboundMessage) -> Ticket:
    """Last message, direction and the unread counter, which our own message sets to zero."""
    if inbound.from_me:
        draft.replied(ticket)
        draft.mark_read(ticket)
        unread = 0
    else:
        unread = ticket.unread_messages + 1
    return draft.touch(ticket, last_message=inbound.body, from_me=inbound.from_me, unread=unread)


def _ticket_for(draft: Draft, connection: Connection, inbound: InboundMessage) -> Ticket | None:
    """The case this message belongs to: the running one, a recent one reopened, or a new one.

    A reaction never opens a case: it goes to the last one, or nowhere.
    """
    active = draft.active_on(connection.id)
    if active is not None:
        return active
    latest = draft.newest_on(connection.id)
    if inbound.media_type == REACTION:
        return latest
    if latest is not None and _reopens(draft, connection, latest):
        reopened = draft.change(
            latest, status=_waiting(draft, connection), user_id=None, is_bot=False
        )
        draft.log(reopened, "reopen")
        return reopened
    return _opened(draft, connection)


def _reopens(draft: Draft, connection: Connection, latest: Ticket) -> bool:
    window = timedelta(minutes=connection.reopen_minutes)
    return bool(window) and latest.updated_at >= draft.now - window


def _waiting(draft: Draft, connection: Connection) -> Status:
    if draft.contact.is_group and not connection.group_as_ticket:
        return "group"
    return "pending"


def _opened(draft: Draft, connection: Connection) -> Ticket:
    status = _waiting(draft, connection)
    wallets = draft.state.wallets
    owner = None
    if status == "pending" and draft.snapshot.settings.wallets_own_tickets and wallets:
        owner = wallets[0] if wallets[0] in draft.snapshot.users else None
    ticket = draft.new_ticket(
        "open" if owner is not None else status,
        connection.id,
        connection.channel,
        user_id=owner,
        is_bot=not draft.contact.is_group,
    )
    draft.log(ticket, "create")
    return ticket


def _take_edit(draft: Draft, connection: Connection, inbound: InboundEdit) -> None:
    draft.claim((connection.id, inbound.provider_id), receipt=True)
    target = _target(draft, inbound)
    if target is None or target.is_deleted:
        return
    draft.edit_message(target, inbound.body)
    _follow_last_message(draft, target, inbound.body)


def _take_revoke(draft: Draft, connection: Connection, inbound: InboundRevoke) -> None:
    draft.claim((connection.id, inbound.provider_id), receipt=True)
    target = _target(draft, inbound)
    if target is None or target.is_deleted:
        return
    settings = draft.snapshot.settings
    hide = settings.lgpd_enabled and settings.lgpd_hide_deleted
    draft.change_message(target, body=DELETED_TEXT if hide else target.body, is_deleted=True)
    _follow_last_message(draft, target, DELETED_TEXT)


def _target(draft: Draft, inbound: InboundEdit | InboundRevoke) -> Message | None:
    """The message meant, if it is of this conversation and of the same side."""
    target = draft.stored(inbound.target_id)
    if target is None or target.contact_id != draft.contact.id:
        return None
    return target if target.from_me == inbound.from_me else None


def _follow_last_message(draft: Draft, target: Message, text: str) -> None:
    """Shows the new text on the ticket where the old one was its last message."""
    ticket = draft.tickets.get(target.ticket_id)
    if ticket is not None and ticket.last_message == target.body:
        draft.change(ticket, last_message=text)


_TAKERS: Final[dict[type, Callable[..., None]]] = {
    InboundMessage: _take_message,
    InboundEdit: _take_edit,
    InboundRevoke: _take_revoke,
}

Rule = Callable[[Draft, Connection, Ticket, InboundMessage], None]

FOLLOWING: Final[tuple[Rule, ...]] = ()
"""What a stored message sets off, in order; each may change the ticket and order sends."""
