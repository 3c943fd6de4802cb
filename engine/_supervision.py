"""The running tree: ordered start, restarts by strategy, escalation, reverse shutdown.

See `engine._tree` for the contract of the declarations. A restart that fails counts as another
crash. When a supervisor gives up it stops its children in reverse order and fails with a
`RestartsExhausted` that holds the errors of its window; its parent treats that as the crash of a
permanent child, the root ends the system with it.
"""

from collections import deque
from typing import Protocol

import trio

from engine._cell import CLOSED, DEAD, LIVE, Cell, Kind, Op, new_cell
from engine._core import Core
from engine._events import SupervisorFailed
from engine._passivation import passivate
from engine._tree import ChildSpec, Supervisor, Virtual
from engine.errors import ActorStopped, Address, RestartsExhausted


class RestartWindow:
    """Counts restarts against an intensity: at most `intensity` within `period` seconds."""

    def __init__(self, intensity: int, period: float) -> None:
        self._intensity = intensity
        self._period = period
        self._entries: deque[tuple[float, Exception]] = deque()

    def admit(self, now: float, error: Exception) -> bool:
        """Count one restart at `now`; False if it is one too many."""
        entries = self._entries
        entries.append((now, error))
        while entries[0][0] <= now - self._period:
            entries.popleft()
        return len(entries) <= self._intensity

    def recent(self, now: float) -> int:
        """Restarts within the period that ends at `now`."""
        return sum(1 for at, _ in self._entries if at > now - self._period)

    @property
    def errors(self) -> list[Exception]:
        """The errors of the window, oldest first."""
        return [error for _, error in self._entries]


class ChildStopped(Exception):
    """Stands in the window for a permanent child that ended without an error."""


class Child(Protocol):
    """What a supervisor needs of a child, be it actor, kind or supervisor."""

    name: str
    restarts: int

    @property
    def restart(self) -> str: ...
    async def start(self) -> None: ...
    async def suspend(self) -> None: ...
    async def shut_down(self) -> None: ...


class ActorChild:
    """A resident actor under a supervisor."""

    def __init__(self, core: Core, spec: ChildSpec, parent: "SupervisorRun") -> None:
        self.name = spec.name
        self.spec = spec
        self.restarts = 0
        self._core = core
        self._parent = parent
        self._kind = Kind(core, spec)
        self._kind.supervisor = parent.path
        self._kind.closed = None
        self._kind.on_start = self._started
        self._kind.on_end = self._ended
        core.add_kind(self._kind)
        self._cell: Cell | None = None
        self._outcome: trio.Event | None = None
        self._error: BaseException | None = None
        self._quiet = False  # its end is the supervisor's own doing

    @property
    def restart(self) -> str:
        return self.spec.restart

    def _cell_now(self) -> Cell:
        cell = self._cell
        if cell is None or cell.phase == DEAD:
            address = Address(self.name, ())
            cell = self._cell = new_cell(address, self._kind)
            self._core.cells[address] = cell
        return cell

    def _started(self, cell: Cell) -> None:
        if self._outcome is not None:
            self._outcome.set()

    def _ended(self, cell: Cell, error: BaseException | None) -> None:
        if self._outcome is not None and not self._outcome.is_set():
            self._error = error or ActorStopped(cell.address)
            self._outcome.set()
        elif not self._quiet:
            self._parent.child_ended(self, error)

    async def start(self) -> None:
        """Start the actor; returns when its `on_start` has, raises what it raised."""
        self._quiet = False
        self._outcome = trio.Event()
        self._error = None
        self._core.post(self._cell_now(), ("start", None))
        await self._outcome.wait()
        self._outcome = None
        if self._error is not None:
            raise self._error

    async def suspend(self) -> None:
        """End the incarnation, keep what is queued for the next one."""
        await self._end("suspend", drain=False)

    async def shut_down(self) -> None:
        """Drain, stop for good."""
        await self._end("close", drain=True)

    async def close(self) -> None:
        """Never to be restarted: fail what is queued and what comes."""
        await self._end("close", drain=False)

    async def _end(self, op: str, *, drain: bool) -> None:
        self._quiet = True
        cell = self._cell
        if cell is not None and cell.phase != DEAD:
            await end_cell(self._core, cell, op, self.spec.shutdown, drain=drain)


