"""Passwords: bcrypt, computed in threads of their own number so that logins cannot take all."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import bcrypt
import trio

from api.errors import TooManyRequests
from api.rate_limits import network_of

T = TypeVar("T")

_LIMIT = 72  # bcrypt reads no more; longer passwords are cut there, as clients of bcrypt expect
_PATIENCE = 5.0


class Passwords:
    """Hashes and verifies; at most `at_once` computations run side by side.

    Each `address` is served one at a time: who sends many waits behind the own ones, others do not.
    Both raise TooManyRequests after five seconds of waiting. Without an address it is ourselves.
    """

    def __init__(self, rounds: int, at_once: int = 2) -> None:
        self._rounds = rounds
        self._limiter = trio.CapacityLimiter(at_once)
        self._turns: dict[str, trio.Lock] = {}
        self._nobody = bcrypt.hashpw(b"nobody", bcrypt.gensalt(rounds)).decode()

    async def hash(self, password: str, address: str = "") -> str:
        """A salted hash to store."""
        salt = bcrypt.gensalt(self._rounds)
        return await self._run(address, lambda: bcrypt.hashpw(_bytes(password), salt).decode())

    async def verify(self, password: str, hashed: str | None, address: str) -> bool:
        """Whether `password` is the hash's; without a hash it takes as long and says no."""
        stored = hashed or self._nobody
        return await self._run(address, lambda: _matches(password, stored) and hashed is not None)

    async def _run(self, address: str, work: Callable[[], T]) -> T:
        try:
            with trio.fail_after(_PATIENCE):  # what runs already is not interrupted
                async with self._turn(network_of(address)):
                    return await trio.to_thread.run_sync(work, limiter=self._limiter)
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
