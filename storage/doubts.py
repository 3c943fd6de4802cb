"""Transactions whose COMMIT was sent and never answered: what they tell is told once it is known.

The producer hears `OutcomeUnknown`. Caches and sockets must not stay as they were if the commit
did land, so it is looked up, as the writer's lanes do: a row lock waits for its end.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

from storage.bridge import connect
from storage.events import DomainEvent
from storage.sqlstates import is_transient

_log = logging.getLogger(__name__)

PAUSE = 0.2
"""Seconds between two attempts to ask."""

SETTINGS = {"lock_timeout": "5s", "statement_timeout": "10s"}

BARRIER = "SELECT FROM company_stream WHERE company_id = $1 FOR UPDATE"
"""Waits for the transaction, which numbered its events under this row."""

STORED = "SELECT FROM events WHERE company_id = $1 AND seq = $2 AND created_at = $3"
"""The time of its beginning tells the transaction from one that took the number after it failed."""

Pairs = list[tuple[int, DomainEvent]]


class Doubts:
    """Finds out about transactions of one database; lives on the database thread."""

    def __init__(self, dsn: str, publish: Callable[[Pairs], object]) -> None:
        self._dsn = dsn
        self._publish = publish
        self._looking: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        """How many outcomes are not known as yet; any thread may ask."""
        return len(self._looking)

    def add(self, pairs: Pairs, stored_at: datetime) -> None:
        """Look a transaction up by its events; publish them if it was committed."""
        task = asyncio.get_running_loop().create_task(self._settle(pairs, stored_at))
        self._looking.add(task)
        task.add_done_callback(self._looking.discard)

    async def _settle(self, pairs: Pairs, stored_at: datetime) -> None:
        while True:
            try:
                if await self._is_stored(pairs, stored_at):
                    self._publish(pairs)
            except Exception as error:  # noqa: BLE001 (what is no outage is told)
                if not is_transient(error):
                    _log.exception("an outcome could not be looked up")
                    return
                await asyncio.sleep(PAUSE)
            else:
                return

    async def _is_stored(self, pairs: Pairs, stored_at: datetime) -> bool:
        seq, event = pairs[0]
        connection = await connect(self._dsn, settings=SETTINGS)
        try:
            await connection.fetch(BARRIER, event.company_id)
            return bool(await connection.fetch(STORED, event.company_id, seq, stored_at))
        finally:
            connection.terminate()
