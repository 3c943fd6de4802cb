"""The one writer of a session: everything that sends and reports change, in set-based units.

Callers hand entries over and wait; entries queued meanwhile share the next unit. A unit that is
refused is split, so that one bad entry fails alone.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

import trio

from actors.channels.base import InboundStatus
from actors.sessions.commands import StatusesApplied
from actors.sessions.ports import SessionPorts
from actors.sessions.settling import Delta, Facts, RowChange, Settlement
from storage.acts import current
from storage.connections import network
from storage.contacts import Contact
from storage.early_statuses import EarlyStatus
from storage.errors import (
    Conflict,
    Duplicate,
    OutcomeUnknown,
    Poisoned,
    StorageError,
)
from storage.events import DomainEvent
from storage.ids import CompanyId, ConnectionId, MessageId, OutboxId
from storage.messages import Message
from storage.unit import Unit, Write

LARGEST = 256
TRIES = 2

K = TypeVar("K")


class Entry:
    """One thing to commit. `applied` is filled for reports.

    `known` are provider ids that somebody else has committed. `tries` counts refusals; reports
    that were refused twice leave their provider id to the message that has it. What a person does
    (`act`) is a unit of its own, which the audit log tells of.
    """

    __slots__ = (
        "act",
        "applied",
        "deltas",
        "done",
        "error",
        "events",
        "known",
        "reports",
        "rows",
        "tries",
        "writes",
    )

    def __init__(
        self,
        *,
        rows: Sequence[RowChange] = (),
        deltas: Mapping[MessageId, Delta] | None = None,
        reports: Sequence[InboundStatus] = (),
        writes: Sequence[Write] = (),
        events: Sequence[DomainEvent] = (),
        known: Sequence[str] = (),
    ) -> None:
        self.act = current()
        self.known = known
        self.tries = 0
        self.rows = rows
        self.deltas = deltas or {}
        self.reports = reports
        self.writes = writes
        self.events = events
        self.applied = StatusesApplied()
        self.error: Exception | None = None
        self.done = trio.Event()


class Ledger:
    """Commits the entries of one connection, one unit in flight.

    `in_flight` are the rows whose outcome a running send will report itself; `doomed` is called
    when a commit's outcome is unknown: the session must stop and load again.
    """

    def __init__(
        self,
        ports: SessionPorts,
        company_id: CompanyId,
        connection_id: ConnectionId,
        in_flight: Mapping[OutboxId, object],
        doomed: Callable[[], None],
    ) -> None:
        self._ports = ports
        self._company_id = company_id
        self._connection_id = connection_id
        self._in_flight = in_flight
        self._doomed = doomed
        self._queue: deque[Entry] = deque()
        self._wake = trio.Event()

    @property
    def address(self) -> str:
        """The name of this writer."""
        return f"session:{self._company_id}:{self._connection_id}"

    async def commit(self, entry: Entry) -> StatusesApplied:
        """Returns when the entry is committed.

        Raises Retryable (surely not committed), StaleVersion or UniqueViolation (a row changed),
        Poisoned, OutcomeUnknown.
        """
        self.submit(entry)
        await entry.done.wait()
        if entry.error is not None:
            raise entry.error
        return entry.applied

    def submit(self, entry: Entry) -> None:
        """Queues an entry; `entry.done` is set when its verdict is known."""
        self._queue.append(entry)
        self._wake.set()

    async def run(self) -> None:
        """Commits what is queued, for ever; a child task of the session."""
        while True:
            if not self._queue:
                self._wake = trio.Event()
                await self._wake.wait()
            await self._commit(self._batch())

    def _batch(self) -> list[Entry]:
        """The next entries, each outbox row at most once."""
        batch: list[Entry] = []
        rows: set[OutboxId] = set()
        while self._queue and len(batch) < LARGEST:
            mine = {change.before.id for change in self._queue[0].rows}
            mine |= {
                OutboxId(report.outbox_id)
                for report in self._queue[0].reports
                if report.outbox_id is not None
            }
            acted = self._queue[0].act is not None
            if batch and (mine & rows or acted):
                break
            rows |= mine
            batch.append(self._queue.popleft())
            if acted:
                break
        return batch

    async def _commit(self, batch: list[Entry]) -> None:
        try:
            await self._save(batch)
        except (Conflict, Duplicate, Poisoned) as error:
            await self._refused(batch, error)
        except StorageError as error:
            _end(batch, error)
            if isinstance(error, OutcomeUnknown):
                self._doomed()
        else:
            _end(batch, None)

    async def _refused(self, batch: list[Entry], error: StorageError) -> None:
        """Each entry alone; one of reports is decided again from the rows as they are now."""
        if len(batch) == 1:
            (entry,) = batch
            entry.tries += 1
            if isinstance(error, Poisoned) or not entry.reports or entry.tries > TRIES:
                _end(batch, error)
                return
        for entry in batch:
            await self._commit([entry])

    async def _save(self, batch: list[Entry]) -> None:
        """One unit. Messages that turn out to be as far already are left out and it tries again."""
        as_far: frozenset[MessageId] = frozenset()
        while True:
            writes, events = await self._settle(batch, as_far)
            if not writes:
                return
            unit = Unit(
                company_id=self._company_id,
                address=self.address,
                writes=tuple(writes),
                events=tuple(events),
                act=batch[0].act,
            )
            try:
                await self._ports.saver.save(unit)
            except Duplicate as duplicate:
                known = as_far | {MessageId(int(str(key[1]))) for key in duplicate.keys}
                if known == as_far:
                    raise
                as_far = known
            else:
                return

    async def _settle(
        self, batch: list[Entry], as_far: frozenset[MessageId]
    ) -> tuple[list[Write], list[DomainEvent]]:
        facts = await self._facts(batch)
        settlement = Settlement(self._company_id, self._connection_id, facts, self._ports.clock())
        writes: list[Write] = []
        events: list[DomainEvent] = []
        for entry in batch:
            writes.extend(entry.writes)
            events.extend(entry.events)
            for change in entry.rows:
                settlement.move(change)
            for message_id, delta in entry.deltas.items():
                settlement.change(message_id, delta)
            for provider_id in entry.known:
                settlement.known(provider_id)
        for entry in batch:
            entry.applied = self._report(settlement, entry)
        snapshot = await self._ports.snapshots.current(self._company_id)
        more, published = settlement.result(snapshot, without_ack=as_far)
        return writes + more, events + published

    def _report(self, settlement: Settlement, entry: Entry) -> StatusesApplied:
        """Applies an entry's reports, first those that may tell a provider id."""
        before = (settlement.applied, settlement.ignored, settlement.kept)
        for report in sorted(entry.reports, key=lambda report: report.outbox_id is None):
            settlement.report(report, self._in_flight, learn=entry.tries < TRIES)
        return StatusesApplied(
            applied=settlement.applied - before[0],
            ignored=settlement.ignored - before[1],
            early=settlement.kept - before[2],
        )

    async def _facts(self, batch: list[Entry]) -> Facts:
        """The committed rows that the batch speaks of; only what is needed is read."""
        store = self._ports.store
        reports = [report for entry in batch for report in entry.reports]
        callbacks = _unique(report.outbox_id for report in reports if report.outbox_id)
        rows = {}
        if callbacks:
            found = await store.rows(self._company_id, [OutboxId(item) for item in callbacks])
            rows = {row.id: row for row in found if row.connection_id == self._connection_id}
        named = _unique(
            report.provider_id
            for report in reports
            if report.provider_id and OutboxId(report.outbox_id or 0) not in rows
        )
        told = [provider_id for entry in batch for provider_id in entry.known]
        named += told
        by_provider: dict[str, MessageId] = {}
        if named:
            by_provider = await store.by_provider_id(self._company_id, self._connection_id, named)
        early: Sequence[EarlyStatus] = ()
        learned = [
            delta.provider_id
            for entry in batch
            for delta in entry.deltas.values()
            if delta.provider_id
        ]
        learned += [report.provider_id for report in reports if report.outbox_id]
        learned += told
        if learned:
            early = await store.early(self._company_id, self._connection_id, _unique(learned))
        wanted = {message_id for entry in batch for message_id in entry.deltas}
        wanted.update(by_provider.values())
        wanted.update(row.message_id for row in rows.values() if row.message_id is not None)
        messages = await self._messages(wanted)
        return Facts(
            messages=messages,
            rows=rows,
            by_provider=by_provider,
            early=early,
            authors=await self._authors(messages.values()),
        )

    async def _authors(self, messages: Iterable[Message]) -> Mapping[str, Contact]:
        """Who wrote those of the messages that came in by groups."""
        names = sorted({message.participant for message in messages if message.participant})
        if not names:
            return {}
        snapshot = await self._ports.snapshots.current(self._company_id)
        connection = snapshot.connections.get(self._connection_id)
        channel = network(connection.channel) if connection is not None else "whatsapp"
        return await self._ports.store.authors(self._company_id, channel, names)

    async def _messages(self, wanted: Iterable[MessageId]) -> dict[MessageId, Message]:
        """The messages, and those they quote."""
        ids = sorted(wanted)
        if not ids:
            return {}
        found = await self._ports.store.messages(self._company_id, ids)
        known = {message.id: message for message in found}
        quoted = {
            message.quoted_id
            for message in found
            if message.quoted_id is not None and message.quoted_id not in known
        }
        if quoted:
            more = await self._ports.store.messages(self._company_id, sorted(quoted))
            known.update({message.id: message for message in more})
        return known


def _unique(items: Iterable[K]) -> list[K]:
    return list(dict.fromkeys(items))


def _end(batch: list[Entry], error: Exception | None) -> None:
    for entry in batch:
        entry.error = error
        entry.done.set()
