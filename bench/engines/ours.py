"""The engine of this project: supervised, with metrics, deadlines and typed handlers on."""

import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import trio

from bench.engines.measure import Measure, clocked, quantiles, weighed
from engine import (
    Actor,
    Address,
    Backoff,
    Command,
    MailboxPolicy,
    Ref,
    RestartBudget,
    Supervisor,
    System,
    Virtual,
    handler,
    open_system,
)


class Hit(Command[int], frozen=True, kw_only=True):
    key: int = 0

    @property
    def to(self) -> Address:
        return Address("sink", self.key)


class Block(Hit, frozen=True, kw_only=True):
    pass


class Crash(Hit, frozen=True, kw_only=True):
    pass


class Hop(Command[None], frozen=True, kw_only=True):
    key: int
    left: int

    @property
    def to(self) -> Address:
        return Address("ring", self.key)


class Count:
    """Wakes the bench when enough commands were handled."""

    def __init__(self) -> None:
        self.seen = 0
        self.goal = 0
        self.reached = trio.Event()

    def expect(self, count: int) -> None:
        self.seen, self.goal, self.reached = 0, count, trio.Event()


count = Count()


class Sink(Actor):
    __slots__ = ()
    mailbox = MailboxPolicy(1_000_000)

    @handler
    async def hit(self, cmd: Hit) -> int:
        count.seen += 1
        if count.seen == count.goal:
            count.reached.set()
        return 1

    @handler
    async def block(self, cmd: Block) -> int:
        await trio.lowlevel.checkpoint()
        count.seen += 1
        if count.seen == count.goal:
            count.reached.set()
        return 1

    @handler
    async def crash(self, cmd: Crash) -> int:
        count.seen += 1
        if count.seen == count.goal:
            count.reached.set()
        raise ValueError


class KeepingSink(Sink):
    """Crashes leave the mailbox, so that restarts can be measured back to back."""

    __slots__ = ()
    keep_mailbox = (ValueError,)
    park_after = 1 << 30


class Narrow(Sink):
    __slots__ = ()
    mailbox = MailboxPolicy(1024)


class Ring(Actor):
    __slots__ = ()

    @handler
    async def hop(self, cmd: Hop) -> None:
        if cmd.left:
            self.system.tell_nowait(Hop(key=(cmd.key + 1) % 1000, left=cmd.left - 1))
        else:
            count.reached.set()


def system(sink: type[Actor] = Sink) -> AbstractAsyncContextManager[System]:
    def make(_: Address) -> Actor:
        return sink()

    budget = RestartBudget(1 << 30, per=0.001, backoff=Backoff(jitter=0.0))
    tree = Supervisor(
        "bench",
        children=(Virtual("sink", make, budget=budget), Virtual("ring", lambda _: Ring())),
    )
    return open_system(tree)


