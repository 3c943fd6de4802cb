"""Who runs handlers: a small pool of tasks for pooled actors, one task per resident actor.

A pooled worker takes cells from the ready list and runs their handlers inline, in its own task,
with a plain `await`: a handler that never really waits costs no scheduler pass. The worker's
coroutine is driven by `drive`, which sees the first real wait of a handler before trio does; the
worker then hands the ready list to another one and stays with its actor. How many workers may be
awake at once adapts: one while handlers never wait, doubled each time one does while work is
queued, halved when a woken worker finds nothing.

Fairness. Cells take turns (round robin); a turn is bounded in commands, adapted to their cost,
and the awake workers share one slice of `SLICE` seconds per pass of the trio loop, so other trio
tasks wait about that long. Only public trio interfaces are used.
"""
# ruff: noqa: SLF001 - the envelope's slots are private to the package, not to its class

from typing import Any, Final

import trio
from trio import lowlevel

from engine import _lifecycle as lifecycle
from engine._cell import CLOSED, COLD, LIVE, SINGLE, Cell
from engine._command import Forward
from engine._core import Core
from engine._turn import REPLIED, RESUME, Turn
from engine._worker import Worker, drive

SLICE: Final = 0.001
MAX_TURN: Final = 64
MAX_IDLE: Final = 256
CHEAP_TURN: Final = SLICE / 2

reschedule = lowlevel.reschedule
checkpoint = lowlevel.checkpoint


async def run_worker(core: Core, own: Cell | None) -> None:
    """The task of one worker, until the system ends (or its resident actor is closed)."""
    worker = Worker(core, own)
    task = worker.task = lowlevel.current_task()
    core.workers[task] = worker
    if own is not None:
        own.worker = worker
        worker.ready.append(own)
    try:
        await drive(_leases(core, worker), worker)
    finally:
        del core.workers[task]
        if worker.leading:
            core.awake -= 1


async def _leases(core: Core, worker: Worker) -> None:
    """Renew the worker's cancel scope after each use, so that a late cancel hits nobody else."""
    going = True
    while going:
        failure: Exception | None = None
        try:
            with trio.CancelScope() as scope:
                worker.scope = scope
                worker.cancelled = False
                going = await _work(core, worker)
        except Exception as error:
            if worker.cell is None:
                raise
            failure = error  # what a cancelled nursery of the handler raised beside the cancel
        cell = worker.cell
        if cell is not None:  # cancelled inside a handler
            await lifecycle.killed(core, worker, cell, failure)
            _release(core, worker, cell)
            going = worker.own is None or cell.queue is not CLOSED
        if going and worker.own is None and not worker.leading:
            going = await _regain(core, worker)


async def _regain(core: Core, worker: Worker) -> bool:
    """After a wait: take part again if there is room for one more, else park."""
    if core.awake < core.ramp:
        worker.leading = True
        core.awake += 1
        return True
    return await _park(core, worker)


async def _park(core: Core, worker: Worker) -> bool:
    """Wait to be promoted; False when there are enough idle workers already."""
    if len(core.idle) >= MAX_IDLE:
        return False
    core.idle.append(worker)
    await lowlevel.wait_task_rescheduled(worker.abort)
    return True


def _stand_down(core: Core, worker: Worker, useful: bool) -> None:
    """A pooled worker finds nothing ready: it is about to park."""
    if not useful and core.ramp > 1:
        core.ramp >>= 1
    worker.leading = False
    core.awake -= 1


async def _rest(own: Cell, worker: Worker) -> bool:
    """Nothing is ready for a resident: wait until something is; False to end the task."""
    if own.queue is CLOSED:
        return False
    if own.queue is not None and own.extra is not None and own.extra.ops:
        worker.ready.append(own)  # posted to a child between incarnations as its turn ended
        return True
    worker.parked = True
    await lowlevel.wait_task_rescheduled(worker.abort)
    return True


