"""The one table from exceptions to HTTP: status by class (found by MRO), stable code, details.

Every refusal reaches the client as `{"error": CODE, "details": [{"path", "message"}]}`; details
stand only where they help. What is not in the table is a defect: 500, logged, nothing leaked.
"""

from collections.abc import Iterable
from typing import ClassVar

import msgspec
import trio

from actors import errors as domain
from engine import (
    ActorCrashed,
    ActorStopped,
    AskCycle,
    DeadlineExceeded,
    MailboxFull,
    Parked,
    Refusal,
    Unavailable,
)
from storage import errors as storage_errors


class Detail(msgspec.Struct, frozen=True):
    """What is wrong at one place of a request; `path` is a JSONPath such as `$.body`."""

    path: str
    message: str


class ErrorBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of every refusal."""

    error: str
    details: tuple[Detail, ...] = ()


class ApiError(Exception):
    """A refusal that the API itself decides; subclasses carry their HTTP status."""

    status: ClassVar[int] = 400
    code: str = "ERR_BAD_REQUEST"

    def __init__(
        self,
        *details: Detail,
        code: str | None = None,
        retry_after: float | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        self.code = code or type(self).code
        super().__init__(self.code)
        self.details = details
        self.retry_after = retry_after
        self.headers = headers


class BadRequest(ApiError):
    """The request cannot be understood or contradicts itself."""


class Malformed(BadRequest):
    """The body is no JSON, or nested beyond reason."""

    code = "ERR_MALFORMED_JSON"


class Invalid(BadRequest):
    """Fields of the body or the query do not fit their types."""

    code = "ERR_VALIDATION"


class Unauthorized(ApiError):
    """No session: clients of the family forget their token and show the login page."""

    status = 401
    code = "ERR_SESSION_EXPIRED"


class PaymentRequired(ApiError):
    """The subscription ended: past its due date, or switched off."""

    status = 402
    code = "ERR_SUBSCRIPTION_EXPIRED"


class NotInPlan(PaymentRequired):
    """The company's plan does not have this feature; the detail names it."""

    code = "ERR_PLAN_FEATURE"


class ResetInvalid(BadRequest):
    """No such token for this address: never mailed, or used."""

    code = "ERR_RESET_INVALID"


class ResetExpired(BadRequest):
    """The mailed token came too late."""

    code = "ERR_RESET_EXPIRED"


class Forbidden(ApiError):
    """Known who asks, and they may not."""

    status = 403
    code = "ERR_NO_PERMISSION"


class TokenRefused(Forbidden):
    """The access token is expired or invalid: clients refresh and repeat once on this 403."""

    code = "ERR_SESSION_EXPIRED"


class Missing(ApiError):
    """No such path or row; another company's row counts as none."""

    status = 404
    code = "ERR_NOT_FOUND"


class NotAcceptable(ApiError):
    """The file is not of a kind that fits here."""

    status = 406
    code = "ERR_FILE_NOT_ACCEPTED"


class MethodNotAllowed(ApiError):
    """The path exists, the method does not."""

    status = 405
    code = "ERR_METHOD_NOT_ALLOWED"

    def __init__(self, allowed: Iterable[str]) -> None:
        super().__init__()
        self.allowed = tuple(sorted(allowed))


class InUse(ApiError):
    """The same Idempotency-Key is being worked on right now."""

    status = 409
    code = "ERR_IDEMPOTENCY_IN_PROGRESS"


class TooLarge(ApiError):
    """The body is over the limit."""

    status = 413
    code = "ERR_FILESIZE_OVER_LIMIT"


class UnsupportedMedia(ApiError):
    """The body's media type is not one this endpoint reads."""

    status = 415
    code = "ERR_UNSUPPORTED_MEDIA_TYPE"


class AnswerLost(ApiError):
    """The request under this Idempotency-Key was carried out, but its answer was not kept."""

    status = 409
    code = "ERR_IDEMPOTENCY_ANSWER_LOST"


class KeyReused(ApiError):
    """An Idempotency-Key came back with another request."""

    status = 422
    code = "ERR_IDEMPOTENCY_KEY_REUSED"


class TooManyRequests(ApiError):
    """A limit was reached; `retry_after` seconds later it is open again."""

    status = 429
    code = "ERR_TOO_MANY_REQUESTS"


class NotAvailable(ApiError):
    """Declared, but this behaviour is not built yet, or this installation is not set up for it."""

    status = 501
    code = "ERR_NOT_AVAILABLE"


