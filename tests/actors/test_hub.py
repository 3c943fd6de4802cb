"""The hub: the company's order, whatever order and gaps the events arrive in."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import ClassVar

import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from actors.configuration import SnapshotCache
from actors.hub import HubPublisher
from engine import System, Virtual
from engine.testing import open_system
from storage.errors import DatabaseUnavailable
from storage.events import DomainEvent
from storage.ids import CompanyId

ONE, TWO = CompanyId(1), CompanyId(2)
AWAY = "away"


class Happened(DomainEvent, frozen=True, kw_only=True):
    kind: ClassVar[str] = "test.happened"
    number: int

    def ids(self) -> dict[str, int | str]:
        return {"number": self.number}


class Log:
    """The committed events of both companies; `away` refuses that many reads."""

    def __init__(self, last: int = 0, start: int = 0) -> None:
        self.last = last
        self.start = start
        self.away = 0
        self.reads = 0
        self.gone: set[int] = set()

    def position(self, company_id: CompanyId) -> int:
        return self.start

    async def since(
        self, company_id: CompanyId, seq: int, limit: int
    ) -> Sequence[tuple[int, DomainEvent | None]]:
        self.reads += 1
        if self.away:
            self.away -= 1
            raise DatabaseUnavailable(AWAY)
        numbers = range(seq + 1, min(self.last, seq + limit) + 1)
        return [
            (n, None if n in self.gone else Happened(company_id=company_id, number=n))
            for n in numbers
        ]


class Sink:
    def __init__(self) -> None:
        self.seen: dict[CompanyId, list[int]] = {ONE: [], TWO: []}
        self.breaks_at = 0

    def emit(self, company_id: CompanyId, seq: int, event: DomainEvent) -> None:
        assert isinstance(event, Happened)
        assert event.number == seq
        if seq == self.breaks_at:
            raise ZeroDivisionError
        self.seen[company_id].append(seq)


async def nothing(_company: CompanyId) -> object:
    raise AssertionError


@asynccontextmanager
async def open_hub(log: Log) -> AsyncIterator[tuple[HubPublisher, Sink, System]]:
    sink = Sink()
    publisher = HubPublisher(SnapshotCache(nothing), sink, log)
    async with open_system({"hub": Virtual("hub", publisher.hub, resident=True)}) as system:
        publisher.attach(system)
        yield publisher, sink, system


def pairs(*numbers: int, company: CompanyId = ONE) -> list[tuple[int, DomainEvent]]:
    return [(n, Happened(company_id=company, number=n)) for n in numbers]


async def settle() -> None:
    await trio.testing.wait_all_tasks_blocked(0.01)


async def test_events_in_order_are_emitted_at_once(autojump_clock: MockClock) -> None:
    log = Log()
    async with open_hub(log) as (publish, sink, _):
        publish(pairs(1, 2) + pairs(1, company=TWO))
        publish(pairs(3))
        await settle()
        assert sink.seen == {ONE: [1, 2, 3], TWO: [1]}
        assert log.reads == 0


async def test_an_event_that_overtook_waits_for_the_one_before(autojump_clock: MockClock) -> None:
    log = Log()
    async with open_hub(log) as (publish, sink, _):
        publish(pairs(2, 3))
        await settle()
        assert sink.seen[ONE] == []
        publish(pairs(1))
        await settle()
        assert sink.seen[ONE] == [1, 2, 3]
        await trio.sleep(2)
        assert log.reads == 0


async def test_a_gap_is_read_from_the_log_after_a_second(autojump_clock: MockClock) -> None:
    log = Log(last=5)
    async with open_hub(log) as (publish, sink, _):
        publish(pairs(1, 4))
        await trio.sleep(0.9)
        assert sink.seen[ONE] == [1]
        await trio.sleep(0.2)
        assert sink.seen[ONE] == [1, 2, 3, 4, 5]
        publish(pairs(5, 6))
        await settle()
        assert sink.seen[ONE] == [1, 2, 3, 4, 5, 6]


async def test_an_event_whose_rows_are_gone_is_passed_over(autojump_clock: MockClock) -> None:
    log = Log(last=4)
    log.gone = {2}
    async with open_hub(log) as (publish, sink, _):
        publish(pairs(1, 3))
        await trio.sleep(2)
        assert sink.seen[ONE] == [1, 3, 4]


async def test_a_log_that_is_away_is_asked_again(autojump_clock: MockClock) -> None:
    log = Log(last=3)
    log.away = 3
    async with open_hub(log) as (publish, sink, _):
        publish(pairs(3))
        await trio.sleep(10)
        assert sink.seen[ONE] == [1, 2, 3]


async def test_what_the_mailbox_had_no_room_for_is_read_from_the_log(
    autojump_clock: MockClock,
) -> None:
    log = Log(last=5000)
    async with open_hub(log) as (publish, sink, _):
        for number in range(1, 5001):
            publish(pairs(number))
        await trio.sleep(30)
        assert sink.seen[ONE] == list(range(1, 5001))
        assert log.reads > 0


async def test_what_was_committed_before_the_start_is_not_repeated(
    autojump_clock: MockClock,
) -> None:
    async with open_hub(Log(last=8, start=7)) as (publish, sink, _):
        publish(pairs(8))
        await settle()
        assert sink.seen[ONE] == [8]


async def test_a_hub_that_crashes_goes_on_behind_what_it_told(autojump_clock: MockClock) -> None:
    log = Log(last=5)
    async with open_hub(log) as (publish, sink, _):
        publish(pairs(1, 2))
        await settle()
        sink.breaks_at = 3
        publish(pairs(3))
        await trio.sleep(1)
        publish(pairs(4))
        publish(pairs(5))
        await trio.sleep(5)
        assert sink.seen[ONE] == [1, 2, 4, 5]


async def test_publishing_before_the_system_runs_is_made_good(autojump_clock: MockClock) -> None:
    log, sink = Log(last=2), Sink()
    publisher = HubPublisher(SnapshotCache(nothing), sink, log)
    publisher(pairs(1, 2))
    async with open_system({"hub": Virtual("hub", publisher.hub, resident=True)}) as system:
        publisher.attach(system)
        await trio.sleep(2)
        assert sink.seen[ONE] == [1, 2]


@given(st.permutations(list(range(1, 13))), st.sets(st.integers(1, 12)))
@settings(max_examples=60, deadline=None)
def test_any_order_with_any_losses_is_emitted_in_order(order: list[int], lost: set[int]) -> None:
    async def play() -> None:
        log = Log(last=12)
        async with open_hub(log) as (publish, sink, _):
            for number in order:
                if number not in lost:
                    publish(pairs(number))
            await trio.sleep(3)
            highest = max((n for n in order if n not in lost), default=0)
            gap = any(n in lost for n in range(1, highest))
            assert sink.seen[ONE] == list(range(1, (12 if gap else highest) + 1))

    trio.run(play, clock=MockClock(autojump_threshold=0))
