"""Ids taken in advance: a decision can name its rows before Postgres has seen them.

Blocks come from the tables' own sequences, so rows inserted without an id never collide with them.
Ids of a block that is not used up are skipped for ever.
"""

from collections import defaultdict, deque
from itertools import pairwise

import trio

from storage.bridge import AsyncpgConnection
from storage.database import Database

BLOCK = 1_000
"""Ids taken at once; a new block is fetched when half of one is used."""

Run = tuple[int, int]
"""First id and how many follow each other."""

TAKE = "SELECT nextval(pg_get_serial_sequence($1, 'id')) FROM generate_series(1, $2)"


class IdBlocks:
    """Blocks of ids per table. Use it on the trio thread."""

    def __init__(self, database: Database, block: int = BLOCK) -> None:
        self._database = database
        self._block = block
        self._runs: dict[str, deque[Run]] = {}
        self._left: dict[str, int] = {}
        self._refilling: set[str] = set()
        self._fetching: defaultdict[str, trio.Lock] = defaultdict(trio.Lock)

    async def take(self, table: str, n: int = 1) -> int:
        """Return the first of `n` consecutive ids of `table`, fetching a block when needed.

        Raises:
            DatabaseUnavailable: Postgres does not answer.
            ValueError: `n` is not positive.
        """
        if n < 1:
            message = f"cannot take {n} ids"
            raise ValueError(message)
        first = self._find(table, n)
        if first is not None:
            return first
        # One fetches, the others wait for its block: after a start all actors come at once.
        async with self._fetching[table]:
            while (first := self._find(table, n)) is None:
                # Other sessions draw from the same sequence: a block need not be one run.
                ids = await self._database.pool.run(_fetch, table, max(n, self._block), read=True)
                self._add(table, ids)
        return first

    def next_nowait(self, table: str) -> int:
        """Return one id at once; starts to fetch the next block in good time.

        Raises:
            LookupError: the block is empty, or `take` was never called: await `take`.
            DatabaseUnavailable: the database was closed.
        """
        if self._left.get(table, 0) <= self._block // 2:
            self._refill(table)
        first = self._find(table, 1)
        if first is None:
            message = f"no ids of {table} are left in the block"
            raise LookupError(message)
        return first

    def _find(self, table: str, n: int) -> int | None:
        runs = self._runs.get(table)
        if not runs:
            return None
        for _ in range(len(runs)):
            first, length = runs[0]
            if length > n:
                runs[0] = (first + n, length - n)
            elif length == n:
                runs.popleft()
            else:
                runs.rotate(-1)
                continue
            self._left[table] -= n
            return first
        return None

    def _add(self, table: str, ids: list[int]) -> None:
        runs = self._runs.setdefault(table, deque())
        start = 0
        for place, (before, after) in enumerate(pairwise(ids), 1):
            if after != before + 1:
                runs.append((ids[start], place - start))
                start = place
        runs.append((ids[start], len(ids) - start))
        self._left[table] = self._left.get(table, 0) + len(ids)

    def _refill(self, table: str) -> None:
        if table in self._refilling:
            return
        self._refilling.add(table)

        def arrived(ids: list[int] | BaseException) -> None:
            self._refilling.discard(table)
            if isinstance(ids, list):
                self._add(table, ids)

        self._database.pool.run_soon(_fetch, table, self._block, then=arrived)


async def _fetch(connection: AsyncpgConnection, table: str, n: int) -> list[int]:
    return [row[0] for row in await connection.fetch(TAKE, table, n)]
