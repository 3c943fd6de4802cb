"""Ends that meet: stops, drains, kills and passivations while something else is under way."""

import time

import pytest
import trio

from engine import (
    ActorStopped,
    Address,
    AskCycle,
    Backoff,
    ChildSpec,
    Died,
    MailboxFull,
    MailboxPolicy,
    Supervisor,
    Unavailable,
    Virtual,
    handler,
)
from engine import open_system as open_tree
from engine.testing import open_system
from tests.engine.counters import Add, Counter, CounterCommand, Crash, Log, Read, Wait

HERE = Address("counter", 0)
CHILD = Address("counter", ())


class Do(CounterCommand[object], frozen=True, kw_only=True):
    what: str


class ToChild(CounterCommand[None], frozen=True, kw_only=True):
    what: str = ""
    number: int = 0

    @property
    def to(self) -> Address:
        return CHILD


class Doer(Counter):
    """Ends itself in unusual ways."""

    @handler
    async def do(self, cmd: Do) -> object:
        match cmd.what:
            case "stop twice":
                self.stop()
                self.stop()
            case "await my stop":
                await self.system.stop(self.address)
            case "child that starts another":
                self.start_soon(self.never_alone)
            case "child that sets a timer":
                self.start_soon(self.remind)
            case "child that stops me":
                self.start_soon(self.stop_late)
            case "watch":
                self.watch(Address("counter", 1))
        return None

    async def never_alone(self) -> None:
        try:
            await trio.sleep_forever()
        finally:
            self.start_soon(trio.sleep_forever)

    async def remind(self) -> None:
        try:
            await trio.sleep_forever()
        finally:
            self.after(1, Add())

    async def stop_late(self) -> None:
        try:
            await trio.sleep_forever()
        finally:
            self.stop()

    @handler
    async def died(self, cmd: Died) -> None:
        self.log.add("died", cmd.address.key, cmd.error)


class Child(Doer):
    """A supervised counter whose queue outlives its crashes."""

    keep_mailbox = (ValueError,)
    refusals = (ZeroDivisionError,)

    def __init__(self) -> None:
        super().__init__()

    @handler
    async def to_child(self, cmd: ToChild) -> None:
        match cmd.what:
            case "crash after a long turn":
                time.sleep(0.002)  # noqa: ASYNC251 - longer than a slice: the worker makes way
                raise ValueError
            case "crash":
                raise ValueError
            case "stop twice":
                self.stop()
                self.stop()
            case "wait":
                await trio.sleep(1)


def tree(strategy: str = "one_for_all") -> Supervisor:
    backoff = Backoff(initial=0.001, maximum=0.001, jitter=0.0)
    spec = ChildSpec("counter", Child, backoff=backoff)
    return Supervisor("root", strategy, 1000, backoff=backoff, children=(spec,))


async def test_a_crash_is_heard_of_while_the_worker_makes_way(autojump_clock) -> None:
    """The supervisor's word comes between the end of a turn and the rest of its worker."""
    async with open_tree(tree()) as system:
        for _ in range(20):
            await system.tell(ToChild(what="crash after a long turn"))
            await system.tell(ToChild())
            await trio.sleep(0.1)
            with trio.fail_after(2):
                await system.ask(ToChild())


async def test_a_child_that_crashes_while_it_drains_does_not_hold_the_end_up(
    autojump_clock,
) -> None:
    async with open_tree(tree()) as system:
        for what in ("wait", "crash", "", ""):
            await system.tell(ToChild(what=what))
    assert trio.current_time() < 4


@pytest.mark.parametrize("keep", [False, True])
async def test_an_actor_whose_last_command_crashes_is_through_with_draining(
    autojump_clock, keep: bool
) -> None:
    class Kept(Counter):
        keep_mailbox = (ValueError,) if keep else ()

    async with open_system({"counter": Kept}) as system:
        await system.tell(Wait(seconds=1))
        await system.tell(Crash())
    assert trio.current_time() < 4


async def test_a_stop_reaches_an_actor_at_its_gate(autojump_clock) -> None:
    async def gate(_: Address) -> None:
        await trio.sleep(1)

    kind = Virtual("counter", Counter, gate=gate)
    async with open_system({"counter": kind}) as system, trio.open_nursery() as nursery:
        nursery.start_soon(_stopped, system)
        await trio.testing.wait_all_tasks_blocked()
        with trio.fail_after(5):
            await system.stop(HERE)


