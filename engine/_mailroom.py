"""The shared state of one system, and how a command gets into a mailbox.

Everything here is synchronous: it never waits, and it never runs a handler. Whoever changes a
cell leaves it either idle (`queue is None`), or on the ready list, or in the hands of a worker.
"""
# ruff: noqa: SLF001 - the envelope's slots are private to the package, not to its class

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from trio import lowlevel

from engine._cell import (
    CLOSED,
    DEAD,
    LIVE,
    SINGLE,
    Cell,
    Extra,
    Item,
    Kind,
    Op,
    Waiting,
    new_cell,
)
from engine._chains import check_chain
from engine._command import Command
from engine._dead_letters import DeadLetters
from engine._timers import Timer, Timers
from engine._turn import FORWARDED, PENDING, RESUME, Turn
from engine.errors import (
    ActorStopped,
    Address,
    AskCycle,
    MailboxFull,
    UnknownAddress,
)

if TYPE_CHECKING:  # workers build on the core
    from engine._worker import Worker


_LINE: Final = 32  # senders in line from which on it is looked whether they still wait


class Registry(dict[Address, Cell]):
    """The cells by address. Looking one up makes it, if its kind is virtual and open.

    Raises:
        UnknownAddress: no such kind, or a supervised child that was never declared.
        ActorStopped: the kind has not started yet, or is closed.
    """

    __slots__ = ("_kinds",)

    def __init__(self, kinds: "dict[str, Kind]") -> None:
        super().__init__()
        self._kinds = kinds

    def __missing__(self, address: Address) -> Cell:
        kind = self._kinds.get(address.kind)
        if kind is None or not kind.virtual:
            raise UnknownAddress(address)
        if kind.closed is not None:
            raise ActorStopped(address, kind.closed)
        cell = self[address] = new_cell(address, kind)
        return cell


