"""Socket.IO above a session in memory: namespaces, events, acks, attachments, holding."""

from typing import Any

import pytest

from api.realtime import packet as codec
from api.realtime.namespaces import Connection
from api.realtime.settings import RealtimeSettings
from tests.api.realtime.fakes import App, Clock, FakeLink, connection


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def app() -> App:
    return App()


def say(made: Connection, link: FakeLink, *texts: bytes) -> None:
    """The client sends these."""
    for text in texts:
        made.session.receive(link, text, False)


def joined(clock: Clock, app: App, namespace: str = "/") -> tuple[Connection, FakeLink]:
    """A connection that is in one namespace."""
    made, link = connection(clock, app)
    say(made, link, b"40" + (b"" if namespace == "/" else namespace.encode() + b","))
    link.frames()
    app.told.clear()
    return made, link


def test_the_reply_to_connect_comes_before_anything_else(clock: Clock, app: App) -> None:
    made, link = connection(clock, app)
    say(made, link, b'40{"token":"t"}')
    made.sockets["/"].emit("ready")
    assert link.texts() == [b'40{"sid":"socket-id"}', b'42["ready"]']
    assert app.told == [("connecting", "/", {"token": "t"})]


def test_one_session_is_in_several_namespaces(clock: Clock, app: App) -> None:
    made, link = joined(clock, app)
    say(made, link, b"40/1,", b'42/1,["a"]', b'42["b"]', b"41/1,", b'42["c"]')
    assert [told for told in app.told if told[0] != "connecting"] == [
        ("/1", ["a"], None),
        ("/", ["b"], None),
        ("disconnected", "/1", "client namespace disconnect"),
        ("/", ["c"], None),
    ]


def test_an_unknown_namespace_is_refused_and_the_connection_stays(clock: Clock, app: App) -> None:
    made, link = joined(clock, app)
    say(made, link, b"40/unknown", b'42["still here"]')
    assert link.texts() == [b'44/unknown,{"message":"Invalid namespace"}']
    assert app.told[-1] == ("/", ["still here"], None)


@pytest.mark.parametrize(
    "text",
    [
        b"4",
        b"40",
        b'42/2,["a"]',
        b"41/2,",
        b"43/2,1[]",
        b'44{"message":"no"}',
        b"47",
        b"42{}",
        b"42abc[]",
    ],
)
def test_what_does_not_fit_closes_the_connection(clock: Clock, app: App, text: bytes) -> None:
    made, link = joined(clock, app)
    say(made, link, text)
    assert link.closed is not None
    assert app.told[0][:2] == ("disconnected", "/")
    assert app.told[1][0] == "ended"


def test_acks_go_both_ways(clock: Clock, app: App) -> None:
    made, link = joined(clock, app)
    say(made, link, b'4212["ask"]')
    socket = made.sockets["/"]
    socket.acknowledge(12, {"yes": True}, b"\x01")
    socket.acknowledge(None, "nobody asked")
    answers: list[Any] = []
    socket.emit("question", on_ack=lambda *args: answers.append(args))
    socket.emit("question", on_ack=lambda *args: answers.append(args))
    assert link.frames() == [
        (b'461-12[{"yes":true},{"_placeholder":true,"num":0}]', False),
        (b"\x01", True),
        (b'420["question"]', False),
        (b'421["question"]', False),
    ]
    say(made, link, b'431["second"]', b"431[1]", b"4399[]", b"430[]")
    assert answers == [("second",), ()]


def test_attachments_are_put_in_place(clock: Clock, app: App) -> None:
    made, link = joined(clock, app)
    say(made, link, b'452-["a",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]')
    made.session.receive(link, b"\x00", True)
    assert app.told == []
    made.session.receive(link, b"\x01", True)
    assert app.told == [("/", ["a", b"\x01", b"\x00"], None)]


@pytest.mark.parametrize(
    "messages",
    [
        [(b'451-["a",{"_placeholder":true,"num":0}]', False), (b'42["b"]', False)],
        [(b"\x00", True)],
        [(b'451-["a",{"_placeholder":true,"num":7}]', False), (b"\x00", True)],
        [(b'452-["a"]', False), (bytes(600_000), True), (bytes(600_000), True)],
    ],
)
def test_attachments_out_of_place_close_the_connection(
    clock: Clock, app: App, messages: list[tuple[bytes, bool]]
) -> None:
    made, link = joined(clock, app)
    for data, binary in messages:
        made.session.receive(link, data, binary)
    assert link.closed is not None


def test_packets_wait_while_somebody_is_asked_and_keep_their_order(clock: Clock, app: App) -> None:
    made, link = connection(clock, app)
    app.hold = True
    say(made, link, b"40", b'42["one"]', b'451-["two",{"_placeholder":true,"num":0}]')
    made.session.receive(link, b"\x00", True)
    assert app.told == [("connecting", "/", {})]
    made.accept("/", "socket-id")
    made.release()
    assert app.told[1:] == [("/", ["one"], None), ("/", ["two", b"\x00"], None)]


def test_a_flood_while_waiting_closes_the_connection(clock: Clock, app: App) -> None:
    made, link = connection(clock, app)
    app.hold = True
    say(made, link, b"40", *[b'42["a"]'] * 300)
    assert link.closed is not None
    made.release()


def test_what_was_held_is_judged_when_its_turn_comes(clock: Clock, app: App) -> None:
    made, link = connection(clock, app)
    app.hold = True
    say(made, link, b"40", b"42{}", b'42["never"]')
    made.accept("/", "socket-id")
    made.release()
    assert link.closed is not None
    assert ("/", ["never"], None) not in app.told


def test_a_connection_without_namespace_is_closed_in_time(clock: Clock, app: App) -> None:
    made, link = connection(clock, app, RealtimeSettings(connect_timeout=10.0))
    clock.now += 9
    made.session.tick(clock())
    assert link.closed is None
    clock.now += 1
    made.session.tick(clock())
    assert link.closed is not None


def test_a_socket_expires_at_its_time_and_not_before(clock: Clock, app: App) -> None:
    made, link = joined(clock, app)
    made.sockets["/"].expires_at = clock() + 20
    assert made.session.tick(clock()) == clock() + 20
    clock.now += 20
    made.session.tick(clock())
    assert app.told == [("expired", "/"), ("disconnected", "/", "server namespace disconnect")]
    assert link.texts() == [b"41"]


def test_the_end_of_the_session_disconnects_every_namespace(clock: Clock, app: App) -> None:
    made, link = joined(clock, app)
    say(made, link, b"40/1,")
    app.told.clear()
    made.session.link_lost(link, "transport close")
    assert app.told == [
        ("disconnected", "/", "transport close"),
        ("disconnected", "/1", "transport close"),
        ("ended", "transport close"),
    ]


def test_an_upgrade_reaches_the_sockets(clock: Clock, app: App) -> None:
    made, first = joined(clock, app)
    assert made.sockets["/"].link is first
    other = FakeLink()
    made.upgraded(other)
    assert made.sockets["/"].link is other


def test_events_with_bytes_travel_whole(clock: Clock, app: App) -> None:
    made, link = joined(clock, app)
    made.sockets["/"].emit("file", b"\x00\x01", [bytearray(b"\x02")])
    parts = link.frames()
    packet = codec.decode(parts[0][0][1:])
    filled = codec.fill(packet.data, [part for part, _ in parts[1:]])
    assert filled == ["file", b"\x00\x01", [b"\x02"]]
