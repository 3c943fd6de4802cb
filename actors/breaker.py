"""A circuit breaker: an origin that keeps failing is left alone for a while."""

import msgspec


class BreakerConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Opens after `failures` in a row, for `pause` seconds, doubling up to `longest`."""

    failures: int = 8
    pause: float = 2.0
    longest: float = 60.0


class Breaker:
    """Failures in a row of one origin; while open, one trial at a time is let through."""

    __slots__ = ("_config", "_failures", "_opened", "_until")

    def __init__(self, config: BreakerConfig) -> None:
        self._config = config
        self._failures = 0
        self._opened = 0
        self._until = 0.0

    def admit(self, now: float) -> float:
        """Seconds until a call may go out; 0 lets this one through, as a trial if it was open."""
        if self._until > now:
            return self._until - now
        if self._opened:
            self._until = now + self._pause()
        return 0.0

    def failed(self, now: float) -> None:
        """A call did not get an answer, or got a server's error."""
        self._failures += 1
        if self._failures >= self._config.failures:
            self._opened += 1
            self._until = now + self._pause()

    def _pause(self) -> float:
        doubled: float = self._config.pause * 2.0 ** min(max(self._opened - 1, 0), 16)
        return min(doubled, self._config.longest)
