"""A running system: the public face of the engine.

    async with open_system(tree) as system:
        ticket = await system.ask(CloseTicket(...))

Guarantees. A `tell` or `ask` that returned (or raised nothing) has put its command into the
mailbox of exactly one incarnation. Commands of one sender to one actor are handled in the order
sent, at most once per incarnation. An asker always gets an answer: the reply, the refusal, or
one of the errors of `engine.errors`. Leaving the block shuts the tree down in reverse order,
draining each child for at most its `shutdown` seconds.
"""
# ruff: noqa: SLF001 - the envelope's slots are private to the package, not to its class

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager
from contextvars import copy_context
from time import perf_counter
from typing import Any, Generic, TypeVar

import trio
from trio import lowlevel

from engine._cell import DEAD, LIVE, Cell
from engine._chains import asked, nested
from engine._command import Command, Event
from engine._core import TELLS_PER_CHECKPOINT, Core
from engine._crash import ParkedCommand
from engine._dead_letters import DeadLetters
from engine._events import E, EventQueue
from engine._scheduler import run_worker
from engine._snapshot import Order, take_snapshot
from engine._supervision import SupervisorRun
from engine._telemetry import Snapshot
from engine._tree import Supervisor
from engine._turn import FAILED, FORWARDED, Turn
from engine.errors import Address, AskCycle, MailboxFull

R = TypeVar("R")

ParkedHook = Callable[[ParkedCommand], Awaitable[None]]
TraceHook = Callable[[Address, Any, BaseException | None], None]


class Ref(Generic[R]):
    """A handle to one address that spares the look-up; survives passivation and restarts."""

    __slots__ = ("_cell", "_core", "address")

    def __init__(self, core: Core, address: Address) -> None:
        self.address = address
        self._core = core
        self._cell = core.cells[address]

    def tell_nowait(self, command: Command[Any]) -> None:
        """As `System.tell_nowait`, to this address whatever `command.to` says."""
        cell = self._cell
        queue = cell.queue
        if queue is not None and len(queue) < cell.kind.capacity and not cell.kind.reentrant:
            queue.append(command)
            return
        if queue is None:
            self._core.wake(cell, command)
            return
        if cell.phase == DEAD:
            cell = self._cell = self._core.cells[self.address]
        if not self._core.offer(cell, command):
            raise MailboxFull(cell.address, cell.kind.capacity)

    async def tell(self, command: Command[Any]) -> None:
        """As `System.tell`, to this address whatever `command.to` says."""
        core, cell = self._core, self._cell
        core.tells -= 1
        if not core.tells:
            core.tells = TELLS_PER_CHECKPOINT
            await lowlevel.checkpoint()
        queue = cell.queue
        if queue is not None and len(queue) < cell.kind.capacity and not cell.kind.reentrant:
            queue.append(command)
            return
        if cell.phase == DEAD:
            cell = self._cell = core.cells[self.address]
        if not core.offer(cell, command):
            await core.wait_for_room(cell, command)


