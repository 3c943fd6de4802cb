"""Passwords: bcrypt, computed in threads of their own number so that logins cannot take all."""

import bcrypt
import trio

_LIMIT = 72  # bcrypt reads no more; longer passwords are cut there, as clients of bcrypt expect


class Passwords:
    """Hashes and verifies; at most `at_once` computations run side by side."""

    def __init__(self, rounds: int, at_once: int = 2) -> None:
        self._rounds = rounds
        self._limiter = trio.CapacityLimiter(at_once)
        self._nobody = bcrypt.hashpw(b"nobody", bcrypt.gensalt(rounds)).decode()

    async def hash(self, password: str) -> str:
        """A salted hash to store."""
        return await trio.to_thread.run_sync(
            lambda: bcrypt.hashpw(_bytes(password), bcrypt.gensalt(self._rounds)).decode(),
            limiter=self._limiter,
        )

    async def verify(self, password: str, hashed: str | None) -> bool:
        """Whether `password` is the hash's; without a hash it takes as long and says no."""
        return await trio.to_thread.run_sync(
            lambda: _matches(password, hashed or self._nobody) and hashed is not None,
            limiter=self._limiter,
        )


def _matches(password: str, hashed: str) -> bool:
    try:
        return bcrypt.checkpw(_bytes(password), hashed.encode())
    except ValueError:
        return False  # what is stored is no bcrypt hash


def _bytes(password: str) -> bytes:
    return password.encode("utf-8", "replace")[:_LIMIT]
