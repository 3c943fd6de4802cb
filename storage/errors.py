"""What storage can answer instead of a result; `code` is stable and reaches the wire."""

from typing import ClassVar


class StorageError(Exception):
    """Base of every error that storage raises on purpose."""

    code: ClassVar[str] = "ERR_STORAGE"


class NotFound(StorageError):
    """No such row in this company (another company's row counts as none)."""

    code = "ERR_NOT_FOUND"


class Conflict(StorageError):
    """The write contradicts a committed row."""

    code = "ERR_CONFLICT"


class UniqueViolation(Conflict):
    """A unique constraint refused the row; `constraint` names it."""

    code = "ERR_DUPLICATED"

    def __init__(self, constraint: str) -> None:
        super().__init__(f"unique constraint {constraint}")
        self.constraint = constraint


class PlanLimit(StorageError):
    """The company's plan has no room for one more row; `limit` names what, `most` is how many."""

    code = "ERR_PLAN_LIMIT"

    def __init__(self, limit: str, most: int) -> None:
        super().__init__(f"the plan has room for {most} {limit}")
        self.limit = limit
        self.most = most


class StaleVersion(Conflict):
    """A guarded row was changed by somebody else since it was read: reload, decide again."""

    code = "ERR_STALE"


class Duplicate(StorageError):
    """The unit was dropped whole, because these claims were already committed."""

    code = "ERR_DUPLICATE"

    def __init__(self, keys: tuple[tuple[object, ...], ...]) -> None:
        super().__init__(f"{len(keys)} claims already committed")
        self.keys = keys


class Poisoned(StorageError):
    """Postgres refuses the data of this unit alone; it was not written and must be parked."""

    code = "ERR_POISONED"


class Retryable(StorageError):
    """Surely not committed; the same request may be repeated after `retry_after` seconds."""

    code = "ERR_UNAVAILABLE"

    def __init__(self, message: str, *, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class DatabaseUnavailable(Retryable):
    """Postgres does not answer; nothing was committed."""


class Overloaded(Retryable):
    """The write queue is full; `company` tells whether one company's share or the node's."""

    code = "ERR_OVERLOADED"

    def __init__(self, *, retry_after: float, company: bool) -> None:
        super().__init__("write queue is full", retry_after=retry_after)
        self.company = company


class OutcomeUnknown(StorageError):
    """The commit may or may not have happened; reload before deciding anything."""

    code = "ERR_OUTCOME_UNKNOWN"


class Fenced(OutcomeUnknown):
    """A newer owner took the shard; this process must stop writing to it."""

    code = "ERR_FENCED"
