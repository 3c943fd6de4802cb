"""Asking: typed replies, deadlines that travel, cancellation, forwarding, cycles."""

from collections.abc import Sequence

import pytest
import trio

from engine import (
    Actor,
    ActorCrashed,
    ActorStopped,
    Address,
    AskCycle,
    Command,
    DeadlineExceeded,
    NoReply,
    NotAccepted,
    Turn,
    UnknownAddress,
    handler,
)
from engine.testing import open_system
from tests.engine.counters import (
    Add,
    AskOther,
    Batch,
    Counter,
    CounterCommand,
    Crash,
    Log,
    No,
    Pass,
    Read,
    Refuse,
    Wait,
)


async def test_ask_returns_what_the_handler_returns(autojump_clock) -> None:
    async with open_system({"counter": Counter}) as system:
        assert await system.ask(Add(amount=4)) == 4


async def test_a_refusal_is_the_reply_and_the_actor_lives_on(autojump_clock) -> None:
    async with open_system({"counter": Counter}) as system:
        await system.ask(Add())
        with pytest.raises(No):
            await system.ask(Refuse())
        assert await system.ask(Read()) == 1


async def test_a_declared_foreign_exception_is_a_refusal_too(autojump_clock) -> None:
    class Tolerant(Counter):
        refusals = (ValueError,)

    async with open_system({"counter": Tolerant}) as system:
        await system.ask(Add())
        with pytest.raises(ValueError, match="on purpose"):
            await system.ask(Crash())
        assert await system.ask(Read()) == 1


async def test_any_other_exception_crashes_and_the_asker_learns_it(autojump_clock) -> None:
    async with open_system({"counter": Counter}) as system:
        await system.ask(Add())
        with pytest.raises(ActorCrashed) as caught:
            await system.ask(Crash())
        assert isinstance(caught.value.error, ValueError)
        assert await system.ask(Read()) == 0


async def test_an_envelope_whose_deadline_passed_is_not_worked_on(autojump_clock) -> None:
    log = Log()
    async with open_system({"counter": lambda a: Counter(a, log)}) as system:
        await system.tell(Wait(seconds=10))
        with trio.move_on_after(5) as scope:
            await system.ask(Add())
        assert scope.cancelled_caught
        assert await system.ask(Read()) == 0
        assert (await system.snapshot()).kinds[0].expired == 1


async def test_cancelling_an_asker_never_cancels_the_actor(autojump_clock) -> None:
    log = Log()
    async with open_system({"counter": lambda a: Counter(a, log)}) as system:
        with trio.move_on_after(1):
            await system.ask(Wait(seconds=10))
        await system.ask(Read())
    assert log.of("waited") == [(0, 10)]


async def test_a_deadline_follows_nested_asks(autojump_clock) -> None:
    """0 asks 1, which is busy for 100 s; the first asker's 5 s end the inner wait as well."""
    seen: list[float] = []

    class Patient(Counter):
        @handler
        async def ask_other(self, cmd: AskOther) -> int:
            try:
                return await super().ask_other(cmd)
            except DeadlineExceeded:
                seen.append(trio.current_time())
                raise

    async with open_system({"counter": lambda _: Patient()}) as system:
        await system.tell(Wait(key=1, seconds=100))
        with trio.move_on_after(5):
            await system.ask(AskOther(key=0, path=(1,)))
        assert await system.ask(Read(key=0)) == 0
        assert seen == [pytest.approx(5)]


async def test_work_queued_for_an_asker_that_left_is_dropped_along_the_chain(
    autojump_clock,
) -> None:
    log = Log()
    async with open_system({"counter": lambda a: Counter(a, log)}) as system:
        await system.tell(Wait(key=2, seconds=10))
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(system.ask, AskOther(key=0, path=(1, 2)))
                await trio.sleep(1)
                scope.cancel()
        await trio.sleep(20)
        assert (await system.snapshot()).kinds[0].expired == 1
        assert await system.ask(Read(key=0)) == 0  # nobody is stuck


async def test_an_ask_cycle_fails_at_once_with_its_chain(autojump_clock) -> None:
    async with open_system({"counter": Counter}) as system:
        with trio.fail_after(1), pytest.raises(AskCycle) as caught:
            await system.ask(AskOther(key=0, path=(1, 2, 0)))
        assert [address.key for address in caught.value.chain] == [0, 1, 2, 0]
        assert await system.ask(Read()) == 0


async def test_an_actor_that_asks_itself_is_a_cycle(autojump_clock) -> None:
    async with open_system({"counter": Counter}) as system:
        with pytest.raises(AskCycle):
            await system.ask(AskOther(key=3, path=(3,)))


async def test_forward_hands_the_reply_slot_on_and_the_forwarder_goes_on(autojump_clock) -> None:
    async with open_system({"counter": Counter}) as system:
        await system.tell(Wait(key=1, seconds=10))
        replies: list[int] = []

        async def ask() -> None:
            replies.append(await system.ask(Pass(key=0, target=1, amount=7)))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await trio.sleep(1)
            assert await system.ask(Add(key=0, amount=2)) == 2  # not held up by actor 1
        assert replies == [7]


async def test_a_cancelled_asker_of_a_forwarded_command_withdraws_it(autojump_clock) -> None:
    async with open_system({"counter": Counter}) as system:
        await system.tell(Wait(key=1, seconds=10))
        with trio.move_on_after(5):
            await system.ask(Pass(key=0, target=1, amount=7))
        assert await system.ask(Read(key=1)) == 0


