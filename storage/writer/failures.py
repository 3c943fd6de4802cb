"""What a failed pass means for the units in it."""

from storage.errors import Conflict, Poisoned, StorageError, UniqueViolation
from storage.sqlstates import DATA, UNIQUE_VIOLATION, is_transient, sqlstate

_TIMED_OUT = ("25P02", "25P03", "25P04")
"""The server ended our transaction for taking too long."""

_EXCLUSION_VIOLATION = "23P01"

_ABORTED = (*DATA, "40", "55P03", "57014", "P0")
"""Errors that Postgres raises before a transaction becomes durable, and survives."""


def is_retryable(error: Exception) -> bool:
    """Whether the same batch may succeed when it is tried again."""
    return is_transient(error) or (sqlstate(error) or "").startswith(_TIMED_OUT)


def is_certain(error: Exception) -> bool:
    """Whether this answer to COMMIT proves that nothing was committed."""
    return (sqlstate(error) or "").startswith(_ABORTED)


def verdict(error: Exception) -> StorageError:
    """Return the verdict for the one unit that fails even alone."""
    state = sqlstate(error)
    meaning: StorageError
    if state == UNIQUE_VIOLATION:
        meaning = UniqueViolation(str(getattr(error, "constraint_name", None) or "unknown"))
    elif state == _EXCLUSION_VIOLATION:
        meaning = Conflict(str(error))
    else:
        meaning = Poisoned(str(error))
    meaning.__cause__ = error
    return meaning
