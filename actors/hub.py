"""The hub of a company: hands committed events to the sockets in the company's order, once each.

Events arrive from several committers (the group-commit writer's lanes, plain transactions) and
may overtake each other on the way; their numbers are gapless per company. The hub emits number
n+1 only after n. A gap is waited for, at most `PATIENCE` seconds; then what is missing is read
from the event log. Publishing never waits for the hub: what its mailbox has no room for is read
from the log as well.
"""

import math
from collections.abc import Sequence
from typing import Protocol, TypeVar

from actors.configuration import SnapshotCache
from engine import (
    Actor,
    ActorStopped,
    Address,
    Command,
    MailboxFull,
    MailboxPolicy,
    System,
    Turn,
    handler,
)
from storage.errors import Retryable
from storage.events import DomainEvent
from storage.ids import CompanyId

PATIENCE = 1.0
PAGE = 500
BUFFERED = 10_000

R_co = TypeVar("R_co", covariant=True)
Pair = tuple[int, DomainEvent]


class EventSink(Protocol):
    """Where events go after the hub: the sockets."""

    def emit(self, company_id: CompanyId, seq: int, event: DomainEvent) -> None:
        """Takes one event; never waits, never raises."""
        ...


class EventLog(Protocol):
    """The committed events of every company, as the hub needs them."""

    def position(self, company_id: CompanyId) -> int:
        """The last number that was committed when this process took over (0: none)."""
        ...

    async def since(
        self, company_id: CompanyId, seq: int, limit: int
    ) -> Sequence[tuple[int, DomainEvent | None]]:
        """At most `limit` events after `seq`, in order; None where its rows are gone.

        Raises DatabaseUnavailable.
        """
        ...


class HubCommand(Command[R_co], frozen=True, kw_only=True):
    """A command to the hub of a company."""

    company_id: CompanyId

    @property
    def to(self) -> Address:
        return Address("hub", self.company_id)


class Publish(HubCommand[None], frozen=True, kw_only=True):
    """Committed events with their numbers, increasing."""

    pairs: tuple[Pair, ...]


class CatchUp(HubCommand[None], frozen=True, kw_only=True):
    """Read what is missing from the event log, if something still is."""


class HubActor(Actor, accepts=HubCommand):
    """Emits the events of one company in order; owns nothing but the number it expects.

    `reached` holds the last number handed on and outlives a crash: an event is never told twice.
    """

    mailbox = MailboxPolicy(capacity=2048, overflow="reject")
    idle_timeout = math.inf

    def __init__(
        self,
        company_id: CompanyId,
        sink: EventSink,
        log: EventLog,
        lost: dict[CompanyId, int],
        reached: dict[CompanyId, int],
    ) -> None:
        self._company_id = company_id
        self._sink = sink
        self._log = log
        self._lost = lost
        self._reached = reached
        self._expected = reached.get(company_id, log.position(company_id)) + 1
        self._early: dict[int, DomainEvent] = {}
        self._waiting = False

    @property
    def expected(self) -> int:
        """The number of the next event to emit."""
        return self._expected

    @handler(fold=64)
    async def publish(self, turns: Sequence[Turn[Publish]]) -> None:
        for turn in turns:
            for seq, event in turn.command.pairs:
                self._take(seq, event)
            turn.reply(None)
        self._watch_gap()

    def _take(self, seq: int, event: DomainEvent) -> None:
        if seq == self._expected:
            self._emit(seq, event)
            if self._early:
                self._release()
        elif seq > self._expected and len(self._early) < BUFFERED:
            self._early[seq] = event

    def _release(self) -> None:
        while (event := self._early.pop(self._expected, None)) is not None:
            self._emit(self._expected, event)

    def _emit(self, seq: int, event: DomainEvent | None) -> None:
        """Hands one event on, if its rows are still there; counted before, so never twice."""
        self._reached[self._company_id] = seq
        self._expected = seq + 1
        if event is not None:
            self._sink.emit(self._company_id, seq, event)

    def _behind(self) -> bool:
        return bool(self._early) or self._lost.get(self._company_id, 0) >= self._expected

    def _watch_gap(self) -> None:
        if self._waiting or not self._behind():
            return
        self._waiting = True
        self.after(PATIENCE, CatchUp(company_id=self._company_id))

    @handler
    async def catch_up(self, cmd: CatchUp) -> None:
        self._waiting = False
        try:
            while self._behind():
                page = await self._log.since(cmd.company_id, self._expected - 1, PAGE)
                if not page:
                    break
                for seq, event in page:
                    self._emit(seq, self._early.pop(seq, None) or event)
                self._release()
        except Retryable:
            self._watch_gap()
            return
        if self._lost.get(cmd.company_id, 0) < self._expected:
            self._lost.pop(cmd.company_id, None)
        self._watch_gap()


class HubPublisher:
    """The hand-over from a commit to the hubs; called on the trio thread, never waits or raises."""

    def __init__(self, snapshots: SnapshotCache, sink: EventSink, log: EventLog) -> None:
        self._snapshots = snapshots
        self._sink = sink
        self._log = log
        self._lost: dict[CompanyId, int] = {}
        self._reached: dict[CompanyId, int] = {}
        self._system: System | None = None

    def attach(self, system: System) -> None:
        """Names the system whose hubs take the events; until then they are left to the log."""
        self._system = system
        for company_id in self._lost:
            self._tell(CatchUp(company_id=company_id))

    def hub(self, address: Address) -> HubActor:
        """The hub actor of the company that `address` names."""
        assert isinstance(address.key, int)
        return HubActor(CompanyId(address.key), self._sink, self._log, self._lost, self._reached)

    def __call__(self, pairs: Sequence[Pair]) -> None:
        self._snapshots.published(pairs)
        by_company: dict[CompanyId, list[Pair]] = {}
        for pair in pairs:
            by_company.setdefault(pair[1].company_id, []).append(pair)
        for company_id, own in by_company.items():
            if not self._tell(Publish(company_id=company_id, pairs=tuple(own))):
                self._lost[company_id] = max(self._lost.get(company_id, 0), own[-1][0])

    def _tell(self, command: Publish | CatchUp) -> bool:
        if self._system is None:
            return False
        try:
            self._system.tell_nowait(command)
        except (MailboxFull, ActorStopped):
            return False
        return True
