"""The channel without a network behaves like one: acks, repeats, and people who answer."""

import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import msgspec
import pytest
import trio
from trio.testing import MockClock

from actors.channels.base import (
    Accepted,
    Account,
    Ack,
    Conversation,
    Identity,
    InboundMessage,
    InboundStatus,
    Media,
    Outbound,
    OutRead,
    OutText,
    Parsed,
    Rejected,
    SendResult,
)
from actors.channels.demo_talk import WAIT, DemoPace, play, talk
from actors.channels.registry import Channels, UnknownChannel
from actors.channels.simulator import AckPlan, Sent, Simulator
from actors.errors import UnknownConnection
from actors.media_types import sniff
from storage.errors import DatabaseUnavailable
from storage.ids import CompanyId, ConnectionId

ACCOUNT = Account(connection_id=5, company_id=7, external_id="sim")
ANA = Identity(phone="5511988887777")
PLAIN = AckPlan(sent=1.0, delivered=2.0, read=3.0, jitter=0.0)


class Recorder:
    """A sink that remembers; it refuses as often as told."""

    def __init__(self, refusals: int = 0) -> None:
        self.refusals = refusals
        self.reports: list[tuple[float, InboundStatus]] = []
        self.inbound: list[tuple[CompanyId, ConnectionId, Conversation]] = []

    def _maybe_refuse(self) -> None:
        if self.refusals:
            self.refusals -= 1
            raise DatabaseUnavailable(self.__class__.__name__, retry_after=1.0)

    async def deliver(
        self, company_id: CompanyId, connection_id: ConnectionId, conversation: Conversation
    ) -> None:
        await trio.lowlevel.checkpoint()
        self._maybe_refuse()
        self.inbound.append((company_id, connection_id, conversation))

    async def statuses(
        self, _company: CompanyId, _connection: ConnectionId, reports: Sequence[InboundStatus]
    ) -> None:
        await trio.lowlevel.checkpoint()
        self._maybe_refuse()
        now = trio.current_time()
        self.reports += [(now, report) for report in reports]

    def words(self) -> list[str]:
        return [report.status for _, report in self.reports]

    def bodies(self) -> list[str]:
        return [
            inbound.body
            for _, _, conversation in self.inbound
            for inbound in conversation.inbounds
            if isinstance(inbound, InboundMessage)
        ]


@asynccontextmanager
async def running(
    sink: Recorder,
    plan: AckPlan = PLAIN,
    verdict: Callable[[Outbound], SendResult | None] | None = None,
) -> AsyncIterator[Simulator]:
    simulator = Simulator(sink, plan=plan, seed=1, verdict=verdict)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(simulator.run)
        yield simulator
        nursery.cancel_scope.cancel()


def text(body: str = "oi") -> OutText:
    return OutText(to=ANA, body=body)


async def test_a_message_is_reported_sent_delivered_and_read(autojump_clock: MockClock) -> None:
    sink = Recorder()
    async with running(sink) as simulator:
        key = simulator.new_provider_id()
        start = trio.current_time()
        result = await simulator.send(ACCOUNT, text(), outbox_id=9, provider_id=key)
        assert result == Accepted(provider_id=key, state="accepted")
        await trio.sleep(10)
    assert [(at - start, r.status, r.ack) for at, r in sink.reports] == [
        (1.0, "sent", Ack.SENT),
        (2.0, "delivered", Ack.DELIVERED),
        (3.0, "read", Ack.READ),
    ]
    assert {(r.provider_id, r.outbox_id) for _, r in sink.reports} == {(key, 9)}


async def test_repeating_a_send_under_its_id_sends_once(autojump_clock: MockClock) -> None:
    sink = Recorder()
    async with running(sink) as simulator:
        key = simulator.new_provider_id()
        for _ in range(3):
            await simulator.send(ACCOUNT, text(), outbox_id=9, provider_id=key)
        await trio.sleep(10)
        assert (simulator.distinct, simulator.attempts) == (1, 3)
        assert simulator.sent[key].attempts == 3
    assert sink.words() == ["sent", "delivered", "read"]


async def test_acks_can_come_early_doubled_and_in_any_order(autojump_clock: MockClock) -> None:
    sink = Recorder()
    plan = AckPlan(sent=1.0, delivered=2.0, read=3.0, early=True, doubled=True, shuffled=True)
    async with running(sink, plan) as simulator:
        await simulator.send(ACCOUNT, text(), outbox_id=9)
        assert sink.words() == ["sent"], "before send has returned"
        for number in range(20):
            await simulator.send(ACCOUNT, text(str(number)), outbox_id=number)
        await trio.sleep(30)
    per_message: dict[str, list[str]] = {}
    for _, report in sink.reports:
        per_message.setdefault(report.provider_id, []).append(report.status)
    expected = sorted(["sent"] * 3 + ["delivered"] * 2 + ["read"] * 2)
    assert all(sorted(words) == expected for words in per_message.values())
    assert any(words[1:4:2] != ["sent", "delivered"] for words in per_message.values())


async def test_nothing_is_reported_that_was_not_planned(autojump_clock: MockClock) -> None:
    sink = Recorder()
    async with running(sink, AckPlan(sent=None, delivered=1.0, read=None)) as simulator:
        await simulator.send(ACCOUNT, text(), outbox_id=9)
        await trio.sleep(30)
    assert sink.words() == ["delivered"]


