"""A decision being made: a working copy of a contact's rows, the writes and the events so far.

Rules read and change a draft; nothing outside it changes until the unit it ends in is committed.
"""

from collections.abc import Container, Mapping
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import uuid4

import msgspec

from actors.errors import UnknownTicket
from actors.tickets import writes
from actors.tickets.state import Conversations, InputKey, active_on, newest_on
from storage.connections import network
from storage.contacts import Contact
from storage.events import DomainEvent
from storage.ids import (
    CompanyId,
    ConnectionId,
    DepartmentId,
    LogId,
    MessageId,
    OldMessageId,
    OutboxId,
    TicketId,
    TrackingId,
    UserId,
)
from storage.messages import Message
from storage.old_messages import OldMessage
from storage.outbox import OutboxRow
from storage.snapshots import CompanySnapshot
from storage.ticket_logs import TicketLog
from storage.ticket_trackings import TicketTracking
from storage.tickets import Status, Ticket
from storage.unit import Write


class NextId(Protocol):
    """Draws row ids that were reserved beforehand."""

    def __call__(self, table: str) -> int: ...


class NewMessage(NamedTuple):
    """A message to be stored, with what showing it needs."""

    message: Message
    author: Contact
    quoted: Message | None
    data: msgspec.Raw | None
    silent: bool


