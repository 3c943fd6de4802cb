"""Works of this project's engine that are about the whole process: a million actors, fairness."""

import resource
import time
import tracemalloc
from typing import Final

import trio

from bench.engines.measure import Measure, clocked, quantiles
from bench.engines.ours import Hit, Sink, count, system
from engine import System
from engine._snapshot import Order


class Brief(Sink):
    __slots__ = ()
    idle_timeout = 60.0  # longer than it takes to address them all


MILLION: Final = 1_000_000
ORDERS: Final[tuple[Order, ...]] = ("depth", "age", "handled", "longest", "restarts", "current")


async def spawn_million() -> Measure:
    """Address 1,000,000 actors once each, then wait until all have passivated; memory resident."""
    start = _resident()
    async with system(Brief) as running:
        with clocked(MILLION) as measure:
            await _address_each(running)
        peak = _resident()
        waited = await _passivated(running)
        left = _resident()
    measure.note = (
        f"resident {start} MB at start, {peak} MB with all live,"
        f" {left} MB when passivated {waited:.0f} s later"
    )
    measure.bytes_per_actor = (peak - start) * 1e6 / MILLION
    return measure


async def weigh_million() -> Measure:
    """The same under tracemalloc, which makes it slow: bytes live, and after passivation."""
    measure = Measure(ops=MILLION)
    async with system(Brief) as running:
        await running.ask(Hit(key=0))
        tracemalloc.start()
        await _address_each(running)
        live, peak = tracemalloc.get_traced_memory()
        await _passivated(running)
        left = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
    measure.note = (
        f"{live / 1e6:.0f} MB with all live (peak {peak / 1e6:.0f} MB),"
        f" {left / 1e6:.0f} MB when passivated"
    )
    measure.bytes_per_actor = live / MILLION
    return measure


async def _address_each(running: System) -> None:
    count.expect(MILLION)
    for key in range(MILLION):
        await running.tell(Hit(key=key))
    await count.reached.wait()


async def _passivated(running: System) -> float:
    """Wait until no actor is in memory; the seconds that took."""
    since = time.perf_counter()
    while any(True for _ in running.addresses()):  # noqa: ASYNC110 - nothing tells us
        await trio.sleep(1)
    return time.perf_counter() - since


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


async def watched() -> Measure:
    """How long another trio task waits while the tree of 100,000 live actors is looked at."""
    samples: list[float] = []
    async with system() as running, trio.open_nursery() as nursery:
        count.expect(100_000)
        for key in range(100_000):
            await running.tell(Hit(key=key))
        await count.reached.wait()

        async def look() -> None:
            for _ in range(20):
                for order in ORDERS:
                    await running.snapshot(order=order)
            seen.set()

        seen = trio.Event()
        with clocked(1) as measure:
            nursery.start_soon(look)
            while not seen.is_set():
                started = time.perf_counter()
                await trio.lowlevel.checkpoint()
                samples.append(time.perf_counter() - started)
    quantiles(measure, samples)
    measure.ops = len(samples)
    measure.note = f"longest {max(samples) * 1e3:.1f} ms"
    return measure


WORKS = {
    "spawn_million": spawn_million,
    "weigh_million": weigh_million,
    "neighbour": neighbour,
    "watched": watched,
}