class System:
    """A running tree of actors. Made by `open_system`."""

    def __init__(self, core: Core) -> None:
        self._core = core

    # -- commands ----------------------------------------------------------------------------

    def tell_nowait(self, command: Command[Any]) -> None:
        """Hand a command over without waiting.

        Raises:
            MailboxFull: no room (policies `backpressure` and `reject`).
            ActorStopped: the actor is closed, or the system shuts down.
        """
        core = self._core
        cell = core.cells[command.to]
        queue = cell.queue
        kind = cell.kind
        if queue is None:
            core.wake(cell, command)
        elif len(queue) < kind.capacity and not kind.reentrant:
            queue.append(command)
        elif not core.offer(cell, command):
            raise MailboxFull(cell.address, kind.capacity)

    async def tell(self, command: Command[Any]) -> None:
        """Hand a command over, waiting for room where the policy is `backpressure`.

        Not a checkpoint each time (one in 256 is), so that a tell costs no scheduler pass.
        Cancelled while it waits, the command was not handed over.

        Raises:
            MailboxFull: no room (policy `reject`; or an actor tells itself).
            ActorStopped: the actor is closed, or the system shuts down.
        """
        core = self._core
        core.tells -= 1
        if not core.tells:
            core.tells = TELLS_PER_CHECKPOINT
            await lowlevel.checkpoint()
        cell = core.cells[command.to]
        if not core.offer(cell, command):
            await core.wait_for_room(cell, command)

    async def ask(self, command: Command[R]) -> R:
        """Hand a command over and wait for its reply.

        The caller's trio deadline travels with the command: once it has passed (or the caller is
        cancelled) a command not yet begun is dropped. Inside a handler the deadline of the turn
        in work is inherited.

        Raises:
            Refusal: the actor's answer (or any class in its `refusals`).
            ActorCrashed: the actor failed with this command.
            ActorStopped: it stopped before it was through with it.
            Unavailable: the address backs off.
            MailboxFull: no room (policy `reject`), or dropped (`drop_oldest`).
            DeadlineExceeded: an inherited deadline passed.
            AskCycle: the actor waits, directly or through others, for the asker.
            NotAccepted: it has no handler for this command.
        """
        core = self._core
        cell = core.cells[command.to]
        task = lowlevel.current_task()
        deadline = trio.current_effective_deadline()
        worker = core.workers.get(task)
        read = core.reads.get(task) if core.reads else None
        turn: Turn[Any]
        if (worker is None or worker.cell is None) and read is None:
            turn = Turn(command, deadline)
        else:
            turn = nested(core, worker, read, cell, command, deadline)
        try:
            queue = cell.queue
            kind = cell.kind
            if queue is not None and len(queue) < kind.capacity and not kind.reentrant:
                queue.append(turn)
            else:
                core.enqueue(cell, turn)
            turn._task = task
            await lowlevel.wait_task_rescheduled(turn._abandon)
        finally:
            if turn._cell is not None:
                asked(core, worker, turn)
        if turn._state == FORWARDED:
            turn = turn._last()
        if turn._state == FAILED:
            error, trace = turn._value
            try:  # one error may be many askers' answer: each continues the actor's traceback
                raise error.with_traceback(trace)
            finally:
                del turn, error, trace
        value: R = turn._value
        return value

    def ref(self, address: Address) -> Ref[Any]:
        """A handle that tells to `address` without looking it up each time."""
        return Ref(self._core, address)

    # -- addresses ---------------------------------------------------------------------------

    def is_live(self, address: Address) -> bool:
        """Whether an incarnation is in memory there."""
        cell = self._core.cells.get(address)
        return cell is not None and cell.actor is not None and cell.phase == LIVE

    def addresses(self, kind: str | None = None) -> Iterator[Address]:
        """All registered addresses, of one kind or of all."""
        for address in list(self._core.cells):
            if kind is None or address.kind == kind:
                yield address

    def depth(self, address: Address) -> int:
        """Commands queued at this address."""
        cell = self._core.cells.get(address)
        return cell.depth() if cell is not None else 0

    async def stop(self, address: Address) -> None:
        """End the incarnation at `address` ahead of its queue; returns when it has ended.

        Its handler in work may finish. Queued askers get `ActorStopped`.

        Raises:
            AskCycle: it is the actor that calls (which has `Actor.stop`).
        """
        core = self._core
        cell = core.cells.get(address)
        if cell is None or cell.phase == DEAD:
            return
        worker = core.workers.get(lowlevel.current_task())
        if worker is not None and worker.cell is cell:
            raise AskCycle([address, address])
        ended = cell.extras().ending()
        core.request_stop(cell)
        await ended.wait()

    # -- observation -------------------------------------------------------------------------

    @property
    def dead_letters(self) -> DeadLetters:
        """Commands nobody worked on."""
        return self._core.dead

    @property
    def parked(self) -> tuple[ParkedCommand, ...]:
        """The latest poison commands."""
        return tuple(self._core.parked_commands)

    def publish(self, event: Event) -> None:
        """Hand an event to all current subscribers of its class."""
        self._core.events.publish(event)

    def subscribe(
        self, event_type: type[E], callback: Callable[[E], None]
    ) -> AbstractContextManager[None]:
        """Call `callback`, which must not wait, for each such event while the block runs."""
        return self._core.events.subscribe(event_type, callback)

    def stream(
        self, event_type: type[E], capacity: int = 256
    ) -> AbstractContextManager[EventQueue[E]]:
        """Collect such events in a bounded queue (oldest dropped) while the block runs."""
        return self._core.events.stream(event_type, capacity)

    async def snapshot(
        self,
        kind: str | None = None,
        limit: int = 100,
        offset: int = 0,
        order: Order = "depth",
    ) -> Snapshot:
        """The tree, every kind, and one page of actors, largest `order` first.

        Yields to other tasks every few milliseconds, so it is not one instant's picture.
        """
        return await take_snapshot(self._core, kind, limit, offset, order)


