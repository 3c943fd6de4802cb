"""Request parsing without I/O: bytes in, requests out, or a refusal that names its status.

llhttp (through httptools) does the grammar. What it leaves to the caller, and what smuggling
attacks live on, is checked here: one Host, one framing, a sane target (RFC 9112 §3, §6).
"""

import re
from collections import deque
from functools import lru_cache
from typing import Final

import httptools

from api.edge.limits import EdgeLimits

Header = tuple[bytes, bytes]

_TOKEN: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")
_TARGET: Final = re.compile(rb"/[\x21-\x7e]*\Z")
_BAD_VALUE: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_METHODS: Final = frozenset(
    (b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"PATCH", b"OPTIONS"),
)


class BadRequest(Exception):
    """The peer's bytes are no request we may act on; answer `status` and close."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Request:
    """One request as it arrives: head, and the body parts received so far."""

    __slots__ = (
        "body_bytes",
        "chunks",
        "complete",
        "expects_continue",
        "headers",
        "http_version",
        "keep_alive",
        "method",
        "target",
        "upgrade",
    )

    def __init__(self) -> None:
        self.method = b""
        self.target = b""
        self.headers: list[Header] = []
        self.http_version = "1.1"
        self.keep_alive = True
        self.upgrade = False
        self.expects_continue = False
        self.chunks: deque[bytes] = deque()
        self.body_bytes = 0
        self.complete = False


class RequestParser:
    """Feeds bytes to llhttp and collects requests in arrival order.

    `requests` holds every request whose head is complete. After a request that switches protocols,
    `leftover` keeps the bytes behind it, and nothing more is parsed.
    """

    def __init__(self, limits: EdgeLimits) -> None:
        self._limits = limits
        self._parser = httptools.HttpRequestParser(self)
        self._current = Request()
        self._in_head = True
        self._head_bytes = 0
        self._fed_in_head = 0
        self._refusal: BadRequest | None = None
        self.requests: deque[Request] = deque()
        self.leftover = b""
        self.switched = False

    @property
    def head_started(self) -> bool:
        """A head has begun and is not complete: the head time-out applies."""
        return self._in_head and self._fed_in_head > 0

    def feed(self, data: bytes) -> None:
        """Parse `data`; raises BadRequest for what must be refused (requests before it stand)."""
        if self.switched:
            self.leftover += data
            return
        if self._in_head:
            self._fed_in_head += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self.switched = True
            self.leftover = data[upgrade.args[0] :]
        except httptools.HttpParserError as error:
            refusal, self._refusal = self._refusal, None
            raise refusal or BadRequest(400, "malformed request") from error
        if self._in_head and self._fed_in_head > self._limits.max_head + self._limits.read_size:
            raise BadRequest(431, "head too large")

    # --- callbacks of llhttp

    def on_message_begin(self) -> None:
        self._current = Request()
        self._in_head = True
        self._head_bytes = 0

    def on_url(self, part: bytes) -> None:
        self._current.target += part
        self._count(len(part))

    def on_header(self, name: bytes, value: bytes) -> None:
        # llhttp reports the trailer fields of a chunked body here too: they carry no meaning for us.
        if not self._in_head:
            self._count(len(name) + len(value))
            return
        headers = self._current.headers
        headers.append((name.lower(), value))
        if len(headers) > self._limits.max_headers:
            self._refuse(431, "too many header fields")
        self._head_bytes += len(name) + len(value) + 4
        if self._head_bytes > self._limits.max_head:
            self._refuse(431, "head too large")

    def on_headers_complete(self) -> None:
        request = self._current
        request.method = self._parser.get_method()
        request.http_version = self._parser.get_http_version()
        request.keep_alive = self._parser.should_keep_alive()
        refusal = refusal_of(request, self._limits)
        if refusal is not None:
            self._refuse(*refusal)
        request.upgrade = self._parser.should_upgrade()
        self._in_head = False
        self._fed_in_head = 0
        self.requests.append(request)

    def on_body(self, part: bytes) -> None:
        request = self._current
        request.body_bytes += len(part)
        if request.body_bytes > self._limits.max_body:
            self._refuse(413, "body too large")
        request.chunks.append(part)

    def on_message_complete(self) -> None:
        self._current.complete = True
        self._in_head = True
        self._fed_in_head = 0
        self._head_bytes = 0

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > self._limits.max_head:
            self._refuse(431, "head too large")

    def _refuse(self, status: int, reason: str) -> None:
        self._refusal = BadRequest(status, reason)
        raise self._refusal


def refusal_of(request: Request, limits: EdgeLimits) -> tuple[int, str] | None:
    """Decide whether a complete head must be refused; (status, reason) or None.

    Also notes `Expect: 100-continue` on the request.
    """
    if request.method not in _METHODS:
        return 501, "method not implemented"
    if request.http_version not in ("1.0", "1.1"):
        return 505, "HTTP version not supported"
    asterisk = request.target == b"*" and request.method == b"OPTIONS"
    if not asterisk and not _TARGET.match(request.target):
        return 400, "request target must be a path"
    if b"#" in request.target:
        return 400, "request target has a fragment"
    return _header_refusal(request, limits)


@lru_cache(maxsize=1024)
def _is_token(name: bytes) -> bool:
    """Whether a field name is one; clients send the same few names again and again."""
    return _TOKEN.match(name) is not None


def _header_refusal(request: Request, limits: EdgeLimits) -> tuple[int, str] | None:
    hosts = lengths = encodings = 0
    for name, value in request.headers:
        if not _is_token(name) or _BAD_VALUE.search(value):
            return 400, "malformed header field"
        if name == b"host":
            hosts += 1
        elif name == b"content-length":
            lengths += 1
        elif name == b"transfer-encoding":
            encodings += 1
        check = _FIELD_CHECKS.get(name)
        if check is not None and (refused := check(request, value, limits)):
            return refused
    return _framing_refusal(request.http_version, hosts, lengths, encodings)


def _check_length(_: Request, value: bytes, limits: EdgeLimits) -> tuple[int, str] | None:
    if not value.isdigit() or len(value) > 18:
        return 400, "malformed content-length"
    return (413, "body too large") if int(value) > limits.max_body else None


def _check_encoding(_: Request, value: bytes, __: EdgeLimits) -> tuple[int, str] | None:
    if value.strip().lower() != b"chunked":
        return 501, "transfer coding not implemented"
    return None


def _check_expect(request: Request, value: bytes, _: EdgeLimits) -> tuple[int, str] | None:
    if value.lower() != b"100-continue":
        return 417, "expectation not supported"
    request.expects_continue = request.http_version == "1.1"
    return None


_FIELD_CHECKS: Final = {
    b"content-length": _check_length,
    b"transfer-encoding": _check_encoding,
    b"expect": _check_expect,
}


def _framing_refusal(
    version: str, hosts: int, lengths: int, encodings: int
) -> tuple[int, str] | None:
    if hosts > 1 or (hosts == 0 and version == "1.1"):
        return 400, "exactly one host is required"
    if lengths > 1 or encodings > 1 or (lengths and encodings):
        return 400, "conflicting message lengths"
    if encodings and version == "1.0":
        return 400, "transfer coding in HTTP/1.0"
    return None
