"""Connections of the outbound client: kept alive per configured origin, single-use for the rest.

One transport holds one connection. httpx's own pool compares all its connections several times
per request, which costs milliseconds at thirty of them; a stack per origin costs nothing, and its
top is the connection used last, hence the one most likely to be alive.
"""

from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import cache
from ssl import SSLContext

import httpx
import trio

from actors.addresses import Origin

#: Seconds after which an unused connection is given up.
IDLE = 15.0


class Connections:
    """At most `limit` in use at a time; callers wait for a place. Make it with open_connections."""

    def __init__(self, limit: int, tls: SSLContext) -> None:
        self._places = trio.CapacityLimiter(limit)
        self._tls = tls
        self._idle: dict[Origin, deque[tuple[float, httpx.AsyncHTTPTransport]]] = {}

    def _new(self) -> httpx.AsyncHTTPTransport:
        limits = httpx.Limits(max_connections=1, keepalive_expiry=IDLE)
        return httpx.AsyncHTTPTransport(verify=self._tls, limits=limits, trust_env=False)

    @asynccontextmanager
    async def kept(self, origin: Origin) -> AsyncGenerator[httpx.AsyncHTTPTransport]:
        """A connection of `origin`, put back afterwards; closed if the block is left by error."""
        async with self._places:
            idle = self._idle.setdefault(origin, deque())
            transport = idle.pop()[1] if idle else self._new()
            try:
                yield transport
            except BaseException:
                await _close(transport)
                raise
            idle.append((trio.current_time(), transport))
            while idle and idle[0][0] < trio.current_time() - IDLE:
                await _close(idle.popleft()[1])

    @asynccontextmanager
    async def single(self) -> AsyncGenerator[httpx.AsyncHTTPTransport]:
        """A connection for one exchange."""
        async with self._places:
            transport = self._new()
            try:
                yield transport
            finally:
                await _close(transport)

    async def aclose(self) -> None:
        """Closes what is idle."""
        for idle in self._idle.values():
            while idle:
                await _close(idle.pop()[1])


async def _close(transport: httpx.AsyncHTTPTransport) -> None:
    with trio.CancelScope(shield=True):
        await transport.aclose()


@cache
def _certificates() -> SSLContext:
    return httpx.create_ssl_context(trust_env=False)


@asynccontextmanager
async def open_connections(limit: int) -> AsyncGenerator[Connections]:
    """Loads the trusted certificates once and closes every connection at the end."""
    connections = Connections(limit, await trio.to_thread.run_sync(_certificates))
    try:
        yield connections
    finally:
        await connections.aclose()
