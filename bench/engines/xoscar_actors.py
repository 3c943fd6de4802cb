"""xoscar: asyncio actors in one pool without worker processes."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import xoscar

from bench.engines.measure import Measure, clocked, quantiles, weighed


class Sink(xoscar.Actor):  # type: ignore[misc]
    async def hit(self, number: int) -> int:
        return number


class Hop(xoscar.Actor):  # type: ignore[misc]
    async def join(self, following: Any) -> None:
        self.following = following

    async def hop(self, left: int) -> int:
        if left:
            await self.following.hop.tell(left - 1)
        return left


async def send(pool: str) -> Measure:
    ops = 20_000
    actor = await xoscar.create_actor(Sink, address=pool, uid="sink")
    with clocked(ops) as measure:
        for number in range(ops):
            await actor.hit.tell(number)
        await actor.hit(0)
    return measure


async def fan_in(pool: str) -> Measure:
    ops = 20_000
    actor = await xoscar.create_actor(Sink, address=pool, uid="sink")

    async def producer() -> None:
        for number in range(ops // 100):
            await actor.hit.tell(number)

    with clocked(ops) as measure:
        await asyncio.gather(*(producer() for _ in range(100)))
        await actor.hit(0)
    return measure


async def fan_out(pool: str) -> Measure:
    actors = 10_000
    every = [await xoscar.create_actor(Sink, address=pool, uid=f"s{n}") for n in range(actors)]
    with clocked(actors) as measure:
        for actor in every:
            await actor.hit.tell(1)
        await every[-1].hit(0)
    return measure


async def _asks(pool: str, askers: int, ops: int) -> Measure:
    actor = await xoscar.create_actor(Sink, address=pool, uid="sink")
    samples: list[float] = []

    async def asker() -> None:
        for number in range(ops // askers):
            started = time.perf_counter()
            await actor.hit(number)
            samples.append(time.perf_counter() - started)

    with clocked(ops) as measure:
        await asyncio.gather(*(asker() for _ in range(askers)))
    quantiles(measure, samples)
    return measure


async def ask_1(pool: str) -> Measure:
    return await _asks(pool, 1, 5_000)


async def ask_100(pool: str) -> Measure:
    return await _asks(pool, 100, 20_000)


async def spawn(pool: str) -> Measure:
    actors = 5_000
    with clocked(actors) as measure:
        for number in range(actors):
            await xoscar.create_actor(Sink, address=pool, uid=f"s{number}")
    return measure


async def memory(pool: str) -> Measure:
    actors = 5_000
    measure = Measure(ops=actors)
    kept = []
    with weighed(measure, actors):
        kept += [
            await xoscar.create_actor(Sink, address=pool, uid=f"s{number}")
            for number in range(actors)
        ]
    return measure


WORKS: dict[str, Callable[[str], Awaitable[Measure]]] = {
    "send": send,
    "fan_in": fan_in,
    "fan_out": fan_out,
    "ask_1": ask_1,
    "ask_100": ask_100,
    "spawn": spawn,
    "memory": memory,
}


async def _run(work: str) -> Measure:
    pool = await xoscar.create_actor_pool(address="127.0.0.1", n_process=0)
    async with pool:
        return await WORKS[work](pool.external_address)


def run(work: str) -> Measure:
    """Run one work in this process."""
    return asyncio.run(_run(work))
