"""Fixtures of the whole test run: a real Postgres, a fresh database per test."""

from collections.abc import AsyncIterator, Iterator

import pytest

from storage.database import Database, open_database
from storage.embedded import EmbeddedPostgres
from tests._postgres import TestServer


@pytest.fixture(scope="session")
def _server() -> Iterator[TestServer]:
    server = TestServer().start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgres(_server: TestServer) -> EmbeddedPostgres:
    """The server of the test run; tests that hurt a server start one of their own."""
    return _server.postgres


@pytest.fixture
def dsn(_server: TestServer) -> Iterator[str]:
    """A database of this test alone, with every migration applied."""
    with _server.clone() as cloned:
        yield cloned


@pytest.fixture
async def database(dsn: str) -> AsyncIterator[Database]:
    """An open `Database` on a database of this test alone."""
    async with open_database(dsn) as opened:
        yield opened
