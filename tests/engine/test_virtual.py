"""Virtual actors: activation, passivation, gates, budgets, caps."""

import pytest
import trio

from engine import (
    ActorCrashed,
    Address,
    Backoff,
    RestartBudget,
    Unavailable,
    Virtual,
)
from engine.testing import open_system
from tests.engine.counters import Add, Counter, Crash, Log, No, Read, Wait


class Slow(Counter):
    """Takes a second to load."""

    async def on_start(self) -> None:
        await trio.sleep(1)
        await super().on_start()


async def test_concurrent_first_commands_start_one_incarnation(autojump_clock) -> None:
    log = Log()
    async with open_system({"counter": lambda a: Slow(a, log)}) as system:
        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(system.ask, Add())
        assert await system.ask(Read()) == 10
    assert log.of("start") == [(0,)]


@pytest.mark.parametrize("resident", [False, True])
async def test_an_idle_actor_is_passivated_and_comes_back(autojump_clock, resident: bool) -> None:
    log = Log()
    virtual = Virtual("counter", lambda a: Counter(a, log), resident=resident)
    async with open_system({"counter": virtual}) as system:
        await system.ask(Add())
        await trio.sleep(Counter.idle_timeout - 1)
        assert system.is_live(Add().to)
        await trio.sleep(2)
        assert not system.is_live(Add().to)
        assert list(system.addresses()) == []
        assert await system.ask(Read()) == 0
    assert log.of("start") == [(0,), (0,)]


async def test_a_used_actor_is_not_passivated(autojump_clock) -> None:
    log = Log()
    async with open_system({"counter": lambda a: Counter(a, log)}) as system:
        for _ in range(20):
            await system.ask(Add())
            await trio.sleep(Counter.idle_timeout / 2)
        assert await system.ask(Read()) == 20
    assert log.of("start") == [(0,)]


async def test_a_command_during_passivation_starts_the_next_incarnation(autojump_clock) -> None:
    log = Log()

    class Leaving(Counter):
        async def on_stop(self) -> None:
            await trio.sleep(5)
            await super().on_stop()

    async with open_system({"counter": lambda a: Leaving(a, log)}) as system:
        await system.ask(Add())
        await trio.sleep(Leaving.idle_timeout + 2)  # on_stop has begun
        assert await system.ask(Add(amount=9)) == 9
    assert [entry[0] for entry in log.entries] == ["start", "add", "stop", "start", "add", "stop"]


async def test_the_gate_holds_the_next_incarnation(autojump_clock) -> None:
    opened = trio.Event()
    asked: list[Address] = []

    async def gate(address: Address) -> None:
        asked.append(address)
        if len(asked) > 1:
            await opened.wait()

    virtual = Virtual("counter", lambda a: Counter(a), gate=gate)
    async with open_system({"counter": virtual}) as system:
        await system.ask(Add())
        await system.stop(Add().to)
        with trio.move_on_after(10) as scope:
            await system.ask(Add())
        assert scope.cancelled_caught
        opened.set()
        assert await system.ask(Add(amount=3)) == 3
    assert asked == [Add().to, Add().to]


async def test_a_failing_activation_answers_the_waiting_commands_and_backs_off(
    autojump_clock,
) -> None:
    attempts: list[float] = []

    class Broken(Counter):
        async def on_start(self) -> None:
            attempts.append(trio.current_time())
            if len(attempts) < 3:
                raise ValueError

    budget = RestartBudget(3, per=60.0, backoff=Backoff(initial=1.0, jitter=0.0))
    virtual = Virtual("counter", lambda a: Broken(a), budget=budget)
    async with open_system({"counter": virtual}) as system:
        waits: list[float] = []

        async def ask() -> None:
            try:
                await system.ask(Add())
            except Unavailable as error:
                waits.append(error.retry_after)

        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(ask)
        assert waits == [pytest.approx(1.0)] * 3
        assert len(attempts) == 1
        await ask()  # within the back-off: no attempt
        assert len(attempts) == 1
        await trio.sleep(1.1)
        await ask()
        assert len(attempts) == 2
        await trio.sleep(1.1)
        assert await system.ask(Add()) == 1


