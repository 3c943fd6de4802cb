"""The database side of owning: the lock's connection, the epochs, the watch over both."""

import asyncio
import hashlib
import logging
import os
import re
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from storage.bridge import AsyncpgConnection, connect_patiently
from storage.errors import DatabaseUnavailable
from storage.sqlstates import is_transient, sqlstate

_log = logging.getLogger(__name__)

SETTINGS = {
    "timezone": "UTC",
    "statement_timeout": "10s",
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
}

CHECK_EVERY = 5.0
"""Seconds between two looks at the epochs while all is quiet."""

POLL = 0.1
_QUERY_CANCELED = "57014"
_HOST_LENGTH = 16  # application names are cut at 63 bytes

TRY_LOCK = "SELECT pg_try_advisory_lock($1)"
HOLDER = """
SELECT l.pid, a.application_name, (SELECT max(taken_at) FROM shards) AS since
FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (l.classid::bigint << 32 | l.objid::bigint) = $1
"""
ADD_SHARDS = "INSERT INTO shards (id) SELECT generate_series(0, $1 - 1) ON CONFLICT DO NOTHING"
RAISE_EPOCHS = """
UPDATE shards SET epoch = epoch + 1, owner = $1, taken_at = now() WHERE id < $2
RETURNING id, epoch
"""
END_WRITERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
  AND starts_with(application_name, $1) AND application_name <> $2
"""
EPOCHS = "SELECT id, epoch FROM shards WHERE id < $1"


class Holder(NamedTuple):
    """A process: host and pid for people, start and namespace to tell it from its namesakes."""

    host: str
    pid: int
    started: int
    namespace: int
    since: str = ""

    def __str__(self) -> str:
        return f"{self.host}, pid {self.pid}" + (f", since {self.since}" if self.since else "")

    @property
    def application_name(self) -> str:
        """How the lock's connection names its process in `pg_stat_activity`."""
        return f"chatia-owner:{self.host[:_HOST_LENGTH]}:{self.pid}:{self.started}:{self.namespace}"

    def is_dead(self) -> bool:
        """Whether this was a process of this very machine and is gone; False when in doubt."""
        mine = this_process()
        same_place = self.host == mine.host[:_HOST_LENGTH] and self.namespace == mine.namespace
        return bool(same_place and self.namespace and _start_of(self.pid) != self.started)


def _start_of(pid: int) -> int:
    """Clock ticks from boot to the start of a live process; 0 if there is none, or no /proc."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    return int(stat.rpartition(")")[2].split()[19])


def this_process() -> Holder:
    """Name the running process."""
    try:
        namespace = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        namespace = 0
    pid = os.getpid()
    return Holder(socket.gethostname(), pid, _start_of(pid), namespace)


def _parsed(application_name: str, since: object) -> Holder | None:
    match = re.fullmatch(r"chatia-owner:(.*):(\d+):(\d+):(\d+)", application_name)
    if match is None:
        return None
    host, *numbers = match.groups()
    pid, started, namespace = map(int, numbers)
    return Holder(host, pid, started, namespace, f"{since:%Y-%m-%d %H:%M:%S %Z}" if since else "")


class Claim(NamedTuple):
    """What an owner holds: the epoch of each shard, and the name its writers connect by."""

    epochs: dict[int, int]
    application_name: str


class Claimant:
    """Takes, watches and gives back the ownership; every method runs on the database thread."""

    def __init__(self, dsn: str, name: str, *, shards: int) -> None:
        self._dsn = dsn
        self._shards = shards
        self._me = this_process()
        digest = hashlib.sha256(f"chatia owner {name}".encode()).digest()
        self._key = int.from_bytes(digest[:8], "big") >> 1
        self._prefix = f"chatia-writer:{digest.hex()[:8]}:"
        self._connection: AsyncpgConnection | None = None
        self._ended = asyncio.Event()
        self._watcher: asyncio.Task[None] | None = None
        self._epochs: dict[int, int] = {}

    async def claim(self, *, take_over: bool, patience: float) -> Claim | Holder | None:
        """Take the lock and raise the epochs; returns the holder, if known, when it lives on.

        Raises:
            DatabaseUnavailable: Postgres does not answer.
        """
        deadline = time.monotonic() + patience
        connection = await self._connect(patience)
        while not await connection.fetchval(TRY_LOCK, self._key):
            pid, holder = await self._holder(connection)
            if pid is not None and (take_over or (holder is not None and holder.is_dead())):
                await connection.execute("SELECT pg_terminate_backend($1)", pid)
            elif time.monotonic() > deadline:
                await connection.close(timeout=1.0)
                return holder
            await asyncio.sleep(POLL)
        return await self._raise_epochs(connection)

    async def watch(self, lost: Callable[[], object]) -> None:
        """Begin to watch: call `lost` once if another owner is found."""
        self._watcher = asyncio.get_running_loop().create_task(self._watch(lost))

    async def release(self) -> None:
        """Give the lock back."""
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.wait([self._watcher])
        if self._connection is not None and not self._connection.is_closed():
            await self._connection.close(timeout=2.0)

    async def _connect(self, patience: float = 0.0) -> AsyncpgConnection:
        connection = await connect_patiently(
            self._dsn, patience, settings=SETTINGS, application_name=self._me.application_name
        )
        self._ended.clear()
        connection.add_termination_listener(lambda _: self._ended.set())
        self._connection = connection
        return connection

    async def _holder(self, connection: AsyncpgConnection) -> tuple[int | None, Holder | None]:
        row = await connection.fetchrow(HOLDER, self._key)
        return (row[0], _parsed(row[1], row[2])) if row else (None, None)

    async def _raise_epochs(self, connection: AsyncpgConnection) -> Claim:
        """Wait for the batches under way, forbid any further one, then end their connections."""
        await connection.execute(ADD_SHARDS, self._shards)
        while True:
            try:
                rows = await connection.fetch(RAISE_EPOCHS, str(self._me), self._shards)
                break
            except Exception as error:
                if sqlstate(error) != _QUERY_CANCELED:
                    raise
                await connection.execute(END_WRITERS, self._prefix, "")
        self._epochs = {row[0]: row[1] for row in rows}
        mine = f"{self._prefix}{self._me.pid}:{max(self._epochs.values())}"
        await connection.execute(END_WRITERS, self._prefix, mine)
        return Claim(self._epochs, mine)

    async def _watch(self, lost: Callable[[], object]) -> None:
        while True:
            await self._quiet()
            try:
                if not await self._still_mine():
                    _log.error("another process owns the database now")
                    lost()
                    return
            except Exception as error:  # noqa: BLE001 (a watch must outlive every failure)
                _log.warning("the owner's lock could not be checked: %s", error)
                self._drop()
                if not is_transient(error):
                    await asyncio.sleep(CHECK_EVERY)
                await asyncio.sleep(POLL)

    async def _quiet(self) -> None:
        """Wait for the next check, or for the end of the lock's connection."""
        try:
            async with asyncio.timeout(CHECK_EVERY):
                await self._ended.wait()
        except TimeoutError:
            return
        await asyncio.sleep(POLL)

    async def _still_mine(self) -> bool:
        async with asyncio.timeout(CHECK_EVERY):
            connection = self._connection
            again = connection is None or connection.is_closed()
            if again or connection is None:
                connection = await self._connect()
            epochs = {row[0]: row[1] for row in await connection.fetch(EPOCHS, self._shards)}
            if epochs != self._epochs:
                return False
            if again and not await connection.fetchval(TRY_LOCK, self._key):
                message = "somebody else holds the owner's lock"
                raise DatabaseUnavailable(message)
            return True

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None
