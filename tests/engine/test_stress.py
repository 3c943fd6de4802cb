"""Seeded stress: order, single handling, no lost wake-up, over crashes, cancels and shutdown."""

import random

import pytest
import trio
from trio.testing import MockClock

from engine import Actor as BaseActor
from engine import (
    ActorCrashed,
    ActorStopped,
    Address,
    Command,
    DeadlineExceeded,
    MailboxPolicy,
    Refusal,
    Virtual,
    handler,
)
from engine.testing import open_system


class Step(Command[int], frozen=True, kw_only=True):
    key: int
    sender: int
    number: int
    what: str

    @property
    def to(self) -> Address:
        return Address("actor", self.key)


class Tally:
    def __init__(self) -> None:
        self.handled: list[tuple[int, int]] = []
        self.last: dict[tuple[int, int], int] = {}
        self.closing = False


class Actor(BaseActor):
    """Checks order and exclusion, and misbehaves as it is told."""

    idle_timeout = 0.5

    def __init__(self, tally: Tally, rng: random.Random, capacity: int) -> None:
        self.tally, self.rng, self.inside = tally, rng, False
        type(self).mailbox = MailboxPolicy(capacity)

    async def on_stop(self) -> None:
        await trio.sleep(self.rng.random() * 0.01)

    @handler
    async def step(self, cmd: Step) -> int:
        assert not self.inside, "two commands at once"
        self.inside = True
        try:
            mark = (cmd.key, cmd.sender)
            assert self.tally.last.get(mark, -1) < cmd.number, "out of order or twice"
            self.tally.last[mark] = cmd.number
            self.tally.handled.append((cmd.sender, cmd.number))
            await self.misbehave(cmd.what)
            return cmd.number
        except trio.Cancelled:
            assert self.tally.closing, "a foreign cancel reached a handler"
            raise
        finally:
            self.inside = False

    async def misbehave(self, what: str) -> None:
        match what:
            case "sleep":
                await trio.sleep(self.rng.random() * 0.1)
            case "checkpoint":
                await trio.lowlevel.checkpoint()
            case "nursery":
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(trio.sleep, self.rng.random() * 0.05)
                    nursery.start_soon(trio.sleep, 0)
            case "timeout":
                with trio.move_on_after(0.01):
                    await trio.sleep(1)
            case "crash":
                raise ValueError
            case "slow crash":
                await trio.sleep(0.01)
                raise ValueError
            case "refuse":
                raise Refusal


CALM = ["", "", "", "", "sleep", "checkpoint", "nursery", "timeout", "refuse"]
WILD = [*CALM, "crash", "slow crash"]


async def produce(system, tally: Tally, seed: int, sender: int, kinds: list[str]) -> int:
    rng = random.Random(seed * 1000 + sender)
    sent = 0
    for number in range(40):
        command = Step(key=rng.randrange(15), sender=sender, number=number, what=rng.choice(kinds))
        how = rng.random()
        try:
            if how < 0.4:
                assert await system.ask(command) == number
                sent += 1
            elif how < 0.5:
                with trio.move_on_after(rng.random() * 0.03):
                    assert await system.ask(command) == number
            else:
                await system.tell(command)
                sent += 1
        except DeadlineExceeded:
            raise  # nothing here inherits a deadline
        except Refusal:
            sent += 1
        except (ActorCrashed, ActorStopped):
            if kinds is CALM:
                raise
        if rng.random() < 0.2:
            await trio.sleep(rng.random() * 0.05)
    return sent


async def run_seed(seed: int, kinds: list[str], resident: bool) -> None:
    rng, tally = random.Random(seed), Tally()
    capacity = rng.choice([1, 2, 8, 1024])
    virtual = Virtual(
        "actor",
        lambda _: Actor(tally, rng, capacity),
        resident=resident,
        cap=rng.choice([None, 5]),
        shutdown=1000.0,
    )
    cut_short = seed % 5 == 4
    with trio.move_on_after(rng.random() * 0.5 if cut_short else 10_000) as scope:
        async with open_system({"actor": virtual}, seed=seed) as system:
            async with trio.open_nursery() as nursery:
                for sender in range(15):
                    nursery.start_soon(produce, system, tally, seed, sender, kinds)
            await settle(system)
            snapshot = await system.snapshot()
            assert sum(kind.queued for kind in snapshot.kinds) == 0
            assert snapshot.blocked == 0
            if kinds is CALM:
                assert snapshot.kinds[0].handled == len(tally.handled)
                assert system.dead_letters.total == 0
    assert cut_short or not scope.cancelled_caught, "somebody waits for ever"


async def settle(system) -> None:
    while True:
        kind = (await system.snapshot()).kinds[0]
        if not kind.actors:
            return
        await trio.sleep(1)


@pytest.mark.parametrize("resident", [False, True])
@pytest.mark.parametrize("kinds", [CALM, WILD], ids=["calm", "wild"])
def test_seeded_stress(kinds: list[str], resident: bool) -> None:
    for seed in range(15):
        trio.run(run_seed, seed, kinds, resident, clock=MockClock(rate=0, autojump_threshold=0))


@pytest.mark.prove
@pytest.mark.parametrize("resident", [False, True])
@pytest.mark.parametrize("kinds", [CALM, WILD], ids=["calm", "wild"])
def test_seeded_stress_at_length(kinds: list[str], resident: bool) -> None:
    for seed in range(15, 300):
        trio.run(run_seed, seed, kinds, resident, clock=MockClock(rate=0, autojump_threshold=0))
