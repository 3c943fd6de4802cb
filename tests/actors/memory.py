"""Tables in memory that take units as the group-commit writer does, with any verdict on demand."""

from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import msgspec
import sqlalchemy as sa
import trio

from storage.contacts import Contact
from storage.conversations import Loaded, RecentInput
from storage.errors import Duplicate, Poisoned, StaleVersion, UniqueViolation
from storage.events import DomainEvent
from storage.ids import CompanyId, ConnectionId, ContactId, MessageId, TicketId
from storage.messages import Message
from storage.outbox import OutboxRow
from storage.ticket_trackings import TicketTracking
from storage.tickets import Ticket
from storage.unit import Committed, EventSeq, Unit, Write
from tests.actors.company import ACTIVE, NOW

Row = dict[str, object]


class Clock:
    """Time that moves a second with every look, so that rows differ in age."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


class Numbers:
    """Ids without end; `empty` names tables whose next look finds the block used up."""

    def __init__(self) -> None:
        self._last = 1000
        self.empty: set[str] = set()
        self.refills: list[str] = []

    def next_nowait(self, table: str) -> int:
        if table in self.empty:
            raise LookupError(table)
        self._last += 1
        return self._last

    async def take(self, table: str, n: int = 1) -> int:
        self.empty.discard(table)
        self.refills.append(table)
        self._last += n
        return self._last - n + 1


Verdict = Exception | Callable[[], object] | None


class Memory:
    """Committed rows by table, and a script of verdicts for the units to come.

    A verdict: None commits, an exception refuses, a function runs first (and may await nothing).
    `after` verdicts commit and then raise, as a lost connection would.
    """

    def __init__(self) -> None:
        self.tables: dict[str, list[Row]] = {}
        self.script: deque[Verdict] = deque()
        self.after: deque[Exception | None] = deque()
        self.units: list[Unit] = []
        self.events: list[tuple[int, DomainEvent]] = []
        self.parked: list[bytes] = []
        self.hints: list[OutboxRow] = []
        self.in_flight: set[str] = set()
        self.poison: str | None = None

    def rows(self, table: str, **where: object) -> list[Row]:
        return [
            row
            for row in self.tables.setdefault(table, [])
            if all(row.get(name) == value for name, value in where.items())
        ]

    async def save(self, unit: Unit) -> Committed:
        assert unit.address not in self.in_flight, "two units of one address in flight"
        self.in_flight.add(unit.address)
        try:
            await trio.lowlevel.checkpoint()
            verdict = self.script.popleft() if self.script else None
            if callable(verdict):
                verdict()
            elif verdict is not None:
                raise verdict
            if any(self.poison in map(str, w.values) for w in unit.writes if self.poison):
                raise Poisoned
            committed = self._commit(unit)
            late = self.after.popleft() if self.after else None
            if late is not None:
                raise late
            return committed
        finally:
            self.in_flight.discard(unit.address)

    async def settled(self, address: str) -> None:
        return

    def _commit(self, unit: Unit) -> Committed:
        copy = {name: [dict(row) for row in rows] for name, rows in self.tables.items()}
        first = len(self.events) + 1
        try:
            for write in sorted(unit.writes, key=lambda write: write.statement.stage):
                self._write(write, first)
            self._check_active()
        except Exception:
            self.tables = copy
            raise
        self.units.append(unit)
        self.events.extend(enumerate(unit.events, first))
        return Committed(first, len(unit.events))

    def _write(self, write: Write, first: int) -> None:
        statement = write.statement
        rows = self.tables.setdefault(statement.table.name, [])
        values = [
            first + value.index if isinstance(value, EventSeq) else value for value in write.values
        ]
        named = list(zip(statement.columns, values, strict=True))
        getattr(self, f"_{statement.kind}")(statement, rows, named)

    def _insert(self, statement: object, rows: list[Row], named: list[tuple[str, object]]) -> None:
        row = self._defaults(statement) | dict(named)
        claim = [statement.columns[place] for place in statement.proof]
        key = tuple(row[name] for name in claim)
        taken = {tuple(other[name] for name in claim) for other in rows} if claim else set()
        if None not in key and key in taken:
            raise Duplicate((key,))
        rows.append(row)

    def _defaults(self, statement: object) -> Row:
        row: Row = {}
        for column in statement.table.columns:
            default = column.server_default
            text = str(default.arg) if isinstance(default, sa.DefaultClause) else None
            if text is None:
                row[column.name] = None
            elif isinstance(column.type, sa.Boolean):
                row[column.name] = text == "true"
            elif isinstance(column.type, sa.Integer):
                row[column.name] = int(text)
            elif isinstance(column.type, sa.DateTime):
                row[column.name] = NOW
            else:
                row[column.name] = text
        return row

    def _update(self, statement: object, rows: list[Row], named: list[tuple[str, object]]) -> None:
        key, rest = named[: statement.key_width], named[statement.key_width :]
        guard = rest.pop(0) if statement.guarded else None
        found = [row for row in rows if all(row[name] == value for name, value in key)]
        if guard is not None and (not found or found[0]["version"] != guard[1]):
            raise StaleVersion(str(dict(key)))
        for row in found:
            row.update(rest)
            if guard is not None:
                row["version"] += 1

    def _raise(self, statement: object, rows: list[Row], named: list[tuple[str, object]]) -> None:
        key, rest = named[: statement.key_width], named[statement.key_width :]
        found = [row for row in rows if all(row[name] == value for name, value in key)]
        if not found or found[0][rest[0][0]] >= rest[0][1]:
            raise Duplicate((tuple(value for _, value in key),))
        found[0].update(rest)

    def _delete(self, statement: object, rows: list[Row], named: list[tuple[str, object]]) -> None:
        rows[:] = [row for row in rows if not all(row[n] == v for n, v in named)]

    def _upsert(self, statement: object, rows: list[Row], named: list[tuple[str, object]]) -> None:
        key = named[: statement.key_width]
        found = [row for row in rows if all(row[name] == value for name, value in key)]
        if not found:
            rows.append(self._defaults(statement) | dict(named))
            return
        settable = {statement.columns[place] for place in statement.settable}
        found[0].update({name: value for name, value in named if name in settable})

    def _check_active(self) -> None:
        seen: set[object] = set()
        for row in self.rows("tickets"):
            if row["status"] != "closed":
                key = (row["contact_id"], row["connection_id"])
                if key in seen:
                    raise UniqueViolation(ACTIVE)
                seen.add(key)

    async def park(self, company_id: CompanyId, source: str, cause: str, payload: bytes) -> None:
        self.parked.append(payload)

    def hint(self, rows: Sequence[OutboxRow]) -> None:
        self.hints.extend(rows)

    def _as(self, record: type, row: Row) -> object:
        names = record.__struct_fields__
        return record(**{name: row[name] for name in names if name in row})

    def add_contact(self, contact: Contact) -> None:
        self.tables.setdefault("contacts", []).append(msgspec.structs.asdict(contact))

    async def load(self, company_id: CompanyId, contact_id: ContactId) -> Loaded:
        found = self.rows("contacts", id=contact_id)
        own = [self._as(Ticket, row) for row in self.rows("tickets", contact_id=contact_id)]
        newest = {
            max((t for t in own if t.connection_id == line), key=lambda t: (t.updated_at, t.id)).id
            for line in {t.connection_id for t in own}
        }
        recent = [
            row
            for row in self.rows("messages", contact_id=contact_id)
            if row["provider_id"] is not None
        ][-128:]
        return Loaded(
            contact=self._as(Contact, found[0]) if found else None,
            tickets=tuple(t for t in own if t.is_active or t.id in newest),
            trackings=tuple(
                self._as(TicketTracking, row)
                for row in self.rows("ticket_trackings", finished_at=None)
                if row["ticket_id"] in {t.id for t in own}
            ),
            tags=(),
            contact_tags=(),
            wallets=(),
            fields=(),
            recent=tuple(
                RecentInput(row["connection_id"], row["provider_id"], bool(row.get("from_me")))
                for row in recent
            ),
        )

    async def ticket(
        self, company_id: CompanyId, contact_id: ContactId, ticket_id: TicketId
    ) -> Ticket | None:
        found = self.rows("tickets", contact_id=contact_id, id=ticket_id)
        return self._as(Ticket, found[0]) if found else None

    async def message(
        self, company_id: CompanyId, contact_id: ContactId, message_id: MessageId
    ) -> Message | None:
        found = self.rows("messages", contact_id=contact_id, id=message_id)
        return self._as(Message, found[0]) if found else None

    async def by_provider_id(
        self, company_id: CompanyId, connection_id: ConnectionId, provider_ids: list[str]
    ) -> list[Message]:
        return [
            self._as(Message, row)
            for row in self.rows("messages", connection_id=connection_id)
            if row["provider_id"] in provider_ids
        ]

    async def authors(
        self, company_id: CompanyId, channel: str, participants: list[str]
    ) -> dict[str, Contact]:
        names = {row["alias"].partition(":")[2]: row for row in self.rows("contact_aliases")}
        return {
            name: self._as(Contact, self.rows("contacts", id=names[name]["contact_id"])[0])
            for name in participants
            if name in names
        }

    async def unfinished(self, company_id: CompanyId, contact_id: ContactId) -> list[int]:
        rows = self.rows("outbox", contact_id=contact_id)
        return [row["id"] for row in rows if row["state"] in ("pending", "sending", "unknown")]

    async def by_key(self, company_id: CompanyId, key: str) -> Message | None:
        found = self.rows("outbox", idempotency_key=key)
        if not found:
            return None
        return self._as(Message, self.rows("messages", id=found[0]["message_id"])[0])

    async def delete_older(
        self, company_id: CompanyId, contact_id: ContactId, ticket_id: TicketId | None
    ) -> None:
        """Leaves all to the commit that deletes: conversations in memory are short."""
