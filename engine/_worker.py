"""A worker: one task that runs handlers, and how it notices that a handler really waits."""

import types
from collections import deque
from collections.abc import Coroutine, Generator
from typing import Any

import trio
from trio import lowlevel

from engine._cell import Cell
from engine._core import MAX_RAMP, Core
from engine._turn import RESUME, Turn


class Worker:
    """One task that runs handlers, and the lease (a cancel scope) under which it runs them."""

    __slots__ = (
        "asking",
        "blocked",
        "cancelled",
        "cell",
        "core",
        "interrupt",
        "item",
        "leading",
        "own",
        "parked",
        "ready",
        "scope",
        "task",
        "waited_at",
    )

    def __init__(self, core: Core, own: Cell | None) -> None:
        self.core = core
        self.own = own  # the resident actor it belongs to
        self.ready: deque[Cell] = core.ready if own is None else deque()
        self.cell: Cell | None = None  # what it serves now
        self.item: Any = None  # the command or turn in work
        self.asking: Turn[Any] | None = None  # what its handler asked and waits for
        self.scope = trio.CancelScope()
        self.task: lowlevel.Task
        self.leading = own is None
        self.parked = False
        self.blocked = False  # the current handler has really waited
        self.interrupt = False  # look up before the next command
        self.waited_at = 0.0
        self.cancelled = False  # its lease is used up

    def cancel(self) -> None:
        """Cancel the handler in work (and with it the lease)."""
        self.cancelled = True
        self.scope.cancel()

    def unpark(self) -> None:
        """Wake a resident's worker."""
        if self.parked:
            self.parked = False
            lowlevel.reschedule(self.task, RESUME)

    def abort(self, _: object) -> lowlevel.Abort:
        """The system is going down while this worker is parked."""
        self.parked = False
        if self in self.core.idle:
            self.core.idle.remove(self)
        return lowlevel.Abort.SUCCEEDED

    def waiting(self) -> None:
        """The current handler is about to wait: hand the ready list to somebody else."""
        cell = self.cell
        core = self.core
        self.blocked = self.interrupt = True
        self.waited_at = core.clock()
        if cell is None:
            return
        cell.worker = self
        extra = cell.extra
        if extra is not None and extra.waiters:
            core.admit(cell, extra)
        if cell.kind.reentrant:
            core.interleave(cell)
        if self.leading:
            self.leading = False
            core.awake -= 1
            queued = len(core.ready)
            if queued:
                ramp = core.ramp
                for _ in range(min(queued, ramp) - core.awake):
                    core.promote()
                if ramp < MAX_RAMP:
                    core.ramp = ramp * 2


@types.coroutine
def drive(coro: Coroutine[Any, Any, None], worker: Worker) -> Generator[Any, Any, None]:
    """Run a worker's coroutine, telling the worker of each first wait of a handler."""
    send = coro.send
    value: Any = None
    try:
        while True:
            try:
                trap = send(value)
            except StopIteration:
                return
            if worker.cell is not None and not worker.blocked:
                worker.waiting()
            value = yield trap
    finally:
        coro.close()
