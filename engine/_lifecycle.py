"""An incarnation's life: activation, the rarer kinds of command, refusal, crash, orderly end.

Runs inside the worker that serves the cell, so none of it ever overlaps with a handler of the
same actor.
"""
# ruff: noqa: SLF001 - the envelope's slots are private to the package, not to its class

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

import trio

from engine._cell import CLOSED, COLD, DEAD, LIVE, STARTING, STOPPING, Cell, Item, Op
from engine._command import Command, Forward
from engine._core import Core
from engine._crash import crash, end_incarnation, tell_watchers
from engine._events import ActorFailed, SlowCommand
from engine._mailroom import command_of
from engine._passivation import enforce_cap, forget, touch
from engine._setbacks import remember
from engine._turn import PENDING, Turn
from engine.errors import (
    ActorStopped,
    DeadlineExceeded,
    NoReply,
    NotAccepted,
    Unavailable,
)

if TYPE_CHECKING:  # the scheduler calls in here
    from engine._worker import Worker

__all__ = [
    "activation_failed",
    "clock_wait",
    "crashed",
    "enliven",
    "expire",
    "killed",
    "pass_on",
    "prepare",
    "refused",
    "report_slow",
    "special",
    "touch",
    "vanish",
]


# -- before a turn -------------------------------------------------------------------------------


async def prepare(core: Core, worker: "Worker", cell: Cell) -> bool:
    """Carry out system messages and activate if need be; whether commands may be served now."""
    while cell.queue is not CLOSED:
        extra = cell.extra
        if extra is not None and extra.ops:
            extra.stopping = op = extra.ops.popleft()
            await _carry_out(core, cell, op)
            extra.stopping = None
        elif cell.phase == LIVE:
            return cell.holds()
        elif not cell.holds() or not cell.kind.virtual or not await activate(core, cell):
            return False
    return False


async def _carry_out(core: Core, cell: Cell, op: Op) -> None:
    name, argument = op
    if name == "start":
        if cell.phase == COLD:
            await activate(core, cell)
    elif name == "crash":
        await _crash_by_child(core, cell)
    elif name == "passivate":
        cell.kind.leaving -= 1
        if cell.phase == LIVE and not cell.holds() and not cell.extras().busy():
            cell.kind.stats.passivated += 1
            await retire(core, cell)
        elif cell.phase == LIVE and cell.bucket is None:
            core.passivation.enlist(cell, core.now)
    else:
        await _end(core, cell, name, str(argument))


async def _crash_by_child(core: Core, cell: Cell) -> None:
    extra = cell.extras()
    if extra.errors and cell.phase == LIVE:
        errors, extra.errors = extra.errors, []
        group = ExceptionGroup(f"child tasks of {cell.address} crashed", errors)
        rest = crash(core, cell, None, errors[0] if len(errors) == 1 else group)
        if rest is not None:
            await rest


async def _end(core: Core, cell: Cell, name: str, reason: str) -> None:
    """Stop (start again as declared), suspend (queue kept) or close (for good)."""
    ends = cell.phase == LIVE
    if ends:
        await retire(core, cell)
    if name != "suspend":
        core.clear(cell, reason, ActorStopped(cell.address, reason))
    if name == "close":
        close(core, cell)
    elif name == "stop" and ends and cell.kind.on_end is not None:
        cell.kind.on_end(cell, None)
    if cell.extra is not None:
        cell.extra.end()


def close(core: Core, cell: Cell) -> None:
    """Never start this cell again; what was queued must be cleared before."""
    core.clear(cell, "stopped", ActorStopped(cell.address))
    vanish(core, cell)
    extra = cell.extra
    if extra is not None:
        cell.kind.leaving -= sum(name == "passivate" for name, _ in extra.ops)
        extra.ops.clear()
        extra.end()


def vanish(core: Core, cell: Cell) -> None:
    """A cell without incarnation is no more; who watched it in vain is told."""
    extra = cell.extra
    if extra is not None and extra.watchers:
        tell_watchers(core, cell, extra, "no incarnation")
    if cell.kind.virtual:
        forget(core, cell)
    else:
        cell.phase = DEAD
        cell.queue = CLOSED