_STATUS: dict[type[BaseException], int] = {
    storage_errors.NotFound: 404,
    storage_errors.PlanLimit: 402,
    storage_errors.Conflict: 409,
    storage_errors.UniqueViolation: 409,
    storage_errors.Duplicate: 409,
    storage_errors.Poisoned: 400,
    storage_errors.Retryable: 503,
    storage_errors.OutcomeUnknown: 503,
    Unavailable: 503,
    MailboxFull: 503,
    ActorStopped: 503,
    DeadlineExceeded: 503,
    Parked: 500,
    AskCycle: 500,
    ActorCrashed: 500,
    Refusal: 400,
    domain.InvalidRequest: 400,
    domain.UnknownTicket: 404,
    domain.UnknownMessage: 404,
    domain.UnknownContact: 404,
    domain.UnknownConnection: 404,
    domain.UnknownUser: 404,
    domain.UnknownDepartment: 404,
    domain.Moved: 404,
    domain.Busy: 503,
    trio.TooSlowError: 503,
}
_CODES: dict[type[BaseException], str] = {
    Unavailable: "ERR_UNAVAILABLE",
    MailboxFull: "ERR_OVERLOADED",
    ActorStopped: "ERR_UNAVAILABLE",
    ActorCrashed: "ERR_INTERNAL",
    DeadlineExceeded: "ERR_TIMEOUT",
    Parked: "ERR_INTERNAL",
    AskCycle: "ERR_INTERNAL",
    trio.TooSlowError: "ERR_TIMEOUT",
}
_TAKEN = {
    "uq_departments_company_id_name": "ERR_QUEUE_NAME_ALREADY_EXISTS",
    "uq_departments_company_id_color": "ERR_QUEUE_COLOR_ALREADY_EXISTS",
    "uq_contacts_company_id_number": "ERR_DUPLICATED_CONTACT",
    "uq_contact_lists_company_id_name": "ERR_DUPLICATED_CONTACTLIST",
}
"""The family's code for what a unique constraint refuses, where it has one."""

RETRY_AFTER_MIN, RETRY_AFTER_MAX = 1, 30


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """An error as it goes out; `logged` tells that it is ours and belongs in the log."""

    status: int
    body: ErrorBody
    headers: tuple[tuple[str, str], ...] = ()
    logged: bool = False


def problem(error: BaseException) -> Problem:
    """What the client gets for `error`; unknown classes are 500 without any text of theirs."""
    status = _status(error)
    if status is None:
        return Problem(status=500, body=ErrorBody("ERR_INTERNAL"), logged=True)
    body = ErrorBody(_code(error), _details(error))
    return Problem(status=status, body=body, headers=_headers(error, status), logged=status == 500)


def _status(error: BaseException) -> int | None:
    if isinstance(error, ApiError):
        return error.status
    if isinstance(error, storage_errors.Overloaded | domain.Busy) and error.company:
        return 429
    return next((_STATUS[cls] for cls in type(error).__mro__ if cls in _STATUS), None)


def _code(error: BaseException) -> str:
    if isinstance(error, storage_errors.UniqueViolation) and error.constraint in _TAKEN:
        return _TAKEN[error.constraint]
    known = next((_CODES[cls] for cls in type(error).__mro__ if cls in _CODES), None)
    return known or str(getattr(error, "code", "ERR_BAD_REQUEST"))


def _details(error: BaseException) -> tuple[Detail, ...]:
    if isinstance(error, storage_errors.PlanLimit):
        return (Detail(f"$.plan.{_LIMIT_NAMES[error.limit]}", f"at most {error.most}"),)
    return tuple(getattr(error, "details", ()))


_LIMIT_NAMES = {"users": "users", "connections": "connections", "departments": "queues"}


def _headers(error: BaseException, status: int) -> tuple[tuple[str, str], ...]:
    if isinstance(error, MethodNotAllowed):
        return (("allow", ", ".join(error.allowed)),)
    own = error.headers if isinstance(error, ApiError) else ()
    after = getattr(error, "retry_after", None)
    if after is None and status != 503:
        return own
    seconds = min(max(round(after or 1.0), RETRY_AFTER_MIN), RETRY_AFTER_MAX)
    if isinstance(error, TooManyRequests):
        seconds = max(round(after or 1.0), RETRY_AFTER_MIN)
    return (*own, ("retry-after", str(seconds)))
