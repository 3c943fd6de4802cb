"""The group-commit writer as actors see it: `save` a unit, get its verdict. Runs on the trio thread."""

import logging
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from threading import Lock

import trio
from trio.lowlevel import current_task, reschedule, wait_task_rescheduled

from storage import faults
from storage.database import Database
from storage.errors import DatabaseUnavailable, OutcomeUnknown
from storage.events import DomainEvent, Publisher
from storage.owner import Owner
from storage.unit import Committed, Unit
from storage.writer.bounds import Bounds, Limits
from storage.writer.entry import Entry, Verdicts
from storage.writer.lane import Lane
from storage.writer.stats import WriterStats

_log = logging.getLogger(__name__)

DRAIN = 10.0
"""Seconds that closing waits for the units in the queue."""


class GroupWriter:
    """Commits many actors' units together; made by `open_writer`.

    A company's units all go to one lane and are committed in batches, one after the other. Events
    are published in the order of their numbers before the producers of their batch are released.
    """

    def __init__(self, lanes: Sequence[Lane], publisher: Publisher, limits: Limits) -> None:
        self._lanes = tuple(lanes)
        self._publisher = publisher
        self._bounds = Bounds(limits)
        self._inflight: dict[str, Entry] = {}
        self._lock = Lock()
        self._closing = False
        self._publish_errors = 0

    async def save(self, unit: Unit) -> Committed:
        """Commit the unit; returns once it is flushed and its events are published.

        A second unit of the same address waits until the first one's outcome is known. Cancelling
        withdraws a unit that is still queued (then it is surely not written); one already taken
        into a batch goes on without its caller: await `settled(address)` before loading again.

        Raises:
            Duplicate: a claim is committed already; nothing was written.
            StaleVersion: a guarded row has changed; nothing was written.
            UniqueViolation: another unique constraint refused the unit alone; nothing was written.
            Poisoned: Postgres refuses the data of this unit alone; nothing was written.
            Overloaded: the queue is full for this company or at all; nothing was written.
            DatabaseUnavailable: Postgres has been away for over three seconds; nothing was written.
            OutcomeUnknown: nobody knows yet; `settled(address)` waits until it is known.
            Fenced: another process owns the company's shard now; nothing was written.
            ValueError: the unit contradicts itself (another company's row, a missing event).
        """
        address = unit.address
        while address in self._inflight:
            await self.settled(address)
        lane = self._lanes[unit.company_id % len(self._lanes)]
        self._check_open(lane)
        entry = Entry(unit, self._lock, self._withdrawn)
        self._bounds.admit(entry.company_id, entry.size)
        self._inflight[address] = entry
        entry.task = current_task()
        entry.queued_at = time.monotonic()
        lane.submit(entry)
        await wait_task_rescheduled(entry.abort)
        error = entry.error
        if error is None:
            return Committed(entry.first_seq, len(entry.events))
        try:
            raise error
        finally:
            del error  # its traceback holds this frame: leave no cycle behind

    async def settled(self, address: str) -> None:
        """Wait until no unit of this address can still be committed."""
        while (entry := self._inflight.get(address)) is not None:
            if entry.gate is None:
                entry.gate = trio.Event()
            await entry.gate.wait()

    def is_settled(self, address: str) -> bool:
        """Whether no unit of this address can still be committed."""
        return address not in self._inflight

    def stats(self) -> WriterStats:
        """Read every counter."""
        now = time.monotonic()
        counters = [lane.counters for lane in self._lanes]
        oldest = [at for lane in self._lanes if (at := lane.queue.oldest()) is not None]
        troubles = [lane.trouble_since for lane in self._lanes if lane.trouble_since is not None]
        return WriterStats(
            queued_units=self._bounds.units,
            queued_bytes=self._bounds.size,
            oldest_s=now - min(oldest, default=now),
            drain_per_s=self._bounds.drain_rate(),
            unavailable_s=now - min(troubles, default=now),
            stopped=tuple(lane.shard for lane in self._lanes if lane.stopped is not None),
            units=sum(c.units for c in counters),
            batches=sum(c.batches for c in counters),
            passes=sum(c.passes for c in counters),
            round_trips=sum(c.round_trips for c in counters),
            largest_batch=max(c.largest for c in counters),
            refused=sum(c.refused for c in counters),
            deferred=sum(c.deferred for c in counters),
            bisected=sum(c.bisected for c in counters),
            retries=sum(c.retries for c in counters),
            lookups=sum(c.lookups for c in counters),
            publish_errors=self._publish_errors,
        )

    def _check_open(self, lane: Lane) -> None:
        if self._closing:
            message = "the writer is closing"
            raise DatabaseUnavailable(message)
        if lane.stopped is not None:
            raise lane.stopped()

    def _withdrawn(self, entry: Entry) -> None:
        """A queued unit will never be written; its bytes still count until the lane drops it."""
        self._forget(entry)

    def report(self, verdicts: Verdicts) -> None:
        """Take one batch's verdicts over from the database thread."""
        if verdicts.published:
            self._publish(verdicts)
        faults.hit("writer.published")
        for entry in verdicts.committed:
            self._finish(entry)
        for entry in verdicts.refused:
            self._finish(entry)
        for entry in verdicts.dropped:
            self._bounds.leave(entry.company_id, entry.size)
        for entry in verdicts.doubtful:
            self._release(entry, OutcomeUnknown("the connection broke while committing"))
        faults.hit("writer.acked")

    def _publish(self, verdicts: Verdicts) -> None:
        try:
            self._publisher(verdicts.published)
        except Exception:  # noqa: BLE001 (told below)
            # The rows are committed: the producers must hear so, and the hub rereads the log.
            self._publish_errors += 1
            _log.exception("the publisher failed on %d events", len(verdicts.published))

    def _finish(self, entry: Entry) -> None:
        self._bounds.leave(entry.company_id, entry.size)
        self._forget(entry)
        if entry.task is not None:
            task, entry.task = entry.task, None
            reschedule(task)

    def _release(self, entry: Entry, error: OutcomeUnknown) -> None:
        """Answer the producer while the unit itself stays in flight."""
        if entry.task is not None:
            entry.error = error
            task, entry.task = entry.task, None
            reschedule(task)

    def _forget(self, entry: Entry) -> None:
        if self._inflight.get(entry.address) is entry:
            del self._inflight[entry.address]
        if entry.gate is not None:
            entry.gate.set()

    async def _drained(self) -> None:
        self._closing = True
        with trio.move_on_after(DRAIN):
            while self._inflight:
                await self.settled(next(iter(self._inflight)))


