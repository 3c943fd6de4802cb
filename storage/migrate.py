"""Brings a database to the newest schema: alembic renders the SQL, this runs it.

Each migration is a transaction of its own, so that a live system never waits long for it: a lock
that is not had within LOCK_TIMEOUT is given up, with everything the transaction did, and tried
again later. What cannot run in a transaction (an index built beside running writes) runs alone.
"""

import importlib.util
import io
import re
from functools import partial
from pathlib import Path

import trio

from storage.bridge import AsyncpgConnection, Bridge, connect_patiently, open_bridge
from storage.errors import DatabaseUnavailable, Retryable, StorageError

LOCK = 0x63_68_61_74_69_61
"""Advisory lock key: two programs that start together migrate one after the other."""

PATIENCE = 3.0
"""Seconds to wait for a Postgres that is just starting or restarting."""


LOCK_TIMEOUT = "500ms"
"""How long statements of others may queue behind a migration that waits for a lock.

Less than Postgres' deadlock_timeout of a second: whoever meets a migration crosswise, each with a
table that the other wants, sees it give up and is not chosen as the victim.
"""

ATTEMPTS = 60
PAUSE = 1.0
"""Seconds between two attempts to get a lock."""


class UnknownRevision(StorageError):
    """The database was migrated by a newer program; this one must not touch it."""

    code = "ERR_SCHEMA_TOO_NEW"


async def upgrade(dsn: str, *, bridge: Bridge | None = None) -> str | None:
    """Migrate the database to the newest revision; returns that revision, None if there is none.

    A migration happens whole or not at all; when one fails, those before it stay done. Does
    nothing when the database is up to date.

    Raises:
        UnknownRevision: the database's revision is not one of this program's.
        DatabaseUnavailable: Postgres does not answer, or others kept a lock for a minute.
    """
    if bridge is not None:
        return await _migrate(bridge, dsn, None)
    async with open_bridge() as own:
        return await _migrate(own, dsn, None)


async def downgrade(dsn: str, revision: str) -> str | None:
    """Take the schema back to an earlier revision, with the same care for who works on it.

    What later revisions added is dropped with all that is in it. Returns the revision.

    Raises:
        UnknownRevision: there is no such revision, or the database's is not one of this program's.
        DatabaseUnavailable: Postgres does not answer, or others kept a lock for a minute.
    """
    async with open_bridge() as bridge:
        return await _migrate(bridge, dsn, revision)


async def _migrate(bridge: Bridge, dsn: str, to: str | None) -> str | None:
    """Go up to the newest revision, or down to `to`."""
    open_connection = partial(connect_patiently, dsn, PATIENCE, application_name="chatia-migrate")
    connection = await bridge.call(open_connection)
    try:
        await _alone(bridge, connection)
        current: str | None = await bridge.call(_revision, connection)
        if current is not None and current == (to or newest()):
            return current
        if to is not None and (current is None or to > current):
            message = f"there is no way down from revision {current} to {to}"
            raise UnknownRevision(message)
        head, script = await trio.to_thread.run_sync(render, current, to)
        for step in _steps(script):
            await _run(bridge, connection, step)
        return head
    finally:
        with trio.CancelScope(shield=True):
            await bridge.call(partial(connection.close, timeout=5.0), shield=True)


async def _alone(bridge: Bridge, connection: AsyncpgConnection) -> None:
    """Waits for its turn by asking: a waiting query's snapshot would hold up an index build."""
    ask = "SELECT pg_try_advisory_lock($1)"
    while not await bridge.call(connection.fetchval, ask, LOCK):  # noqa: ASYNC110 (a process has it)
        await trio.sleep(0.2)


def steps(script: str) -> list[str]:
    """The transactions of a rendered script in order, and what stands between them by itself."""
    return [statement for step in _steps(script) for statement in step]


def _steps(script: str) -> list[list[str]]:
    """The same, with what is repeated together: a build that was cut off is dropped before."""
    found: list[list[str]] = []
    for place, part in enumerate(re.split(r"^(?:BEGIN|COMMIT);$", script, flags=re.MULTILINE)):
        if place % 2:
            found.append([f"BEGIN;\n{part.strip()}\nCOMMIT;"])
        else:
            found.append([alone.strip() for alone in part.split(";\n") if alone.strip()])
    return found


async def _run(bridge: Bridge, connection: AsyncpgConnection, step: list[str]) -> None:
    """One step; a lock that others hold is waited for in small portions.

    An index build queues behind nobody and holds nobody up, so it waits as long as it takes.
    """
    if not step:
        return
    patience = LOCK_TIMEOUT if step[0].startswith("BEGIN;") else "0"
    await bridge.call(connection.execute, f"SET lock_timeout = '{patience}'")
    for _ in range(ATTEMPTS):
        try:
            for statement in step:
                await bridge.call(connection.execute, statement, shield=True)
        except DatabaseUnavailable:
            raise
        except Retryable:
            await bridge.call(connection.execute, "ROLLBACK")
            await trio.sleep(PAUSE)
        else:
            return
    message = "a migration did not get its lock: a long transaction is holding a table"
    raise DatabaseUnavailable(message)


async def _revision(connection: AsyncpgConnection) -> str | None:
    if await connection.fetchval("SELECT to_regclass('alembic_version')") is None:
        return None
    revision: str | None = await connection.fetchval("SELECT version_num FROM alembic_version")
    return revision


def newest() -> str | None:
    """Name the newest revision from the files alone: each begins with its revision's number.

    Spares an up-to-date server the import of alembic at every start.
    """
    numbers = (path.stem.partition("_")[0] for path in (_migrations() / "versions").glob("*.py"))
    return max((number for number in numbers if number.isdigit()), default=None)


def render(current: str | None, to: str | None = None) -> tuple[str | None, str]:
    """Return the revision `to`, or the newest, and the SQL that leads there from `current`.

    The SQL is "" when the database is there already.

    Imports alembic on first use (0.2 s): call it in a worker thread.
    """
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    text = io.StringIO()
    config = Config(output_buffer=text)
    config.set_main_option("script_location", str(_migrations()).replace("%", "%%"))
    scripts = ScriptDirectory.from_config(config)
    head = scripts.get_current_head()
    known = {script.revision for script in scripts.walk_revisions()}
    if current is not None and current not in known:
        message = f"the database is at revision {current}, which this program does not know"
        raise UnknownRevision(message)
    target = head if to is None else to
    if target is not None and target not in known:
        message = f"there is no revision {target}"
        raise UnknownRevision(message)
    if target is None or target == current:
        return target, ""
    if current is not None and target < current:
        command.downgrade(config, f"{current}:{target}", sql=True)
    else:
        command.upgrade(config, f"{current}:{target}" if current else target, sql=True)
    return target, text.getvalue()


def _migrations() -> Path:
    spec = importlib.util.find_spec("migrations")
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0])