class Draft:
    """One turn's decision about one contact.

    `known` are stored messages that inputs refer to, `refused` inputs known to be committed,
    `authors` the contacts who wrote into a group, by the name that messages hold of each.
    """

    def __init__(
        self,
        state: Conversations,
        snapshot: CompanySnapshot,
        now: datetime,
        next_id: NextId,
        known: Mapping[str, Message] | None = None,
        refused: Container[InputKey] = (),
        authors: Mapping[str, Contact] | None = None,
    ) -> None:
        self.state = state
        self.snapshot = snapshot
        self.now = now
        self.contact = state.contact
        self.company_id: CompanyId = state.contact.company_id
        self.tickets: dict[TicketId, Ticket] = dict(state.tickets)
        self.trackings: dict[TicketId, TicketTracking] = dict(state.trackings)
        self.claimed: dict[InputKey, None] = {}
        self._next_id = next_id
        self._known = known or {}
        self.stored_ids: dict[MessageId, Message] = {
            message.id: message for message in self._known.values()
        }
        self._refused = refused
        self.authors = authors or {}
        self.deep: set[TicketId] = set()
        self.removed: dict[TicketId, Ticket] = {}
        self.read_tickets: dict[TicketId, None] = {}
        self.messages: dict[MessageId, NewMessage] = {}
        self.changed: dict[MessageId, Message] = {}
        self._by_provider: dict[str, MessageId] = {}
        self.tracked: dict[TrackingId, tuple[TicketTracking, bool]] = {}
        self.writes: list[Write] = []
        self.events: list[DomainEvent] = []
        self.orders: list[OutboxRow] = []

    def seen(self, key: InputKey) -> bool:
        """Whether this input is committed already, or part of this very decision."""
        return key in self.state.recent or key in self.claimed or key in self._refused

    def claim(self, key: InputKey, *, receipt: bool) -> None:
        """Counts an input once; `receipt` when no message row of its own claims it."""
        self.claimed[key] = None
        if receipt:
            self.writes.append(writes.claim(self.company_id, *key))

    def stored(self, provider_id: str) -> Message | None:
        """The message that a provider id names, as this decision leaves it so far."""
        new = self._by_provider.get(provider_id)
        if new is not None:
            return self.messages[new].message
        message = self._known.get(provider_id)
        return self.changed.get(message.id, message) if message is not None else None

    def author(self, message: Message | None) -> Contact:
        """Who wrote a message of the contact's side: in a group a contact of their own."""
        named = message.participant if message is not None else None
        return self.authors.get(named or "", self.contact)

    def ticket(self, ticket_id: TicketId) -> Ticket:
        """The ticket with this id. Raises UnknownTicket."""
        ticket = self.tickets.get(ticket_id)
        if ticket is None:
            raise UnknownTicket(str(ticket_id))
        return ticket

    def active_on(self, connection_id: ConnectionId | None) -> Ticket | None:
        """The running case on a connection."""
        return active_on(self.tickets.values(), connection_id)

    def newest_on(self, connection_id: ConnectionId | None) -> Ticket | None:
        """The case on a connection that changed last."""
        return newest_on(self.tickets.values(), connection_id)

    def new_ticket(
        self,
        status: Status,
        connection_id: ConnectionId | None,
        channel: str,
        *,
        user_id: UserId | None = None,
        department_id: DepartmentId | None = None,
        is_active_demand: bool = False,
        is_bot: bool = False,
    ) -> Ticket:
        """Opens a case."""
        ticket = Ticket(
            company_id=self.company_id,
            id=TicketId(self._next_id("tickets")),
            uuid=str(uuid4()),
            status=status,
            contact_id=self.contact.id,
            connection_id=connection_id,
            department_id=department_id,
            user_id=user_id,
            channel=network(channel),
            is_group=self.contact.is_group,
            is_bot=is_bot,
            is_active_demand=is_active_demand,
            created_at=self.now,
            updated_at=self.now,
        )
        self.tickets[ticket.id] = ticket
        return ticket

    def touch(self, ticket: Ticket, *, last_message: str, from_me: bool, unread: int) -> Ticket:
        """What a message changes on its ticket."""
        changed = msgspec.structs.replace(
            ticket,
            last_message=last_message,
            from_me=from_me,
            unread_messages=unread,
            inactive_notified=ticket.inactive_notified and from_me,
            updated_at=self.now,
        )
        self.tickets[ticket.id] = changed
        return changed

    def set_unread(self, ticket: Ticket, unread: int) -> Ticket:
        """Sets the counter alone; the ticket keeps its place in the lists."""
        if ticket.unread_messages == unread:
            return ticket
        changed = msgspec.structs.replace(ticket, unread_messages=unread)
        self.tickets[ticket.id] = changed
        return changed

    def change(self, ticket: Ticket, **fields: object) -> Ticket:
        """Changes columns of a ticket beyond those of `touch`."""
        changed = msgspec.structs.replace(ticket, updated_at=self.now, **fields)
        self.tickets[ticket.id] = changed
        self.deep.add(ticket.id)
        return changed

    def remove(self, ticket: Ticket) -> None:
        """Deletes a ticket with everything that hangs on it."""
        del self.tickets[ticket.id]
        self.trackings.pop(ticket.id, None)
        self.removed[ticket.id] = ticket
        self.writes.append(writes.remove_ticket(ticket))

    def mark_read(self, ticket: Ticket) -> None:
        """Marks the contact's messages read, those of this decision included."""
        before = self.state.tickets.get(ticket.id)
        if before is not None and before.unread_messages:
            self.read_tickets[ticket.id] = None
        for message_id, new in self.messages.items():
            if new.message.ticket_id == ticket.id and not new.message.read:
                read = msgspec.structs.replace(new.message, read=True)
                self.messages[message_id] = new._replace(message=read)

    def tracking(self, ticket: Ticket) -> TicketTracking:
        """The running track of a ticket; begins one where none runs."""
        running = self.trackings.get(ticket.id)
        if running is not None:
            return running
        tracking = TicketTracking(
            company_id=self.company_id,
            id=TrackingId(self._next_id("ticket_trackings")),
            ticket_id=ticket.id,
            connection_id=ticket.connection_id,
            department_id=ticket.department_id,
            user_id=ticket.user_id,
            queued_at=self.now if ticket.status == "pending" else None,
            started_at=self.now if ticket.status == "open" else None,
            created_at=self.now,
            updated_at=self.now,
        )
        self.tracked[tracking.id] = (tracking, True)
        self.trackings[ticket.id] = tracking
        return tracking

    def track(self, ticket: Ticket, **stamps: object) -> None:
        """Stamps the running track of a ticket."""
        running = self.tracking(ticket)
        changed = msgspec.structs.replace(running, updated_at=self.now, **stamps)
        _, is_new = self.tracked.get(running.id, (None, False))
        self.tracked[running.id] = (changed, is_new)
        if changed.finished_at is None:
            self.trackings[ticket.id] = changed
        else:
            del self.trackings[ticket.id]

    def replied(self, ticket: Ticket) -> None:
        """Stamps that a person of the company wrote, the first time in a run."""
        running = self.trackings.get(ticket.id)
        if running is not None and running.first_reply_at is None:
            self.track(ticket, first_reply_at=self.now)

    def log(self, ticket: Ticket, kind: str, user_id: UserId | None = None) -> None:
        """Writes one line of the ticket's history."""
        line = TicketLog(
            company_id=self.company_id,
            id=LogId(self._next_id("ticket_logs")),
            ticket_id=ticket.id,
            user_id=user_id,
            department_id=ticket.department_id,
            type=kind,
            created_at=self.now,
        )
        self.writes.append(writes.add_log(line))

    def message_id(self) -> MessageId:
        """The id of a message about to be added."""
        return MessageId(self._next_id("messages"))

    def add_message(
        self,
        message: Message,
        *,
        author: Contact | None = None,
        quoted: Message | None = None,
        data: msgspec.Raw | None = None,
        silent: bool = False,
    ) -> None:
        """Stores a message; `author` where that is not the conversation's contact (groups)."""
        self.messages[message.id] = NewMessage(
            message, author or self.contact, quoted, data, silent
        )
        if message.provider_id:
            self._by_provider[message.provider_id] = message.id

    def change_message(self, message: Message, **fields: object) -> Message:
        """Changes the body or the marks of a message, new or stored."""
        changed = msgspec.structs.replace(message, updated_at=self.now, **fields)
        new = self.messages.get(message.id)
        if new is not None:
            self.messages[message.id] = new._replace(message=changed)
        else:
            self.changed[message.id] = changed
        return changed

    def edit_message(self, message: Message, body: str) -> Message:
        """Gives a message a new text and keeps the one it had."""
        if message.body != body:
            old = OldMessage(
                company_id=self.company_id,
                id=OldMessageId(self._next_id("old_messages")),
                message_id=message.id,
                ticket_id=message.ticket_id,
                body=message.body,
                created_at=self.now,
            )
            self.writes.append(writes.add_old_message(old))
        return self.change_message(message, body=body, is_edited=True)

    def order(
        self,
        kind: str,
        payload: object,
        *,
        connection_id: ConnectionId | None,
        ticket: Ticket,
        message: Message | None = None,
        provider_id: str | None = None,
        key: str | None = None,
        policy: str = "ask",
    ) -> OutboxRow:
        """Stores an effect to perform after this decision is committed."""
        row = OutboxRow(
            company_id=self.company_id,
            id=OutboxId(self._next_id("outbox")),
            kind=kind,
            connection_id=connection_id,
            contact_id=self.contact.id,
            ticket_id=ticket.id,
            message_id=message.id if message is not None else None,
            provider_id=provider_id,
            idempotency_key=key,
            payload=msgspec.Raw(msgspec.json.encode(payload)),
            due_at=self.now,
            policy=policy,
            created_at=self.now,
            updated_at=self.now,
        )
        self.writes.append(writes.add_order(row))
        self.orders.append(row)
        return row

    def write(self, write: Write) -> None:
        """Adds a write that has no place of its own here."""
        self.writes.append(write)

    def publish(self, event: DomainEvent) -> None:
        """Adds an event after those of tickets and messages."""
        self.events.append(event)