@asynccontextmanager
async def open_system(
    tree: Supervisor,
    *,
    parked: ParkedHook | None = None,
    trace: TraceHook | None = None,
    seed: int | None = None,
    clock: Callable[[], float] = perf_counter,
) -> AsyncGenerator[System, None]:
    """Start the tree; the block runs beside it; leaving the block shuts it down.

    parked  awaited with each poison command before its asker is answered `Parked`
    trace   called after each command: (address, command or turn, error or None)
    seed    of the jitter, for repeatable simulations
    clock   of handling times and time slices, in seconds; a simulation counts instead

    If the root supervisor gives up, the block is cancelled and its `RestartsExhausted` raised.
    Cancelled from outside, the system still drains within its shutdown times.
    """
    core = Core(seed)
    core.parked = parked
    core.trace = None if trace is None else _careful(core, trace)
    core.clock = clock
    system = core.system = System(core)
    root = SupervisorRun(core, tree, None)
    core.body.deadline = trio.current_effective_deadline()
    error: Exception | None = None
    async with trio.open_nursery() as outside:
        outside.start_soon(_pass_on_cancel, core)
        with trio.CancelScope(shield=True):
            async with trio.open_nursery() as nursery:
                core.nursery = nursery
                core.spawn_worker = _spawner(core)
                nursery.start_soon(core.timers.run, name="engine timers")
                nursery.start_soon(core.passivation.run, name="engine passivation")
                try:
                    with core.body:
                        await root.start()
                        yield system
                except Exception as raised:  # noqa: BLE001 - raised again, below, ungrouped
                    error = raised
                finally:
                    await _shut_down(root, nursery)
        outside.cancel_scope.cancel()
    if core.failure is not None:
        raise core.failure
    if error is not None:
        raise error
    await lowlevel.checkpoint_if_cancelled()


def _careful(core: Core, trace: TraceHook) -> TraceHook:
    """A hook that cannot break the actor it hears of; its failures are counted."""

    def call(address: Address, item: Any, error: BaseException | None) -> None:
        try:
            trace(address, item, error)
        except Exception:  # noqa: BLE001 - as of an event's subscribers
            core.events.failures += 1

    return call


async def _pass_on_cancel(core: Core) -> None:
    """The tree is shielded, so that it can drain; this carries a cancel to the block itself."""
    try:
        await trio.sleep_forever()
    finally:
        core.body.cancel()


async def _shut_down(root: SupervisorRun, nursery: trio.Nursery) -> None:
    if not nursery.cancel_scope.cancel_called:  # else the engine's own tasks are gone already
        with trio.CancelScope(shield=True):
            await root.shut_down()
    nursery.cancel_scope.cancel()


def _spawner(core: Core) -> Callable[[Cell | None], None]:
    """Starts workers in the context of the block that opened the system.

    A task inherits the context variables of whoever starts it, and a worker outlives the task that
    happened to need it: it would speak in that one's name for ever.
    """
    context = copy_context()

    def spawn(cell: Cell | None) -> None:
        name = "engine worker" if cell is None else f"actor {cell.address}"
        context.copy().run(lambda: core.nursery.start_soon(run_worker, core, cell, name=name))

    return spawn
