"""A scripted HTTP server on the loopback address, for tests of the outbound client."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import trio

from bench.fake_graph.http11 import Answer, Request, serve_connection

Script = Callable[[Request], Awaitable[Answer]]


class Server:
    """`requests` in order of arrival; `connections` counts accepted ones."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.connections = 0
        self.base = ""


@asynccontextmanager
async def http_server(script: Script) -> AsyncIterator[Server]:
    """Answers by `script`; stops at the end of the block."""
    server = Server()

    async def handle(request: Request) -> Answer:
        server.requests.append(request)
        return await script(request)

    async def connection(stream: trio.SocketStream) -> None:
        server.connections += 1
        await serve_connection(stream, handle)

    async with raw_server(connection) as base:
        server.base = base
        yield server


@asynccontextmanager
async def raw_server(
    connection: Callable[[trio.SocketStream], Awaitable[None]],
) -> AsyncIterator[str]:
    """A TCP server; yields its http base URL."""
    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, connection, listeners)
        port = listeners[0].socket.getsockname()[1]
        yield f"http://127.0.0.1:{port}"
        nursery.cancel_scope.cancel()