async def tell() -> Measure:
    """1 -> 1, `Ref.tell_nowait`, in bursts of 10,000."""
    ops, burst = 400_000, 10_000
    command = Hit()
    async with system() as running:
        await running.ask(command)
        ref = running.ref(command.to)
        with clocked(ops) as measure:
            for _ in range(ops // burst):
                count.expect(burst)
                for _ in range(burst):
                    ref.tell_nowait(command)
                await count.reached.wait()
    return measure


async def tell_by_address() -> Measure:
    """1 -> 1, `System.tell_nowait`: the command finds its address each time."""
    ops, burst = 400_000, 10_000
    command = Hit()
    async with system() as running:
        await running.ask(command)
        with clocked(ops) as measure:
            for _ in range(ops // burst):
                count.expect(burst)
                for _ in range(burst):
                    running.tell_nowait(command)
                await count.reached.wait()
    return measure


async def send() -> Measure:
    """1 -> 1, bounded at 1,024: `await Ref.tell`."""
    ops = 400_000
    command = Hit()
    async with system(Narrow) as running:
        await running.ask(command)
        ref = running.ref(command.to)
        count.expect(ops)
        with clocked(ops) as measure:
            for _ in range(ops):
                await ref.tell(command)
            await count.reached.wait()
    return measure


async def fan_in() -> Measure:
    """100 -> 1, bounded."""
    ops = 200_000
    command = Hit()
    async with system(Narrow) as running:
        await running.ask(command)
        ref = running.ref(command.to)

        async def producer() -> None:
            for _ in range(ops // 100):
                await ref.tell(command)

        count.expect(ops)
        with clocked(ops) as measure:
            async with trio.open_nursery() as nursery:
                for _ in range(100):
                    nursery.start_soon(producer)
                await count.reached.wait()
    return measure


async def fan_out(rounds: int = 20, actors: int = 10_000) -> Measure:
    """1 -> 10,000 live actors, each told once per round."""
    commands = [Hit(key=key) for key in range(actors)]
    async with system() as running:
        refs = [running.ref(command.to) for command in commands]
        pairs = list(zip(refs, commands, strict=True))
        await _round(pairs, actors)
        with clocked(rounds * actors) as measure:
            for _ in range(rounds):
                await _round(pairs, actors)
    return measure


async def few_of_many() -> Measure:
    """100 actors told over and over while 100,000 are live: what a crowd costs the others."""
    ops, few, live = 400_000, 100, 100_000
    commands = [Hit(key=key) for key in range(live)]
    async with system() as running:
        refs = [running.ref(command.to) for command in commands]
        await _round(list(zip(refs, commands, strict=True)), live)
        pairs = list(zip(refs, commands, strict=True))[:: live // few]
        with clocked(ops) as measure:
            for _ in range(ops // few):
                await _round(pairs, few)
    return measure


async def few() -> Measure:
    """The same 100 actors where no others are."""
    return await fan_out(rounds=4_000, actors=100)


async def _round(pairs: Sequence[tuple[Ref[Any], Hit]], actors: int) -> None:
    count.expect(actors)
    for ref, command in pairs:
        ref.tell_nowait(command)
    await count.reached.wait()


async def ask_1() -> Measure:
    """One asker; the percentiles are of single asks."""
    ops = 20_000
    command = Hit()
    samples: list[float] = []
    async with system() as running:
        await running.ask(command)
        with clocked(ops) as measure:
            for _ in range(ops):
                started = time.perf_counter()
                await running.ask(command)
                samples.append(time.perf_counter() - started)
    quantiles(measure, samples)
    return measure


async def ask_100() -> Measure:
    """100 askers of one actor."""
    ops = 200_000
    command = Hit()
    async with system() as running:
        await running.ask(command)

        async def asker() -> None:
            for _ in range(ops // 100):
                await running.ask(command)

        with clocked(ops) as measure:
            async with trio.open_nursery() as nursery:
                for _ in range(100):
                    nursery.start_soon(asker)
    return measure


async def ring() -> Measure:
    """1,000 actors in a ring, one command going round."""
    ops = 200_000
    async with system() as running:
        for left in (2_000, ops):
            count.expect(0)
            with clocked(ops) as measure:
                running.tell_nowait(Hop(key=0, left=left))
                await count.reached.wait()
    return measure


async def spawn(actors: int = 100_000) -> Measure:
    """Address each of 100,000 virtual actors once: activate, start, handle."""
    async with system() as running:
        count.expect(actors)
        with clocked(actors) as measure:
            for key in range(actors):
                running.tell_nowait(Hit(key=key))
                if key % 1_000 == 999:
                    await trio.lowlevel.checkpoint()
            await count.reached.wait()
    return measure


async def memory() -> Measure:
    """Bytes per idle virtual actor that has handled a command: cell, address, key, actor.

    Weighed when the engine has let go of the queues that the burst needed.
    """
    actors = 100_000
    async with system() as running:
        measure = Measure(ops=actors)
        await running.ask(Hit(key=actors))
        with weighed(measure, actors):
            count.expect(actors)
            for key in range(actors):
                running.tell_nowait(Hit(key=key))
                if key % 1_000 == 999:
                    await trio.lowlevel.checkpoint()
            await count.reached.wait()
            for _ in range(100):
                await running.ask(Hit(key=actors))
    return measure


async def restart() -> Measure:
    """Crash, end, count, start again: every command crashes its actor."""
    ops, burst = 50_000, 1_000
    async with system(KeepingSink) as running:
        await running.ask(Hit())
        ref = running.ref(Hit().to)
        command = Crash()
        with clocked(ops) as measure:
            for _ in range(ops // burst):
                count.expect(burst)
                for _ in range(burst):
                    ref.tell_nowait(command)
                await count.reached.wait()
    return measure


async def blocking() -> Measure:
    """Handlers that really wait (one checkpoint), 1,000 actors; compare `floor_checkpoint`."""
    rounds, actors = 50, 1_000
    commands = [Block(key=key) for key in range(actors)]
    async with system() as running:
        pairs = [(running.ref(c.to), c) for c in commands]
        await _round(pairs, actors)
        with clocked(rounds * actors) as measure:
            for _ in range(rounds):
                await _round(pairs, actors)
    return measure


WORKS: dict[str, Callable[[], Awaitable[Measure]]] = {
    "tell": tell,
    "tell_by_address": tell_by_address,
    "send": send,
    "fan_in": fan_in,
    "fan_out": fan_out,
    "few": few,
    "few_of_many": few_of_many,
    "ask_1": ask_1,
    "ask_100": ask_100,
    "ring": ring,
    "spawn": spawn,
    "memory": memory,
    "restart": restart,
    "blocking": blocking,
}


def run(work: str) -> Measure:
    """Run one work in this process."""
    from bench.engines import ours_at_large  # builds on this module

    works = {**WORKS, **ours_at_large.WORKS}
    return trio.run(works[work])
