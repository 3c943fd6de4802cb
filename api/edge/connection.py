"""One accepted connection: requests in order, each served by the ASGI application.

Sockets are non-blocking and waited on with trio's low-level calls; time-outs are plain deadlines
that the server's sweeper enforces by closing the socket, so that no request pays for a timer.
"""

import logging
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from math import inf
from typing import Any, Final, Protocol
from urllib.parse import unquote

import trio

from api.edge.limits import EdgeLimits
from api.edge.proxies import Networks, client_of
from api.edge.requests import BadRequest, Request, RequestParser
from api.edge.responses import (
    CONTINUE,
    FINAL_CHUNK,
    Framing,
    encode_chunk,
    encode_head,
    refusal,
)

Message = dict[str, Any]
AsgiApp = Callable[
    [Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]],
    Awaitable[None],
]

log = logging.getLogger("chatia.edge")

_SPEC: Final = {"version": "3.0", "spec_version": "2.3"}
_READS_BEFORE_CHECKPOINT: Final = 16
_LINGER_BYTES: Final = 1 << 20
_LINGER_SECONDS: Final = 2.0
_AHEAD_BYTES: Final = 64 * 1024


class ClientGone(OSError):
    """The peer closed, or was too slow and has been closed."""


class Host(Protocol):
    """What a connection needs of its server."""

    app: AsgiApp
    limits: EdgeLimits
    trusted_proxies: Networks
    draining: bool

    def date(self) -> bytes:
        """Return the current Date header value."""
        ...

    def head_begins(self, connection: "Connection") -> None:
        """A request is awaited, or arrives in pieces: those who are at it are counted."""

    def head_ends(self, connection: "Connection") -> None:
        """The head is complete."""


