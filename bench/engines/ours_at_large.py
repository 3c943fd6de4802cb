"""Works of this project's engine that are about the whole process: a million actors, fairness."""

import resource
import time

import trio

from bench.engines.measure import Measure, clocked, quantiles
from bench.engines.ours import Hit, Sink, count, system


class Brief(Sink):
    __slots__ = ()
    idle_timeout = 5.0


async def spawn_million() -> Measure:
    """The same with 1,000,000, then wait until all have passivated; memory at each point."""
    actors = 1_000_000
    start = _resident()
    async with system(Brief) as running:
        count.expect(actors)
        with clocked(actors) as measure:
            for key in range(actors):
                running.tell_nowait(Hit(key=key))
                if key % 1_000 == 999:
                    await trio.lowlevel.checkpoint()
            await count.reached.wait()
        peak = _resident()
        passivated = time.perf_counter()
        while sum(1 for _ in running.addresses()):  # noqa: ASYNC110 - nothing tells us
            await trio.sleep(1)
        passivated = time.perf_counter() - passivated
    measure.note = (
        f"resident {start} MB at start, {peak} MB with all live,"
        f" {_resident()} MB when passivated {passivated:.0f} s later"
    )
    measure.bytes_per_actor = (peak - start) * 1e6 / actors
    return measure


def _resident() -> int:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize() // 1_000_000


async def neighbour() -> Measure:
    """How long another trio task waits for its turn while the engine is saturated."""
    samples: list[float] = []
    commands = [Hit(key=key) for key in range(100)]
    async with system() as running:
        refs = [running.ref(command.to) for command in commands]
        stop = trio.current_time() + 3.0

        async def flood() -> None:
            turn = 0
            while trio.current_time() < stop:
                turn = (turn + 1) % 100
                if running.depth(commands[turn].to) < 100_000:
                    for _ in range(1_000):
                        refs[turn].tell_nowait(commands[turn])
                await trio.lowlevel.checkpoint()

        with clocked(1) as measure:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(flood)
                while trio.current_time() < stop:
                    started = time.perf_counter()
                    await trio.lowlevel.checkpoint()
                    samples.append(time.perf_counter() - started)
    quantiles(measure, samples)
    measure.ops = len(samples)
    return measure


WORKS = {"spawn_million": spawn_million, "neighbour": neighbour}
