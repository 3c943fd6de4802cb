"""The door: bounds, repeated deliveries that join, and what happens when the first one fails."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.errors import Busy
from actors.intake import Intake, wait_for
from actors.intake_health import IntakeHealth
from actors.router import DeliverInbound, RouterCommand
from actors.tickets.commands import Delivered
from engine import Actor, handler
from engine.testing import open_system
from storage.errors import DatabaseUnavailable
from tests.actors.company import COMPANY, LINE
from tests.actors.world import conversation


class Busyness(msgspec.Struct):
    """A writer's word on how busy it is."""

    queued_units: int = 0
    oldest_s: float = 0.0
    drain_per_s: float = 0.0


class Router(Actor):
    """Answers when told to."""

    refusals = (DatabaseUnavailable,)
    gate: trio.Event
    answers: list[object]
    seen: list[RouterCommand[object]]

    @handler
    async def deliver(self, cmd: DeliverInbound) -> Delivered:
        self.seen.append(cmd)
        await self.gate.wait()
        answer = self.answers.pop(0) if self.answers else Delivered(stored=1)
        if isinstance(answer, Exception):
            raise answer
        return answer


@asynccontextmanager
async def open_intake(
    health: IntakeHealth | None = None, **bounds: int
) -> AsyncIterator[tuple[Intake, Router]]:
    router = Router()
    load = Busyness(queued_units=2, oldest_s=0.5, drain_per_s=0.25)
    router.gate, router.answers, router.seen = trio.Event(), [], []
    async with open_system({"router": lambda _: router}) as system:
        yield Intake(system, lambda: load, health, **bounds), router


async def test_a_second_delivery_waits_for_the_first_ones_commit() -> None:
    async with open_intake() as (intake, router), trio.open_nursery() as nursery:
        outcomes: list[object] = []

        async def deliver() -> None:
            talk = conversation("5511", "hi", ids=["w1"])
            outcomes.append(await intake.deliver(COMPANY, LINE, talk))

        nursery.start_soon(deliver)
        await wait_all_tasks_blocked()
        nursery.start_soon(deliver)
        await wait_all_tasks_blocked()
        assert outcomes == []
        router.gate.set()
        await wait_all_tasks_blocked()
        assert outcomes == [Delivered(stored=1), Delivered(duplicates=1)]
        assert len(router.seen) == 1
        assert intake.in_flight == 0


async def test_a_second_delivery_fails_as_the_first_does() -> None:
    async with open_intake() as (intake, router), trio.open_nursery() as nursery:
        failed: list[str] = []

        async def deliver() -> None:
            try:
                await intake.deliver(COMPANY, LINE, conversation("5511", "hi", ids=["w1"]))
            except DatabaseUnavailable as error:
                failed.append(str(error))

        router.answers = [DatabaseUnavailable("away")]
        nursery.start_soon(deliver)
        await wait_all_tasks_blocked()
        nursery.start_soon(deliver)
        await wait_all_tasks_blocked()
        router.gate.set()
        await wait_all_tasks_blocked()
        assert failed == ["away", "away"]
        assert len(router.seen) == 1


async def test_a_delivery_whose_first_asker_left_is_asked_again() -> None:
    async with open_intake() as (intake, router), trio.open_nursery() as nursery:
        outcomes: list[object] = []
        first = trio.CancelScope()

        async def deliver(scope: trio.CancelScope) -> None:
            with scope:
                talk = conversation("5511", "hi", ids=["w1"])
                outcomes.append(await intake.deliver(COMPANY, LINE, talk))

        nursery.start_soon(deliver, first)
        await wait_all_tasks_blocked()
        nursery.start_soon(deliver, trio.CancelScope())
        await wait_all_tasks_blocked()
        first.cancel()
        await wait_all_tasks_blocked()
        router.gate.set()
        await wait_all_tasks_blocked()
        assert outcomes == [Delivered(stored=1)]
        assert len(router.seen) == 2


@pytest.mark.parametrize(
    ("bounds", "company"),
    [({"per_company": 2, "total": 9}, True), ({"per_company": 9, "total": 2}, False)],
)
async def test_beyond_the_bounds_the_answer_is_busy_at_once(
    bounds: dict[str, int], company: bool
) -> None:
    async with open_intake(**bounds) as (intake, router), trio.open_nursery() as nursery:
        for number in range(2):
            nursery.start_soon(intake.deliver, COMPANY, LINE, conversation(f"55{number}", "hi"))
        await wait_all_tasks_blocked()
        with pytest.raises(Busy) as busy:
            await intake.deliver(COMPANY, LINE, conversation("5599", "hi"))
        assert busy.value.company is company
        assert busy.value.retry_after == 8.0
        router.gate.set()
        await wait_all_tasks_blocked()
        assert await intake.deliver(COMPANY, LINE, conversation("5599", "hi")) == Delivered(
            stored=1
        )


async def test_time_counts_from_a_commit_until_a_refusal(autojump_clock: MockClock) -> None:
    health = IntakeHealth()
    async with open_intake(health) as (intake, router):
        router.gate.set()
        router.answers = [Delivered(stored=1), DatabaseUnavailable("away"), Delivered(stored=1)]
        began = health.seconds()
        await trio.sleep(10)
        await intake.deliver(COMPANY, LINE, conversation("5511", "a"))
        await trio.sleep(10)
        with pytest.raises(DatabaseUnavailable):
            await intake.deliver(COMPANY, LINE, conversation("5511", "b"))
        await trio.sleep(100)
        assert health.seconds() - began == pytest.approx(20)
        await intake.deliver(COMPANY, LINE, conversation("5511", "b"))
        await trio.sleep(5)
        assert health.seconds() - began == pytest.approx(25)


async def test_a_delivery_given_up_or_refused_at_the_door_stops_the_count(
    autojump_clock: MockClock,
) -> None:
    health = IntakeHealth()
    async with open_intake(health, per_company=0) as (intake, _):
        with pytest.raises(Busy):
            await intake.deliver(COMPANY, LINE, conversation("5511", "a"))
        before = health.seconds()
        await trio.sleep(50)
        assert health.seconds() == before
    health = IntakeHealth()
    async with open_intake(health) as (intake, _):
        with trio.move_on_after(4):
            await intake.deliver(COMPANY, LINE, conversation("5511", "a"))
        before = health.seconds()
        await trio.sleep(50)
        assert health.seconds() == before


@pytest.mark.parametrize(
    ("waiting", "oldest", "rate", "seconds"),
    [
        (2000, 0.1, 400.0, 5.0),
        (2000, 9.0, 400.0, 9.0),
        (2000, 0.1, 50_000.0, 1.0),
        (2000, 0.1, 2.0, 30.0),
        (2000, 0.2, 0.0, 1.0),
        (2000, 4.0, 0.0, 30.0),
    ],
)
def test_the_wait_is_what_the_queue_needs_at_its_pace(
    waiting: int, oldest: float, rate: float, seconds: float
) -> None:
    load = Busyness(queued_units=waiting, oldest_s=oldest, drain_per_s=rate)
    assert wait_for(waiting, load) == seconds
