"""The test run's own Postgres: one server, one migrated template, a fresh clone per test."""

import asyncio
import itertools
import shutil
import tempfile
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import asyncpg
import trio

from storage.embedded import EmbeddedPostgres
from storage.migrate import upgrade

TEMPLATE = "template_chatia"
SMALL = {"shared_buffers": "64MB", "max_wal_size": "256MB", "checkpoint_timeout": "1h"}
MEMORY = Path("/dev/shm")
ROOM = 2 * 1024**3


class TestServer:
    """An embedded server in a folder of its own, with the durable settings of production.

    The folder lies in memory where there is room: fsync stays on and costs nothing there.
    """

    __test__ = False

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="chatia-test-", dir=roomy_memory()))
        self._folder.chmod(0o711)  # the server may run as another user than the tests
        self.postgres = EmbeddedPostgres(self._folder, settings=SMALL)
        self._loop = asyncio.new_event_loop()
        self._numbers = itertools.count()
        self._admin: asyncpg.Connection[Any] | None = None

    def start(self) -> Self:
        """Start the server and build the template."""
        self.postgres.start()
        self._admin = self._wait(asyncpg.connect(self.postgres.dsn, loop=self._loop))
        self.execute(f"CREATE DATABASE {TEMPLATE}")
        trio.run(upgrade, self.postgres.dsn_of(TEMPLATE))
        return self

    def stop(self) -> None:
        """Stop the server and remove every trace of it."""
        if self._admin is not None:
            self._wait(self._admin.close())
        self._loop.close()
        self.postgres.stop(at_once=True)  # nothing to keep: no need to write it out first
        shutil.rmtree(self._folder)

    @contextmanager
    def clone(self) -> Iterator[str]:
        """Lend a database like the template; yields its DSN."""
        name = f"test_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        yield self.postgres.dsn_of(name)
        self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def execute(self, sql: str) -> None:
        """Run SQL as the superuser, in the server's own database."""
        assert self._admin is not None
        self._wait(self._admin.execute(sql))

    def _wait(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self._loop.run_until_complete(coroutine)


def roomy_memory() -> Path | None:
    """Return the memory file system if it has room, None for the ordinary temporary folder."""
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM:
        return MEMORY
    return None
