"""A unit on its way: checked, encoded, and waiting for its verdict."""

from collections.abc import Callable
from threading import Lock
from typing import Any, Literal

import trio
from trio.lowlevel import Abort

from storage.acts import Change
from storage.audit_chain import written
from storage.column_types import json_text, refuse
from storage.errors import StorageError
from storage.events import DomainEvent
from storage.ids import CompanyId
from storage.unit import Statement, Unit

State = Literal["queued", "taken", "withdrawn", "judged"]

EncodedWrite = tuple[Statement, tuple[Any, ...], tuple[int, ...]]
"""Statement, values as they travel, places of event numbers among them."""

_EVENT_COST = 96


class Entry:
    """One unit between `save` and its verdict.

    `lock` is the writer's: it decides the race between the lane that takes the entry (loop thread)
    and the cancelled task that withdraws it (trio thread).
    """

    __slots__ = (
        "address",
        "audit",
        "company_id",
        "error",
        "event_rows",
        "events",
        "first_seq",
        "gate",
        "lock",
        "queued_at",
        "size",
        "state",
        "task",
        "told",
        "withdraw",
        "writes",
    )

    def __init__(self, unit: Unit, lock: Lock, withdraw: Callable[["Entry"], object]) -> None:
        self.company_id: CompanyId = unit.company_id
        self.address = unit.address
        self.events: tuple[DomainEvent, ...] = unit.events
        writes, size = encode_writes(unit)
        self.writes: list[EncodedWrite] = writes
        self.event_rows: list[tuple[str, str]] = encode_events(unit)
        self.audit: str | None = None if unit.act is None else written(unit.act, changes_of(unit))
        """The entry of the audit log that is committed with the unit, if somebody acted."""
        self.size = size + _EVENT_COST * len(self.event_rows) + len(self.audit or "")
        self.lock = lock
        self.withdraw = withdraw
        self.state: State = "queued"
        self.queued_at = 0.0
        self.first_seq = 0
        self.error: BaseException | None = None
        self.gate: trio.Event | None = None
        self.task: trio.lowlevel.Task | None = None
        self.told = False
        """The producer has its answer already, although the outcome is still being looked up."""

    def abort(self, _raise_cancel: object) -> Abort:
        """Let go of a cancelled producer: withdraw a queued unit, leave a taken one alone."""
        self.task = None
        with self.lock:
            if self.state == "queued":
                self.state = "withdrawn"
        if self.state == "withdrawn":
            self.withdraw(self)
        return Abort.SUCCEEDED

    def refuse(self, error: BaseException) -> None:
        """Remember why the unit was not written; the producer is told with the batch."""
        self.error = error


def changes_of(unit: Unit) -> list[Change]:
    """What a unit does to which rows."""
    changes: list[Change] = []
    for statement, values in unit.writes:
        place = statement.id_place
        changes.append((*statement.effect, None if place is None else values[place]))
    return changes


def encode_writes(unit: Unit) -> tuple[list[EncodedWrite], int]:
    """Check every value of the unit.

    Raises:
        Poisoned: Postgres would refuse a value.
        ValueError: a fault of the program: another company's row, an event that does not exist,
            two guarded writes of one row.
    """
    writes: list[EncodedWrite] = []
    size = 0
    guarded: list[tuple[object, ...]] = []
    company_id = unit.company_id
    for statement, raw in unit.writes:
        values, seqs, cost = statement.encoder.encode(raw)
        size += cost
        place = statement.company_place
        if place is not None and values[place] != company_id:
            message = f"{statement!r} writes company {values[place]} in a unit of {company_id}"
            raise ValueError(message)
        if seqs and max(values[at].index for at in seqs) >= len(unit.events):
            message = f"{statement!r} names an event that the unit does not have"
            raise ValueError(message)
        if statement.guarded:
            guarded.append((statement.table, *values[: statement.key_width]))
        writes.append((statement, values, seqs))
    if len(guarded) > 1 and len(set(guarded)) < len(guarded):
        message = "a unit writes one guarded row twice"
        raise ValueError(message)
    return writes, size


def encode_events(unit: Unit) -> list[tuple[str, str]]:
    """Encode (kind, ids) of every event.

    Raises:
        Poisoned: the ids are not JSON that Postgres can hold.
        ValueError: an event of another company.
    """
    rows: list[tuple[str, str]] = []
    for event in unit.events:
        if event.company_id != unit.company_id:
            message = f"event of company {event.company_id} in a unit of {unit.company_id}"
            raise ValueError(message)
        try:
            rows.append((event.kind, json_text(event.ids())))
        except ValueError as error:
            raise refuse(event.kind, str(error)) from error
    return rows


class Verdicts:
    """What became of a batch, on its way to the trio thread."""

    __slots__ = ("committed", "doubtful", "dropped", "published", "refused")

    def __init__(self) -> None:
        self.published: list[tuple[int, DomainEvent]] = []
        self.committed: list[Entry] = []
        self.refused: list[Entry] = []
        """Each has its `error`."""
        self.doubtful: list[Entry] = []
        """Their producers are told `OutcomeUnknown` now; the outcome itself follows later."""
        self.dropped: list[Entry] = []
        """Withdrawn ones that have now left the queue."""

    def __bool__(self) -> bool:
        return bool(self.committed or self.refused or self.doubtful or self.dropped)

    def commit(self, entries: list[Entry]) -> None:
        """Take over entries whose COMMIT was confirmed, in the order of their numbers."""
        self.committed.extend(entries)
        for entry in entries:
            entry.state = "judged"
            if entry.events:
                self.published.extend(enumerate(entry.events, entry.first_seq))

    def refuse(
        self, entries: list[Entry], reason: Callable[[], StorageError] | None = None
    ) -> None:
        """Take over entries that end without a commit, each with an error of its own."""
        for entry in entries:
            if reason is not None:
                entry.error = reason()
            if entry.state == "withdrawn":
                self.dropped.append(entry)
            else:
                entry.state = "judged"
                self.refused.append(entry)

    def doubt(self, entries: list[Entry]) -> None:
        """Have the producers of a batch told that nobody knows its outcome yet."""
        self.doubtful.extend(entries)