async def test_a_refused_delivery_is_repeated_until_it_is_taken(
    autojump_clock: MockClock,
) -> None:
    sink = Recorder(refusals=5)
    async with running(sink) as simulator:
        messages = [simulator.text(ANA, body, name="Ana") for body in ("um", "dois")]
        await simulator.receive(ACCOUNT, ANA, "Ana", messages)
        sink.refusals = 3
        await simulator.send(ACCOUNT, text(), outbox_id=9)
        await trio.sleep(60)
    ((company, connection, conversation),) = sink.inbound
    assert (company, connection, conversation.contact, conversation.name) == (7, 5, ANA, "Ana")
    assert sink.bodies() == ["um", "dois"]
    assert sink.words() == ["sent", "delivered", "read"]


async def test_what_comes_for_a_deleted_connection_reaches_nobody() -> None:
    class Gone(Recorder):
        async def deliver(self, *args: object) -> None:
            raise UnknownConnection

    async with running(Gone()) as simulator:
        await simulator.receive(ACCOUNT, ANA, "Ana", [simulator.text(ANA, "um")])


async def test_a_send_can_be_made_to_fail(autojump_clock: MockClock) -> None:
    no = Rejected(code="131026", permanent=True)
    async with running(Recorder(), verdict=lambda _: no) as simulator:
        assert await simulator.send(ACCOUNT, text(), outbox_id=9) == no
        assert simulator.distinct == 0


async def test_marking_read_sends_nothing() -> None:
    async with running(Recorder()) as simulator:
        result = await simulator.send(ACCOUNT, OutRead(message_id="x"), outbox_id=9)
        assert result == Accepted()
        assert simulator.distinct == 0


async def test_what_is_shown_while_an_agent_writes_is_no_message() -> None:
    async with running(Recorder()) as simulator:
        result = await simulator.send(ACCOUNT, OutRead(message_id="x", typing=True), outbox_id=0)
        assert result == Accepted()
        assert list(simulator.composing) == [(5, "x")]
        assert simulator.distinct == 0


async def test_only_the_latest_sends_are_remembered() -> None:
    simulator = Simulator(Recorder(), kept=3)
    for number in range(10):
        await simulator.send(ACCOUNT, text(str(number)), outbox_id=number)
    assert [sent.outbox_id for sent in simulator.sent.values()] == [7, 8, 9]
    assert simulator.distinct == 10


@pytest.mark.parametrize(
    ("kind", "mime"),
    [("image", "image/png"), ("audio", "audio/wav"), ("document", "application/pdf")],
)
async def test_its_files_are_what_they_say(kind: str, mime: str) -> None:
    content, claimed = await Simulator(Recorder()).fetch(ACCOUNT, Media(kind=kind), limit=10**6)
    assert claimed == mime == sniff(content)


def test_its_deliveries_can_be_written_down() -> None:
    simulator = Simulator(Recorder())
    assert simulator.parse(msgspec.json.encode(Parsed())) == Parsed()
    for raw in (b"", b"{", b"[]", b"[" * 9999, b'{"accounts":1}'):
        (unparsed,) = simulator.parse(raw).unparsed
        assert unparsed.raw == raw


async def test_demo_customers_wait_for_the_agent(autojump_clock: MockClock) -> None:
    sink = Recorder()
    pace = DemoPace(between_talks=1000.0, between_lines=1.0, patience=50.0)
    scene = talk(random.Random(3), 0)
    before = scene.lines.index(WAIT)
    async with running(sink) as simulator, trio.open_nursery() as nursery:
        nursery.start_soon(lambda: play(simulator, [ACCOUNT], pace=pace, seed=3, talks=1))
        await trio.sleep(40)
        assert len(sink.bodies()) == before
        agent = OutText(to=scene.customer, body="Bom dia!")
        await simulator.send(ACCOUNT, agent, outbox_id=1)
        await trio.sleep(20)
        assert len(sink.bodies()) > before
        assert sink.inbound[0][2].name == scene.name
    # the nursery ends because the customer lost patience, or said everything


async def test_a_demo_customer_nobody_answers_leaves(autojump_clock: MockClock) -> None:
    sink = Recorder()
    pace = DemoPace(between_talks=5.0, between_lines=1.0, patience=20.0)
    async with running(sink) as simulator:
        await play(simulator, [ACCOUNT], pace=pace, seed=2, talks=6)
    # Customer and pace draw from one generator, so only the customers are compared by number.
    phones = {conversation.contact.phone for _, _, conversation in sink.inbound}
    assert phones == {f"55119{90_000_000 + number:08d}" for number in range(6)}
    assert "Valeu! 🙏" not in sink.bodies(), "nobody was answered"


def test_the_same_seed_gives_the_same_talk() -> None:
    assert talk(random.Random(1), 4) == talk(random.Random(1), 4)
    assert talk(random.Random(1), 4).customer != talk(random.Random(1), 5).customer


def test_channels_are_found_by_name() -> None:
    simulator = Simulator(Recorder())
    channels = Channels(simulator)
    assert channels.get("simulator") is simulator
    assert "simulator" in channels
    assert list(channels) == [simulator]
    with pytest.raises(UnknownChannel):
        channels.get("carrier pigeon")


def test_watchers_see_each_message_once() -> None:
    seen: list[Sent] = []

    async def run() -> None:
        simulator = Simulator(Recorder())
        simulator.watch(seen.append)
        for _ in range(2):
            await simulator.send(ACCOUNT, text(), outbox_id=1, provider_id="SIM1")

    trio.run(run)
    assert [sent.provider_id for sent in seen] == ["SIM1"]
