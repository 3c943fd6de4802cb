"""Transports in memory and a clock to turn, for the sans-IO layers."""

from typing import Any

from api.realtime.namespaces import Connection, Socket
from api.realtime.protocol import Session
from api.realtime.settings import RealtimeSettings
from api.realtime.transports import NEVER, Handshake, Link
from bench.load.frames import FrameReader

SETTINGS = RealtimeSettings(sink_bytes=10_000)


class Clock:
    """Time that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class FakeLink:
    """A websocket that keeps what it was told; `frames` empties it."""

    def __init__(self) -> None:
        self.out: list[bytes] = []
        self.blocked = False
        self.closed: tuple[int, str] | None = None
        self.allowed: int | None = None

    def write(self, data: bytes) -> None:
        assert self.closed is None
        self.out.append(data)

    def push(self, data: bytes) -> None:
        self.write(data)

    def flush(self) -> None:
        self.out.clear()

    def allow(self, size: int) -> None:
        self.allowed = size

    def catch_up(self) -> None:
        pass

    def close(self, code: int, reason: str) -> None:
        assert self.closed is None
        self.closed = (code, reason)

    def frames(self) -> list[tuple[bytes, bool]]:
        """(payload, is binary) of what was sent since the last look."""
        data = b"".join(self.out)
        self.out.clear()
        return [(payload, opcode == 2) for opcode, payload in FrameReader().feed(data)]

    def texts(self) -> list[bytes]:
        """The text frames since the last look; there must be no others."""
        frames = self.frames()
        assert not any(binary for _, binary in frames)
        return [payload for payload, _ in frames]


class FakePoll:
    """A hanging GET."""

    def __init__(self) -> None:
        self.body: bytes | None = None

    def answer(self, body: bytes) -> None:
        assert self.body is None
        self.body = body


class Recorder:
    """An `Upper` that writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.joined = True

    def text(self, data: bytes) -> None:
        self.told.append(data)

    def binary(self, data: bytes) -> None:
        self.told.append((data,))

    def upgraded(self, link: Link) -> None:
        self.told.append("upgraded")

    def closed(self, reason: str) -> None:
        self.told.append(f"closed: {reason}")

    def tick(self, now: float) -> float:
        return NEVER


class App:
    """An `Application` that accepts everybody and writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.hold = False

    def connecting(self, connection: Connection, namespace: str, auth: dict[str, Any]) -> None:
        self.told.append(("connecting", namespace, auth))
        if self.hold:
            connection.hold()
        elif namespace == "/unknown":
            connection.refuse(namespace, "Invalid namespace")
        else:
            connection.accept(namespace, "socket-id")

    def received(self, socket: Socket, args: list[Any], ack_id: int | None) -> None:
        self.told.append((socket.namespace, args, ack_id))

    def expired(self, socket: Socket) -> None:
        self.told.append(("expired", socket.namespace))
        socket.disconnect()

    def disconnected(self, socket: Socket, reason: str) -> None:
        self.told.append(("disconnected", socket.namespace, reason))

    def ended(self, connection: Connection, reason: str) -> None:
        self.told.append(("ended", reason))


class Table:
    """Remembers which session can still be found."""

    def __init__(self) -> None:
        self.gone: list[Session] = []

    def forget(self, session: Session) -> None:
        assert session not in self.gone
        self.gone.append(session)


def polling_session(
    clock: Clock, settings: RealtimeSettings = SETTINGS
) -> tuple[Session, Recorder, Table]:
    """A fresh session, its upper layer, and who is told that it is gone."""
    table, upper = Table(), Recorder()
    session = Session("the-sid", settings, clock, table.forget)
    session.upper = upper
    return session, upper, table


def connection(
    clock: Clock, app: App, settings: RealtimeSettings = SETTINGS
) -> tuple[Connection, FakeLink]:
    """A Socket.IO connection on a websocket whose open packet was read."""
    link = FakeLink()
    session = Session("the-sid", settings, clock, Table().forget)
    made = Connection(session, Handshake(), app, settings, clock())
    session.upper = made
    session.open_websocket(link)
    link.frames()
    return made, link


def poll(session: Session) -> FakePoll:
    """One GET."""
    get = FakePoll()
    assert session.poll(get)
    return get
