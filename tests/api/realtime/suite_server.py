"""A server for the conformance suites published with the Engine.IO and Socket.IO protocols.

`python -m tests.api.realtime.suite_server engine|socket PORT` listens on the loopback address
with the short times that those suites expect. The suites themselves are not part of this project:
tests/node/conformance.md says how to run them.
"""

import secrets
import sys
from typing import Any

import trio

from api.edge.server import EdgeServer, open_listeners
from api.realtime.engine_io import EngineIo
from api.realtime.namespaces import Connection, Socket
from api.realtime.protocol import Session
from api.realtime.reactor import Reactor
from api.realtime.settings import RealtimeSettings
from api.realtime.transports import NEVER, Handshake, Link

ENGINE = RealtimeSettings(
    path="/engine.io/",
    origins=("*",),
    ping_interval=0.3,
    ping_timeout=0.2,
    timer_step=0.01,
    close_linger=1.0,
)
SOCKET = RealtimeSettings(
    origins=("*",),
    ping_interval=0.3,
    ping_timeout=0.2,
    connect_timeout=1.0,
    timer_step=0.01,
    close_linger=1.0,
)


class Echo:
    """Sends every message back."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def text(self, data: bytes) -> None:
        self._session.send((b"4" + data,))

    def binary(self, data: bytes) -> None:
        self._session.send_binary(data)

    @property
    def joined(self) -> bool:
        return True

    def upgraded(self, link: Link) -> None:
        pass

    def closed(self, reason: str) -> None:
        pass

    def tick(self, now: float) -> float:
        return NEVER


class Suite:
    """What the Socket.IO suite demands of the application on `/` and `/custom`."""

    def connecting(self, connection: Connection, namespace: str, auth: dict[str, Any]) -> None:
        if namespace not in ("/", "/custom"):
            connection.refuse(namespace, "Invalid namespace")
            return
        connection.accept(namespace, secrets.token_urlsafe(15)).emit("auth", auth)

    def received(self, socket: Socket, args: list[Any], ack_id: int | None) -> None:
        if args[0] == "message":
            socket.emit("message-back", *args[1:])
        elif args[0] == "message-with-ack":
            socket.acknowledge(ack_id, *args[1:])

    def expired(self, socket: Socket) -> None:
        pass

    def disconnected(self, socket: Socket, reason: str) -> None:
        pass

    def ended(self, connection: Connection, reason: str) -> None:
        pass


def engine_server(reactor: Reactor) -> EngineIo:
    """An Engine.IO server that echoes."""
    return EngineIo(ENGINE, reactor, lambda session, _: Echo(session))


def socket_server(reactor: Reactor) -> EngineIo:
    """A Socket.IO server as the suite wants it."""

    def open_upper(session: Session, handshake: Handshake) -> Connection:
        return Connection(session, handshake, Suite(), SOCKET, reactor.now())

    return EngineIo(SOCKET, reactor, open_upper)


async def main(kind: str, port: int) -> None:
    reactor = Reactor(ENGINE if kind == "engine" else SOCKET)
    server = (engine_server if kind == "engine" else socket_server)(reactor)
    edge = EdgeServer(server.asgi)
    async with trio.open_nursery() as nursery:
        await nursery.start(reactor.run)
        nursery.start_soon(edge.serve, open_listeners("127.0.0.1", port))


if __name__ == "__main__":
    trio.run(main, sys.argv[1], int(sys.argv[2]))
