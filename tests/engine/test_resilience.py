"""What hooks, errors and settings of an application may do wrong without ending the system."""

import gc
import sys
import weakref
from typing import Any

import pytest
import trio

from engine import (
    Actor,
    ActorCrashed,
    ActorFailed,
    Address,
    Command,
    MailboxPolicy,
    Parked,
    RestartBudget,
    Unavailable,
    Virtual,
    handler,
)
from engine.testing import open_system
from tests.engine.counters import Add, Counter, CounterCommand, Crash, Read, Wait


class Unspeakable(Exception):
    """Its own text cannot be made."""

    def __repr__(self) -> str:
        raise AttributeError

    __str__ = __repr__


class Blow(CounterCommand[None], frozen=True, kw_only=True):
    what: str
    body: Any = None


class Nowhere(Command[None], frozen=True, kw_only=True):
    @property
    def to(self) -> Address:
        raise AttributeError


class Rough(Counter):
    @handler
    async def blow(self, cmd: Blow) -> None:
        match cmd.what:
            case "unspeakable":
                raise Unspeakable
            case "every 0":
                self.every(0, Add())
            case "after nan":
                self.after(float("nan"), Add())
            case "after nowhere":
                self.after(1, Nowhere())
            case "every moment":
                self.every(1e-18, Add(key=9))
            case "nursery":
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self.fail_when_cancelled)
                    await trio.sleep_forever()

    async def fail_when_cancelled(self) -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError


async def test_a_trace_hook_that_raises_ends_nothing(autojump_clock) -> None:
    def trace(*_: object) -> None:
        raise ValueError

    async with open_system({"counter": Rough}, trace=trace) as system:
        assert await system.ask(Add()) == 1
        with pytest.raises(ActorCrashed):
            await system.ask(Crash())
        assert await system.ask(Add()) == 1


async def test_an_error_whose_text_cannot_be_made_crashes_its_actor_alone(autojump_clock) -> None:
    async with open_system({"counter": Rough}) as system:
        with pytest.raises(ActorCrashed) as caught:
            await system.ask(Blow(what="unspeakable"))
        assert "Unspeakable" in str(caught.value)
        assert await system.ask(Add()) == 1
        assert (await system.snapshot()).actors[0].last_error is not None


async def test_an_activation_whose_error_has_no_text_is_answered(autojump_clock) -> None:
    def factory(_: Address) -> Actor:
        raise Unspeakable

    async with open_system({"counter": Virtual("counter", factory)}) as system:
        with pytest.raises(Unavailable):
            await system.ask(Add())


async def test_a_poison_command_without_hash_and_text_is_counted_all_the_same(
    autojump_clock,
) -> None:
    class Body:
        __hash__ = None

        def __repr__(self) -> str:
            raise AttributeError

    async with open_system({"counter": Rough}) as system:
        for _ in range(5):
            with pytest.raises((ActorCrashed, Parked)):
                await system.ask(Blow(what="unspeakable", body=Body()))
        assert await system.ask(Add()) == 1


@pytest.mark.parametrize("what", ["every 0", "after nan", "after nowhere"])
async def test_a_timer_that_cannot_be_crashes_its_actor_alone(autojump_clock, what: str) -> None:
    async with open_system({"counter": Rough}) as system:
        with pytest.raises(ActorCrashed):
            await system.ask(Blow(what=what))
        await trio.sleep(10)
        assert await system.ask(Add()) == 1


async def test_a_period_below_what_a_clock_can_tell_holds_nobody_up(autojump_clock) -> None:
    clock = autojump_clock
    clock.jump(1e6)
    async with open_system({"counter": Rough}) as system:
        await system.ask(Blow(what="every moment"))
        await system.stop(Address("counter", 0))


async def test_a_mailbox_as_large_as_can_be_said_loses_nothing(autojump_clock) -> None:
    class Vast(Counter):
        mailbox = MailboxPolicy(sys.maxsize)

    async with open_system({"counter": Vast}) as system:
        await system.tell(Wait(seconds=1))
        for _ in range(3):
            await system.tell(Add())
        assert await system.ask(Read()) == 3


@pytest.mark.parametrize("resident", [False, True])
async def test_what_a_cancelled_handler_raises_beside_the_cancel_ends_nothing(
    autojump_clock, resident: bool
) -> None:
    kind = Virtual("counter", Rough, shutdown=1.0, resident=resident)
    async with open_system({"counter": kind}) as system:
        await system.tell(Blow(what="nursery"))
        await trio.testing.wait_all_tasks_blocked()
    assert trio.current_time() < 3


async def test_a_budget_over_no_time_is_refused() -> None:
    with pytest.raises(TypeError):
        RestartBudget(1, 0.0)


async def test_one_callback_may_be_subscribed_twice(autojump_clock) -> None:
    heard: list[object] = []
    async with open_system({"counter": Rough}) as system:
        with system.subscribe(ActorFailed, heard.append):
            with system.subscribe(ActorFailed, heard.append):
                await system.tell(Crash())
                await trio.sleep(1)
            await system.tell(Crash())
            await trio.sleep(1)
    assert len(heard) == 3


async def test_a_storm_of_crashes_does_not_keep_the_actors_that_crashed(autojump_clock) -> None:
    alive: weakref.WeakSet[Actor] = weakref.WeakSet()

    class Brittle(Counter):
        def __init__(self, address: Address) -> None:
            super().__init__(address)
            alive.add(self)

    async with open_system({"counter": Virtual("counter", Brittle)}) as system:
        for key in range(1000):
            await system.tell(Crash(key=key))
        await trio.sleep(1)
        gc.collect()
        assert (await system.snapshot()).kinds[0].crashes == 1000
        assert len(alive) < 300


async def test_an_error_that_many_askers_get_does_not_grow_with_them(autojump_clock) -> None:
    depths: list[int] = []
    async with open_system({"counter": Rough}) as system:

        async def ask() -> None:
            try:
                await system.ask(Add())
            except ActorCrashed as error:
                trace, depth = error.__traceback__, 0
                while trace is not None:
                    trace, depth = trace.tb_next, depth + 1
                depths.append(depth)

        await system.tell(Wait(seconds=1))
        await system.tell(Crash())
        async with trio.open_nursery() as nursery:
            for _ in range(50):
                nursery.start_soon(ask)
    assert len(depths) == 50
    assert max(depths) == min(depths)
