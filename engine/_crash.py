"""What a crash does: ends the incarnation, answers the asker, counts poison, tells the tree."""

from collections.abc import Coroutine
from typing import Any, Final

import trio

from engine._cell import COLD, STOPPING, Cell, Extra, Item
from engine._command import Command
from engine._core import Core
from engine._events import ActorFailed, CommandParked
from engine._mailroom import command_of
from engine._setbacks import Setback, remember
from engine._turn import Turn
from engine.errors import ActorCrashed, ActorStopped, Parked, said

CRASHED: Final = "actor crashed"
"""The reason of dead letters that a crash leaves."""


class ParkedCommand:
    """A poison command as the parking hook gets it.

    `command` crashed the actor at `address` `crashes` times; `error` is the latest crash, with
    its traceback.
    """

    __slots__ = ("address", "command", "crashes", "error")

    def __init__(self, address: Any, command: Command[Any], error: Exception, crashes: int) -> None:
        self.address = address
        self.command = command
        self.error = error
        self.crashes = crashes


def crash(core: Core, cell: Cell, item: Any, error: Exception) -> Coroutine[Any, Any, None] | None:
    """End a crashed incarnation. `item` is the command, turn or fold it worked on, if any.

    Most have nothing to wait for and are over when this returns None. Where child tasks must end
    first, or a poison command is to be parked, the rest is handed back to be awaited at once.
    """
    kind = cell.kind
    kind.stats.crashes += 1
    setback = remember(cell, error, core.now)
    if core.events.heard:
        failed = ActorFailed(address=cell.address, error=error, command=_commands_of(item))
        core.events.publish(failed)
    extra = cell.extra
    if item.__class__ is list or not (extra is None or extra.calm()):
        return _crash(core, cell, item, error, setback)
    cell.actor = None
    cell.phase = COLD
    kind.live -= 1
    if item is not None:
        crashes = setback.count_poison(item)
        if crashes >= kind.park_after:
            return _finish(core, cell, [(item, crashes)], error, setback)
        if item.__class__ is Turn:
            _answer(core, cell, item, error)
        else:
            core.dead.add(cell.address, item, CRASHED, core.now)
    _close_accounts(core, cell, error, setback)
    return None


async def _crash(core: Core, cell: Cell, item: Any, error: Exception, setback: Setback) -> None:
    """The crash of an incarnation that has more to it than its actor object."""
    await end_incarnation(core, cell, error)
    items = item if isinstance(item, list) else [] if item is None else [item]
    counted = [(each, setback.count_poison(each)) for each in items]
    await _finish(core, cell, counted, error, setback)


async def _finish(
    core: Core,
    cell: Cell,
    counted: list[tuple[Item, int]],
    error: Exception,
    setback: Setback,
) -> None:
    """Park what has crashed this address too often, answer the rest, close the accounts."""
    for item, crashes in counted:
        parked: Parked | None = None
        if crashes >= cell.kind.park_after:
            parked = await _park(core, cell, item, error, crashes)
        if parked is None:
            _answer(core, cell, item, error)
        elif isinstance(item, Turn):
            item.fail(parked)
    _close_accounts(core, cell, error, setback)


def _close_accounts(core: Core, cell: Cell, error: Exception, setback: Setback) -> None:
    """What is queued, the budget of the address, the supervisor."""
    kind = cell.kind
    if (cell.queue or cell.extra is not None) and not isinstance(error, kind.keep_mailbox):
        core.clear(cell, CRASHED, ActorCrashed(cell.address, error))
    if kind.budget is not None:
        setback.charge(kind.budget, core.now, core.random, error)
    if kind.on_end is not None:
        kind.on_end(cell, error)


def _commands_of(item: Any) -> object:
    if isinstance(item, list):
        return [turn.command for turn in item]
    return item.command if isinstance(item, Turn) else item


def _answer(core: Core, cell: Cell, item: Item, error: Exception) -> None:
    """Tell an asker of the crash; a tell becomes a dead letter."""
    core.discard(cell, item, CRASHED, ActorCrashed(cell.address, error))


async def _park(
    core: Core, cell: Cell, item: Item, error: Exception, crashes: int
) -> Parked | None:
    """Hand a poison command to the application's hook; None if it could not be parked."""
    command = command_of(item)
    parked = ParkedCommand(cell.address, command, error, crashes)
    if core.parked is not None:
        try:
            await core.parked(parked)
        except Exception as failure:  # noqa: BLE001 - not parked: the crash itself is the answer
            remember(cell, failure, core.now)
            return None
    core.parked_commands.append(parked)
    cell.kind.stats.parked += 1
    core.events.publish(CommandParked(address=cell.address, command=command, crashes=crashes))
    return Parked(cell.address, crashes)


async def end_incarnation(core: Core, cell: Cell, error: Exception | None) -> None:
    """Take an incarnation down: child tasks, timers, deferred turns, death notices."""
    cell.phase = STOPPING
    extra = cell.extra
    if extra is not None:
        await _end_tasks(core, cell, extra)
        answer: Exception = ActorStopped(cell.address)
        if error is not None and not isinstance(error, cell.kind.refusals):
            answer = ActorCrashed(cell.address, error)
        for turn in list(extra.deferred):
            turn.fail(answer)
        extra.deferred.clear()
        for watched in list(extra.watching):
            core.unwatch(cell, watched)
        tell_watchers(core, cell, extra, None if error is None else said(error))
    if cell.actor is not None:
        cell.actor = None
        cell.kind.live -= 1
    cell.phase = COLD
    if extra is not None:
        extra.end()


async def _end_tasks(core: Core, cell: Cell, extra: Extra) -> None:
    _end_timers(extra)
    if extra.children:
        extra.quiet = trio.Event()
        try:
            for scope in list(extra.children):
                scope.cancel()
            await extra.quiet.wait()
        finally:
            extra.quiet = None
        _end_timers(extra)  # those that ending tasks have set
    for error in extra.errors:  # of tasks that ended with the incarnation, or by it
        remember(cell, error, core.now)
        core.events.publish(ActorFailed(address=cell.address, error=error))
    extra.errors.clear()


def _end_timers(extra: Extra) -> None:
    for timer in list(extra.timers):
        timer.cancel()
    extra.timers.clear()


def tell_watchers(core: Core, cell: Cell, extra: Extra, error: str | None) -> None:
    """Send the death notices; each ends its watch."""
    watchers, extra.watchers = extra.watchers, {}
    for watcher in watchers:
        other = core.cells.get(watcher)
        if other is not None and other.extra is not None:
            other.extra.watching.pop(cell.address, None)
        core.notify(watcher, cell.address, error)
