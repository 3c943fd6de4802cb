"""Structured logs: one JSON object per line on standard error, never a body, a token or a secret.

`bound(...)` names who and what a task works for; every record written inside carries it.
"""

import logging
import sys
from contextvars import ContextVar, Token
from datetime import UTC, datetime
from typing import Any

import msgspec

_bound: ContextVar[dict[str, Any]] = ContextVar("log_fields")
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_HIDDEN = frozenset({"authorization", "cookie", "password", "token", "secret", "body", "jrt"})
_TRACES = logging.Formatter()


class bound:
    """Add `fields` (company, user, actor, request) to every record of this task and its children.

    A class, because every request enters one and a generator costs three times as much.
    """

    __slots__ = ("_fields", "_token")

    def __init__(self, **fields: Any) -> None:
        self._fields = fields
        self._token: Token[dict[str, Any]] | None = None

    def __enter__(self) -> None:
        outer = _bound.get(None)
        self._token = _bound.set({**outer, **self._fields} if outer else self._fields)

    def __exit__(self, *_: object) -> None:
        assert self._token is not None
        _bound.reset(self._token)


def entry_of(record: logging.LogRecord) -> dict[str, Any]:
    """Time, level, logger, text, bound and extra fields; those that smell of secrets left out."""
    entry: dict[str, Any] = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "text": record.getMessage(),
    }
    extra = {k: v for k, v in vars(record).items() if k not in _STANDARD}
    fields = _bound.get({}) | extra
    entry |= {name: value for name, value in fields.items() if name.lower() not in _HIDDEN}
    if record.exc_info:
        entry["error"] = _TRACES.formatException(record.exc_info)
    return entry


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Encode `record`; values under names that smell of secrets are left out."""
        return msgspec.json.encode(entry_of(record), enc_hook=str).decode()


def configure(level: str) -> None:
    """Send every logger's records to standard error as JSON from `level` upwards."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for noisy in ("httpx", "httpcore", "alembic", "hpack"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