class KindChild:
    """All virtual actors of one kind, as one child."""

    restart = "permanent"

    def __init__(self, core: Core, spec: Virtual, parent: "SupervisorRun") -> None:
        self.name = spec.name
        self.spec = spec
        self.restarts = 0
        self._core = core
        self._kind = Kind(core, spec)
        self._kind.supervisor = parent.path
        core.add_kind(self._kind)

    async def start(self) -> None:
        """Open the kind for commands."""
        self._kind.closed = None

    async def suspend(self) -> None:
        """End all incarnations; queued commands start the next ones."""
        await self._end_all("suspend", drain=False)

    async def shut_down(self) -> None:
        """Refuse new addresses, drain those that have work, stop all."""
        self._kind.closed = "shutting down"
        await self._end_all("close", drain=True)

    async def _end_all(self, op: str, *, drain: bool) -> None:
        core = self._core
        mine = [cell for cell in list(core.cells.values()) if cell.kind is self._kind]
        order: Op = (op, "stopped")
        told: list[Cell] = []  # idle ones need no task each
        limit = trio.current_time() + self.spec.shutdown
        async with trio.open_nursery() as nursery:
            for position, cell in enumerate(mine):
                if position % 500 == 499:
                    await trio.lowlevel.checkpoint()
                if cell.queue is not None or cell.extra is not None:
                    nursery.start_soon(_end_quietly, core, cell, op, self.spec.shutdown, drain)
                elif self._kind.stops or self._kind.resident or not passivate(core, cell):
                    core.post(cell, order)
                    told.append(cell)
            for cell in told:
                await _carried_out(core, cell, order, limit)


async def _end_quietly(core: Core, cell: Cell, op: str, seconds: float, drain: bool) -> None:
    if cell.phase != DEAD:
        await end_cell(core, cell, op, seconds, drain=drain)


async def end_cell(core: Core, cell: Cell, op: str, seconds: float, *, drain: bool) -> None:
    """End what runs at a cell, within `seconds`; then cancel it."""
    order: Op = (op, "stopped")
    with trio.move_on_after(seconds) as limit:
        if drain:
            await _drained(cell)
        core.post(cell, order)
        while _pending(cell, order):
            await cell.extras().ending().wait()
    if limit.cancelled_caught:
        await _kill(core, cell, order)


async def _carried_out(core: Core, cell: Cell, order: Op, limit: float) -> None:
    """Wait for a system message that was posted; from `limit` on, enforce it."""
    while _pending(cell, order):
        if trio.current_time() >= limit:
            await _kill(core, cell, order)
            return
        with trio.move_on_at(limit):
            await cell.extras().ending().wait()


async def _drained(cell: Cell) -> None:
    extra = cell.extras()
    while (cell.queue is not None and cell.queue is not CLOSED) or extra.deferred:
        if cell.phase != LIVE and not cell.kind.virtual:
            return  # nobody is there to work on it
        await extra.draining().wait()


def _pending(cell: Cell, order: Op) -> bool:
    """Whether a system message is still to be carried out."""
    extra = cell.extra
    if extra is None or cell.phase == DEAD:
        return False
    return extra.stopping is order or any(op is order for op in extra.ops)


async def _kill(core: Core, cell: Cell, order: Op) -> None:
    """Cancel handler and child tasks until the incarnation has ended."""
    if not _pending(cell, order):
        core.post(cell, order)
    while _pending(cell, order):
        worker = cell.worker
        if worker is not None and worker.cell is cell:
            worker.cancel()
        ended = cell.extras().ending()
        with trio.move_on_after(1.0):
            await ended.wait()