async def _work(core: Core, worker: Worker) -> bool:  # noqa: C901, PLR0915
    """Serve ready cells; True to have the lease renewed, False to end the task.

    Long on purpose: every call made here would be paid for each command of the system.
    """
    ready = worker.ready
    own = worker.own
    pooled = own is None
    trace = core.trace
    clock = core.clock
    useful = False
    index = low = high = 0  # the histogram's bucket of the latest turn; most fall into the same
    core.now = core.time()
    mark = clock()
    limit = mark + SLICE / (core.awake or 1)
    while True:
        while ready:
            useful = True
            cell = ready.popleft()
            worker.cell = cell
            extra = cell.extra
            servable = True
            if cell.phase != LIVE or (extra is not None and extra.ops):
                try:
                    servable = lifecycle.enliven(core, cell)
                except Exception as error:  # noqa: BLE001 - the factory's, to be answered
                    await lifecycle.activation_failed(core, cell, error)
                    servable = False
                else:
                    if not servable:
                        servable = await lifecycle.prepare(core, worker, cell)
                        worker.blocked = worker.interrupt = False
                        mark = clock()
            if not servable:
                _release(core, worker, cell)
            else:
                actor, queue, kind = cell.actor, cell.queue, cell.kind
                plain = kind.plain
                single = cell.single
                item: Any = single
                if single is not None:
                    cell.single = None
                    todo = 1
                elif queue:
                    todo = len(queue)
                    if todo > kind.quota:
                        todo = kind.quota
                    item = queue.popleft()
                else:
                    todo = 0
                left = todo - 1
                while todo:
                    worker.item = item
                    try:
                        function = plain.get(item.__class__)
                        if function is not None:
                            result = await function(actor, item)
                            if result.__class__ is Forward:
                                await lifecycle.pass_on(core, cell, Turn(item), result)
                        elif item.__class__ is not Turn:
                            left -= await lifecycle.special(core, worker, cell, item)
                        elif (
                            item._state
                            or item.deadline <= core.now
                            or (item._parent is not None and item._abandoned())
                        ):
                            lifecycle.expire(cell, item)
                        else:
                            function = plain.get(item.command.__class__)
                            if function is None:
                                left -= await lifecycle.special(core, worker, cell, item)
                            else:
                                result = await function(actor, item.command)
                                if result.__class__ is Forward:
                                    await lifecycle.pass_on(core, cell, item, result)
                                elif not item._state:
                                    item._value = result
                                    item._state = REPLIED
                                    task = item._task
                                    if task is not None:
                                        item._task = None
                                        reschedule(task, RESUME)
                    except kind.refusals as error:
                        rest = lifecycle.refused(core, worker, cell, error)
                        if rest is not None:
                            await rest
                        if trace is not None:
                            trace(cell.address, item, error)
                    except Exception as error:  # noqa: BLE001 - a crash
                        rest = lifecycle.crashed(core, worker, cell, error)
                        if rest is not None:
                            await rest
                        if trace is not None:
                            trace(cell.address, item, error)
                    else:
                        if trace is not None:
                            trace(cell.address, item, None)
                    if left < 0:  # a fold may take more than the turn's share
                        todo -= left
                        left = 0
                    if worker.interrupt:
                        worker.interrupt = False
                        if worker.blocked:
                            worker.blocked = False
                            core.now = core.time()
                            now = clock()
                            lifecycle.clock_wait(
                                cell,
                                item,
                                todo - left,
                                worker.waited_at - mark,
                                now - worker.waited_at,
                            )
                            todo = left
                            mark = now
                            if worker.cancelled:
                                break
                        if cell.phase != LIVE or ((extra := cell.extra) and extra.ops):
                            break
                        actor = cell.actor
                    if not left:
                        break
                    left -= 1
                    try:
                        item = queue.popleft()  # type: ignore[union-attr]
                    except IndexError:  # the handler, or a read beside it, took what was left
                        todo -= left + 1
                        left = 0
                        break
                now = clock()
                if left > 0:
                    todo -= left
                if todo:  # the clock, in line: see KindStats.record
                    stats = kind.stats
                    seconds = now - mark
                    each = seconds / todo
                    cell.handled += todo
                    cell.busy += seconds
                    stats.seconds += seconds
                    micros = each * 1e6
                    if not low <= micros < high:
                        index = int(micros).bit_length()
                        high = 1 << index
                        low = high >> 1
                    stats.buckets[index] += todo
                    if each > cell.longest:
                        cell.longest = each
                        if each > kind.slow:
                            lifecycle.report_slow(cell, None, each)
                    if seconds > CHEAP_TURN:
                        kind.quota = int(SLICE / each) or 1
                    elif kind.quota < MAX_TURN:
                        kind.quota += 1
                mark = now
                queue = cell.queue
                if (
                    (queue is not SINGLE and queue)
                    or cell.extra is not None
                    or cell.phase != LIVE
                    or kind.lru is not None
                ):
                    _release(core, worker, cell)
                else:
                    worker.cell = worker.item = cell.queue = None
                    cell.used = core.now
                    if pooled:
                        cell.worker = None
            if pooled and not worker.leading:
                if worker.cancelled:
                    return True
                if core.awake < core.ramp:
                    worker.leading = True
                    core.awake += 1
                elif not await _park(core, worker):
                    return False
                useful = False
            elif worker.cancelled:
                return True
            elif mark > limit:
                await checkpoint()
            else:
                continue
            core.now = core.time()
            mark = clock()
            limit = mark + SLICE / (core.awake or 1)
        if own is None:
            _stand_down(core, worker, useful)
            if not await _park(core, worker):
                return False
        elif not await _rest(own, worker):
            return False
        useful = False
        core.now = core.time()
        mark = clock()
        limit = mark + SLICE / (core.awake or 1)


def _release(core: Core, worker: Worker, cell: Cell) -> None:
    """The one epilogue of every turn: room for senders, then ready again or idle."""
    worker.cell = worker.item = None
    worker.blocked = worker.interrupt = False
    queue = cell.queue
    if worker.own is None:
        cell.worker = None
    if queue is CLOSED or queue is None:
        return
    extra = cell.extra
    if extra is not None and extra.waiters:
        core.admit(cell, extra)
        queue = cell.queue
    cell.used = core.now
    held = cell.single is not None if queue is SINGLE else bool(queue)
    # A supervised child between two incarnations keeps its mailbox until its supervisor starts it.
    if (held and (cell.phase == LIVE or cell.kind.virtual)) or (extra is not None and extra.ops):
        if cell.phase == LIVE:
            cell.mark(core.now)
        worker.ready.append(cell)
        if worker.own is None and not core.awake:
            core.promote()
    elif not held:
        cell.queue = None
        _fall_idle(core, cell)
    elif extra is not None:
        extra.drain()


def _fall_idle(core: Core, cell: Cell) -> None:
    if cell.phase == COLD:
        if cell.kind.virtual:
            lifecycle.vanish(core, cell)
    elif cell.kind.lru is not None:
        lifecycle.touch(core, cell)
    extra = cell.extra
    if extra is not None:
        extra.marks.clear()
        if extra.drained is not None:
            extra.drain()
        elif extra.bare():
            cell.extra = None
