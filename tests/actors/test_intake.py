"""The door: bounds, repeated deliveries that join, and what happens when the first one fails."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.errors import Busy
from actors.intake import Intake
from actors.router import DeliverInbound, RouterCommand
from actors.tickets.commands import Delivered
from engine import Actor, handler
from engine.testing import open_system
from storage.errors import DatabaseUnavailable
from tests.actors.company import COMPANY, LINE
from tests.actors.world import conversation


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
async def open_intake(**bounds: int) -> AsyncIterator[tuple[Intake, Router]]:
    router = Router()
    router.gate, router.answers, router.seen = trio.Event(), [], []
    async with open_system({"router": lambda _: router}) as system:
        yield Intake(system, **bounds), router


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
        router.gate.set()
        await wait_all_tasks_blocked()
        assert await intake.deliver(COMPANY, LINE, conversation("5599", "hi")) == Delivered(
            stored=1
        )