class SupervisorRun:
    """One running supervisor."""

    restart = "permanent"

    def __init__(self, core: Core, spec: Supervisor, parent: "SupervisorRun | None") -> None:
        self.spec = spec
        self.name = spec.name
        self.path: str = spec.name if parent is None else f"{parent.path}/{spec.name}"
        self.state = "stopped"
        self.restarts = 0
        self.total_restarts = 0
        self.last_error: BaseException | None = None
        self._core = core
        self._parent = parent
        self._window = RestartWindow(spec.intensity, spec.period)
        self._exits: deque[tuple[Child, BaseException | None]] = deque()
        self._news = trio.Event()
        self._scope = trio.CancelScope()
        self._stopped = trio.Event()
        core.supervisors.append(self)
        self.children: list[Child] = [self._make(child) for child in spec.children]

    def _make(self, spec: ChildSpec | Virtual | Supervisor) -> Child:
        if isinstance(spec, ChildSpec):
            return ActorChild(self._core, spec, self)
        if isinstance(spec, Virtual):
            return KindChild(self._core, spec, self)
        return SupervisorRun(self._core, spec, self)

    def recent_restarts(self) -> int:
        """Restarts in the current window."""
        return self._window.recent(trio.current_time())

    def child_ended(self, child: Child, error: BaseException | None) -> None:
        """A child ended by itself; decided on in the supervisor's own task."""
        self._exits.append((child, error))
        self._news.set()

    async def start(self) -> None:
        """Start all children in order; if one fails, stop it and those before it, and raise."""
        self._window = RestartWindow(self.spec.intensity, self.spec.period)
        self._exits.clear()
        started: list[Child] = []
        try:
            for child in self.children:
                started.append(child)
                await child.start()
        except BaseException:
            with trio.CancelScope(shield=True):
                for child in reversed(started):
                    await child.shut_down()
            raise
        self.state = "running"
        self._scope = trio.CancelScope()
        self._stopped = trio.Event()
        self._core.nursery.start_soon(self._run, name=f"supervisor {self.path}")

    async def suspend(self) -> None:
        """Stop, to be started again by the parent."""
        await self.shut_down()

    async def shut_down(self) -> None:
        """Stop deciding, then stop the children in reverse order."""
        if self.state == "stopped":
            return
        self._scope.cancel()
        await self._stopped.wait()
        await self._stop_children()

    async def _stop_children(self) -> None:
        for child in reversed(self.children):
            await child.shut_down()
        self.state = "stopped"

    async def _run(self) -> None:
        failure: RestartsExhausted | None = None
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    failure = await self._decide(nursery)
                    nursery.cancel_scope.cancel()
        finally:
            self._stopped.set()
        if failure is not None:
            await self._escalate(failure)

    async def _decide(self, nursery: trio.Nursery) -> RestartsExhausted:
        while True:
            while not self._exits:
                self._news = trio.Event()
                await self._news.wait()
            child, error = self._exits.popleft()
            self.last_error = error or self.last_error
            if child.restart == "temporary" or (child.restart == "transient" and error is None):
                if isinstance(child, ActorChild):
                    await child.close()
                continue
            delay = self._admit(child, error)
            if delay is None:
                message = f"supervisor {self.path}: more than {self.spec.intensity} restarts"
                return RestartsExhausted(message, self._window.errors)
            if self.spec.strategy == "one_for_one":
                nursery.start_soon(self._restart, [child], delay)
            else:
                await self._restart(self._affected(child), delay)

    def _admit(self, child: Child, error: BaseException | None) -> float | None:
        """Count the restart; the seconds to wait before it, or None to give up."""
        now = trio.current_time()
        cause = error if isinstance(error, Exception) else ChildStopped(child.name)
        if not self._window.admit(now, cause):
            return None
        child.restarts += 1
        self.total_restarts += 1
        backoff = child.spec.backoff if isinstance(child, ActorChild) else self.spec.backoff
        return backoff.delay(self._window.recent(now), self._core.random.random())

    def _affected(self, child: Child) -> list[Child]:
        if self.spec.strategy == "one_for_all":
            return list(self.children)
        return self.children[self.children.index(child) :]

    async def _restart(self, children: list[Child], delay: float) -> None:
        for child in reversed(children):
            if isinstance(child, ActorChild) and child.restart == "temporary":
                await child.close()
            else:
                await child.suspend()
        await trio.sleep(delay)
        for child in children:
            if child.restart == "temporary":
                continue
            self._forget_exits(child)
            try:
                await child.start()
            except Exception as error:  # noqa: BLE001 - a failed start counts as a crash
                self.child_ended(child, error)
                return

    def _forget_exits(self, child: Child) -> None:
        """A child that is being started again needs no decision on its earlier end."""
        for exit_ in [one for one in self._exits if one[0] is child]:
            self._exits.remove(exit_)

    async def _escalate(self, failure: RestartsExhausted) -> None:
        self.last_error = failure
        self._core.events.publish(SupervisorFailed(path=self.path, error=failure))
        await self._stop_children()
        if self._parent is None:
            self._core.give_up(failure)
        else:
            self._parent.child_ended(self, failure)
