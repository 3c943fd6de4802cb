"""Backup and restore of the whole database with the wheel's pg_dump and pg_restore.

A backup is one file in pg_dump's custom format, taken from one snapshot while the program runs.
The folder of stored media is not in it.
"""

import os
import subprocess
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

import trio

from storage.bridge import connect, open_bridge
from storage.embedded import binary
from storage.errors import Conflict, StorageError

TABLES = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"


class BackupFailed(StorageError):
    """The PostgreSQL program failed; the message is what it said."""

    code = "ERR_BACKUP_FAILED"


async def backup(dsn: str, path: Path) -> None:
    """Write a backup of the database to `path`; the file is whole and flushed when it appears.

    Raises:
        BackupFailed: pg_dump failed (for one, the server is newer than the wheel's pg_dump).
    """
    partial = path.with_name(path.name + ".partial")
    partial.touch(mode=0o600)
    try:
        await _run("pg_dump", dsn, "--format=custom", "--no-owner", f"--file={partial}")
        await trio.to_thread.run_sync(_publish, partial, path)
    finally:
        partial.unlink(missing_ok=True)


async def restore(dsn: str, path: Path) -> None:
    """Fill an empty database from a backup: whole, in one transaction, or not at all.

    Raises:
        Conflict: the database has tables already: create a fresh one, or remove its folder.
        BackupFailed: the file is damaged or pg_restore refused it; nothing was written.
    """
    async with open_bridge() as bridge:
        connection = await bridge.call(connect, dsn)
        try:
            tables: int = await bridge.call(connection.fetchval, TABLES)
        finally:
            with trio.CancelScope(shield=True):
                await bridge.call(connection.close, shield=True)
    if tables:
        message = f"the database has {tables} tables: restore into an empty one"
        raise Conflict(message)
    await _run(
        "pg_restore", dsn, "--single-transaction", "--exit-on-error", "--no-owner", str(path)
    )


async def _run(program: str, dsn: str, *arguments: str) -> None:
    url, password = _without_password(dsn)
    done = await trio.run_process(
        [str(binary(program)), f"--dbname={url}", *arguments],
        env={"PGPASSWORD": password} if password else {},
        check=False,
        capture_stdout=True,
        capture_stderr=True,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode != 0:
        raise BackupFailed(done.stderr.decode(errors="replace").strip())


def _without_password(dsn: str) -> tuple[str, str | None]:
    """Take the password out of the URL: a process's arguments are readable by every user."""
    parts = urlsplit(dsn)
    if parts.password is None:
        return dsn, None
    netloc = f"{parts.username or ''}@{parts.netloc.rpartition('@')[2]}"
    return urlunsplit(parts._replace(netloc=netloc)), unquote(parts.password)


def _publish(partial: Path, path: Path) -> None:
    _flush(partial)
    partial.replace(path)
    _flush(path.parent)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
