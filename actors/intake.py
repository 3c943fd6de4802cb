"""The door for everything that comes in: bounds what is in flight, joins repeated deliveries.

Whatever receives inbound messages (webhook, simulator, session process) goes through here after
it has checked who speaks, and answers its sender only when the call has returned.
"""

from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager

import trio

from actors.channels.base import Conversation, IdentityChange, InboundStatus
from actors.errors import Busy
from actors.intake_health import IntakeHealth
from actors.ports import Load
from actors.router.commands import DeliverInbound, LearnIdentity
from actors.sessions.commands import ApplyStatuses, StatusesApplied
from actors.tickets.commands import Delivered
from engine import System
from storage.ids import CompanyId, ConnectionId

Key = tuple[ConnectionId, str]

SHORTEST_WAIT = 1.0
LONGEST_WAIT = 30.0
STUCK = 1.0
"""Seconds after which a queue that nothing has left stands still."""


def wait_for(waiting: int, load: Load) -> float:
    """Seconds until `waiting` deliveries should be gone, at the pace at which commits happen."""
    if load.drain_per_s > 0:
        seconds = max(waiting / load.drain_per_s, load.oldest_s)
    else:
        seconds = LONGEST_WAIT if load.oldest_s >= STUCK else SHORTEST_WAIT
    return min(max(seconds, SHORTEST_WAIT), LONGEST_WAIT)


class _Flight:
    """A delivery that has not ended; others that bring the same messages wait for it."""

    __slots__ = ("_ended", "error", "known")

    def __init__(self) -> None:
        self._ended: trio.Event | None = None
        self.error: Exception | None = None
        self.known = False

    async def wait(self) -> None:
        if self._ended is None:
            self._ended = trio.Event()
        await self._ended.wait()

    def end(self) -> None:
        if self._ended is not None:
            self._ended.set()


class Intake:
    """Hands deliveries to their router or session and returns when they are committed.

    `per_company` and `total` bound the conversations and status batches in flight; beyond them
    callers get Busy at once, with the time that `load` says the work in flight needs. Cancelling a call cancels the wait, not the work: a repetition of
    the delivery is then recognised as a duplicate.
    """

    def __init__(
        self,
        system: System,
        load: Callable[[], Load],
        health: IntakeHealth | None = None,
        *,
        per_company: int = 2000,
        total: int = 20000,
    ) -> None:
        self._system = system
        self._load = load
        self._health = health or IntakeHealth()
        self._per_company = per_company
        self._total = total
        self._in_flight: Counter[CompanyId] = Counter()
        self._all = 0
        self._flights: dict[Key, _Flight] = {}

    @property
    def in_flight(self) -> int:
        """Deliveries accepted and not ended."""
        return self._all

    @contextmanager
    def _slot(self, company_id: CompanyId) -> Generator[None]:
        """Room for one delivery; whatever ends it but its commit, its sender has to repeat it."""
        try:
            self._admit(company_id)
            try:
                yield
            finally:
                self._all -= 1
                self._in_flight[company_id] -= 1
                if not self._in_flight[company_id]:
                    del self._in_flight[company_id]
        except BaseException:
            self._health.refused()
            raise
        self._health.took()

    def _admit(self, company_id: CompanyId) -> None:
        mine = self._in_flight[company_id]
        if mine >= self._per_company:
            raise Busy(retry_after=wait_for(mine, self._load()), company=True)
        if self._all >= self._total:
            raise Busy(retry_after=wait_for(self._all, self._load()), company=False)
        self._in_flight[company_id] += 1
        self._all += 1

    async def deliver(
        self, company_id: CompanyId, connection_id: ConnectionId, conversation: Conversation
    ) -> Delivered:
        """Everything in `conversation` is committed, or was before, or is parked with its cause.

        Raises Busy, Retryable (surely not committed) or OutcomeUnknown: the sender repeats.
        """
        keys = [(connection_id, item.provider_id) for item in conversation.inbounds]
        earlier = await self._join(keys)
        if earlier:
            return Delivered(duplicates=len(keys))
        command = DeliverInbound(
            company_id=company_id, connection_id=connection_id, conversation=conversation
        )
        with self._slot(company_id):
            flight = _Flight()
            mine = [key for key in keys if self._flights.setdefault(key, flight) is flight]
            try:
                delivered = await self._system.ask(command)
            except Exception as error:
                flight.error = error
                flight.known = True
                raise
            else:
                flight.known = True
                return delivered
            finally:
                for key in mine:
                    self._flights.pop(key, None)
                flight.end()

    async def _join(self, keys: Sequence[Key]) -> bool:
        """Whether all of `keys` were in flight and have been committed meanwhile."""
        flights = {self._flights.get(key) for key in keys}
        if None in flights or not flights:
            return False
        for flight in flights:
            assert flight is not None
            await flight.wait()
            if flight.error is not None:
                raise flight.error
            if not flight.known:
                return False
        return True

    async def statuses(
        self, company_id: CompanyId, connection_id: ConnectionId, reports: Sequence[InboundStatus]
    ) -> StatusesApplied:
        """Commits delivery reports of one connection. Raises like `deliver`."""
        command = ApplyStatuses(
            company_id=company_id, connection_id=connection_id, statuses=tuple(reports)
        )
        with self._slot(company_id):
            return await self._system.ask(command)

    async def identity(
        self, company_id: CompanyId, connection_id: ConnectionId, change: IdentityChange
    ) -> None:
        """Commits that a person's number or id changed. Raises like `deliver`."""
        command = LearnIdentity(company_id=company_id, connection_id=connection_id, change=change)
        with self._slot(company_id):
            await self._system.ask(command)