async def _stopped(system) -> None:
    with pytest.raises(ActorStopped):
        await system.ask(Add())


async def test_many_may_wait_for_one_stop_also_while_the_tree_ends(autojump_clock) -> None:
    kind = Virtual("counter", Counter, shutdown=30.0)
    async with trio.open_nursery() as outside:
        async with open_system({"counter": kind}) as system:
            await system.tell(Wait(seconds=10))
            await trio.testing.wait_all_tasks_blocked()
            for pause in (0, 0, 1, 2):
                outside.start_soon(_stop_later, system, pause)
            await trio.sleep(0.5)
        with trio.fail_after(1):
            await trio.testing.wait_all_tasks_blocked()
    assert trio.current_time() < 12


async def _stop_later(system, pause: float) -> None:
    await trio.sleep(pause)
    await system.stop(HERE)


async def test_stopping_twice_is_one_end(autojump_clock) -> None:
    async with open_tree(tree(strategy="one_for_one")) as system:
        await system.ask(ToChild(what="stop twice"))
        await trio.sleep(5)
        await system.ask(ToChild())
        assert (await system.snapshot()).supervisors[0].restarts == 1


async def test_an_actor_cannot_wait_for_its_own_end(autojump_clock) -> None:
    async with open_system({"counter": Doer}) as system:
        with trio.fail_after(1), pytest.raises(AskCycle):
            await system.ask(Do(what="await my stop"))


@pytest.mark.parametrize(
    "what", ["child that starts another", "child that sets a timer", "child that stops me"]
)
async def test_what_a_dying_child_task_asks_for_dies_with_it(autojump_clock, what: str) -> None:
    log = Log()
    async with open_system({"counter": lambda a: Doer(a, log)}) as system:
        await system.ask(Do(what=what))
        await trio.testing.wait_all_tasks_blocked()
        with trio.fail_after(1):
            await system.stop(HERE)
            await system.ask(Read())
        await trio.sleep(10)
        assert await system.ask(Read()) == 0
        assert log.of("start") == [(0,), (0,)]


async def test_a_passivation_that_came_too_late_is_repeated(autojump_clock) -> None:
    class Brief(Counter):
        idle_timeout = 1.0

    async with open_system({"counter": Brief}) as system:
        await system.ask(Add())
        core = system._core
        core.post(core.cells[HERE], ("passivate", None))  # the sweep finds it idle ...
        core.cells[HERE].kind.leaving += 1
        core.cells[HERE].bucket = None
        assert await system.ask(Read()) == 1  # ... and this comes first
        await trio.sleep(10)
        assert not system.is_live(HERE)
        assert core.kinds["counter"].leaving == 0


async def test_a_full_actor_does_not_wait_for_room_with_itself(autojump_clock) -> None:
    class Small(Counter):
        mailbox = MailboxPolicy(1)

        @handler
        async def wait(self, cmd: Wait) -> float:
            await trio.sleep(cmd.seconds)
            await self.system.tell(Add())
            return 0.0

    async with open_system({"counter": Small}) as system:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_full, system)
            await trio.testing.wait_all_tasks_blocked()
            await system.tell(Add())
        assert await system.ask(Read()) == 1


async def _full(system) -> None:
    with trio.fail_after(5), pytest.raises(MailboxFull):
        await system.ask(Wait(seconds=1))


async def test_a_watch_is_over_with_its_notice(autojump_clock) -> None:
    log = Log()
    async with open_system({"counter": lambda a: Doer(a, log)}) as system:
        for _ in range(3):
            await system.ask(Add(key=1))
            await system.ask(Do(what="watch"))
            await system.stop(Address("counter", 1))
        await system.ask(Read())
        assert log.of("died") == [(1, None)] * 3
        assert system._core.cells[HERE].extra is None


async def test_a_watched_address_that_does_not_come_to_life_is_told_of(autojump_clock) -> None:
    log = Log()

    class Sickly(Doer):
        async def on_start(self) -> None:
            if self.address.key == 1:
                raise ValueError

    async with open_system({"counter": Virtual("counter", lambda a: Sickly(a, log))}) as system:
        await system.ask(Add())
        with pytest.raises(Unavailable):
            await system.ask(Add(key=1))
        system.tell_nowait(Do(what="watch"))
        system.tell_nowait(Add(key=1))  # there is a cell, but it backs off
        await system.ask(Read())
        assert log.of("died") == [(1, "no incarnation")]