def enliven(core: Core, cell: Cell) -> bool:
    """Start an incarnation that has nothing to wait for; False where `prepare` has to see to it.

    The common case of `activate` for the price of a function call. Raises what the factory does;
    the caller answers with `activation_failed`.
    """
    kind = cell.kind
    if not kind.swift or cell.phase != COLD or (cell.single is None and not cell.queue):
        return False
    if cell.extra is not None and cell.extra.ops:
        return False
    if kind.setbacks:
        setback = kind.setbacks.get(cell.address)
        if setback is not None and setback.until > core.now:
            return False
    actor = kind.factory(cell.address)
    actor._cell = cell
    if actor.__class__ is not kind.actor_class:
        kind.adopt(type(actor))
    cell.actor = actor
    cell.phase = LIVE
    kind.live += 1
    kind.stats.activations += 1
    if cell.bucket is None:
        now = core.now
        bucket = kind.bucket
        if bucket is not None and now < kind.bucket_until:
            bucket.cells.append(cell)
            cell.bucket = bucket
        else:
            core.passivation.enlist(cell, now)
    return True


async def activate(core: Core, cell: Cell) -> bool:
    """Start an incarnation: gate, factory, `on_start`. A failure answers what is queued."""
    kind = cell.kind
    setback = kind.setbacks.get(cell.address)
    if setback is not None and setback.until > (now := trio.current_time()):
        error = Unavailable(cell.address, setback.until - now, setback.cause)
        core.clear(cell, "unavailable", error)
        return False
    cell.phase = STARTING
    try:
        gate = getattr(kind.spec, "gate", None)
        if gate is not None:
            await gate(cell.address)
        actor = kind.create(cell.address)
        actor._cell = cell
        kind.adopt(type(actor))
        cell.actor = actor
        kind.live += 1
        if kind.starts:
            await actor.on_start()
    except Exception as error:  # noqa: BLE001 - whatever activation raises is answered
        await activation_failed(core, cell, error)
        return False
    cell.phase = LIVE
    kind.stats.activations += 1
    if cell.bucket is None and kind.virtual:
        core.passivation.enlist(cell, core.now)
    if kind.lru is not None:
        enforce_cap(core, kind)
    if kind.on_start is not None:
        kind.on_start(cell)
    return True


async def activation_failed(core: Core, cell: Cell, error: Exception) -> None:
    """Answer what is queued; the address of a virtual actor backs off."""
    cell.phase = STOPPING
    await end_incarnation(core, cell, error)
    setback = remember(cell, error, core.now)
    allowance = cell.kind.budget
    if isinstance(error, cell.kind.refusals):
        core.clear(cell, "activation refused", error)
    elif allowance is not None:
        setback.charge(allowance, core.now, core.random, error, at_least=1)
        wait = setback.until - trio.current_time()
        core.clear(cell, "activation failed", Unavailable(cell.address, wait, error))
    if cell.kind.on_end is not None:
        cell.kind.on_end(cell, error)


async def retire(core: Core, cell: Cell) -> None:
    """End the incarnation in order: `on_stop`, then child tasks, timers, notices."""
    actor = cell.actor
    cell.phase = STOPPING
    error: Exception | None = None
    if cell.kind.stops and actor is not None:
        try:
            await actor.on_stop()
        except Exception as raised:  # noqa: BLE001 - a failed goodbye is reported, not repeated
            error = raised
            cell.kind.stats.crashes += 1
            remember(cell, raised, core.now)
    await end_incarnation(core, cell, error)


async def killed(
    core: Core, worker: "Worker", cell: Cell, failure: Exception | None = None
) -> None:
    """The worker's lease was cancelled inside this cell: its drain time is over."""
    item = worker.item
    if failure is not None:
        cell.kind.stats.crashes += 1
        remember(cell, failure, core.now)
        core.events.publish(ActorFailed(address=cell.address, error=failure))
    error = ActorStopped(cell.address, "cancelled at the end of its drain time")
    cell.phase = STOPPING
    for each in item if isinstance(item, list) else [item]:
        if each is not None:
            core.discard(cell, each, "cancelled", error)
    await end_incarnation(core, cell, error)
    extra = cell.extras()
    op, extra.stopping = extra.stopping, None
    if op is not None and op[0] in ("stop", "close", "suspend"):
        extra.ops.appendleft(op)
    if not extra.ops and cell.kind.on_end is not None:
        cell.kind.on_end(cell, failure or error)


# -- commands that are not simply handled --------------------------------------------------------


def expire(cell: Cell, turn: Turn[Any]) -> None:
    """Drop a turn whose asker left or whose deadline passed."""
    cell.kind.stats.expired += 1
    turn.fail(DeadlineExceeded(cell.address))


