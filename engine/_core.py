"""What actors and supervisors ask of their system: child tasks, timers, watches, accounts."""

import random
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

import trio

from engine._cell import CLOSED, STOPPING, Cell, Item, Kind, Waiting
from engine._command import Command, Died
from engine._events import EventStream
from engine._mailroom import Mailroom, command_of
from engine._passivation import Passivation
from engine._timers import Timer
from engine._turn import Turn
from engine.errors import ActorStopped, Address, DefinitionError, MailboxFull

if TYPE_CHECKING:  # these build on the core
    from engine._crash import ParkedCommand
    from engine._supervision import SupervisorRun
    from engine._system import ParkedHook, System, TraceHook

MAX_RAMP: Final = 64
TELLS_PER_CHECKPOINT: Final = 256


class Core(Mailroom):
    """All of one system that is not its public face."""

    system: "System"
    nursery: trio.Nursery

    def __init__(self, seed: int | None = None) -> None:
        super().__init__()
        self.events = EventStream()
        self.passivation = Passivation(self)
        self.random = random.Random(seed)
        self.supervisors: list[SupervisorRun] = []
        self.parked: ParkedHook | None = None
        self.parked_commands: deque[ParkedCommand] = deque(maxlen=256)
        self.trace: TraceHook | None = None
        self.tells = TELLS_PER_CHECKPOINT  # left before a `tell` is a checkpoint
        self.body = trio.CancelScope()
        self.failure: BaseException | None = None

    # -- accounts ----------------------------------------------------------------------------

    def add_kind(self, kind: Kind) -> None:
        """Register a kind; names are unique in a tree.

        Raises:
            DefinitionError: two children anywhere in the tree have this name.
        """
        if kind.name in self.kinds:
            message = f"two children of the tree are named {kind.name!r}"
            raise DefinitionError(message)
        self.kinds[kind.name] = kind

    def give_up(self, failure: BaseException) -> None:
        """The root supervisor failed: end the block that opened the system."""
        self.failure = failure
        self.body.cancel()

    # -- what actors ask of the engine -------------------------------------------------------

    def request_stop(self, cell: Cell) -> None:
        """End this incarnation, ahead of everything queued."""
        self.post(cell, ("stop", "stopped"))

    def stop_itself(self, cell: Cell) -> None:
        """As `request_stop`; one that is ending already does not take the next one with it."""
        if cell.phase != STOPPING:
            self.request_stop(cell)

    def start_child(
        self,
        cell: Cell,
        fn: Callable[..., Awaitable[object]],
        args: tuple[Any, ...],
        name: str | None,
    ) -> None:
        """Start a child task of the current incarnation."""
        scope = trio.CancelScope()
        extra = cell.extras()
        extra.children[scope] = None
        if extra.quiet is not None:  # the incarnation is ending, and its tasks with it
            scope.cancel()
        label = name or f"{cell.address}.{getattr(fn, '__name__', fn)}"
        self.nursery.start_soon(self._child, cell, scope, fn, args, name=label)

    async def _child(
        self,
        cell: Cell,
        scope: trio.CancelScope,
        fn: Callable[..., Awaitable[object]],
        args: tuple[Any, ...],
    ) -> None:
        extra = cell.extras()
        try:
            with scope:
                await fn(*args)
        except Exception as error:  # noqa: BLE001 - whatever a child raises crashes its actor
            extra.errors.append(error)
            self.post(cell, ("crash", None))
        finally:
            extra.children.pop(scope, None)
            if not extra.children and extra.quiet is not None:
                extra.quiet.set()

    def start_timer(
        self, cell: Cell, seconds: float, period: float | None, command: Command[Any]
    ) -> Timer:
        """Start a timer of the current incarnation.

        What cannot be fails here, in the actor, and not when the timer is due.
        """
        if not seconds >= 0 or not (period is None or period > 0):
            message = f"a timer of {seconds!r} s"
            raise ValueError(message)
        extra = cell.extras()
        address = command.to
        hash(address)

        def fire(timer: Timer) -> None:
            if timer.cancelled:
                extra.timers.pop(timer, None)
            self._ring(address, command, wait=period is None)

        timer = self.timers.add(trio.current_time() + seconds, fire, period)
        extra.timers[timer] = None
        timer.on_cancel = lambda: extra.timers.pop(timer, None)
        return timer

    def _ring(self, address: Address, command: Command[Any], *, wait: bool) -> None:
        try:
            cell = self.cells[address]
            if not self.offer(cell, command):
                if wait:
                    cell.extras().waiters.append(Waiting(command, None))
                else:
                    cell.kind.stats.dropped += 1
        except (ActorStopped, MailboxFull) as error:
            self.letter(address, command, type(error).__name__)

    def watch(self, cell: Cell, address: Address) -> None:
        """Register a death watch; an address without incarnation is reported at once."""
        target = self.cells.get(address)
        if target is None or (target.actor is None and target.queue in (None, CLOSED)):
            self.notify(cell.address, address, "no incarnation")
            return
        target.extras().watchers[cell.address] = None
        cell.extras().watching[address] = None

    def unwatch(self, cell: Cell, address: Address) -> None:
        """Take back a death watch."""
        target = self.cells.get(address)
        if target is not None and target.extra is not None:
            target.extra.watchers.pop(cell.address, None)
        if cell.extra is not None:
            cell.extra.watching.pop(address, None)

    def notify(self, watcher: Address, address: Address, error: str | None) -> None:
        """Send a death notice."""
        self._ring(watcher, Died(watcher=watcher, address=address, error=error), wait=True)

    # -- reads that interleave ---------------------------------------------------------------

    def start_read(self, cell: Cell, item: Item) -> None:
        """Run one reentrant read beside the handler."""
        self.start_child(cell, self._read, (cell, item), "read")

    async def _read(self, cell: Cell, item: Item) -> None:
        actor = cell.actor
        if actor is None:
            return
        turn = item if isinstance(item, Turn) else None
        command = command_of(item)
        started = self.clock()
        task = trio.lowlevel.current_task()
        if turn is not None:
            self.reads[task] = turn
        try:
            value = await actor.handlers.specs[type(command)].function(actor, command)
            if turn is not None:
                turn.reply(value)
        except cell.kind.refusals as error:
            cell.kind.stats.refused += 1
            if turn is not None:
                turn.fail(error)
        finally:
            self.reads.pop(task, None)
            cell.kind.stats.record(1, self.clock() - started)
            if turn is not None:
                turn.fail(ActorStopped(cell.address))
