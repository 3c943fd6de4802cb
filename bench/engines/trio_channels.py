"""Plain trio: one task and one memory channel per actor; the floor that the engine stands on."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

import trio
import trio.testing

from bench.engines.measure import Measure, clocked, quantiles, weighed


class TaskActor:
    """A task that receives from a channel."""

    def __init__(
        self, nursery: trio.Nursery, handle: Callable[[Any], object], capacity: int = 1024
    ) -> None:
        self.send, self.receive = trio.open_memory_channel[Any](capacity)
        self.handle = handle
        nursery.start_soon(self.run)

    async def run(self) -> None:
        async for message in self.receive:
            self.handle(message)


class Goal:
    def __init__(self, count: int) -> None:
        self.left, self.reached = count, trio.Event()

    def hit(self, _: object) -> None:
        self.left -= 1
        if not self.left:
            self.reached.set()


async def send() -> Measure:
    ops = 40_000
    goal = Goal(ops)
    async with trio.open_nursery() as nursery:
        actor = TaskActor(nursery, goal.hit)
        with clocked(ops) as measure:
            for number in range(ops):
                await actor.send.send(number)
            await goal.reached.wait()
        nursery.cancel_scope.cancel()
    return measure


async def fan_in() -> Measure:
    ops = 40_000
    goal = Goal(ops)
    async with trio.open_nursery() as nursery:
        actor = TaskActor(nursery, goal.hit)

        async def producer() -> None:
            for number in range(ops // 100):
                await actor.send.send(number)

        with clocked(ops) as measure:
            for _ in range(100):
                nursery.start_soon(producer)
            await goal.reached.wait()
        nursery.cancel_scope.cancel()
    return measure


async def fan_out() -> Measure:
    rounds, actors = 4, 10_000
    async with trio.open_nursery() as nursery:
        goal = Goal(0)
        every = [TaskActor(nursery, lambda message: goal.hit(message)) for _ in range(actors)]
        await trio.testing.wait_all_tasks_blocked()
        with clocked(rounds * actors) as measure:
            for _ in range(rounds):
                goal.__init__(actors)  # type: ignore[misc]
                for actor in every:
                    actor.send.send_nowait(1)
                await goal.reached.wait()
        nursery.cancel_scope.cancel()
    return measure


async def _asks(nursery: trio.Nursery, askers: int, ops: int) -> Measure:
    def answer(message: tuple[Any, trio.Event]) -> None:
        message[1].set()

    actor = TaskActor(nursery, answer)
    samples: list[float] = []

    async def asker() -> None:
        for number in range(ops // askers):
            started = time.perf_counter()
            done = trio.Event()
            await actor.send.send((number, done))
            await done.wait()
            samples.append(time.perf_counter() - started)

    with clocked(ops) as measure:
        async with trio.open_nursery() as inner:
            for _ in range(askers):
                inner.start_soon(asker)
    quantiles(measure, samples)
    return measure


async def ask_1() -> Measure:
    async with trio.open_nursery() as nursery:
        measure = await _asks(nursery, 1, 10_000)
        nursery.cancel_scope.cancel()
    return measure


async def ask_100() -> Measure:
    async with trio.open_nursery() as nursery:
        measure = await _asks(nursery, 100, 40_000)
        nursery.cancel_scope.cancel()
    return measure


async def ring() -> Measure:
    ops = 40_000
    async with trio.open_nursery() as nursery:
        done = trio.Event()
        every: list[TaskActor] = []

        def hop(message: tuple[int, int]) -> None:
            number, left = message
            if left:
                following = (number + 1) % 1000
                every[following].send.send_nowait((following, left - 1))
            else:
                done.set()

        every += [TaskActor(nursery, hop) for _ in range(1000)]
        with clocked(ops) as measure:
            every[0].send.send_nowait((0, ops))
            await done.wait()
        nursery.cancel_scope.cancel()
    return measure


async def spawn() -> Measure:
    actors = 20_000
    goal = Goal(actors)
    async with trio.open_nursery() as nursery:
        with clocked(actors) as measure:
            for number in range(actors):
                TaskActor(nursery, goal.hit).send.send_nowait(number)
            await goal.reached.wait()
        nursery.cancel_scope.cancel()
    return measure


async def memory() -> Measure:
    actors = 5_000
    measure = Measure(ops=actors)
    async with trio.open_nursery() as nursery:
        goal = Goal(actors)
        every: list[TaskActor] = []
        with weighed(measure, actors):
            for number in range(actors):
                every.append(TaskActor(nursery, goal.hit))
                every[-1].send.send_nowait(number)
            await goal.reached.wait()
        nursery.cancel_scope.cancel()
    return measure


async def floor_checkpoint() -> Measure:
    """1,000 tasks that do nothing but checkpoint: what waiting itself costs."""
    rounds, tasks = 50, 1_000

    async def task() -> None:
        for _ in range(rounds):
            await trio.lowlevel.checkpoint()

    with clocked(rounds * tasks) as measure:
        async with trio.open_nursery() as nursery:
            for _ in range(tasks):
                nursery.start_soon(task)
    measure.note = "compare blocking"
    return measure


async def neighbour() -> Measure:
    """A task's wait for its turn beside one other that does nothing but checkpoint."""
    samples: list[float] = []
    with clocked(20_000) as measure:
        for _ in range(20_000):
            started = time.perf_counter()
            await trio.lowlevel.checkpoint()
            samples.append(time.perf_counter() - started)
    quantiles(measure, samples)
    return measure


WORKS: dict[str, Callable[[], Awaitable[Measure]]] = {
    "send": send,
    "fan_in": fan_in,
    "fan_out": fan_out,
    "ask_1": ask_1,
    "ask_100": ask_100,
    "ring": ring,
    "spawn": spawn,
    "memory": memory,
    "blocking": floor_checkpoint,
    "neighbour": neighbour,
}


def run(work: str) -> Measure:
    """Run one work in this process."""
    return trio.run(WORKS[work])
