"""One Engine.IO session in memory: polling, heartbeat, the upgrade and its races, endings."""

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from api.realtime.packet import PacketError
from api.realtime.transports import NEVER
from tests.api.realtime.fakes import SETTINGS, Clock, FakeLink, FakePoll, poll, polling_session


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_link_may_say_much_once_somebody_came_in(clock: Clock) -> None:
    for joined, allowed in ((True, SETTINGS.max_payload), (False, None)):
        session, upper, _ = polling_session(clock)
        upper.joined = joined
        direct, candidate = FakeLink(), FakeLink()
        session.open_websocket(direct)
        assert direct.allowed == allowed
        session, upper, _ = polling_session(clock)
        upper.joined = joined
        assert session.begin_upgrade(candidate)
        session.receive(candidate, b"2probe", binary=False)
        assert candidate.allowed is None
        session.receive(candidate, b"5", binary=False)
        assert candidate.allowed == allowed
        session.come_in()
        assert candidate.allowed == SETTINGS.max_payload


def test_the_open_packet_has_exactly_the_five_keys(clock: Clock) -> None:
    session, _, _ = polling_session(clock)
    assert session.open_packet(upgrades=True) == (
        b'0{"sid":"the-sid","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,'
        b'"maxPayload":1000000}'
    )


def test_a_poll_gets_everything_that_waits_in_one_body(clock: Clock) -> None:
    session, _, _ = polling_session(clock)
    session.send((b"4one",))
    session.send((b'451-["a",{"_placeholder":true,"num":0}]', b"\x00\x01"))
    body = poll(session).body
    assert body == b'4one\x1e451-["a",{"_placeholder":true,"num":0}]\x1ebAAE='


def test_a_poll_hangs_until_there_is_something(clock: Clock) -> None:
    session, _, _ = polling_session(clock)
    get = poll(session)
    assert get.body is None
    session.send((b"4late",))
    assert get.body == b"4late"


def test_packets_of_a_post_are_taken_in_order(clock: Clock) -> None:
    session, upper, _ = polling_session(clock)
    session.post(b"4one\x1ebAAE=\x1e4two\x1e6\x1e3")
    assert upper.told == [b"one", (b"\x00\x01",), b"two"]


@pytest.mark.parametrize("body", [b"", b"abc", b"9", b"4a\x1e", b"2", b"2probe", b"b***"])
def test_a_malformed_post_ends_the_session_at_once(clock: Clock, body: bytes) -> None:
    session, upper, table = polling_session(clock)
    with pytest.raises(PacketError):
        session.post(body)
    assert session.expired()
    assert table.gone == [session]
    assert upper.told[-1].startswith("closed: parse error")


def test_overlapping_polls_end_the_session_and_the_first_is_told(clock: Clock) -> None:
    session, upper, _ = polling_session(clock)
    first = poll(session)
    assert not session.poll(FakePoll())
    assert first.body == b"1"
    assert session.expired()
    assert upper.told == ["closed: overlapping polls"]


def test_a_lost_poll_ends_the_session(clock: Clock) -> None:
    session, upper, table = polling_session(clock)
    get = poll(session)
    session.poll_lost(get)
    assert upper.told == ["closed: transport error"]
    assert table.gone == [session]


def test_the_client_closes_while_a_poll_hangs(clock: Clock) -> None:
    session, upper, table = polling_session(clock)
    get = poll(session)
    session.post(b"1")
    assert get.body == b"6"
    assert upper.told == ["closed: transport close"]
    assert table.gone == [session]


def test_the_client_closes_and_its_last_poll_comes_a_moment_later(clock: Clock) -> None:
    session, _, table = polling_session(clock)
    session.post(b"1")
    assert not session.expired()
    assert poll(session).body == b"6"
    assert session.expired()
    assert table.gone == [session]


def test_pings_come_at_the_interval_after_each_pong(clock: Clock) -> None:
    session, _, _ = polling_session(clock)
    assert session.tick(clock()) == 1025
    clock.now = 1025
    assert session.tick(clock()) == 1045
    assert poll(session).body == b"2"
    clock.now = 1030
    session.post(b"3")
    assert session.tick(clock()) == 1055


def test_a_request_that_comes_after_the_ping_timeout_finds_nothing(clock: Clock) -> None:
    session, upper, _ = polling_session(clock)
    clock.now = 1025
    session.tick(clock())
    clock.now = 1044.999
    assert not session.expired()
    clock.now = 1045
    assert session.expired()
    assert upper.told == ["closed: ping timeout"]
    assert session.tick(clock()) == NEVER


