"""Passwords: bcrypt, computed in threads of their own number so that logins cannot take all."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import bcrypt
import trio

from api.errors import TooManyRequests

_LIMIT = 72  # bcrypt reads no more; longer passwords are cut there, as clients of bcrypt expect
_PATIENCE = 5.0


class Passwords:
    """Hashes and verifies; at most `at_once` computations run side by side."""

    def __init__(self, rounds: int, at_once: int = 2) -> None:
        self._rounds = rounds
        self._limiter = trio.CapacityLimiter(at_once)
        self._turns: dict[str, trio.Lock] = {}
        self._nobody = bcrypt.hashpw(b"nobody", bcrypt.gensalt(rounds)).decode()

    async def hash(self, password: str) -> str:
        """A salted hash to store."""
        return await trio.to_thread.run_sync(
            lambda: bcrypt.hashpw(_bytes(password), bcrypt.gensalt(self._rounds)).decode(),
            limiter=self._limiter,
        )

    async def verify(self, password: str, hashed: str | None, place: str) -> bool:
        """Whether `password` is the hash's; without a hash it takes as long and says no.

        Each `place` (a network address) is served one at a time: who sends many waits behind the
        own ones, others do not. Raises TooManyRequests after five seconds of waiting.
        """
        try:
            with trio.fail_after(_PATIENCE):  # what runs already is not interrupted
                async with self._turn(place):
                    return await trio.to_thread.run_sync(
                        lambda: _matches(password, hashed or self._nobody) and hashed is not None,
                        limiter=self._limiter,
                    )
        except trio.TooSlowError as error:
            raise TooManyRequests(retry_after=_PATIENCE) from error

    @asynccontextmanager
    async def _turn(self, place: str) -> AsyncGenerator[None]:
        turn = self._turns.setdefault(place, trio.Lock())
        try:
            async with turn:
                yield
        finally:
            if not turn.locked():
                self._turns.pop(place, None)


def _matches(password: str, hashed: str) -> bool:
    try:
        return bcrypt.checkpw(_bytes(password), hashed.encode())
    except ValueError:
        return False  # what is stored is no bcrypt hash


def _bytes(password: str) -> bytes:
    return password.encode("utf-8", "replace")[:_LIMIT]