async def test_forwarding_to_an_actor_that_waits_for_the_forwarder_is_a_cycle(
    autojump_clock,
) -> None:
    class Relay(Counter):
        @handler
        async def ask_other(self, cmd: AskOther) -> int:
            return await self.system.ask(Pass(key=cmd.path[0], target=0))

    async with open_system({"counter": lambda _: Relay()}) as system:
        with trio.fail_after(1), pytest.raises(AskCycle):
            await system.ask(AskOther(key=0, path=(1,)))


async def test_a_fold_handler_gets_runs_and_replies_to_each(autojump_clock) -> None:
    log = Log()
    async with open_system({"counter": lambda a: Counter(a, log)}) as system:
        await system.tell(Wait(seconds=1))
        await trio.testing.wait_all_tasks_blocked()
        replies: dict[int, int] = {}

        async def ask(number: int) -> None:
            replies[number] = await system.ask(Batch(number=number))

        async with trio.open_nursery() as nursery:
            for number in range(6):
                nursery.start_soon(ask, number)
                await trio.testing.wait_all_tasks_blocked()
    assert log.of("batch") == [((0, 1, 2, 3),), ((4, 5),)]
    assert replies == {number: number * 10 for number in range(6)}


async def test_a_run_ends_at_another_type_of_command(autojump_clock) -> None:
    log = Log()
    async with open_system({"counter": lambda a: Counter(a, log)}) as system:
        for command in (Wait(seconds=1), Batch(number=1), Add(), Batch(number=2)):
            await system.tell(command)
    assert log.of("batch") == [((1,),), ((2,),)]


class Job(Command[int], frozen=True, kw_only=True):
    number: int

    @property
    def to(self) -> Address:
        return Address("worker", 0)


class Worker(Actor):
    """Settles in every way a fold handler may."""

    @handler(fold=10)
    async def jobs(self, turns: Sequence[Turn[Job]]) -> None:
        for turn in turns:
            if turn.command.number == 0:
                turn.fail(No())
            elif turn.command.number == 1:
                turn.forward(Add(key=99, amount=5))
            elif turn.command.number == 2:
                turn.defer()
                self.start_soon(self.later, turn)

    async def later(self, turn: Turn[Job]) -> None:
        await trio.sleep(3)
        turn.reply(turn.command.number)


JOBS = {"counter": Counter, "worker": lambda _: Worker()}


async def test_turns_fail_forward_and_defer_each_on_their_own(autojump_clock) -> None:
    async with open_system(JOBS) as system:
        with pytest.raises(No):
            await system.ask(Job(number=0))
        assert await system.ask(Job(number=1)) == 5
        assert await system.ask(Job(number=2)) == 2
        assert trio.current_time() == pytest.approx(3)
        with pytest.raises(NoReply):
            await system.ask(Job(number=3))


async def test_a_deferred_turn_is_failed_when_its_incarnation_ends(autojump_clock) -> None:
    async with open_system(JOBS) as system:
        caught: list[BaseException] = []

        async def ask() -> None:
            try:
                await system.ask(Job(number=2))
            except ActorStopped as error:
                caught.append(error)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await trio.sleep(1)
            await system.stop(Job(number=0).to)
        assert len(caught) == 1


async def test_reentrant_reads_interleave_with_a_waiting_handler(autojump_clock) -> None:
    class Peek(CounterCommand[int], frozen=True, kw_only=True):
        pass

    class Peekable(Counter):
        @handler(reentrant=True)
        async def peek(self, cmd: Peek) -> int:
            await trio.sleep(0.1)
            return self.count

    async with open_system({"counter": lambda _: Peekable()}) as system:
        await system.ask(Add())
        await system.tell(Wait(seconds=10))
        await trio.testing.wait_all_tasks_blocked()
        assert await system.ask(Peek()) == 1
        assert trio.current_time() < 1
        await system.tell(Add())  # queued: a later read stays behind it
        assert await system.ask(Peek()) == 2
        assert trio.current_time() >= 10


async def test_an_unknown_command_and_an_unknown_address_say_so(autojump_clock) -> None:
    async with open_system({"counter": lambda _: Worker()}) as system:
        with pytest.raises(NotAccepted):
            await system.ask(Add())
    async with open_system({}) as system:
        with pytest.raises(UnknownAddress):
            await system.ask(Add())


async def test_an_actor_may_fail_all_queued_commands_of_a_type(autojump_clock) -> None:
    class Failing(Counter):
        @handler
        async def wait(self, cmd: Wait) -> float:
            await trio.sleep(cmd.seconds)
            return float(self.fail_queued(Add, No()))

    async with open_system({"counter": lambda _: Failing()}) as system:
        refused: list[int] = []
        failed: list[float] = []

        async def add(amount: int) -> None:
            try:
                await system.ask(Add(amount=amount))
            except No:
                refused.append(amount)

        async def wait() -> None:
            failed.append(await system.ask(Wait(seconds=1)))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            await trio.testing.wait_all_tasks_blocked()
            for amount in range(3):
                nursery.start_soon(add, amount)
        assert sorted(refused) == [0, 1, 2]
        assert failed == [3.0]
        assert await system.ask(Read()) == 0
