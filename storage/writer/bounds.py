"""How much may wait: per company and in all, in units and in bytes."""

import time

import msgspec

from storage.errors import Overloaded

SHORTEST_WAIT = 1.0
LONGEST_WAIT = 30.0
_WINDOW = 0.5


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Most units and bytes without a verdict, for one company and for the whole node."""

    company_units: int = 2_000
    company_bytes: int = 8_000_000
    node_units: int = 20_000
    node_bytes: int = 64_000_000


class Bounds:
    """Counts what waits; used on the trio thread only."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.units = 0
        self.size = 0
        self._companies: dict[int, list[int]] = {}
        self._drained = 0
        self._window_start = time.monotonic()
        self._rate = 0.0

    def admit(self, company_id: int, size: int) -> None:
        """Count one more unit.

        Raises:
            Overloaded: it would exceed a bound; `retry_after` is the time the queue needs.
        """
        limits = self.limits
        if self.units >= limits.node_units or self.size + size > limits.node_bytes:
            raise Overloaded(retry_after=self._wait(self.units), company=False)
        mine = self._companies.get(company_id)
        if mine is None:
            mine = self._companies[company_id] = [0, 0]
        elif mine[0] >= limits.company_units or mine[1] + size > limits.company_bytes:
            raise Overloaded(retry_after=self._wait(mine[0]), company=True)
        mine[0] += 1
        mine[1] += size
        self.units += 1
        self.size += size

    def leave(self, company_id: int, size: int) -> None:
        """Count one unit less: it has its verdict."""
        mine = self._companies[company_id]
        mine[0] -= 1
        mine[1] -= size
        if not mine[0]:
            del self._companies[company_id]
        self.units -= 1
        self.size -= size
        self._drained += 1

    def drain_rate(self) -> float:
        """Units per second that got their verdict lately."""
        now = time.monotonic()
        elapsed = now - self._window_start
        if elapsed >= _WINDOW:
            rate = self._drained / elapsed
            self._rate = rate if not self._rate else (self._rate + rate) / 2
            self._drained = 0
            self._window_start = now
        return self._rate

    def _wait(self, units: int) -> float:
        rate = self.drain_rate()
        seconds = units / rate if rate else LONGEST_WAIT
        return min(max(seconds, SHORTEST_WAIT), LONGEST_WAIT)