class Mailroom(ABC):
    """Registry, ready list, worker pool, dead letters of one system."""

    def __init__(self) -> None:
        self.kinds: dict[str, Kind] = {}
        self.cells = Registry(self.kinds)
        self.ready: deque[Cell] = deque()
        self.workers: dict[lowlevel.Task, Worker] = {}
        self.idle: list[Worker] = []
        self.awake = 0  # workers that take cells from the ready list
        self.ramp = 1  # how many of them may be awake at once
        # Trio's clock, asked directly: `trio.current_time` looks it up each time.
        self.time: Callable[[], float] = lowlevel.current_clock().current_time
        self.now = self.time()  # refreshed at least once per slice
        self.timers = Timers()
        self.expiries: dict[Turn[Any], Timer] = {}  # of asks that inherited a deadline
        self.reads: dict[lowlevel.Task, Turn[Any]] = {}  # under way, with an asker
        self.dead = DeadLetters()
        self.clock: Callable[[], float] = perf_counter  # of handling times and slices
        self.spawn_worker: Callable[[Cell | None], None]

    # -- into the mailbox --------------------------------------------------------------------

    def offer(self, cell: Cell, item: Item) -> bool:
        """Queue an item if there is room; False where it would have to wait for room.

        Raises MailboxFull (policy `reject`) or ActorStopped.
        """
        queue = cell.queue
        if queue is None:
            self.wake(cell, item)
            return True
        if len(queue) < cell.kind.capacity:
            queue.append(item)
            if cell.kind.reentrant:
                self.interleave(cell)
            return True
        return self._overflow(cell, item)

    def enqueue(self, cell: Cell, turn: Turn[Any]) -> None:
        """Queue an asker's turn; before a full mailbox it stands in line."""
        if not self.offer(cell, turn):
            waiters = cell.extras().waiters
            count = len(waiters)
            if count >= _LINE and not count & (count - 1):
                _tidy(waiters)
            waiters.append(Waiting(turn, None))

    def _overflow(self, cell: Cell, item: Item) -> bool:
        queue = cell.queue
        if queue is CLOSED:
            if not cell.kind.virtual or cell.kind.closed is not None:
                raise ActorStopped(cell.address, cell.kind.closed or "stopped")
            return self.offer(self.cells[cell.address], item)
        if queue is SINGLE:
            self.unfold(cell)
            return self.offer(cell, item)
        policy = cell.kind.policy
        if policy.overflow == "reject":
            cell.kind.stats.dropped += 1
            raise MailboxFull(cell.address, policy.capacity)
        if policy.overflow == "backpressure" or queue is None:
            return False
        oldest = queue.popleft()
        queue.append(item)
        cell.kind.stats.dropped += 1
        self.discard(cell, oldest, "dropped", MailboxFull(cell.address, policy.capacity))
        return True

    @staticmethod
    def unfold(cell: Cell) -> deque[Item]:
        """Give a busy cell a real queue, with all that it holds."""
        queue = cell.queue
        if queue is None or queue is SINGLE:
            queue = cell.queue = deque()
            if cell.single is not None:
                queue.append(cell.single)
                cell.single = None
        return queue

    def wake(self, cell: Cell, item: Item | None) -> None:
        """Make an idle cell runnable, with its first item if there is one."""
        cell.queue = SINGLE
        cell.single = item
        if cell.kind.resident:
            self.now = self.time()
            worker = cell.worker
            if worker is None:
                self.spawn_worker(cell)
            else:
                worker.ready.append(cell)
                worker.unpark()
        else:
            self.ready.append(cell)
            if not self.awake:
                self.now = self.time()
                self.promote()
        cell.used = self.now

    def promote(self) -> None:
        """Wake one more pooled worker."""
        self.awake += 1
        if self.idle:
            worker = self.idle.pop()
            worker.leading = True
            lowlevel.reschedule(worker.task, RESUME)
        else:
            self.spawn_worker(None)

    def post(self, cell: Cell, op: Op) -> None:
        """Queue a system message; it overtakes every queued command."""
        if cell.phase == DEAD:
            return
        cell.extras().ops.append(op)
        if cell.queue is None:
            self.wake(cell, None)
            return
        if cell.kind.resident and cell.worker is not None and cell.worker.parked:
            cell.worker.ready.append(cell)
            cell.worker.unpark()
        worker = self.workers.get(lowlevel.current_task())
        if worker is not None and worker.cell is cell:
            worker.interrupt = True

    def admit(self, cell: Cell, extra: Extra) -> None:
        """Let senders in line into the mailbox, first come first served, while there is room."""
        waiters = extra.waiters
        queue = self.unfold(cell)
        room = cell.kind.capacity - len(queue)
        while waiters and room > 0:
            waiting = waiters.popleft()
            item = waiting.item
            if isinstance(item, Turn) and item._state != PENDING:
                continue
            queue.append(item)
            room -= 1
            self.release(waiting, None)

    @staticmethod
    def release(waiting: Waiting, error: BaseException | None) -> None:
        """End a sender's wait in line."""
        waiting.done = True
        waiting.error = error
        if waiting.task is not None:
            lowlevel.reschedule(waiting.task, RESUME)
            waiting.task = None

    async def wait_for_room(self, cell: Cell, item: Item) -> None:
        """Stand in line before a full mailbox until the item is in it.

        An actor would wait for itself there: MailboxFull.
        """
        worker = self.workers.get(lowlevel.current_task())
        if worker is not None and worker.cell is cell:
            raise MailboxFull(cell.address, cell.kind.capacity)
        waiting = Waiting(item, lowlevel.current_task())
        waiters = cell.extras().waiters
        waiters.append(waiting)
        await self.stand_in_line(waiters, waiting)

    @staticmethod
    async def stand_in_line(waiters: deque[Waiting], waiting: Waiting) -> None:
        """Wait for a `Waiting` that is already in line; cancelled, it leaves the line."""

        def leave(_: object) -> lowlevel.Abort:
            waiting.task = None
            if not waiting.done and waiting in waiters:
                waiters.remove(waiting)
            return lowlevel.Abort.SUCCEEDED

        await lowlevel.wait_task_rescheduled(leave)
        if waiting.error is not None:
            raise waiting.error

    # -- passing on --------------------------------------------------------------------------

    def forward(self, cell: Cell, turn: Turn[Any], command: Command[Any]) -> None:
        """Pass a turn on. A `tell` that finds the new mailbox full is noted in `Extra.lines`."""
        asked = turn._task is not None or turn._parent is not None or turn._origin is not None
        try:
            target = self.cells[command.to]
            check_chain(target, turn)
        except (ActorStopped, AskCycle) as error:
            self.refuse(cell, turn, error)
            return
        successor = turn._hand_over(command)
        successor._cell = target
        try:
            if self.offer(target, successor):
                return
        except (MailboxFull, ActorStopped) as error:
            self.discard(target, successor, "forward refused", error)
            return
        waiting = Waiting(successor, None)
        waiters = target.extras().waiters
        waiters.append(waiting)
        if not asked and target is not cell:
            cell.extras().lines.append((waiters, waiting))

    def refuse(self, cell: Cell, turn: Turn[Any], error: Exception) -> None:
        """Answer a turn with an error; without asker it becomes a dead letter."""
        if turn._task is None:
            self.letter(cell.address, turn.command, type(error).__name__)
        turn.fail(error)

    # -- out of the mailbox, unhandled -------------------------------------------------------

    def letter(self, address: Address, command: Command[Any], reason: str) -> None:
        """Record a dead letter."""
        self.dead.add(address, command, reason, self.now)

    def discard(self, cell: Cell, item: Item, reason: str, error: BaseException) -> None:
        """Take an item out of work: its asker gets `error`, a tell becomes a dead letter."""
        if isinstance(item, Turn):
            if item._state != PENDING:
                return
            if item._task is not None:
                item.fail(error)
                return
            item._state = FORWARDED
        self.letter(cell.address, command_of(item), reason)

    def clear(self, cell: Cell, reason: str, error: BaseException) -> None:
        """Discard everything queued and everyone in line."""
        if cell.holds():
            queue = self.unfold(cell)
            while queue:
                self.discard(cell, queue.popleft(), reason, error)
        extra = cell.extra
        if extra is not None:
            while extra.waiters:
                waiting = extra.waiters.popleft()
                if waiting.task is None:
                    self.discard(cell, waiting.item, reason, error)
                self.release(waiting, error)

    def fail_queued(
        self, cell: Cell, command_type: type[Command[Any]], error: BaseException
    ) -> int:
        """Discard queued commands of a type; see `Actor.fail_queued`."""
        failed = 0
        if cell.holds():
            queue = self.unfold(cell)
            for _ in range(len(queue)):
                item = queue.popleft()
                if isinstance(command_of(item), command_type):
                    self.discard(cell, item, "failed queued", error)
                    failed += 1
                else:
                    queue.append(item)
        if cell.extra is not None:
            for waiting in list(cell.extra.waiters):
                if isinstance(command_of(waiting.item), command_type):
                    cell.extra.waiters.remove(waiting)
                    if waiting.task is None:
                        self.discard(cell, waiting.item, "failed queued", error)
                    self.release(waiting, error)
                    failed += 1
            if cell.extra.waiters:
                self.admit(cell, cell.extra)
        return failed

    # -- reads that interleave ---------------------------------------------------------------

    def interleave(self, cell: Cell) -> None:
        """Start reentrant reads that stand first in the queue while the handler waits."""
        queue = cell.queue
        worker = cell.worker
        if worker is None or not worker.blocked or cell.phase != LIVE or not queue:
            return
        while queue and command_of(queue[0]).__class__ in cell.kind.reentrant:
            self.start_read(cell, queue.popleft())
            cell.handled += 1
            if cell.extra is not None and cell.extra.waiters:
                self.admit(cell, cell.extra)

    @abstractmethod
    def start_read(self, cell: Cell, item: Item) -> None:
        """Run one reentrant read beside the handler."""


def _tidy(waiters: deque[Waiting]) -> None:
    """Drop askers that left the line: before an actor that is stuck they would pile up."""
    stay = [
        each
        for each in waiters
        if each.task is not None or not (isinstance(each.item, Turn) and each.item.settled)
    ]
    waiters.clear()
    waiters.extend(stay)


def command_of(item: Item) -> Command[Any]:
    return item.command if isinstance(item, Turn) else item
