"""What a Postgres or driver error means to this program: one table, by SQLSTATE."""

import asyncpg

from storage.errors import (
    Conflict,
    DatabaseUnavailable,
    Retryable,
    StorageError,
    UniqueViolation,
)

UNIQUE_VIOLATION = "23505"

UNAVAILABLE = ("08", "53", "57", "25006")
"""Connection, resource and operator errors, and a server that has become read-only."""

RETRY = ("40", "55P03")
"""Rolled back for the others' sake: serialization, deadlock, lock time-out."""

CONFLICT = ("23001", "23503", "23505", "23P01")
"""The row contradicts another committed row (the rest of class 23 is a fault of its own data)."""

DATA = ("22", "23", "42", "54")
"""Postgres refuses this very statement or its values; repeating it cannot help."""

TRANSIENT = UNAVAILABLE + RETRY
"""Nothing was committed and the same work may succeed when repeated."""

CORRUPT = ("XX001", "XX002")
"""Damaged data or index: stop writing, call the operator."""


def sqlstate(error: BaseException) -> str | None:
    """Return the five-letter code the *server* sent, or None when the driver made the error."""
    if isinstance(error, asyncpg.PostgresError) and not connection_lost(error):
        state: str | None = getattr(error, "sqlstate", None)
        return state
    return None


def never_sent(error: BaseException) -> bool:
    """Tell whether the driver refused because the connection was already gone: nothing was sent."""
    if isinstance(error, asyncpg.InternalClientError):
        return True  # the server's farewell was being read when the statement came
    if isinstance(error, asyncpg.InterfaceError):
        return "closed" in str(error) or "released back" in str(error)
    return False


def connection_lost(error: BaseException) -> bool:
    """Tell whether the link broke without a word from the server."""
    if isinstance(error, asyncpg.ConnectionDoesNotExistError):
        return True  # the driver's own 08003: the socket closed in the middle of an operation
    return isinstance(error, OSError | TimeoutError) or never_sent(error)


def outcome_unknown(error: BaseException) -> bool:
    """Tell whether what was sent may have been done although no answer came."""
    return connection_lost(error) and not never_sent(error)


def server_leaves(error: BaseException) -> bool:
    """Tell whether the server ended or refused the session (shutdown, crash, start-up)."""
    return (sqlstate(error) or "").startswith("57P")


def is_transient(error: BaseException) -> bool:
    """Tell whether the same work may succeed when repeated on a (new) connection."""
    state = sqlstate(error)
    return connection_lost(error) if state is None else state.startswith(TRANSIENT)


def translated(error: BaseException) -> BaseException:
    """Return the storage error that stands for `error` (its cause), or `error` itself.

    Errors that only a wrong program can make (syntax, unknown column, wrong type) stay as they
    are: they crash, loudly, with the driver's message.
    """
    meaning = _meaning(error)
    if meaning is None:
        return error
    meaning.__cause__ = error
    return meaning


def _meaning(error: BaseException) -> StorageError | None:
    if isinstance(error, StorageError):
        return None
    state = sqlstate(error)
    if state is None:
        return DatabaseUnavailable(str(error) or "no answer") if connection_lost(error) else None
    if state == UNIQUE_VIOLATION:
        return UniqueViolation(str(getattr(error, "constraint_name", None) or "unknown"))
    if state.startswith(CONFLICT):
        return Conflict(str(error))
    if state.startswith(UNAVAILABLE):
        return DatabaseUnavailable(str(error))
    return Retryable(str(error)) if state.startswith(RETRY) else None
