"""The HTTP side of a socket's first words: query, origin, and how they are refused."""

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from http.cookies import CookieError, SimpleCookie
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from api.realtime.packet import encode_json
from api.realtime.settings import RealtimeSettings
from api.realtime.transports import MAX_TOKEN, Handshake

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

TRANSPORT_UNKNOWN, SESSION_UNKNOWN, BAD_METHOD, BAD_REQUEST, FORBIDDEN, BAD_VERSION = range(6)
_MESSAGES: Final = (
    "Transport unknown",
    "Session ID unknown",
    "Bad handshake method",
    "Bad request",
    "Forbidden",
    "Unsupported protocol version",
)
_MAX_FIELDS: Final = 64
COOKIE: Final = "jrt"


class Request(msgspec.Struct, frozen=True):
    """One HTTP request to the socket path, as far as it matters here."""

    method: str
    query: dict[str, str]
    headers: dict[bytes, bytes]
    address: str
    scheme: str = "http"

    @property
    def origin(self) -> str | None:
        """The page that asks, when a browser does."""
        value = self.headers.get(b"origin")
        return None if value is None else value.decode("latin-1")

    @property
    def wants_websocket(self) -> bool:
        """Is it a WebSocket upgrade?"""
        return self.headers.get(b"upgrade", b"").lower() == b"websocket"


def read_request(scope: Scope) -> Request:
    """Read an ASGI scope; of repeated query keys the first counts, of repeated headers the last."""
    query: dict[str, str] = {}
    raw = scope.get("query_string", b"").decode("latin-1")
    try:
        fields = parse_qsl(raw, keep_blank_values=True, max_num_fields=_MAX_FIELDS)
    except ValueError:
        fields = []
    for key, value in fields:
        query.setdefault(key, value)
    client = scope.get("client")
    return Request(
        method=scope["method"],
        query=query,
        headers=dict(scope["headers"]),
        address=str(client[0]) if client else "",
        scheme=scope.get("scheme", "http"),
    )


def origin_listed(request: Request, settings: RealtimeSettings) -> bool:
    """May this origin use the cookie? Listed ones and our own pages may.

    Behind a proxy that is trusted to say so, our own pages are the https ones alone.
    """
    origin = request.origin
    if origin is None:
        return False
    if "*" in settings.origins or origin.lower() in settings.origins:
        return True
    host = request.headers.get(b"host", b"").decode("latin-1")
    scheme, _, named = origin.partition("://")
    return bool(host) and named == host and (scheme == "https" or request.scheme != "https")


def origin_allowed(request: Request, settings: RealtimeSettings) -> bool:
    """May it connect at all? Without an Origin it is not a browser and needs a token anyway."""
    return request.origin is None or origin_listed(request, settings)


def handshake_of(request: Request, settings: RealtimeSettings) -> Handshake:
    """What the session remembers of its first request; a cookie counts from a listed origin only."""
    cookie = ""
    if origin_listed(request, settings):
        jar: SimpleCookie = SimpleCookie()
        try:
            jar.load(request.headers.get(b"cookie", b"").decode("latin-1"))
        except CookieError:
            jar.clear()
        cookie = jar[COOKIE].value if COOKIE in jar else ""
    return Handshake(request.query.get("token", "")[: MAX_TOKEN + 1], cookie[: MAX_TOKEN + 1])


def cors_headers(request: Request, settings: RealtimeSettings) -> Headers:
    """The answer to a listed origin, echoed exactly; errors carry it too, or browsers hide them."""
    if request.origin is None:
        return []
    headers: Headers = [(b"vary", b"Origin")]
    if origin_listed(request, settings):
        headers += [
            (b"access-control-allow-origin", request.origin.encode("latin-1")),
            (b"access-control-allow-credentials", b"true"),
        ]
    return headers


def preflight_headers(request: Request, settings: RealtimeSettings) -> Headers:
    """The answer to an OPTIONS request."""
    headers = cors_headers(request, settings)
    headers.append((b"access-control-allow-methods", b"GET,POST,OPTIONS"))
    asked = request.headers.get(b"access-control-request-headers")
    if asked is not None:
        headers.append((b"access-control-allow-headers", asked))
    return headers


def error_body(code: int) -> bytes:
    """The JSON body of an Engine.IO error."""
    return encode_json({"code": code, "message": _MESSAGES[code]})


def error_status(code: int) -> int:
    """The HTTP status of an Engine.IO error."""
    return 403 if code == FORBIDDEN else 400


def error_message(code: int) -> str:
    """The message of an Engine.IO error: the whole body when an upgrade is refused."""
    return _MESSAGES[code]


async def respond(
    send: Send,
    status: int,
    body: bytes = b"",
    content_type: bytes = b"",
    headers: Sequence[tuple[bytes, bytes]] = (),
) -> None:
    """Send a whole response with its length; never chunked, never cached."""
    head: Headers = [
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        *headers,
    ]
    if content_type:
        head.append((b"content-type", content_type))
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": body})
