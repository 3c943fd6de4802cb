"""What a crash does: ends the incarnation, answers the asker, counts poison, tells the tree."""

from typing import Any

import trio

from engine._cell import COLD, STOPPING, Cell, Extra, Item
from engine._command import Command
from engine._core import Core
from engine._events import ActorFailed, CommandParked
from engine._mailroom import command_of
from engine._turn import Turn
from engine.errors import ActorCrashed, ActorStopped, Parked

_POISON_KEPT = 4096


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


async def crash(core: Core, cell: Cell, item: Any, error: Exception) -> None:
    """End a crashed incarnation. `item` is the command, turn or fold it worked on, if any."""
    kind = cell.kind
    kind.stats.crashes += 1
    core.remember_error(cell, error)
    if core.events.heard:
        failed = ActorFailed(address=cell.address, error=error, command=_commands_of(item))
        core.events.publish(failed)
    extra = cell.extra
    if extra is None or extra.calm():
        cell.actor = None
        cell.phase = COLD
        kind.live -= 1
    else:
        await end_incarnation(core, cell, error)
    if isinstance(item, list):
        for each in item:
            await _answer(core, cell, each, error)
    elif item is not None:
        await _answer(core, cell, item, error)
    if (cell.queue or extra is not None) and not isinstance(error, kind.keep_mailbox):
        core.clear(cell, "actor crashed", ActorCrashed(cell.address, error))
    if kind.virtual:
        core.charge(cell, error, at_once=False)
    if kind.on_end is not None:
        kind.on_end(cell, error)


def _commands_of(item: Any) -> object:
    if isinstance(item, list):
        return [turn.command for turn in item]
    return item.command if isinstance(item, Turn) else item


async def _answer(core: Core, cell: Cell, item: Item, error: Exception) -> None:
    """Tell an asker of the crash, or that the command was parked."""
    turn = item if isinstance(item, Turn) else None
    if turn is not None and turn.settled:
        return
    crashes = _count(core, cell, item)
    if crashes >= cell.kind.park_after:
        parked = await _park(core, cell, item, error, crashes)
        if parked is not None:
            if turn is not None:
                turn.fail(parked)
            return
    if turn is None:
        core.letter(cell.address, command_of(item), "actor crashed")
    else:
        core.discard(cell, turn, "actor crashed", ActorCrashed(cell.address, error))


def _count(core: Core, cell: Cell, item: Item) -> int:
    """How often an equal command has crashed this address."""
    command = command_of(item)
    try:
        key: object = hash((cell.address, command))
    except TypeError:
        key = (cell.address, repr(command))
    crashes = core.poison.pop(key, 0) + 1
    core.poison[key] = crashes
    if len(core.poison) > _POISON_KEPT:
        core.poison.popitem(last=False)
    return crashes


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
            core.remember_error(cell, failure)
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
        await _end_tasks(extra)
        answer: Exception = ActorStopped(cell.address)
        if error is not None and not isinstance(error, cell.kind.refusals):
            answer = ActorCrashed(cell.address, error)
        for turn in list(extra.deferred):
            turn.fail(answer)
        extra.deferred.clear()
        _tell_watchers(core, cell, extra, error)
    if cell.actor is not None:
        cell.actor = None
        cell.kind.live -= 1
    cell.phase = COLD
    if extra is not None and extra.ended is not None:
        extra.ended.set()


async def _end_tasks(extra: Extra) -> None:
    for timer in list(extra.timers):
        timer.cancel()
    extra.timers.clear()
    if extra.children:
        extra.quiet = trio.Event()
        for scope in list(extra.children):
            scope.cancel()
        await extra.quiet.wait()
        extra.quiet = None
    extra.errors.clear()


def _tell_watchers(core: Core, cell: Cell, extra: Extra, error: Exception | None) -> None:
    for watched in list(extra.watching):
        core.unwatch(cell, watched)
    watchers, extra.watchers = extra.watchers, {}
    for watcher in watchers:
        core.notify(watcher, cell.address, None if error is None else repr(error))
