"""One heap and one task for every timer and every inherited ask deadline of a system."""

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from itertools import count
from math import inf, nextafter

import trio


class Timer:
    """A pending `Actor.after` or `Actor.every`."""

    __slots__ = ("_fire", "cancelled", "on_cancel", "period", "when")

    def __init__(self, when: float, period: float | None, fire: "Callable[[Timer], None]") -> None:
        self.when = when
        self.period = period
        self.cancelled = False
        self.on_cancel: Callable[[], object] | None = None
        self._fire = fire

    def cancel(self) -> None:
        """Never fire again. Harmless when it already has."""
        self.cancelled = True
        on_cancel, self.on_cancel = self.on_cancel, None
        if on_cancel is not None:
            on_cancel()
        self._fire = _nothing  # it may lie in the heap for long, and should hold nobody there


def _nothing(_: Timer) -> None:
    """What a cancelled timer does."""


class Timers:
    """Fires timers at their time on the trio clock; cancelled ones are deleted lazily."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timer]] = []
        self._order = count()
        self._scope = trio.CancelScope()
        self._purge_at = 4096

    def add(self, when: float, fire: Callable[[Timer], None], period: float | None = None) -> Timer:
        """Call `fire(timer)` at `when` (trio time), then every `period` seconds if given."""
        timer = Timer(when, period, fire)
        self._push(timer)
        return timer

    def _push(self, timer: Timer) -> None:
        heap = self._heap
        heappush(heap, (timer.when, next(self._order), timer))
        if heap[0][2] is timer:
            self._scope.deadline = timer.when
        if len(heap) > self._purge_at:
            heap[:] = [entry for entry in heap if not entry[2].cancelled]
            heapify(heap)
            self._purge_at = max(4096, 2 * len(heap))

    async def run(self) -> None:
        """Fire timers for ever."""
        heap = self._heap
        while True:
            self._scope = trio.CancelScope(deadline=heap[0][0] if heap else inf)
            with self._scope:
                await trio.sleep_forever()
            now = trio.current_time()
            while heap and (heap[0][0] <= now or heap[0][2].cancelled):
                timer = heappop(heap)[2]
                if not timer.cancelled:
                    self._fire(timer, now)

    def _fire(self, timer: Timer, now: float) -> None:
        if timer.period is None:
            timer.cancelled = True
        else:  # no drift, and no burst after a long stall
            missed = int((now - timer.when) / timer.period)
            timer.when += timer.period * (missed + 1)
            if timer.when <= now:  # a period that is lost in the rounding
                timer.when = nextafter(now, inf)
            self._push(timer)
        timer._fire(timer)  # noqa: SLF001 - the heap is the timer's other half
