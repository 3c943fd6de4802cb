"""The listener: accepts, bounds, sweeps deadlines, drains on shutdown."""

import errno
import logging
import socket
from collections import OrderedDict
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

import msgspec
import trio

from api.edge.connection import AsgiApp, Connection
from api.edge.limits import EdgeLimits
from api.edge.proxies import Networks
from api.edge.responses import HttpDate, refusal

log = logging.getLogger("chatia.edge")

_SWEEP_SECONDS = 0.5
_ACCEPTS_PER_WAKE = 64
_OUT_OF_DESCRIPTORS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


def open_listeners(host: str, port: int, *, backlog: int = 4096) -> list[socket.socket]:
    """Bind `host` (an address or name) on `port` (0 = any free one), non-blocking, TCP_NODELAY.

    Raises OSError when the address is taken.
    """
    listeners: list[socket.socket] = []
    infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    for family, _, _, _, address in infos[:1]:
        listener = socket.create_server(address[:2], family=family, backlog=backlog)
        listener.setblocking(False)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listeners.append(listener)
    return listeners


class EdgeStats(msgspec.Struct, frozen=True):
    """What the listener holds now, and how many it refused (503) and evicted since the start."""

    connections: int
    half_open: int
    refused: int
    evicted: int


class EdgeServer:
    """Owns the accepted connections; one instance per ASGI application."""

    def __init__(
        self, app: AsgiApp, limits: EdgeLimits | None = None, trusted_proxies: Networks = ()
    ) -> None:
        self.app = app
        self.limits = limits or EdgeLimits()
        self.trusted_proxies = trusted_proxies
        self.draining = False
        self.refused = 0
        self.evicted = 0
        self._connections: set[Connection] = set()
        self._half_open: OrderedDict[Connection, None] = OrderedDict()  # who began first, first
        self._date = HttpDate()
        self._emptied = trio.Event()

    @property
    def connections(self) -> int:
        """How many connections the edge holds (sockets taken over are not counted)."""
        return len(self._connections)

    @property
    def half_open(self) -> int:
        """How many of them are still at their request's head."""
        return len(self._half_open)

    def stats(self) -> EdgeStats:
        """Figures for the metrics page."""
        return EdgeStats(self.connections, self.half_open, self.refused, self.evicted)

    def date(self) -> bytes:
        """Return the current Date header value."""
        return self._date.at(datetime.now(UTC))

    def head_begins(self, connection: Connection) -> None:
        """Count a connection whose request is not there yet; too many, and the oldest must go."""
        connection.half_open = True
        self._half_open[connection] = None
        while len(self._half_open) > self.limits.max_half_open:
            self._evict(next(iter(self._half_open)))

    def head_ends(self, connection: Connection) -> None:
        """The connection's request is there, or the connection is gone."""
        connection.half_open = False
        self._half_open.pop(connection, None)

    def _evict(self, connection: Connection) -> None:
        self.evicted += 1
        self.head_ends(connection)
        self._connections.discard(connection)
        connection.expire()

    def _make_room(self) -> None:
        """Close connections that wait between two requests, the longest waiting first: HTTP lets
        a server do that at any time. Some at once, for looking through all of them is not cheap.
        """
        waiting = [c for c in self._connections if c.idle and not c.half_open]
        waiting.sort(key=lambda connection: connection.deadline)
        for connection in waiting[: len(waiting) // 16 + 1]:
            self._evict(connection)

    async def serve(self, listeners: Sequence[socket.socket]) -> None:
        """Accept until cancelled; connections die with the caller's cancel scope."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._sweep)
            for listener in listeners:
                nursery.start_soon(self._accept, listener, nursery)

    async def drain(self) -> None:
        """Let requests in flight finish, up to `drain_timeout`; idle connections close now."""
        self.draining = True
        if not self._connections:
            return
        for connection in list(self._connections):
            if connection.idle:
                connection.close()
        with trio.move_on_after(self.limits.drain_timeout):
            await self._emptied.wait()

    async def _accept(self, listener: socket.socket, nursery: trio.Nursery) -> None:
        # It may close after this task was woken and before it runs: then nothing is accepted.
        while listener.fileno() >= 0:
            try:
                await trio.lowlevel.wait_readable(listener)
            except trio.ClosedResourceError:
                return  # shutting down: no more connections
            for _ in range(_ACCEPTS_PER_WAKE):
                try:
                    sock, peer = listener.accept()
                except BlockingIOError:
                    break
                except OSError as error:
                    if error.errno in _OUT_OF_DESCRIPTORS:
                        log.error("cannot accept: %s", error)
                        await trio.sleep(0.1)
                    break
                self._admit(sock, peer, nursery)

    def _admit(self, sock: socket.socket, peer: tuple[str, int], nursery: trio.Nursery) -> None:
        sock.setblocking(False)
        if len(self._connections) >= self.limits.max_connections:
            self._make_room()
        if self.draining or len(self._connections) >= self.limits.max_connections:
            self.refused += 1
            with suppress(OSError):  # the peer may have left already
                sock.send(refusal(503, "too many connections", self.date()))
            sock.close()
            return
        connection = Connection(self, sock, peer)
        self._connections.add(connection)
        self.head_begins(connection)
        nursery.start_soon(self._run, connection)

    async def _run(self, connection: Connection) -> None:
        try:
            await connection.run()
        except Exception:
            # A defect in one connection's code must not take the listener with it.
            log.exception("connection failed")
        finally:
            self._connections.discard(connection)
            self.head_ends(connection)
            if self.draining and not self._connections:
                self._emptied.set()

    async def _sweep(self) -> None:
        while True:
            await trio.sleep(_SWEEP_SECONDS)
            now = trio.current_time()
            for connection in list(self._connections):
                if connection.deadline < now:
                    connection.expire()


@asynccontextmanager
async def serve_edge(
    app: AsgiApp,
    listeners: Sequence[socket.socket],
    limits: EdgeLimits | None = None,
    trusted_proxies: Networks = (),
) -> AsyncGenerator[EdgeServer]:
    """Serve `app` on `listeners` while the block runs; drain when it ends.

    A second way to end is cancellation, which closes every connection at once.
    """
    server = EdgeServer(app, limits, trusted_proxies)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.serve, listeners)
        try:
            yield server
        finally:
            for listener in listeners:
                trio.lowlevel.notify_closing(listener)
                listener.close()
            await server.drain()
            nursery.cancel_scope.cancel()
