"""Nobody starves: not a quiet actor beside a busy one, not another trio task."""

from collections.abc import Sequence

import pytest
import trio

from engine import MailboxPolicy, Turn, Virtual, handler
from engine._scheduler import MAX_TURN
from engine.testing import check_mailbox, open_system
from tests.engine.counters import Add, Counter, CounterCommand, Log


class Roomy(Counter):
    mailbox = MailboxPolicy(1_000_000)


async def test_runnable_actors_take_turns_of_bounded_length() -> None:
    log = Log()
    async with open_system({"counter": lambda a: Roomy(a, log)}) as system:
        for key in (0, 1):
            await system.ask(Add(key=key))
        log.entries.clear()
        for _ in range(1000):
            system.tell_nowait(Add(key=0))
        for _ in range(5):
            system.tell_nowait(Add(key=1))
        await system.ask(Add(key=1))
    keys = [key for key, _ in log.of("add")]
    assert keys.index(1) <= MAX_TURN


async def test_other_tasks_run_while_the_engine_is_saturated() -> None:
    log = Log()
    async with open_system({"counter": lambda a: Roomy(a, log)}) as system:
        await system.ask(Add())
        for number in range(50_000):
            system.tell_nowait(Add(key=number % 10))
        passes = 0
        while len(log.entries) < 50_000:
            await trio.lowlevel.checkpoint()
            passes += 1
        assert passes > 5


class Spin(CounterCommand[None], frozen=True, kw_only=True):
    """Work that holds the processor for a while."""


async def test_the_turns_of_expensive_commands_shrink() -> None:
    class Heavy(Roomy):
        @handler
        async def spin(self, cmd: Spin) -> None:
            for _ in range(20_000):
                pass

    async with open_system({"counter": lambda a: Heavy(a)}) as system:
        for _ in range(300):
            system.tell_nowait(Spin())
        await trio.lowlevel.checkpoint()
        while system.depth(Spin().to):
            await trio.lowlevel.checkpoint()
        assert system._core.kinds["counter"].quota < MAX_TURN


@pytest.mark.parametrize("resident", [False, True])
@pytest.mark.parametrize(
    "policy",
    [
        MailboxPolicy(1, "backpressure"),
        MailboxPolicy(5, "backpressure"),
        MailboxPolicy(3, "reject"),
        MailboxPolicy(3, "drop_oldest"),
    ],
    ids=str,
)
async def test_every_mailbox_policy_passes_the_conformance_suite(
    autojump_clock, policy: MailboxPolicy, resident: bool
) -> None:
    def open_one(factory):
        return open_system({"mailbox": Virtual("mailbox", factory, resident=resident)})

    await check_mailbox(open_one, policy)


async def test_the_conformance_suite_notices_a_broken_mailbox(autojump_clock) -> None:
    def open_one(factory):
        return open_system({"mailbox": factory})

    policy = MailboxPolicy(2, "backpressure")

    def lying(factory):
        def make(address):
            actor = factory(address)
            type(actor).mailbox = MailboxPolicy(3, "backpressure")
            return actor

        return open_one(make)

    with pytest.raises(AssertionError, match="mailbox"):
        await check_mailbox(lying, policy)


class Heap(CounterCommand[None], frozen=True, kw_only=True):
    """Folded, and expensive enough for the turns to shrink."""


async def test_a_fold_gets_its_whole_run_however_short_the_turns(autojump_clock) -> None:
    sizes: list[int] = []

    class Folding(Roomy):
        @handler(fold=50)
        async def heap(self, turns: Sequence[Turn[Heap]]) -> None:
            sizes.append(len(turns))

    async with open_system({"counter": lambda a: Folding(a)}) as system:
        await system.ask(Add())
        system._core.kinds["counter"].quota = 1
        for _ in range(120):
            system.tell_nowait(Heap())
        await trio.testing.wait_all_tasks_blocked()
        assert sizes == [50, 50, 20]
        assert (await system.snapshot()).kinds[0].handled == 121
