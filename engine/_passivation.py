"""Idle virtual actors leave memory: by time, and by number.

By time: every live actor stands in exactly one bucket, named by when it could be due. When the
bucket is due, those used since move to a later one, the rest are passivated; so a command costs
nothing here and the sweep costs one look per actor and idle time-out. By number: a kind with a
`cap` keeps its idle actors in order of use.
"""

from math import inf
from typing import TYPE_CHECKING

import trio

from engine._cell import CLOSED, DEAD, LIVE, Cell, Kind

if TYPE_CHECKING:  # the core owns the sweep
    from engine._core import Core
    from engine._timers import Timer

_CHUNK = 200


class Bucket:
    """Actors that may be due for passivation at `when` (trio time)."""

    __slots__ = ("cells", "dead", "when")

    def __init__(self, when: float) -> None:
        self.when = when
        self.cells: list[Cell] = []
        self.dead = 0

    def bury(self) -> None:
        """One of the cells is dead; the list is packed when half of them are."""
        self.dead += 1
        if self.dead > 32 + len(self.cells) // 2:
            self.cells = [cell for cell in self.cells if cell.phase != DEAD]
            self.dead = 0


class Passivation:
    """The sweep of one system."""

    def __init__(self, core: "Core") -> None:
        self._core = core
        self._buckets: dict[float, Bucket] = {}
        self._due: list[Bucket] = []
        self._wake = trio.Event()

    def enlist(self, cell: Cell, now: float) -> None:
        """Put a live actor into the bucket of its earliest due time."""
        idle = cell.kind.idle_timeout
        if idle == inf:
            return
        step = min(0.5, idle / 8) or 0.001
        when = (int((now + idle) / step) + 1) * step
        bucket = self._buckets.get(when)
        if bucket is None:
            bucket = self._buckets[when] = Bucket(when)
            self._core.timers.add(when, self._ring_for(bucket))
        bucket.cells.append(cell)
        cell.bucket = bucket
        kind = cell.kind
        if when - idle > kind.bucket_until:
            kind.bucket, kind.bucket_until = bucket, when - idle

    def _ring_for(self, bucket: Bucket) -> "TimerCallback":
        def ring(_: "Timer") -> None:
            self._buckets.pop(bucket.when, None)
            self._due.append(bucket)
            self._wake.set()

        return ring

    async def run(self) -> None:
        """Sweep due buckets for ever, a slice at a time."""
        while True:
            await self._wake.wait()
            self._wake = trio.Event()
            while self._due:
                await self._sweep(self._due.pop())

    async def _sweep(self, bucket: Bucket) -> None:
        cells, bucket.cells = bucket.cells, []
        for position, cell in enumerate(cells):
            if position % _CHUNK == _CHUNK - 1:
                await trio.lowlevel.checkpoint()
            if cell.phase == DEAD or cell.bucket is not bucket:
                continue
            cell.bucket = None
            if cell.phase != LIVE:
                continue
            now = trio.current_time()
            idle_since = cell.used if cell.queue is None else now
            if now - idle_since < cell.kind.idle_timeout or not passivate(self._core, cell):
                self.enlist(cell, idle_since if now - idle_since < cell.kind.idle_timeout else now)


if TYPE_CHECKING:
    from collections.abc import Callable

    TimerCallback = Callable[[Timer], None]


def passivate(core: "Core", cell: Cell) -> bool:
    """Have an idle actor leave memory; False if it is not idle."""
    extra = cell.extra
    if cell.phase != LIVE or cell.queue is not None or (extra is not None and extra.busy()):
        return False
    kind = cell.kind
    if kind.stops or kind.resident or (extra is not None and not extra.bare()):
        kind.leaving += 1
        core.post(cell, ("passivate", None))
        return True
    kind.stats.passivated += 1
    kind.live -= 1
    cell.actor = None
    forget(core, cell)
    return True


def forget(core: "Core", cell: Cell) -> None:
    """Take a cell without incarnation and without commands out of the registry."""
    if core.cells.get(cell.address) is cell:
        del core.cells[cell.address]
    cell.phase = DEAD
    cell.queue = CLOSED
    if cell.bucket is not None:
        cell.bucket.bury()
        cell.bucket = None
    if cell.kind.lru is not None:
        cell.kind.lru.pop(cell, None)


def touch(core: "Core", cell: Cell) -> None:
    """Note that an actor has fallen idle, for the cap; passivate the least recent beyond it."""
    kind = cell.kind
    lru = kind.lru
    if lru is None:
        return
    lru.pop(cell, None)
    lru[cell] = None
    enforce_cap(core, kind)


def enforce_cap(core: "Core", kind: Kind) -> None:
    """Passivate idle actors, least recently used first, while the kind is over its cap."""
    cap = getattr(kind.spec, "cap", None)
    if kind.lru is None or cap is None:
        return
    excess = kind.live - kind.leaving - cap
    while excess > 0 and kind.lru:
        victim = next(iter(kind.lru))
        del kind.lru[victim]
        if passivate(core, victim):
            excess -= 1
