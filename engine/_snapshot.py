"""`System.snapshot`: the state of everything, gathered in slices so that nobody waits for it."""

from collections.abc import Callable
from heapq import nlargest
from typing import Literal

import trio

from engine._cell import LIVE, STARTING, STOPPING, Cell
from engine._core import Core
from engine._setbacks import Setback
from engine._telemetry import ActorSnapshot, KindSnapshot, Snapshot, SupervisorSnapshot
from engine._turn import Turn
from engine._worker import Worker
from engine.errors import said

Order = Literal["depth", "age", "handled", "longest", "restarts", "current"]

_CHUNK = 256
_SLICE = 0.001  # seconds; another task may wait for two of them
_NONE = Setback()
_STATES = {LIVE: "live", STARTING: "starting", STOPPING: "stopping"}


async def take_snapshot(
    core: Core, kind: str | None, limit: int, offset: int, order: Order
) -> Snapshot:
    """See `System.snapshot`."""
    now = trio.current_time()
    started = core.clock()
    totals: dict[str, list[int]] = {name: [0, 0] for name in core.kinds}
    every = list(core.cells.values())
    blocked = {w.cell: w for w in core.workers.values() if w.cell is not None and w.blocked}
    rank = _ranking(core, order, now, blocked)
    best: list[tuple[float, int, Cell]] = []  # the position decides between equals
    matching = 0
    for first in range(0, len(every), _CHUNK):
        for position, cell in enumerate(every[first : first + _CHUNK], first):
            total = totals[cell.kind.name]
            total[0] += 1
            total[1] += _depth(cell)
            if kind is None or cell.kind.name == kind:
                matching += 1
                best.append((rank(cell), -position, cell))
        if len(best) > 2 * (offset + limit) + 2 * _CHUNK:
            best = nlargest(offset + limit, best)
        if core.clock() - started > _SLICE:
            await trio.lowlevel.checkpoint()
            started = core.clock()
    await trio.lowlevel.checkpoint()
    page = [cell for _, _, cell in nlargest(offset + limit, best)[offset:]]
    return Snapshot(
        supervisors=tuple(
            SupervisorSnapshot(
                path=run.path,
                strategy=run.spec.strategy,
                state=run.state,
                children=tuple(child.name for child in run.children),
                restarts=run.total_restarts,
                recent_restarts=run.recent_restarts(),
                last_error=None if run.last_error is None else said(run.last_error),
            )
            for run in core.supervisors
        ),
        kinds=tuple(_kind(core, name, *totals[name]) for name in core.kinds),
        actors=tuple(_actor(core, cell, now, blocked.get(cell)) for cell in page),
        total_actors=matching,
        workers=len(core.workers),
        blocked=len(blocked),
        dead_letters=core.dead.total,
        dead_letters_by_reason=dict(core.dead.by_reason),
    )


def _depth(cell: Cell) -> int:
    waiting = len(cell.extra.waiters) if cell.extra is not None else 0
    return waiting + cell.depth()


def _ranking(
    core: Core, order: Order, now: float, blocked: dict[Cell, Worker]
) -> Callable[[Cell], float]:
    clock = core.clock()
    rankings: dict[str, Callable[[Cell], float]] = {
        "depth": _depth,
        "age": lambda cell: cell.age(now),
        "handled": lambda cell: cell.handled,
        "longest": lambda cell: cell.longest,
        "restarts": lambda cell: _setback(cell).count,
        "current": lambda cell: clock - blocked[cell].waited_at if cell in blocked else -1.0,
    }
    return rankings[order]


def _setback(cell: Cell) -> Setback:
    return cell.kind.setbacks.get(cell.address, _NONE)


def _kind(core: Core, name: str, actors: int, queued: int) -> KindSnapshot:
    kind = core.kinds[name]
    stats = kind.stats
    return KindSnapshot(
        kind=name,
        supervisor=kind.supervisor,
        resident=kind.resident,
        actors=actors,
        live=kind.live,
        queued=queued,
        handled=stats.handled,
        mean=stats.seconds / stats.handled if stats.handled else 0.0,
        p50=stats.percentile(0.5),
        p99=stats.percentile(0.99),
        activations=stats.activations,
        passivated=stats.passivated,
        crashes=stats.crashes,
        refused=stats.refused,
        expired=stats.expired,
        dropped=stats.dropped,
        parked=stats.parked,
    )


def _actor(core: Core, cell: Cell, now: float, worker: Worker | None) -> ActorSnapshot:
    state = _STATES.get(cell.phase, "cold")
    if state == "live":
        state = "waiting" if worker is not None else "ready" if cell.holds() else "idle"
    setback = _setback(cell)
    error = setback.error
    item = worker.item if worker is not None else None
    if isinstance(item, list):
        item = item[0]
    command = item.command if isinstance(item, Turn) else item
    return ActorSnapshot(
        kind=cell.kind.name,
        key=cell.address.key,
        state=state,
        depth=_depth(cell),
        age=cell.age(now),
        handled=cell.handled,
        mean=cell.busy / cell.handled if cell.handled else 0.0,
        longest=cell.longest,
        restarts=setback.count,
        idle=max(0.0, now - cell.used) if state == "idle" else 0.0,
        last_error=None if error is None else said(error),
        current=None if command is None else type(command).__name__,
        current_for=core.clock() - worker.waited_at if worker is not None else 0.0,
    )
