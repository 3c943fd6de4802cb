"""asyncio: one task and one bounded Queue per actor, on the stock loop or on uvloop."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from bench.engines.measure import Measure, clocked, quantiles, weighed


class TaskActor:
    """A task that takes from a queue."""

    def __init__(self, handle: Callable[[Any], object], capacity: int = 1024) -> None:
        self.queue: asyncio.Queue[Any] = asyncio.Queue(capacity)
        self.handle = handle
        self.task = asyncio.ensure_future(self.run())

    async def run(self) -> None:
        while True:
            self.handle(await self.queue.get())


class Goal:
    def __init__(self, count: int) -> None:
        self.left, self.reached = count, asyncio.Event()

    def hit(self, _: object) -> None:
        self.left -= 1
        if not self.left:
            self.reached.set()


async def send() -> Measure:
    ops = 200_000
    goal = Goal(ops)
    actor = TaskActor(goal.hit)
    with clocked(ops) as measure:
        for number in range(ops):
            await actor.queue.put(number)
        await goal.reached.wait()
    return measure


async def fan_in() -> Measure:
    ops = 200_000
    goal = Goal(ops)
    actor = TaskActor(goal.hit)

    async def producer() -> None:
        for number in range(ops // 100):
            await actor.queue.put(number)

    with clocked(ops) as measure:
        await asyncio.gather(*(producer() for _ in range(100)), goal.reached.wait())
    return measure


async def fan_out() -> Measure:
    rounds, actors = 5, 10_000
    goal = Goal(0)
    every = [TaskActor(lambda message: goal.hit(message)) for _ in range(actors)]
    await asyncio.sleep(0.1)
    with clocked(rounds * actors) as measure:
        for _ in range(rounds):
            goal = Goal(actors)
            for actor in every:
                actor.queue.put_nowait(1)
            await goal.reached.wait()
    return measure


async def _asks(askers: int, ops: int) -> Measure:
    def answer(message: tuple[int, asyncio.Future[int]]) -> None:
        message[1].set_result(1)

    actor = TaskActor(answer)
    loop = asyncio.get_running_loop()
    samples: list[float] = []

    async def asker() -> None:
        for number in range(ops // askers):
            started = time.perf_counter()
            reply: asyncio.Future[int] = loop.create_future()
            await actor.queue.put((number, reply))
            await reply
            samples.append(time.perf_counter() - started)

    with clocked(ops) as measure:
        await asyncio.gather(*(asker() for _ in range(askers)))
    quantiles(measure, samples)
    return measure


async def ask_1() -> Measure:
    return await _asks(1, 20_000)


async def ask_100() -> Measure:
    return await _asks(100, 100_000)


async def ring() -> Measure:
    ops = 100_000
    done = asyncio.Event()
    every: list[TaskActor] = []

    def hop(message: tuple[int, int]) -> None:
        number, left = message
        if left:
            following = (number + 1) % 1000
            every[following].queue.put_nowait((following, left - 1))
        else:
            done.set()

    every += [TaskActor(hop) for _ in range(1000)]
    with clocked(ops) as measure:
        every[0].queue.put_nowait((0, ops))
        await done.wait()
    return measure


async def spawn() -> Measure:
    actors = 50_000
    goal = Goal(actors)
    kept = []
    with clocked(actors) as measure:
        for number in range(actors):
            kept.append(TaskActor(goal.hit))
            kept[-1].queue.put_nowait(number)
        await goal.reached.wait()
    return measure


async def memory() -> Measure:
    actors = 5_000
    measure = Measure(ops=actors)
    goal = Goal(actors)
    kept = []
    with weighed(measure, actors):
        for number in range(actors):
            kept.append(TaskActor(goal.hit))
            kept[-1].queue.put_nowait(number)
        await goal.reached.wait()
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
}


async def _run(work: str) -> Measure:
    measure = await WORKS[work]()
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    return measure


def run(work: str) -> Measure:
    """Run one work on the stock loop."""
    return asyncio.run(_run(work))


def run_uvloop(work: str) -> Measure:
    """Run one work on uvloop."""
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(work))
