"""The Engine.IO front door: requests to sessions, upgrades to websockets."""

import secrets
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import trio

from api.realtime import handshake as http
from api.realtime.handshake import Headers, Receive, Request, Scope, Send
from api.realtime.polling import serve_get, serve_post
from api.realtime.protocol import Session
from api.realtime.reactor import Reactor
from api.realtime.settings import RealtimeSettings
from api.realtime.transports import Handshake, Upper
from api.realtime.websocket import POLICY, accept_key

OpenUpper = Callable[[Session, Handshake], Upper]

_TEXT: Final = b"text/plain; charset=UTF-8"
_SWITCHING: Final = (
    b"HTTP/1.1 101 Switching Protocols\r\n"
    b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
)


class EngineIo:
    """The sessions of one path; what is said in them is up to the `Upper` of each."""

    def __init__(self, settings: RealtimeSettings, reactor: Reactor, open_upper: OpenUpper) -> None:
        self.sessions: dict[str, Session] = {}
        self.closing = False
        self._settings = settings
        self._reactor = reactor
        self._open_upper = open_upper
        self._newest: OrderedDict[str, Session] = OrderedDict()
        self._none_left = trio.lowlevel.ParkingLot()

    async def emptied(self) -> None:
        """Wait until no session is left, and none owes its client anything."""
        while self.sessions:
            await self._none_left.park()

    async def asgi(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request: a polling GET or POST, a preflight, or an upgrade."""
        request = http.read_request(scope)
        headers = http.cors_headers(request, self._settings)
        if request.method == "OPTIONS":
            preflight = http.preflight_headers(request, self._settings)
            await http.respond(send, 204, headers=preflight)
            return
        code, session = self._check(request)
        if code is not None:
            await _refuse(send, request, code, headers)
        elif request.wants_websocket:
            await self._upgrade(request, session, scope, send, headers)
        elif session is None:
            session = self._open(request)
            body = session.open_packet(upgrades=True)
            await http.respond(send, 200, body, _TEXT, headers)
        elif request.method == "GET":
            await serve_get(session, receive, send, headers)
        elif request.method == "POST":
            await serve_post(session, request, receive, send, headers, self._settings)
        else:
            await _refuse(send, request, http.BAD_REQUEST, headers)

    def _check(self, request: Request) -> tuple[int | None, Session | None]:
        """The error code that refuses the request, or its session (None: a new one)."""
        transport = request.query.get("transport")
        if transport not in ("polling", "websocket"):
            return http.TRANSPORT_UNKNOWN, None
        if not http.origin_allowed(request, self._settings):
            return http.FORBIDDEN, None
        websocket = transport == "websocket"
        sid = request.query.get("sid")
        if sid:
            session = self.sessions.get(sid)
            if session is not None:
                session.catch_up()
            if session is None or session.expired():
                return http.SESSION_UNKNOWN, None
            if websocket != request.wants_websocket or (session.link and not websocket):
                return http.BAD_REQUEST, None
            return None, session
        if request.method != "GET":
            return http.BAD_METHOD, None
        if websocket != request.wants_websocket:
            return http.BAD_REQUEST, None
        if request.query.get("EIO") != "4":
            return http.BAD_VERSION, None
        return (http.FORBIDDEN if self.closing or self._reactor.full else None), None

    def _open(self, request: Request) -> Session:
        sid = secrets.token_urlsafe(15)
        session = Session(sid, self._settings, self._reactor.now, self._forget)
        session.upper = self._open_upper(session, http.handshake_of(request, self._settings))
        self.sessions[sid] = session
        self._newest[sid] = session
        if len(self._newest) > self._settings.max_unjoined:
            _, oldest = self._newest.popitem(last=False)
            if not oldest.upper.joined:  # it had its time, and a flood must not cost memory
                oldest.close("too many sessions that join nothing", discard=True)
        self._reactor.call_at(session, 0.0)
        return session

    def _forget(self, session: Session) -> None:
        self._newest.pop(session.sid, None)
        self.sessions.pop(session.sid, None)
        if not self.sessions:
            self._none_left.unpark_all()
        self._reactor.cancel_calls(session)

    async def _upgrade(
        self,
        request: Request,
        session: Session | None,
        scope: Scope,
        send: Send,
        headers: Headers,
    ) -> None:
        takeover = scope["extensions"].get("chatia.takeover")
        accept = accepted_key(request)
        if takeover is None or accept is None or self._reactor.full:
            await _refuse(send, request, http.BAD_REQUEST, headers)
            return
        fresh = session is None
        if session is None:
            session = self._open(request)
        sock, leftover = takeover()
        client = self._reactor.adopt(sock, session)
        client.write(switching(accept))
        if fresh:
            session.open_websocket(client)
        elif session.begin_upgrade(client):
            self._reactor.call_at(session, self._settings.upgrade_timeout)
        else:
            client.close(POLICY, "this session has its websocket already")
        if leftover:
            self._reactor.feed(client, leftover)


def switching(accept: bytes) -> bytes:
    """The response that ends HTTP on this connection."""
    return _SWITCHING + accept + b"\r\n\r\n"


def accepted_key(request: Request) -> bytes | None:
    """The answer to an upgrade's key; None when it is no WebSocket upgrade."""
    if request.method != "GET" or request.headers.get(b"sec-websocket-version") != b"13":
        return None
    try:
        return accept_key(request.headers.get(b"sec-websocket-key", b""))
    except ValueError:
        return None


async def _refuse(send: Send, request: Request, code: int, headers: Headers) -> None:
    if request.wants_websocket:
        body = http.error_message(code).encode()
        close = [*headers, (b"connection", b"close")]
        await http.respond(send, 400, body, b"text/html", close)
    else:
        status = http.error_status(code)
        await http.respond(send, status, http.error_body(code), b"application/json", headers)
