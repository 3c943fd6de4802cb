"""Asks made inside actors: what they inherit, and that none waits for its own asker.

Two looks, since neither sees all. Along the chain of asks a command came by: its asker, that one's
asker, and so on, over folds, forwards and reads. And from actor to actor, as they wait at this
moment: an activation that asks whom it keeps waiting, or two asks that cross.
"""
# ruff: noqa: SLF001 - the envelope's slots are private to the package, not to its class

from math import inf
from typing import TYPE_CHECKING, Any

from engine._command import Command
from engine._turn import PENDING, Turn
from engine.errors import Address, AskCycle, DeadlineExceeded

if TYPE_CHECKING:  # these build on turns
    from engine._cell import Cell
    from engine._core import Core
    from engine._timers import Timer
    from engine._worker import Worker


def nested(
    core: "Core",
    worker: "Worker | None",
    read: Turn[Any] | None,
    cell: "Cell",
    command: Command[Any],
    deadline: float,
) -> Turn[Any]:
    """The turn of an ask made inside a handler or a read: it inherits deadline and chain.

    Raises AskCycle where the ask would wait for an actor that waits for it.
    """
    origin: Cell | None = None  # a read holds up its asker, not its actor
    parent, until = read, inf
    if worker is not None and worker.cell is not None:
        origin, item = worker.cell, worker.item
        if item.__class__ is list:
            until = max((each.deadline for each in item if not each.settled), default=inf)
            parent = item[0] if len(item) == 1 else None
        else:
            parent = item if item.__class__ is Turn else None
    if parent is not None:
        until = parent.deadline
    turn: Turn[Any] = Turn(command, deadline, origin, parent)
    turn._cell = cell
    check_chain(cell, turn)
    if origin is not None and command.__class__ not in cell.kind.reentrant:
        check_waits(origin, cell)
    if until < deadline:
        turn.deadline = until
        address = cell.address

        def expire(_: "Timer") -> None:
            turn._last().fail(DeadlineExceeded(address))

        core.expiries[turn] = core.timers.add(until, expire)
    if worker is not None:
        worker.asking = turn
    return turn


def asked(core: "Core", worker: "Worker | None", turn: Turn[Any]) -> None:
    """The wait of a `nested` ask is over, whatever ended it."""
    if worker is not None:
        worker.asking = None
    timer = core.expiries.pop(turn, None)
    if timer is not None:
        timer.cancel()


def check_chain(target: "Cell", turn: Turn[Any]) -> None:
    """Raise AskCycle if `target` is among the actors that wait for this turn."""
    chain: list[Address] = [target.address]
    link: Turn[Any] | None = turn
    while link is not None:
        origin = link._origin
        if origin is not None:
            chain.append(origin.address)
            if origin is target:
                raise AskCycle(chain[::-1])
        link = link._parent


def check_waits(origin: "Cell", target: "Cell") -> None:
    """Raise AskCycle if `target` waits for `origin`, directly or through others."""
    chain: list[Address] = [origin.address]
    cell: Cell | None = target
    while cell is not None and cell.address not in chain[1:]:
        chain.append(cell.address)
        if cell is origin:
            raise AskCycle(chain)
        cell = _waited_for(cell)


def _waited_for(cell: "Cell") -> "Cell | None":
    """The actor whose handler has to get on before this one's can."""
    worker = cell.worker
    if worker is None or worker.cell is not cell or worker.asking is None:
        return None
    turn = worker.asking._last()
    holder = turn._cell
    if holder is None or turn._state != PENDING or turn._deferred:
        return None
    return None if turn.command.__class__ in holder.kind.reentrant else holder