async def test_a_refusal_in_on_start_is_the_reply_and_does_not_back_off(autojump_clock) -> None:
    down = [True]

    class Loading(Counter):
        async def on_start(self) -> None:
            if down[0]:
                raise No

    async with open_system({"counter": lambda a: Loading(a)}) as system:
        with pytest.raises(No):
            await system.ask(Add())
        down[0] = False
        assert await system.ask(Add()) == 1


async def test_a_spent_budget_backs_off_and_never_touches_siblings(autojump_clock) -> None:
    budget = RestartBudget(2, per=60.0, backoff=Backoff(initial=4.0, jitter=0.0))
    virtual = Virtual("counter", lambda a: Counter(a), budget=budget)
    async with open_system({"counter": virtual}) as system:
        await system.ask(Add(key=1))
        for note in "abc":
            with pytest.raises(ActorCrashed):
                await system.ask(Crash(key=0, note=note))
        with pytest.raises(Unavailable) as caught:
            await system.ask(Read(key=0))
        assert caught.value.retry_after == pytest.approx(4.0)
        assert await system.ask(Read(key=1)) == 1
        await trio.sleep(4.1)
        assert await system.ask(Read(key=0)) == 0
        assert (await system.snapshot()).supervisors[0].restarts == 0


async def test_beyond_the_cap_the_least_recently_used_leave(autojump_clock) -> None:
    virtual = Virtual("counter", lambda a: Counter(a), cap=3)
    async with open_system({"counter": virtual}) as system:
        for key in (1, 2, 3, 1, 4, 1, 5):
            await system.ask(Add(key=key))
        await trio.testing.wait_all_tasks_blocked()
        live = {address.key for address in system.addresses() if system.is_live(address)}
        assert live == {1, 4, 5}


async def test_busy_actors_are_not_passivated_by_the_cap(autojump_clock) -> None:
    virtual = Virtual("counter", lambda a: Counter(a), cap=1)
    async with open_system({"counter": virtual}) as system:
        async with trio.open_nursery() as nursery:
            for key in range(4):
                nursery.start_soon(system.ask, Wait(key=key, seconds=1))
        assert trio.current_time() == pytest.approx(1)
        await trio.testing.wait_all_tasks_blocked()
        assert (await system.snapshot()).kinds[0].live == 1


async def test_reload_on_ends_the_incarnation_after_a_refusal(autojump_clock) -> None:
    log = Log()

    class Stale(Counter):
        reload_on = (ValueError,)
        keep_mailbox = (ValueError,)

    async with open_system({"counter": lambda a: Stale(a, log)}) as system:
        await system.ask(Add(amount=5))
        with pytest.raises(ValueError, match="purpose"):
            await system.ask(Crash())
        assert await system.ask(Read()) == 0
        kind = (await system.snapshot()).kinds[0]
        assert (kind.crashes, kind.refused, kind.activations) == (0, 1, 2)


@pytest.mark.parametrize("resident", [False, True])
async def test_children_and_timers_keep_an_actor_from_passivation(
    autojump_clock, resident: bool
) -> None:
    log = Log()

    class Busy(Counter):
        async def on_start(self) -> None:
            if self.address.key == 0:
                self.after(1000, Add(key=0))
            elif self.address.key == 1:
                self.start_soon(trio.sleep, 1000)
            await super().on_start()

    virtual = Virtual("counter", lambda a: Busy(a, log), resident=resident)
    async with open_system({"counter": virtual}) as system:
        for key in range(3):
            await system.ask(Read(key=key))
        await trio.sleep(900)
        assert [system.is_live(Read(key=key).to) for key in range(3)] == [True, True, False]
        await trio.sleep(99.5 + 1)
        assert log.of("add") == [(0, 1)]
        await trio.sleep(700)
        assert not system.is_live(Read(key=0).to)


async def test_a_kind_is_of_one_class(autojump_clock) -> None:
    class Other(Counter):
        pass

    def factory(address: Address) -> Counter:
        return Counter(address) if address.key == 0 else Other(address)

    async with open_system({"counter": factory}) as system:
        await system.ask(Add(key=0))
        with pytest.raises(Unavailable) as caught:
            await system.ask(Add(key=1))
        assert "kind 'counter' is Counter" in str(caught.value)
        assert await system.ask(Add(key=0)) == 2
