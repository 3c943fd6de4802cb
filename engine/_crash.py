"""What a crash does: ends the incarnation, answers the asker, counts poison, tells the tree."""

from typing import Any

import trio

from engine._cell import COLD, STOPPING, Cell, Extra, Item
from engine._command import Command
from engine._core import Core
from engine._events import ActorFailed, CommandParked
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
    core.events.publish(ActorFailed(address=cell.address, error=error, command=_commands_of(item)))
    if cell.extra is None:
        cell.actor = None
        cell.phase = COLD
        kind.live -= 1
    else:
        await end_incarnation(core, cell, error)
    if item is not None:
        await _answer(core, cell, item, error)
    actor_class = kind.actor_class
    keep = actor_class is not None and isinstance(error, actor_class.keep_mailbox)
    if not keep and (cell.queue or cell.extra is not None):
        core.clear(cell, "actor crashed", ActorCrashed(cell.address, error))
    if kind.virtual:
        core.charge(cell, error, at_once=False)
    if kind.on_end is not None:
        kind.on_end(cell, error)


def _commands_of(item: Any) -> object:
    if isinstance(item, list):
        return [turn.command for turn in item]
    return item.command if isinstance(item, Turn) else item


async def _answer(core: Core, cell: Cell, item: Any, error: Exception) -> None:
    """Tell the asker(s) of the crash, or that the command was parked."""
    answer: Exception
    for each in item if isinstance(item, list) else [item]:
        if isinstance(each, Turn) and each.settled:
            continue
        crashes = _count(core, cell, each)
        answer = ActorCrashed(cell.address, error)
        actor_class = cell.kind.actor_class
        if actor_class is not None and crashes >= actor_class.park_after:
            answer = await _park(core, cell, each, error, crashes) or answer
        if isinstance(answer, Parked):
            if isinstance(each, Turn):
                each.fail(answer)
        else:
            core.discard(cell, each, "actor crashed", answer)


def _count(core: Core, cell: Cell, item: Item) -> int:
    """How often an equal command has crashed this address."""
    command = item.command if isinstance(item, Turn) else item
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
    command = item.command if isinstance(item, Turn) else item
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