@asynccontextmanager
async def open_writer(
    database: Database,
    owner: Owner,
    *,
    publisher: Publisher | None = None,
    limits: Limits | None = None,
) -> AsyncGenerator[GroupWriter]:
    """Installation-wide: write under `owner` for the length of the block, one lane per shard.

    `publisher` receives committed events on the trio thread; by default the database's own.
    Leaving the block takes no more units, waits up to ten seconds for the queued ones, and refuses
    the rest.

    Raises:
        DatabaseUnavailable: no connection within three seconds.
    """
    lanes: list[Lane] = []

    def to_database(events: Sequence[tuple[int, DomainEvent]]) -> None:
        database.publisher(events)  # looked up each time: it may be set later

    hand_over = to_database if publisher is None else publisher
    writer = GroupWriter(lanes, hand_over, limits or Limits())
    bridge = database.bridge
    lanes += [
        Lane(
            bridge,
            database.dsn,
            shard=shard,
            epoch=epoch,
            application_name=owner.application_name,
            lock=writer._lock,  # noqa: SLF001 (the writer is made here)
            report=writer.report,
            fenced=owner.lost.set,
            audit_key=database.audit_key,
        )
        for shard, epoch in sorted(owner.epochs.items())
    ]
    writer._lanes = tuple(lanes)  # noqa: SLF001
    try:
        for lane in lanes:
            await bridge.call(lane.open, shield=True)
        yield writer
    finally:
        with trio.CancelScope(shield=True):
            await writer._drained()  # noqa: SLF001
            for lane in lanes:
                await bridge.call(lane.close, shield=True)