class Connection:
    """Reads requests from one socket and answers them; `deadline` is what the sweeper watches."""

    __slots__ = (
        "_ahead",
        "_body_started",
        "_delivered",
        "_drained",
        "_framing",
        "_host",
        "_parser",
        "_peer",
        "_reads",
        "_refusal",
        "_request",
        "_responded",
        "_server_address",
        "_sock",
        "_start",
        "_started",
        "closed",
        "deadline",
        "half_open",
        "idle",
        "taken",
    )

    def __init__(self, host: Host, sock: socket.socket, peer: tuple[str, int]) -> None:
        self._host = host
        self._sock = sock
        self._peer = peer
        self._server_address = sock.getsockname()[:2]
        self._parser = RequestParser(host.limits)
        self._ahead = bytearray()
        self._reads = 0
        self._drained = True
        self._request: Request | None = None
        self._refusal: BadRequest | None = None
        self._framing: Framing | None = None
        self._body_started = 0.0
        self._started = self._responded = self._delivered = False
        self._start: Message = {}
        self.idle = True
        self.half_open = False
        self.closed = self.taken = False
        self.deadline = trio.current_time() + host.limits.head_timeout

    async def run(self) -> None:
        """Serve requests until the peer leaves, misbehaves, or the connection is handed over."""
        try:
            while (request := await self._next_request()) is not None:
                await self._serve(request)
                if self.taken:
                    return
                if self._framing is None or self._framing.close:
                    await self._linger()
                    return
        except BadRequest as refused:
            await self._refuse(refused)
        except OSError:
            pass  # the peer is gone: nobody is left to tell
        finally:
            if not self.taken:
                self.close()

    # --- requests

    async def _next_request(self) -> Request | None:
        limits, parser = self._host.limits, self._parser
        if parser.head_started:
            self.deadline = trio.current_time() + limits.head_timeout
        while not parser.requests:
            if parser.switched or self._refusal is not None:
                return None
            self.idle = not parser.head_started
            if self.idle and self._host.draining:
                return None
            if self._ahead:
                data = bytes(self._ahead)
                self._ahead.clear()
            else:
                data = await self._receive()
            begins = not parser.head_started
            parser.feed(data)
            if begins and not parser.requests:  # most requests come whole: they need no deadline
                self.deadline = trio.current_time() + limits.head_timeout
                if not self.half_open:
                    self._host.head_begins(self)
        if self.half_open:
            self._host.head_ends(self)
        self.idle = False
        self.deadline = inf
        return parser.requests.popleft()

    async def _serve(self, request: Request) -> None:
        self._request, self._framing = request, None
        self._started = self._responded = self._delivered = False
        self._body_started = inf if request.complete else trio.current_time()
        try:
            await self._host.app(self._scope(request), self._asgi_receive, self._asgi_send)
        except OSError:
            raise
        except Exception:
            log.exception("application failed", extra={"path": request.target[:200].decode()})
            if not self._started:
                await self._refuse(BadRequest(500, "internal error"))
            raise ClientGone from None
        if self.taken:
            return
        if self._refusal is not None and not self._started:
            raise self._refusal
        if not self._responded:
            log.error("application sent no complete response")
            raise ClientGone
        self._started = False
        self.deadline = trio.current_time() + self._host.limits.idle_timeout

    def _scope(self, request: Request) -> Message:
        raw_path, _, query = request.target.partition(b"?")
        path = raw_path.decode("ascii")
        client, scheme = client_of(self._peer[0], request.headers, self._host.trusted_proxies)
        scope: Message = {
            "type": "http",
            "asgi": _SPEC,
            "http_version": request.http_version,
            "method": request.method.decode("ascii"),
            "scheme": scheme,
            "path": unquote(path) if "%" in path else path,
            "raw_path": raw_path,
            "query_string": query,
            "root_path": "",
            "headers": request.headers,
            "client": (client, self._peer[1]),
            "server": self._server_address,
            "state": {},
            "extensions": {},
        }
        if request.upgrade:
            scope["extensions"]["chatia.takeover"] = self._takeover
        return scope

    def _takeover(self) -> tuple[socket.socket, bytes]:
        """Detach the raw socket and the bytes behind the upgrade request; the edge forgets both."""
        self.taken = True
        self.deadline = inf
        leftover = self._parser.leftover + bytes(self._ahead)
        self._ahead.clear()
        return self._sock, leftover

    # --- ASGI

    async def _asgi_receive(self) -> Message:
        request = self._request
        assert request is not None
        while not request.chunks and not request.complete:
            if self._refusal is not None or not await self._more_body(request):
                return {"type": "http.disconnect"}
        if not self._delivered:
            body = b"".join(request.chunks)
            request.chunks.clear()
            self._delivered = request.complete
            return {"type": "http.request", "body": body, "more_body": not request.complete}
        await self._disconnected()
        return {"type": "http.disconnect"}

    async def _more_body(self, request: Request) -> bool:
        limits = self._host.limits
        if request.expects_continue:
            request.expects_continue = False
            await self._write(CONTINUE)
        self.deadline = trio.current_time() + limits.body_timeout
        try:
            self._parser.feed(await self._receive())
        except BadRequest as refused:
            self._refusal = refused
            return False
        except OSError:
            return False
        finally:
            self.deadline = inf
        elapsed = trio.current_time() - self._body_started
        if elapsed > limits.body_grace and request.body_bytes < elapsed * limits.min_body_rate:
            self._refusal = BadRequest(408, "body too slow")
            return False
        return True

    async def _disconnected(self) -> None:
        """Return when the peer has closed or the response is complete."""
        while not self._responded and not self.closed:
            if len(self._ahead) > _AHEAD_BYTES:
                await trio.sleep_forever()
            try:
                self._ahead += await self._receive()
            except OSError:
                return

    async def _asgi_send(self, message: Message) -> None:
        if self.closed or self.taken:
            raise ClientGone
        if message["type"] == "http.response.start":
            self._start = message
            return
        body: bytes = message.get("body", b"")
        last = not message.get("more_body", False)
        data = self._frame(body, last=last)
        self._responded = last
        if data:
            await self._write(data)

    def _frame(self, body: bytes, *, last: bool) -> bytes:
        head = b""
        if self._framing is None:
            head = self._head(len(body) if last else None)
        framing = self._framing
        assert framing is not None
        if framing.bodyless:
            return head
        if not framing.chunked:
            return head + body
        return head + (encode_chunk(body) if body else b"") + (FINAL_CHUNK if last else b"")

    def _head(self, complete_length: int | None) -> bytes:
        request = self._request
        assert request is not None
        # A body that nobody read leaves the framing unknown: answer, then close.
        keep = request.keep_alive and request.complete and not request.upgrade
        head, self._framing = encode_head(
            self._start["status"],
            self._start.get("headers", ()),
            method=request.method,
            http_version=request.http_version,
            keep_alive=keep and not self._host.draining,
            date=self._host.date(),
            complete_length=complete_length,
        )
        self._started = True
        return head

    # --- socket

    async def _receive(self) -> bytes:
        size = self._host.limits.read_size
        while True:
            if self._drained:  # the last read found the end: ask the poller before the socket
                self._drained = False
                self._reads = 0
                await self._wait(trio.lowlevel.wait_readable)
            try:
                data = self._sock.recv(size)
            except BlockingIOError:
                self._drained = True
                continue
            if not data:
                raise ClientGone
            self._drained = len(data) < size
            self._reads += 1
            if self._reads >= _READS_BEFORE_CHECKPOINT:
                self._reads = 0
                await trio.lowlevel.cancel_shielded_checkpoint()
            return data

    async def _write(self, data: bytes) -> None:
        """Send all of `data`; a started response is finished even if the handler is cancelled."""
        try:
            sent = self._sock.send(data)
        except BlockingIOError:
            sent = 0
        if sent == len(data):
            return
        view = memoryview(data)[sent:]
        with trio.CancelScope(shield=True):
            while view:
                self.deadline = trio.current_time() + self._host.limits.write_timeout
                await self._wait(trio.lowlevel.wait_writable)
                try:
                    view = view[self._sock.send(view) :]
                except BlockingIOError:
                    continue
        self.deadline = inf

    async def _wait(self, ready: Callable[[socket.socket], Awaitable[None]]) -> None:
        try:
            await ready(self._sock)
        except trio.ClosedResourceError:
            raise ClientGone from None

    async def _refuse(self, refused: BadRequest) -> None:
        try:
            self._sock.send(refusal(refused.status, str(refused), self._host.date()))
            await self._linger()
        except OSError:
            pass  # best effort: the refusal is a courtesy to a peer that broke the rules

    async def _linger(self) -> None:
        """Half-close and drain a little, so that the answer is not lost to a TCP reset."""
        self.deadline = trio.current_time() + _LINGER_SECONDS
        self._sock.shutdown(socket.SHUT_WR)
        drained = 0
        while drained < _LINGER_BYTES:
            try:
                drained += len(await self._receive())
            except OSError:
                return

    def expire(self) -> None:
        """Close because a deadline passed; a request that had begun is told 408."""
        if self._parser.head_started and not self._started:
            with suppress(OSError):  # the peer may be unable to take even the refusal
                self._sock.send(refusal(408, "request too slow", self._host.date()))
        self.close()

    def close(self) -> None:
        """Close the socket now and wake whoever waits on it."""
        if not self.closed and not self.taken:
            self.closed = True
            trio.lowlevel.notify_closing(self._sock)
            self._sock.close()
