"""Timers, child tasks, watches and poison commands."""

from contextvars import ContextVar

import pytest
import trio

from engine import (
    Actor,
    ActorCrashed,
    Address,
    CommandParked,
    Died,
    MailboxPolicy,
    Parked,
    ParkedCommand,
    Virtual,
    handler,
)
from engine.testing import open_system
from tests.engine.counters import Add, Counter, CounterCommand, Crash, Log, Read, Wait


class Start(CounterCommand[None], frozen=True, kw_only=True):
    what: str


class Busy(Counter):
    """Starts timers and child tasks on demand."""

    @handler
    async def start(self, cmd: Start) -> None:
        match cmd.what:
            case "after":
                self.after(5, Add())
            case "every":
                self.ticker = self.every(2, Add())
            case "cancel":
                self.ticker.cancel()
            case "child":
                self.start_soon(self.run)
            case "crashing child":
                self.start_soon(self.fail)

    async def run(self) -> None:
        try:
            await trio.sleep_forever()
        finally:
            self.log.add("child ended")

    async def fail(self) -> None:
        await trio.sleep(1)
        message = "child failed"
        raise ValueError(message)


async def test_a_one_shot_timer_fires_once(autojump_clock) -> None:
    async with open_system({"counter": Busy}) as system:
        await system.ask(Start(what="after"))
        await trio.sleep(4.9)
        assert await system.ask(Read()) == 0
        await trio.sleep(20)
        assert await system.ask(Read()) == 1


async def test_a_periodic_timer_fires_without_drift_until_cancelled(autojump_clock) -> None:
    async with open_system({"counter": Busy}) as system:
        await system.ask(Start(what="every"))
        await trio.sleep(20.5)
        assert await system.ask(Read()) == 10
        await system.ask(Start(what="cancel"))
        await trio.sleep(20)
        assert await system.ask(Read()) == 10


@pytest.mark.parametrize("end", ["stop", "crash"])
async def test_timers_and_child_tasks_die_with_their_incarnation(autojump_clock, end: str) -> None:
    log = Log()
    async with open_system({"counter": lambda a: Busy(a, log)}) as system:
        for what in ("after", "every", "child"):
            await system.ask(Start(what=what))
        if end == "stop":
            await system.stop(Read().to)
        else:
            await system.tell(Crash())
        await trio.sleep(20)
        assert await system.ask(Read()) == 0
    assert log.of("child ended") == [()]
    assert log.of("add") == []


async def test_a_timer_that_finds_the_mailbox_full_still_fires_later(autojump_clock) -> None:
    class Tight(Busy):
        mailbox = MailboxPolicy(1)

    async with open_system({"counter": Tight}) as system:
        await system.ask(Start(what="after"))
        await system.tell(Wait(seconds=10))
        await trio.testing.wait_all_tasks_blocked()
        await system.tell(Read())
        await trio.sleep(11)
        assert await system.ask(Read()) == 1


async def test_a_crash_of_a_child_task_crashes_its_actor(autojump_clock) -> None:
    async with open_system({"counter": Busy}) as system:
        await system.ask(Add())
        await system.ask(Start(what="crashing child"))
        assert await system.ask(Read()) == 1
        await trio.sleep(2)
        assert await system.ask(Read()) == 0
        assert (await system.snapshot()).kinds[0].crashes == 1


class Watch(CounterCommand[None], frozen=True, kw_only=True):
    target: int
    off: bool = False


class Watcher(Counter):
    @handler
    async def watch_other(self, cmd: Watch) -> None:
        address = Address("counter", cmd.target)
        if cmd.off:
            self.unwatch(address)
        else:
            self.watch(address)

    @handler
    async def died(self, cmd: Died) -> None:
        self.log.add("died", cmd.address.key, cmd.error)


async def test_watchers_learn_of_a_crash_a_stop_and_an_absence(autojump_clock) -> None:
    log = Log()
    async with open_system({"counter": lambda a: Watcher(a, log)}) as system:
        for target in (1, 2):
            await system.ask(Add(key=target))
        for target in (1, 2, 3):
            await system.ask(Watch(target=target))
        await system.tell(Crash(key=1))
        await system.stop(Address("counter", 2))
        await trio.testing.wait_all_tasks_blocked()
    assert dict(log.of("died")) == {
        1: "ValueError('crashed on purpose')",
        2: None,
        3: "no incarnation",
    }


async def test_an_unwatched_death_is_not_reported(autojump_clock) -> None:
    log = Log()
    async with open_system({"counter": lambda a: Watcher(a, log)}) as system:
        await system.ask(Add(key=1))
        await system.ask(Watch(target=1))
        await system.ask(Watch(target=1, off=True))
        await system.stop(Address("counter", 1))
        await trio.testing.wait_all_tasks_blocked()
    assert log.of("died") == []


async def test_a_poison_command_is_parked_after_n_crashes_before_it_is_answered(
    autojump_clock,
) -> None:
    durable: list[ParkedCommand] = []
    events: list[CommandParked] = []

    async def park(parked: ParkedCommand) -> None:
        await trio.sleep(1)
        durable.append(parked)

    async with open_system({"counter": Counter}, parked=park) as system:
        with system.subscribe(CommandParked, events.append):
            for _ in range(Counter.park_after - 1):
                with pytest.raises(ActorCrashed):
                    await system.ask(Crash(note="poison"))
            with pytest.raises(ActorCrashed):
                await system.ask(Crash(note="another"))
            with pytest.raises(Parked):
                await system.ask(Crash(note="poison"))
        (parked,) = durable
        assert parked.command == Crash(note="poison")
        assert parked.address == Crash().to
        assert parked.crashes == Counter.park_after
        assert parked.error.__traceback__ is not None
        assert len(events) == 1
        assert len(system.parked) == 1


async def test_a_command_that_could_not_be_parked_is_not_acknowledged(autojump_clock) -> None:
    async def park(_: ParkedCommand) -> None:
        raise OSError

    class Once(Counter):
        park_after = 1

    async with open_system({"counter": Once}, parked=park) as system:
        with pytest.raises(ActorCrashed):
            await system.ask(Crash())


async def test_a_failing_on_stop_is_reported_and_ends_the_incarnation(autojump_clock) -> None:
    class Clumsy(Counter):
        async def on_stop(self) -> None:
            raise ValueError

    async with open_system({"counter": Clumsy}) as system:
        await system.ask(Add())
        await system.stop(Read().to)
        assert await system.ask(Read()) == 0
        actor = (await system.snapshot()).actors[0]
        assert actor.last_error == "ValueError()"


async def test_an_actor_object_is_an_ordinary_object() -> None:
    assert isinstance(Counter(), Actor)
    assert not hasattr(Counter(), "address")


WHOSE: ContextVar[str] = ContextVar("whose", default="nobody's")


class Whose(CounterCommand[str], frozen=True, kw_only=True):
    pass


class Speaker(Actor):
    @handler
    async def whose(self, cmd: Whose) -> str:
        await trio.lowlevel.checkpoint()
        return WHOSE.get()


@pytest.mark.parametrize("resident", [False, True])
async def test_actors_do_not_speak_in_the_name_of_whoever_woke_them(resident: bool) -> None:
    counter = Virtual("counter", lambda _: Speaker(), resident=resident)
    async with open_system({"counter": counter}) as system:
        WHOSE.set("mine")
        async with trio.open_nursery() as nursery:
            for key in range(3):
                nursery.start_soon(system.ask, Whose(key=key))
        assert [await system.ask(Whose(key=key)) for key in range(3)] == ["nobody's"] * 3
