"""How many bytes of large bodies may be in memory at once, over all companies."""

from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import trio


class MemoryBudget:
    """Lends bytes, first come first served; who asks for more than there is gets all of it."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._left = total
        self._waiting: deque[tuple[int, trio.Event]] = deque()

    @property
    def left(self) -> int:
        """Bytes that nobody holds."""
        return self._left

    @asynccontextmanager
    async def hold(self, size: int) -> AsyncGenerator[None]:
        """`size` bytes for the length of the block; waits until there are as many."""
        size = min(max(size, 0), self._total)
        granted = trio.Event()
        self._waiting.append((size, granted))
        self._grant()
        try:
            await granted.wait()
            yield
        finally:
            if granted.is_set():
                self._left += size
            else:
                self._waiting.remove((size, granted))
            self._grant()

    def _grant(self) -> None:
        while self._waiting and self._waiting[0][0] <= self._left:
            size, granted = self._waiting.popleft()
            self._left -= size
            granted.set()