async def special(core: Core, worker: "Worker", cell: Cell, item: Item) -> int:
    """Fold, reentrant and unknown commands; returns how many more were taken off the queue."""
    command = item.command if isinstance(item, Turn) else item
    actor = cell.actor
    spec = actor.handlers.specs.get(type(command)) if actor is not None else None
    if spec is None or actor is None:
        core.discard(cell, item, "not accepted", NotAccepted(cell.address, type(command)))
        return 0
    if spec.reentrant:
        cell.kind.stats.reads += 1
        core.start_read(cell, item)
        return 0
    turns = [_as_turn(cell, item)]
    queue = cell.queue
    while queue and len(turns) < spec.fold:
        head = queue[0]
        if type(head.command if isinstance(head, Turn) else head) is not spec.command_type:
            break
        turns.append(_as_turn(cell, queue.popleft()))
    taken = len(turns) - 1
    live = []
    for turn in turns:
        if turn._state != PENDING or turn.deadline <= core.now or turn._abandoned():
            expire(cell, turn)
        else:
            live.append(turn)
    if live:
        worker.item = live
        await spec.function(actor, live)
        for turn in live:
            if turn._state == PENDING and not turn._deferred and turn._task is not None:
                turn.fail(NoReply(cell.address))
        await _lines(core, cell)
    return taken


def _as_turn(cell: Cell, item: Item) -> Turn[Any]:
    turn: Turn[Any] = item if isinstance(item, Turn) else Turn(item)
    turn._cell = cell
    return turn


async def pass_on(core: Core, cell: Cell, turn: Turn[Any], forward: Forward[Any]) -> None:
    """A handler returned `Forward`."""
    core.forward(cell, turn, forward.command)
    await _lines(core, cell)


async def _lines(core: Core, cell: Cell) -> None:
    """Wait until forwarded tells have room where they went."""
    extra = cell.extra
    if extra is None:
        return
    while extra.lines:
        waiters, waiting = extra.lines.pop()
        if not waiting.done:
            waiting.task = trio.lowlevel.current_task()
            await core.stand_in_line(waiters, waiting)


def crashed(
    core: Core, worker: "Worker", cell: Cell, error: Exception
) -> Coroutine[Any, Any, None] | None:
    """A handler crashed its actor; what is left to be awaited, if anything.

    An actor that starts without waiting goes on with its turn, as its next incarnation.
    """
    worker.interrupt = True
    rest = crash(core, cell, worker.item, error)
    if rest is None and cell.queue:
        try:
            enliven(core, cell)
        except Exception as raised:  # noqa: BLE001 - the factory's, to be answered
            return activation_failed(core, cell, raised)
    return rest


def refused(
    core: Core, worker: "Worker", cell: Cell, error: Exception
) -> Coroutine[Any, Any, None] | None:
    """A handler raised its answer; what is left to be awaited, if anything."""
    item = worker.item
    kind = cell.kind
    kind.stats.refused += 1
    if item.__class__ is list:
        for turn in item:
            turn.fail(error)
    elif item.__class__ is Turn:
        item.fail(error)
    actor_class = kind.actor_class
    if actor_class is not None and isinstance(error, actor_class.reload_on):
        worker.interrupt = True
        return _reload(core, cell, error)
    return None


async def _reload(core: Core, cell: Cell, error: Exception) -> None:
    """End an incarnation whose refusal says that its state is stale."""
    kind = cell.kind
    cell.phase = STOPPING
    await end_incarnation(core, cell, error)
    if not isinstance(error, kind.keep_mailbox):
        core.clear(cell, "reloading", error)
    if kind.on_end is not None:
        kind.on_end(cell, error)


# -- the clock -----------------------------------------------------------------------------------


def clock_wait(cell: Cell, item: Item, count: int, before: float, waited: float) -> None:
    """Account for `count` commands that took `before`, of which the last one then waited."""
    kind = cell.kind
    seconds = before + waited
    if count > 1:
        kind.stats.record(count - 1, before)
        seconds = waited
    kind.stats.record(1, seconds)
    cell.handled += count
    cell.busy += before + waited
    if seconds > cell.longest:
        cell.longest = seconds
        if seconds > kind.slow:
            report_slow(cell, command_of(item), seconds)


def report_slow(cell: Cell, command: Command[Any] | None, seconds: float) -> None:
    """Publish that an actor broke its own record of slowness, beyond its class's `slow`."""
    cell.kind.core.events.publish(
        SlowCommand(address=cell.address, command=command, seconds=seconds)
    )
