"""A Postgres proxy that understands frames: it can hold, delay or cut a connection at COMMIT.

It listens on loopback TCP and forwards to the server's Unix socket. (Message formats: PostgreSQL
documentation, section 54.7.)
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from enum import Enum, auto
from urllib.parse import parse_qs, urlsplit

import trio

SSL_REQUEST, GSS_REQUEST, CANCEL = 80877103, 80877104, 80877102
BROKEN = (trio.BrokenResourceError, trio.ClosedResourceError, OSError)


class At(Enum):
    """What happens to one COMMIT."""

    PASS = auto()
    CUT_BEFORE = auto()
    """The server never sees it."""
    CUT_AFTER = auto()
    """It is sent, and nobody waits for the answer: either outcome is possible."""
    CUT_REPLY = auto()
    """It is committed, and the answer is lost."""
    HOLD = auto()
    """It waits for `gate`, then passes."""
    HOLD_REPLY = auto()
    """It is committed, and the answer waits for `gate`."""


class WireProxy:
    """One listening proxy; `decide(n)` names the fate of the n-th COMMIT (from 1)."""

    def __init__(self, upstream: str) -> None:
        parts = urlsplit(upstream)
        query = parse_qs(parts.query)
        port = query.get("port", [str(parts.port or 5432)])[0]
        self._socket = f"{query['host'][0]}/.s.PGSQL.{port}"
        self._user = parts.username or "postgres"
        self._database = parts.path.lstrip("/")
        self._port = 0
        self.commits = 0
        self.decide: Callable[[int], At] = lambda _: At.PASS
        self.gate = trio.Event()
        self.held = trio.Event()
        """Set when a COMMIT or its answer is being held."""
        self.refuse = False
        """New connections are closed at once."""
        self._links: set[_Link] = set()

    @property
    def dsn(self) -> str:
        """Where clients connect."""
        return f"postgresql://{self._user}@127.0.0.1:{self._port}/{self._database}?sslmode=disable"

    async def cut_all(self) -> None:
        """Cut every open connection."""
        for link in list(self._links):
            await link.cut()

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Serve until cancelled."""
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self._port = listeners[0].socket.getsockname()[1]
        task_status.started()
        await trio.serve_listeners(self._serve, listeners)

    async def _serve(self, client: trio.SocketStream) -> None:
        if self.refuse:
            await trio.aclose_forcefully(client)
            return
        with suppress(*BROKEN):
            server = await trio.open_unix_socket(self._socket)
            link = _Link(self, client, server)
            self._links.add(link)
            try:
                await link.run()
            finally:
                self._links.discard(link)


class _Link:
    """One client's connection through the proxy."""

    def __init__(
        self, proxy: WireProxy, client: trio.SocketStream, server: trio.SocketStream
    ) -> None:
        self.proxy = proxy
        self.client = client
        self.server = server
        self.fate = At.PASS

    async def cut(self) -> None:
        await trio.aclose_forcefully(self.client)
        await trio.aclose_forcefully(self.server)

    async def run(self) -> None:
        async with self.client, self.server, trio.open_nursery() as nursery:
            nursery.start_soon(self._pump, self._from_client(), nursery.cancel_scope)
            nursery.start_soon(self._pump, self._from_server(), nursery.cancel_scope)

    async def _pump(self, frames: AsyncIterator[None], scope: trio.CancelScope) -> None:
        with suppress(*BROKEN):
            async for _ in frames:
                pass
        scope.cancel()

    async def _from_client(self) -> AsyncIterator[None]:
        reader = _Frames(self.client)
        while (code := (start := await reader.start()) and int.from_bytes(start[4:8], "big")) in (
            SSL_REQUEST,
            GSS_REQUEST,
        ):
            await self.client.send_all(b"N")
            yield
        del code
        if start is None:
            return
        await self.server.send_all(start)
        while (frame := await reader.frame()) is not None:
            if frame[:1] == b"Q" and frame[5:] == b"COMMIT\0":
                if not await self._commit(frame):
                    return
            else:
                await self.server.send_all(frame)
            yield

    async def _commit(self, frame: bytes) -> bool:
        proxy = self.proxy
        proxy.commits += 1
        self.fate = proxy.decide(proxy.commits)
        if self.fate is At.CUT_BEFORE:
            await self.cut()
            return False
        if self.fate is At.HOLD:
            proxy.held.set()
            await proxy.gate.wait()
        await self.server.send_all(frame)
        if self.fate is At.CUT_AFTER:
            await self.cut()
            return False
        return True

    async def _from_server(self) -> AsyncIterator[None]:
        reader = _Frames(self.server)
        while (frame := await reader.frame()) is not None:
            if frame[:1] == b"C" and frame[5:] == b"COMMIT\0":
                if self.fate is At.CUT_REPLY:
                    await self.cut()
                    return
                if self.fate is At.HOLD_REPLY:
                    self.proxy.held.set()
                    await self.proxy.gate.wait()
            await self.client.send_all(frame)
            yield


class _Frames:
    """Whole frames out of a stream."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._buffer = bytearray()

    async def start(self) -> bytes | None:
        """Return a start-up packet: length and body, no type."""
        return await self._take(0)

    async def frame(self) -> bytes | None:
        """Return one typed message, or None at the end."""
        return await self._take(1)

    async def _take(self, type_bytes: int) -> bytes | None:
        need = type_bytes + 4
        while True:
            if len(self._buffer) >= type_bytes + 4:
                need = type_bytes + int.from_bytes(self._buffer[type_bytes : type_bytes + 4], "big")
                if len(self._buffer) >= need:
                    frame = bytes(self._buffer[:need])
                    del self._buffer[:need]
                    return frame
            chunk = await self._stream.receive_some(65536)
            if not chunk:
                return None
            self._buffer += chunk


@asynccontextmanager
async def open_proxy(upstream: str) -> AsyncIterator[WireProxy]:
    """Run a proxy in front of `upstream` for the length of the block."""
    proxy = WireProxy(upstream)
    async with trio.open_nursery() as nursery:
        await nursery.start(proxy.run)
        yield proxy
        proxy.gate.set()
        nursery.cancel_scope.cancel()
