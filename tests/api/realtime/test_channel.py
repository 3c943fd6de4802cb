"""The fan-out in memory: whatever the turns and the queues, each member hears all in order."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from api.principal import Principal
from api.realtime.channel import NUMBER, ROOT, STREAM_JSON, Channel, Outgoing
from api.realtime.packet import Parts
from bench.load.frames import FrameReader
from storage.ids import CompanyId
from tests.api.realtime.harness import principal

ROOMS = ("a", "b", "c")


class Line:
    """A link that shows in what order bytes left; while blocked they wait, as at a slow peer."""

    def __init__(self) -> None:
        self.out: list[bytes] = []
        self.blocked = False
        self.left = b""

    def write(self, data: bytes) -> None:
        self.out.append(data)

    def push(self, data: bytes) -> None:
        if self.out:
            self.out.append(data)
        else:
            self.left += data

    def flush(self) -> None:
        if not self.blocked:
            self.left += b"".join(self.out)
            self.out.clear()

    def catch_up(self) -> None:
        pass

    def close(self, code: int, reason: str) -> None:
        pass


class Ear:
    """A member; without a line it polls, and `heard` is all it gets."""

    def __init__(self, dialect: int, line: Line | None) -> None:
        self.dialect = dialect
        self.link = line
        self.rooms: dict[str, int] = {}
        self.principal: Principal | None = principal()
        self.heard: list[bytes] = []

    def deliver(self, parts: Parts) -> None:
        if self.link is None:
            self.heard.append(parts[0])
        else:
            self.link.write(parts[0])

    def hear(self, event: Outgoing, prefix: bytes) -> None:
        self.heard.append(event.framed(self.dialect, prefix))

    def all(self) -> list[str]:
        """What it heard, by name."""
        data = b"".join(self.heard) if self.link is None else self.link.left
        return [
            payload.split(b'"')[1 if b"[" in payload[:12] else 3].decode()
            for _, payload in FrameReader().feed(data)
        ]


def framed(name: str) -> bytes:
    """One packet for one member."""
    text = b'42["%s"]' % name.encode()
    return bytes((0x81, len(text))) + text


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("say"), st.lists(st.sampled_from(ROOMS), min_size=1, max_size=2)),
        st.tuples(st.just("tell"), st.integers(0, 5)),
        st.tuples(st.just("turn"), st.integers(1, 4)),
        st.tuples(st.just("fold"), st.none()),
        st.tuples(st.just("block"), st.integers(0, 5)),
        st.tuples(st.just("free"), st.integers(0, 5)),
    ),
    max_size=40,
)


@given(steps=STEPS, polling=st.sets(st.integers(0, 5), max_size=2))
def test_every_member_hears_what_was_said_to_it_once_and_in_order(
    steps: list[tuple[str, Any]], polling: set[int]
) -> None:
    woken: list[Channel] = []
    channel = Channel(CompanyId(1), None, woken.append)
    ears = [
        Ear((ROOT, NUMBER, STREAM_JSON)[number % 3], None if number in polling else Line())
        for number in range(6)
    ]
    for number, ear in enumerate(ears):
        for room in ROOMS[: 1 + number % 3]:
            channel.join(ear, room)
    said: list[list[str]] = [[] for _ in ears]
    for count, (step, given_) in enumerate(steps):
        name = f"event{count}"
        match step:
            case "say":
                channel.publish(tuple(given_), Outgoing(name, {}, count, volatile=False))
                for number, ear in enumerate(ears):
                    if ear.rooms.keys() & set(given_):
                        said[number].append(name)
            case "tell":
                channel.send(ears[given_], (framed(name),))
                said[given_].append(name)
            case "turn":
                assert channel.turn(given_) <= given_
            case "fold":
                channel.fold()
            case _:
                line = ears[given_].link
                if line is not None:
                    line.blocked = step == "block" and bool(line.out)
                    line.flush()
    while channel.busy:
        channel.turn(2)
    for ear in ears:
        if ear.link is not None:
            ear.link.blocked = False
            ear.link.flush()
    assert [ear.all() for ear in ears] == said
    assert len(woken) <= len(steps)


def test_an_event_leaves_in_turns_without_a_queue() -> None:
    channel = Channel(CompanyId(1), None, lambda _: None)
    ears = [Ear(ROOT, Line()) for _ in range(5)]
    for ear in ears:
        channel.join(ear, "a")
    channel.publish(("a",), Outgoing("one", {}, 1, volatile=False))
    assert channel.turn(2) == 2
    assert [ear.all() for ear in ears] == [["one"], ["one"], [], [], []]
    assert not any(ear.link and ear.link.out for ear in ears)
    channel.publish(("a",), Outgoing("two", {}, 2, volatile=False))
    assert channel.turn(3) == 3  # the rest of the first and the second in one send each
    assert channel.turn(9) == 2
    assert not channel.busy
    assert [ear.all() for ear in ears] == [["one", "two"]] * 5
