"""The SQL that the server runs while a test does something: what a request costs, counted."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from asyncpg.connection import LoggedQuery

from tests.api.conftest import World


@asynccontextmanager
async def counted(world: World) -> AsyncGenerator[list[str]]:
    """Every statement of the pool within the block, complete when it is left.

    BEGIN and COMMIT are statements too. The pool opens no further connection meanwhile.
    """
    pool = world.app.parts.database.pool
    seen: list[str] = []

    def note(record: LoggedQuery) -> None:
        if record.query:  # the driver's own resets have none
            seen.append(record.query)

    connections: list[Any] = [lane.connection for lane in pool._lanes]
    size, pool._size = pool._size, len(connections)
    for connection in connections:
        connection.add_query_logger(note)
    try:
        yield seen
        await pool.bridge.call(_nothing, shield=True)  # the driver reports a step behind
    finally:
        pool._size = size
        for connection in connections:
            connection.remove_query_logger(note)


async def _nothing() -> None:
    """Let the loop thread come around."""
