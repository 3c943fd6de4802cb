"""One wheel for the timers of all sockets: thousands of heartbeats cost one sleeping task."""

import logging
from collections.abc import Iterator
from typing import Protocol

log = logging.getLogger(__name__)

NEVER_SLOT = -1
_AGAIN = 5.0  # seconds after a defect
_ROUNDING = 1e-6  # of a step: `next_at` divided by the step may come out just below its slot


class Timed(Protocol):
    """Something that wants to be looked at from time to time."""

    wake_slot: int

    def tick(self, now: float) -> float:
        """Do what is due by `now`; returns when to call again (`inf`: never)."""
        ...


class Wheel:
    """Buckets of `step` seconds. Each item sits in one live bucket; older entries are stale."""

    def __init__(self, step: float, now: float) -> None:
        self._step = step
        self._buckets: dict[int, list[Timed]] = {}
        self._slot = int(now / step)

    def __len__(self) -> int:
        return sum(map(len, self._buckets.values()))

    def schedule(self, item: Timed, at: float) -> None:
        """Call `item.tick` at or just after `at`, unless it is called earlier anyway."""
        if at == float("inf"):
            return
        slot = max(int(at / self._step) + 1, self._slot + 1)
        if item.wake_slot == NEVER_SLOT or slot < item.wake_slot:
            item.wake_slot = slot
            self._buckets.setdefault(slot, []).append(item)

    def forget(self, item: Timed) -> None:
        """The item needs no call any more (its entry dies when its bucket comes)."""
        item.wake_slot = NEVER_SLOT

    def advance(self, now: float) -> Iterator[None]:
        """Tick everything due; yields after each call so that the caller may take a breath."""
        target = int(now / self._step + _ROUNDING)
        while self._slot < target:
            self._slot += 1
            for item in self._buckets.pop(self._slot, ()):
                if item.wake_slot != self._slot:
                    continue
                item.wake_slot = NEVER_SLOT
                self.schedule(item, _ticked(item, now))
                yield

    def next_at(self) -> float:
        """When the next bucket is due."""
        return (self._slot + 1) * self._step


def _ticked(item: Timed, now: float) -> float:
    """When the item is due again; a defect in it is told, and stops no other's clock."""
    try:
        return item.tick(now)
    except Exception:
        log.exception("a timer broke")
        return now + _AGAIN
