"""Pacing: how fast one number may send, and when it must pause."""

import trio


class TokenBucket:
    """At most `rate` passes per second on average, `burst` at once. First come, first served."""

    def __init__(self, rate: float, burst: float | None = None) -> None:
        self._rate = rate
        self._burst = burst if burst is not None else max(1.0, rate)
        self._tokens = self._burst
        self._at = trio.current_time()
        self._paused_until = 0.0
        self._turn = trio.StrictFIFOLock()

    def pause(self, seconds: float) -> None:
        """Nothing passes for the next `seconds`."""
        self._paused_until = max(self._paused_until, trio.current_time() + seconds)

    def spare(self) -> bool:
        """Takes a pass that nobody will miss: no one waits, and half the burst is left."""
        if self._turn.locked() or self._wait() > 0 or self._tokens < max(1.0, self._burst / 2):
            return False
        self._tokens -= 1
        return True

    async def take(self) -> None:
        """Waits for a pass."""
        async with self._turn:
            while (wait := self._wait()) > 0:  # noqa: ASYNC110 (a clock, not a condition)
                await trio.sleep(wait)
            self._tokens -= 1

    def _wait(self) -> float:
        now = trio.current_time()
        if now < self._paused_until:
            return self._paused_until - now
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens >= 1:
            return 0.0
        # A clock far from zero cannot move by less than its own resolution.
        return max((1 - self._tokens) / self._rate, 0.001)
