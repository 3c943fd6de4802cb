"""Response encoding without I/O: ASGI messages in, bytes out, framing decided once."""

from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from http import HTTPStatus
from typing import Final

import msgspec

Header = tuple[bytes, bytes]

_REASONS: Final = {status.value: status.phrase.encode() for status in HTTPStatus}
_BODYLESS: Final = frozenset((204, 304))
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
FINAL_CHUNK: Final = b"0\r\n\r\n"


class HttpDate:
    """The Date header's value, formatted at most once a second."""

    def __init__(self) -> None:
        self._second = -1
        self._text = b""

    def at(self, now: datetime) -> bytes:
        """Return the RFC 9110 date of `now` (aware)."""
        second = int(now.timestamp())
        if second != self._second:
            self._second = second
            self._text = format_datetime(now.astimezone(UTC), usegmt=True).encode()
        return self._text


class Framing(msgspec.Struct, frozen=True):
    """How this response's body is delimited on the wire."""

    chunked: bool
    bodyless: bool
    close: bool


def encode_head(
    status: int,
    headers: Iterable[Header],
    *,
    method: bytes,
    http_version: str,
    keep_alive: bool,
    date: bytes,
    complete_length: int | None,
) -> tuple[bytes, Framing]:
    """Encode status line and header fields.

    `complete_length` is the body's length when it is known now (the first body message is the
    last). Raises ValueError for a field that would break the framing (response splitting).
    """
    bodyless = method == b"HEAD" or status in _BODYLESS
    lines = [b"HTTP/1.1 %d %s\r\ndate: %s\r\n" % (status, _REASONS.get(status, b""), date)]
    has_length = False
    for name, value in headers:
        # Cookies are secrets: they are not kept.
        line, lowered = (_encoded if name == b"set-cookie" else _field)(name, value)
        if lowered == b"content-length":
            has_length = True
        elif lowered == b"connection":
            keep_alive = keep_alive and value.lower() != b"close"
            continue
        elif lowered == b"transfer-encoding":
            continue
        lines.append(line)
    chunked = False
    if not has_length and status not in _BODYLESS:
        if complete_length is not None:
            lines.append(b"content-length: %d\r\n" % complete_length)
        elif http_version == "1.1":
            chunked = True
            lines.append(b"transfer-encoding: chunked\r\n")
        else:
            keep_alive = False
    lines.append(b"\r\n" if keep_alive else b"connection: close\r\n\r\n")
    return b"".join(lines), Framing(chunked and not bodyless, bodyless, not keep_alive)


def _encoded(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    """One field's line and its name in lower case."""
    if b"\n" in value or b"\r" in value or b"\n" in name or b"\r" in name or b"\0" in value:
        msg = "header field with a line break"
        raise ValueError(msg)
    return b"%s: %s\r\n" % (name, value), name.lower()


_field: Final = lru_cache(maxsize=512)(_encoded)
"""Most fields are the same in every response."""


def encode_chunk(data: bytes) -> bytes:
    """Frame one non-empty piece of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def refusal(status: int, reason: str, date: bytes) -> bytes:
    """Encode a whole error response in the family's shape; the connection closes after it."""
    details = [{"path": "$", "message": reason}]
    body = msgspec.json.encode({"error": f"ERR_HTTP_{status}", "details": details})
    head, _ = encode_head(
        status,
        [(b"content-type", b"application/json")],
        method=b"GET",
        http_version="1.1",
        keep_alive=False,
        date=date,
        complete_length=len(body),
    )
    return head + body