def test_the_upgrade_keeps_the_order_of_what_is_sent_meanwhile(clock: Clock) -> None:
    session, upper, _ = polling_session(clock)
    get, link = poll(session), FakeLink()
    assert session.begin_upgrade(link)
    session.receive(link, b"2probe", False)
    assert link.texts() == [b"3probe"]
    assert get.body == b"6"
    session.send((b"4one",))
    session.send((b'451-["a"]', b"\x01"))
    assert link.out == []
    session.receive(link, b"5", False)
    assert link.frames() == [(b"4one", False), (b'451-["a"]', False), (b"\x01", True)]
    assert upper.told == ["upgraded"]
    session.send((b"4two",))
    session.receive(link, b"4hi", False)
    assert link.texts() == [b"4two"]
    assert upper.told[-1] == b"hi"


def test_polls_while_probed_are_never_left_hanging(clock: Clock) -> None:
    session, _, _ = polling_session(clock)
    link = FakeLink()
    session.begin_upgrade(link)
    session.receive(link, b"2probe", False)
    assert poll(session).body == b"6"
    session.send((b"4x",))
    assert poll(session).body == b"4x"


def test_probe_and_upgrade_may_come_in_one_go(clock: Clock) -> None:
    session, _, _ = polling_session(clock)
    get, link = poll(session), FakeLink()
    session.begin_upgrade(link)
    session.receive(link, b"2probe", False)
    session.receive(link, b"5", False)
    assert (get.body, session.link) == (b"6", link)


@pytest.mark.parametrize("packet", [b"", b"4hello", b"2", b"3", b"x"])
def test_anything_else_on_the_candidate_closes_only_the_candidate(
    clock: Clock, packet: bytes
) -> None:
    session, upper, _ = polling_session(clock)
    link = FakeLink()
    session.begin_upgrade(link)
    session.receive(link, packet, False)
    assert link.closed is not None
    assert not session.closed
    assert upper.told == []
    assert session.begin_upgrade(FakeLink())


def test_a_dead_candidate_leaves_the_session_on_polling_and_polls_hang_again(
    clock: Clock,
) -> None:
    session, _, _ = polling_session(clock)
    link = FakeLink()
    session.begin_upgrade(link)
    session.receive(link, b"2probe", False)
    session.link_lost(link, "transport close")
    get = poll(session)
    assert get.body is None
    session.send((b"4x",))
    assert get.body == b"4x"


def test_an_upgrade_that_takes_too_long_costs_the_candidate_only(clock: Clock) -> None:
    session, _, _ = polling_session(clock)
    link = FakeLink()
    session.begin_upgrade(link)
    session.receive(link, b"2probe", False)
    clock.now += SETTINGS.upgrade_timeout
    session.tick(clock())
    assert link.closed is not None
    assert poll(session).body is None


def test_only_one_websocket_per_session(clock: Clock) -> None:
    session, _, _ = polling_session(clock)
    first = FakeLink()
    assert session.begin_upgrade(first)
    assert not session.begin_upgrade(FakeLink())
    session.receive(first, b"5", False)
    assert not session.begin_upgrade(FakeLink())


def test_a_ping_under_way_on_polling_does_not_kill_the_upgraded_session(clock: Clock) -> None:
    session, _, _ = polling_session(clock)
    link = FakeLink()
    clock.now = 1025
    session.tick(clock())
    session.begin_upgrade(link)
    session.receive(link, b"5", False)
    clock.now = 1049
    session.tick(clock())
    assert not session.closed
    clock.now = 1050
    session.tick(clock())
    assert link.texts() == [b"2", b"2"]  # the buffered one, and the next


def test_what_waits_is_still_read_after_the_server_closed_and_the_close_comes_alone(
    clock: Clock,
) -> None:
    session, upper, table = polling_session(clock)
    session.send((b"4last words",))
    session.close("shutting down")
    assert upper.told == ["closed: shutting down"]
    assert not session.expired()
    assert poll(session).body == b"4last words"
    assert poll(session).body == b"1"
    assert table.gone == [session]


