"""What a Graph answer to a send means: accepted, surely not accepted, or unknown.

The table is Meta's "WhatsApp Cloud API error codes", grouped by what has to be done; the decision
goes by the code in the body, because titles and HTTP statuses change.
"""

import msgspec

from actors.channels.outbound import Accepted, Rejected, SendResult, Unknown
from actors.http import HttpFailure, HttpReply


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table. `retry_after` in seconds; see `Rejected` for the rest."""

    category: str
    codes: frozenset[int]
    permanent: bool = False
    retry_after: float = 0.0
    scope: str = "message"
    alert: bool = False


def _codes(*codes: int | range) -> frozenset[int]:
    return frozenset(
        code for part in codes for code in (part if isinstance(part, range) else (part,))
    )


TOKEN = Rule(
    category="token",
    codes=_codes(0, 3, 10, 190, range(200, 300), 131005),
    retry_after=600,
    scope="account",
    alert=True,
)
THROUGHPUT = Rule(category="throughput", codes=_codes(130429), retry_after=1, scope="number")
TRANSIENT = Rule(category="transient", codes=_codes(1, 2, 131000, 131016, 135000), retry_after=5)
REQUEST = Rule(category="request", codes=_codes(100, 131008, 131009, 131051, 33), permanent=True)

TABLE = (
    TOKEN,
    Rule(category="account_rate", codes=_codes(4, 80007, 133016), retry_after=120, scope="account"),
    THROUGHPUT,
    Rule(category="upgrading", codes=_codes(131057), retry_after=60, scope="number"),
    Rule(category="pair_rate", codes=_codes(131056), retry_after=4, scope="pair"),
    Rule(
        category="quality",
        codes=_codes(131048, 131064, 368, 131031, 130497),
        permanent=True,
        scope="number",
        alert=True,
    ),
    Rule(category="window", codes=_codes(131047), permanent=True),
    Rule(
        category="undeliverable",
        codes=_codes(131026, 131021, 131030, 130472, 131049, 131050, 131062),
        permanent=True,
    ),
    REQUEST,
    Rule(category="media", codes=_codes(131052, 131053), retry_after=5),
    Rule(category="template", codes=_codes(range(132000, 133000)), permanent=True),
    Rule(
        category="registration",
        codes=_codes(131042, 131045, 131037, 133004, 133005, 133006, 133008, 133009, 133010),
        permanent=True,
        scope="account",
        alert=True,
    ),
    TRANSIENT,
)

_BY_CODE = {code: rule for rule in TABLE for code in rule.codes}


def rule_of(code: int, status: int = 400) -> Rule:
    """The row for `code`; a code that is not listed goes by the HTTP status beside it."""
    known = _BY_CODE.get(code)
    if known is not None:
        return known
    if status == 429:
        return THROUGHPUT
    return TRANSIENT if status >= 500 else REQUEST


class _ErrorData(msgspec.Struct, frozen=True):
    details: str = ""


class _Error(msgspec.Struct, frozen=True):
    code: int | None = None
    message: str = ""
    error_data: _ErrorData | None = None


class _Sent(msgspec.Struct, frozen=True):
    id: str = ""
    message_status: str = ""


class _Answer(msgspec.Struct, frozen=True):
    error: _Error | None = None
    messages: list[_Sent] = []
    success: bool = False


class _Loose(msgspec.Struct, frozen=True):
    error: dict[str, object] | None = None


_ANSWER = msgspec.json.Decoder(_Answer, strict=False)
_LOOSE = msgspec.json.Decoder(_Loose)


def _answer(body: bytes) -> _Answer | None:
    try:
        return _ANSWER.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        pass
    try:
        loose = _LOOSE.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    if loose.error is None:
        return None
    code = loose.error.get("code")
    return _Answer(error=_Error(code=code if isinstance(code, int) else None))


def outcome(reply: HttpReply | HttpFailure) -> SendResult:
    """The verdict on one attempt to send; this is the only place where it is decided.

    Surely not accepted: nothing was written to the connection, Graph answered with an error
    body, or the answer is a client error. Unknown: anything else that is no message id, since a
    time-out, a reset or a bare 5xx may hide an accepted message and there is no idempotency key.
    """
    if isinstance(reply, HttpFailure):
        return _not_answered(reply)
    answer = _answer(reply.body)
    if answer is not None and answer.error is not None:
        return _refused(answer.error, reply)
    if 200 <= reply.status < 300:
        return _accepted(answer, reply.status)
    if 400 <= reply.status < 500 and reply.status not in (408, 499):
        rule = TOKEN if reply.status in (401, 403) else rule_of(-1, reply.status)
        return _rejected(rule, f"HTTP_{reply.status}", "", reply)
    return Unknown(reason=f"HTTP {reply.status} without an error body")


def _not_answered(failure: HttpFailure) -> SendResult:
    if failure.written:
        return Unknown(reason=failure.reason)
    return Rejected(
        code="ERR_BLOCKED_URL" if failure.blocked else "ERR_NOT_CONNECTED",
        message=failure.reason,
        permanent=failure.blocked,
        retry_after=0.0 if failure.blocked else failure.retry_after or 2.0,
        scope="account",
        category="network",
        alert=failure.blocked,
    )


def _accepted(answer: _Answer | None, status: int) -> SendResult:
    if answer is not None and answer.messages and answer.messages[0].id:
        return Accepted(provider_id=answer.messages[0].id, state=answer.messages[0].message_status)
    if answer is not None and answer.success:
        return Accepted()
    return Unknown(reason=f"HTTP {status} without a message id")


def _refused(error: _Error, reply: HttpReply) -> Rejected:
    rule = rule_of(-1 if error.code is None else error.code, reply.status)
    details = error.error_data.details if error.error_data else ""
    code = f"HTTP_{reply.status}" if error.code is None else str(error.code)
    return _rejected(rule, code, details or error.message, reply)


def _rejected(rule: Rule, code: str, message: str, reply: HttpReply) -> Rejected:
    return Rejected(
        code=code,
        message=message[:500],
        permanent=rule.permanent,
        retry_after=0.0 if rule.permanent else max(rule.retry_after, _retry_after(reply)),
        scope=rule.scope,
        category=rule.category,
        alert=rule.alert,
    )


def _retry_after(reply: HttpReply) -> float:
    text = next((value for name, value in reply.headers if name == "retry-after"), "")
    return min(float(text), 3600.0) if text.isascii() and text.isdigit() and len(text) < 9 else 0.0
