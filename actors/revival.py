"""Events from the log as they would be published now: kind and ids, with the rows loaded again.

The log keeps no contents, so a revived event shows its rows as they are today; where they are
gone there is nothing to show.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from actors.configuration import SnapshotCache
from actors.events import (
    ConnectionChanged,
    ConnectionRemoved,
    ContactChanged,
    ContactRemoved,
    ContactsImported,
    MailingListFilled,
    MessageChanged,
    MessageCreated,
    RecordChanged,
    SessionChanged,
    TicketChanged,
    TicketPlace,
    TicketRead,
    TicketRemoved,
    UserChanged,
    UserLoggedIn,
    UserRemoved,
)
from actors.revival_records import record_changed, user_changed, user_logged_in, user_removed
from storage import contact_book, conversations, event_log, mailing_lists, outbox_queue
from storage.database import Database
from storage.events import DomainEvent, StoredEvent
from storage.ids import (
    CompanyId,
    ConnectionId,
    ContactId,
    DepartmentId,
    MessageId,
    TicketId,
    UserId,
)
from storage.messages import Message
from storage.snapshots import CompanySnapshot
from storage.views import (
    ContactView,
    MessageView,
    TicketView,
    connection_view,
    contact_view,
    message_view,
    ticket_view,
)

Reviver = Callable[["PgEventLog", CompanySnapshot, StoredEvent], Awaitable[DomainEvent | None]]


class PgEventLog:
    """The event log on Postgres, as the hub and resuming clients read it."""

    def __init__(
        self, database: Database, snapshots: SnapshotCache, positions: dict[CompanyId, int]
    ) -> None:
        self.database = database
        self._snapshots = snapshots
        self._positions = positions

    def position(self, company_id: CompanyId) -> int:
        """The last number that was committed when this process took over (0: none)."""
        return self._positions.get(company_id, 0)

    async def since(
        self, company_id: CompanyId, seq: int, limit: int
    ) -> Sequence[tuple[int, DomainEvent | None]]:
        """At most `limit` events after `seq`, in order; None where nothing is left to show."""
        stored = await event_log.events_since(self.database, company_id, seq, limit)
        if not stored:
            return []
        snapshot = await self._snapshots.current(company_id)
        return [(event.seq, await self._revive(snapshot, event)) for event in stored]

    async def _revive(self, snapshot: CompanySnapshot, event: StoredEvent) -> DomainEvent | None:
        reviver = _REVIVERS.get(event.kind)
        return None if reviver is None else await reviver(self, snapshot, event)

    async def ticket(
        self, snapshot: CompanySnapshot, ticket_id: TicketId
    ) -> tuple[TicketView, ContactView] | None:
        """A ticket and its contact as they are now."""
        found = await conversations.ticket_with_contact(
            self.database, snapshot.company_id, ticket_id
        )
        if found is None:
            return None
        ticket, contact = found
        shown = contact_view(contact, snapshot)
        return ticket_view(ticket, shown, (), snapshot), shown

    async def message(
        self, snapshot: CompanySnapshot, message_id: MessageId
    ) -> tuple[Message, MessageView] | None:
        """A message as it is now."""
        found = await outbox_queue.messages_by_ids(self.database, snapshot.company_id, [message_id])
        if not found:
            return None
        message = found[0]
        contact = await contact_book.contact_by_id(
            self.database, snapshot.company_id, message.contact_id
        )
        if message.participant and contact is not None:
            authors = await contact_book.authors_of(
                self.database, snapshot.company_id, contact.channel, [message.participant]
            )
            contact = authors.get(message.participant, contact)
        return message, message_view(message, snapshot, contact=contact)


def _number(event: StoredEvent, name: str) -> int:
    return int(event.ids.get(name, 0))


def place_in(event: StoredEvent) -> TicketPlace | None:
    """The place that a ticket left, where the log says so."""
    status = event.ids.get("was_status")
    if not isinstance(status, str):
        return None
    department, user = _number(event, "was_department"), _number(event, "was_user")
    return TicketPlace(
        status,
        DepartmentId(department) if department else None,
        UserId(user) if user else None,
        bool(_number(event, "was_group")),
    )


async def _ticket_changed(
    log: PgEventLog, snapshot: CompanySnapshot, event: StoredEvent
) -> DomainEvent | None:
    found = await log.ticket(snapshot, TicketId(_number(event, "ticket")))
    if found is None:
        return None
    return TicketChanged(company_id=event.company_id, ticket=found[0], was=place_in(event))


async def _ticket_read(
    log: PgEventLog, snapshot: CompanySnapshot, event: StoredEvent
) -> DomainEvent | None:
    found = await log.ticket(snapshot, TicketId(_number(event, "ticket")))
    return None if found is None else TicketRead(company_id=event.company_id, ticket=found[0])


async def _ticket_removed(
    _log: PgEventLog, _snapshot: CompanySnapshot, event: StoredEvent
) -> DomainEvent | None:
    return TicketRemoved(
        company_id=event.company_id,
        ticket_id=TicketId(_number(event, "ticket")),
        was=place_in(event) or TicketPlace("open", None, None),
    )


async def _message_created(
    log: PgEventLog, snapshot: CompanySnapshot, event: StoredEvent
) -> DomainEvent | None:
    message = await log.message(snapshot, MessageId(_number(event, "message")))
    if message is None:
        return None
    found = await log.ticket(snapshot, message[0].ticket_id)
    if found is None:
        return None
    return MessageCreated(
        company_id=event.company_id, message=message[1], ticket=found[0], contact=found[1]
    )


async def _message_changed(
    log: PgEventLog, snapshot: CompanySnapshot, event: StoredEvent
) -> DomainEvent | None:
    found = await log.message(snapshot, MessageId(_number(event, "message")))
    return None if found is None else MessageChanged(company_id=event.company_id, message=found[1])


async def _contact_changed(
    log: PgEventLog, snapshot: CompanySnapshot, event: StoredEvent
) -> DomainEvent | None:
    contact = await contact_book.contact_by_id(
        log.database, event.company_id, ContactId(_number(event, "contact"))
    )
    if contact is None:
        return None
    return ContactChanged(company_id=event.company_id, contact=contact_view(contact, snapshot))


async def _contacts_imported(
    _log: PgEventLog, _snapshot: CompanySnapshot, event: StoredEvent
) -> DomainEvent | None:
    return ContactsImported(
        company_id=event.company_id,
        first_id=ContactId(_number(event, "first")),
        count=_number(event, "count"),
    )


async def _mailing_list_filled(
    log: PgEventLog, _snapshot: CompanySnapshot, event: StoredEvent
) -> DomainEvent | None:
    list_id, first_id = _number(event, "list"), _number(event, "first")
    items = await mailing_lists.items_after(
        log.database, event.company_id, list_id, first_id - 1, most=MailingListFilled.MOST
    )
    return MailingListFilled(
        company_id=event.company_id,
        list_id=list_id,
        first_id=first_id,
        count=_number(event, "count"),
        items=tuple(items),
    )


async def _contact_removed(
    _log: PgEventLog, _snapshot: CompanySnapshot, event: StoredEvent
) -> DomainEvent | None:
    return ContactRemoved(
        company_id=event.company_id, contact_id=ContactId(_number(event, "contact"))
    )


async def _connection_changed(
    _log: PgEventLog, snapshot: CompanySnapshot, event: StoredEvent
) -> DomainEvent | None:
    connection = snapshot.connections.get(ConnectionId(_number(event, "connection")))
    if connection is None:
        return None
    make = SessionChanged if event.kind == SessionChanged.kind else ConnectionChanged
    return make(company_id=event.company_id, connection=connection_view(connection, snapshot))


async def _connection_removed(
    _log: PgEventLog, _snapshot: CompanySnapshot, event: StoredEvent
) -> DomainEvent | None:
    return ConnectionRemoved(
        company_id=event.company_id, connection_id=ConnectionId(_number(event, "connection"))
    )


_Rows = Callable[[Database, CompanySnapshot, StoredEvent], Awaitable[DomainEvent | None]]


def _by_rows(revive: _Rows) -> Reviver:
    async def revived(
        log: PgEventLog, snapshot: CompanySnapshot, event: StoredEvent
    ) -> DomainEvent | None:
        return await revive(log.database, snapshot, event)

    return revived


_REVIVERS: Final[dict[str, Reviver]] = {
    TicketChanged.kind: _ticket_changed,
    TicketRead.kind: _ticket_read,
    TicketRemoved.kind: _ticket_removed,
    MessageCreated.kind: _message_created,
    MessageChanged.kind: _message_changed,
    ContactChanged.kind: _contact_changed,
    ContactsImported.kind: _contacts_imported,
    MailingListFilled.kind: _mailing_list_filled,
    ContactRemoved.kind: _contact_removed,
    ConnectionChanged.kind: _connection_changed,
    SessionChanged.kind: _connection_changed,
    ConnectionRemoved.kind: _connection_removed,
    RecordChanged.kind: _by_rows(record_changed),
    UserChanged.kind: _by_rows(user_changed),
    UserRemoved.kind: _by_rows(user_removed),
    UserLoggedIn.kind: _by_rows(user_logged_in),
}