def test_nobody_fetches_the_last_words(clock: Clock) -> None:
    session, _, table = polling_session(clock)
    session.close("shutting down")
    due = session.tick(clock())
    assert due == clock() + SETTINGS.drain_timeout
    assert table.gone == []
    clock.now = due
    session.tick(clock())
    assert table.gone == [session]


def test_a_session_closed_in_the_middle_of_an_upgrade_says_the_rest_on_the_websocket(
    clock: Clock,
) -> None:
    session, _, table = polling_session(clock)
    get, link = poll(session), FakeLink()
    session.begin_upgrade(link)
    session.receive(link, b"2probe", False)
    assert get.body == b"6"
    session.send((b"4why",))
    session.close("dismissed")
    assert link.closed is None
    session.receive(link, b"5", False)
    assert link.texts() == [b"3probe", b"4why"]
    assert link.closed is not None
    assert table.gone == [session]


def test_a_client_that_never_polls_is_dropped_at_the_byte_cap(clock: Clock) -> None:
    session, upper, _ = polling_session(clock)
    for _ in range(11):
        session.send((b"4" + bytes(1_000),))
    assert upper.told == ["closed: client reads too slowly"]


def test_a_websocket_that_breaks_the_protocol_is_closed(clock: Clock) -> None:
    session, upper, _ = polling_session(clock)
    link = FakeLink()
    session.open_websocket(link)
    session.receive(link, b"2", False)
    assert link.closed is not None
    assert upper.told[-1] == "closed: parse error: invalid heartbeat direction"


class AnySession(RuleBasedStateMachine):
    """Whatever happens in whatever order: no message is lost, doubled or reordered."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.session, self.upper, self.table = polling_session(self.clock)
        self.link: FakeLink | None = None
        self.gets: list[FakePoll] = []
        self.sent = 0
        self.got: list[bytes] = []
        self.client_upgraded = False

    @rule()
    def server_sends(self) -> None:
        if not self.session.closed:
            self.sent += 1
        self.session.send((b"4%d" % self.sent,))

    @precondition(
        lambda self: not self.client_upgraded and not any(g.body is None for g in self.gets)
    )
    @rule()
    def client_polls(self) -> None:
        if not self.session.expired():
            get = FakePoll()
            self.session.poll(get)
            self.gets.append(get)

    @precondition(lambda self: self.link is None)
    @rule()
    def client_opens_a_websocket(self) -> None:
        if not self.session.expired():
            link = FakeLink()
            if self.session.begin_upgrade(link):
                self.link = link
                self.session.receive(link, b"2probe", False)

    @precondition(lambda self: self.link is not None and self.link.closed is None)
    @rule(dies=st.booleans())
    def the_upgrade_goes_on(self, dies: bool) -> None:
        assert self.link is not None
        if self.client_upgraded:
            return
        if dies:
            self.session.link_lost(self.link, "transport close")
            self.link = None
        elif all(get.body is not None for get in self.gets):
            self.session.receive(self.link, b"5", False)
            self.client_upgraded = True

    @rule(seconds=st.floats(0.1, 9.0))
    def time_passes(self, seconds: float) -> None:
        self.clock.now += seconds
        self.session.tick(self.clock())
        if not self.session.closed:
            if self.client_upgraded and self.link is not None:
                self.session.receive(self.link, b"3", False)
            else:
                self.session.post(b"3")
        if self.link is not None and self.link.closed is not None and not self.client_upgraded:
            self.link = None

    @rule()
    def rarely_the_server_closes(self) -> None:
        if self.sent > 12:
            self.session.close("enough")

    @invariant()
    def what_arrived_is_a_prefix_of_what_was_sent(self) -> None:
        for get in [get for get in self.gets if get.body is not None]:
            self.gets.remove(get)
            assert get.body is not None
            self.got += [p for p in get.body.split(b"\x1e") if p[:1] == b"4"]
        if self.link is not None:
            self.got += [p for p, _ in self.link.frames() if p[:1] == b"4"]
        assert self.got == [b"4%d" % number for number in range(1, len(self.got) + 1)]
        assert len(self.got) <= self.sent
        assert self.upper.told.count("closed: enough") <= 1
        assert len(self.table.gone) <= 1

    def teardown(self) -> None:
        if self.client_upgraded and not self.session.closed:
            assert len(self.got) == self.sent


AnySession.TestCase.settings = hypothesis_settings(
    max_examples=100, stateful_step_count=40, deadline=None
)
test_no_message_is_lost_doubled_or_reordered = AnySession.TestCase
