"""Mailboxes: order, bounds, the three policies, and no command twice or lost."""

import pytest
import trio

from engine import ActorStopped, MailboxFull, MailboxPolicy, Virtual, handler
from engine._cell import SINGLE
from engine.testing import open_system
from tests.engine.counters import Add, Counter, Crash, Log, No, Read, Refuse, Wait


def bounded(capacity: int, overflow: str, log: Log):
    class Bounded(Counter):
        mailbox = MailboxPolicy(capacity, overflow)

    return lambda address: Bounded(address, log)


async def test_commands_of_one_sender_are_handled_in_order(autojump_clock) -> None:
    log = Log()
    async with open_system({"counter": bounded(4, "backpressure", log)}) as system:

        async def sender(number: int) -> None:
            for step in range(20):
                await system.tell(Add(amount=number * 100 + step))
                if step % 7 == 0:
                    await trio.sleep(0.01)

        async with trio.open_nursery() as nursery:
            for number in range(5):
                nursery.start_soon(sender, number)
        await system.ask(Read())
    handled = [amount for _, amount in log.of("add")]
    assert len(handled) == len(set(handled)) == 100
    for number in range(5):
        mine = [amount for amount in handled if amount // 100 == number]
        assert mine == sorted(mine)


async def test_one_command_is_handled_at_a_time_while_its_handler_awaits(autojump_clock) -> None:
    async with open_system({"counter": Counter}) as system:
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(system.ask, Wait(seconds=1))
        assert trio.current_time() == pytest.approx(5)


async def test_backpressure_makes_tell_wait_for_room(autojump_clock) -> None:
    log = Log()
    async with open_system({"counter": bounded(2, "backpressure", log)}) as system:
        await system.tell(Wait(seconds=10))
        await trio.testing.wait_all_tasks_blocked()
        for amount in (1, 2):
            await system.tell(Add(amount=amount))
        with pytest.raises(MailboxFull):
            system.tell_nowait(Add(amount=9))
        before = trio.current_time()
        await system.tell(Add(amount=3))
        assert trio.current_time() - before == pytest.approx(10)
        assert await system.ask(Read()) == 6
    assert [amount for _, amount in log.of("add")] == [1, 2, 3]


async def test_a_sender_cancelled_in_line_hands_nothing_over(autojump_clock) -> None:
    log = Log()
    async with open_system({"counter": bounded(1, "backpressure", log)}) as system:
        await system.tell(Wait(seconds=10))
        await trio.testing.wait_all_tasks_blocked()
        await system.tell(Add(amount=1))
        with trio.move_on_after(5) as scope:
            await system.tell(Add(amount=2))
        assert scope.cancelled_caught
        assert await system.ask(Read()) == 1


async def test_reject_refuses_when_full(autojump_clock) -> None:
    async with open_system({"counter": bounded(1, "reject", Log())}) as system:
        await system.tell(Wait(seconds=10))
        await trio.testing.wait_all_tasks_blocked()
        await system.tell(Add())
        with pytest.raises(MailboxFull):
            await system.tell(Add())
        with pytest.raises(MailboxFull):
            await system.ask(Read())
        kind = (await system.snapshot()).kinds[0]
        assert kind.dropped == 2


async def test_drop_oldest_makes_room_and_counts(autojump_clock) -> None:
    log = Log()
    async with open_system({"counter": bounded(2, "drop_oldest", log)}) as system:
        await system.tell(Wait(seconds=10))
        await trio.testing.wait_all_tasks_blocked()
        failed: list[BaseException] = []

        async def oldest() -> None:
            try:
                await system.ask(Read())
            except MailboxFull as error:
                failed.append(error)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(oldest)
            await trio.testing.wait_all_tasks_blocked()
            for amount in (1, 2, 3):
                await system.tell(Add(amount=amount))
        assert len(failed) == 1
        assert await system.ask(Read()) == 3  # itself dropped Add(2)
        assert (await system.snapshot()).kinds[0].dropped == 3
        letters = system.dead_letters.latest("dropped")
        assert [letter.command for letter in letters] == [Add(amount=1), Add(amount=2)]


async def test_a_stop_overtakes_queued_commands(autojump_clock) -> None:
    log = Log()
    async with open_system({"counter": lambda a: Counter(a, log)}) as system:
        await system.tell(Wait(seconds=1))
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(3):
            await system.tell(Add())
        await system.stop(Add().to)
        assert log.of("waited") == [(0, 1)]
        assert log.of("add") == []
        assert log.of("stop") == [(0,)]
        assert system.dead_letters.by_reason["stopped"] == 3


async def test_a_stopped_actor_answers_its_waiting_askers(autojump_clock) -> None:
    async with open_system({"counter": Counter}) as system:
        await system.tell(Wait(seconds=1))
        outcomes: list[BaseException] = []

        async def asker() -> None:
            try:
                await system.ask(Read())
            except ActorStopped as error:
                outcomes.append(error)

        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(asker)
            await trio.testing.wait_all_tasks_blocked()
            await system.stop(Read().to)
        assert len(outcomes) == 3


async def test_depth_and_age_are_observable(autojump_clock) -> None:
    async with open_system({"counter": Counter}) as system:
        await system.tell(Wait(seconds=100))
        await trio.testing.wait_all_tasks_blocked()
        await trio.sleep(10)
        for _ in range(3):
            await system.tell(Add())
        await trio.sleep(5)
        actor = (await system.snapshot()).actors[0]
        assert system.depth(Add().to) == actor.depth == 3
        assert 5 <= actor.age <= 15.01
        assert actor.state == "waiting"
        assert actor.current == "Wait"


async def test_queued_commands_are_handled_before_shutdown(autojump_clock) -> None:
    log = Log()
    async with open_system({"counter": lambda a: Counter(a, log)}) as system:
        for key in range(10):
            for _ in range(5):
                await system.tell(Wait(key=key, seconds=0.1))
                await system.tell(Add(key=key))
    assert len(log.of("add")) == 50
    assert len(log.of("stop")) == 10


async def test_a_drain_that_takes_too_long_is_cancelled(autojump_clock) -> None:
    log = Log()
    virtual = Virtual("counter", lambda a: Counter(a, log), shutdown=3.0)
    async with open_system({"counter": virtual}) as system:
        await system.tell(Wait(seconds=1000))
        await system.tell(Add())
        await trio.testing.wait_all_tasks_blocked()
    assert trio.current_time() == pytest.approx(3.0)
    assert log.of("add") == []
    assert system.dead_letters.by_reason["cancelled"] == 1
    assert system.dead_letters.by_reason["stopped"] == 1


@pytest.mark.parametrize("keep", [False, True])
async def test_a_mailbox_survives_a_crash_only_where_declared(autojump_clock, keep: bool) -> None:
    log = Log()

    class Keeper(Counter):
        keep_mailbox = (ValueError,) if keep else ()

    async with open_system({"counter": lambda a: Keeper(a, log)}) as system:
        for command in (Wait(seconds=1), Add(), Crash(), Add(amount=5), Add(amount=6)):
            await system.tell(command)
        await trio.sleep(2)
        assert await system.ask(Read()) == (11 if keep else 0)
        assert system.dead_letters.by_reason["actor crashed"] == (1 if keep else 3)


async def test_a_single_command_needs_no_queue_and_a_burst_leaves_none() -> None:
    async with open_system({"counter": Counter}) as system:
        for key in range(100):
            system.tell_nowait(Add(key=key, amount=1))
        cells = system._core.cells.values()
        assert all(cell.queue is SINGLE and cell.depth() == 1 for cell in cells)
        for key in range(100):
            system.tell_nowait(Add(key=key, amount=1))
        assert all(cell.queue is not SINGLE and cell.depth() == 2 for cell in cells)
        for key in range(100):
            assert await system.ask(Read(key=key)) == 2
        await trio.testing.wait_all_tasks_blocked()
        assert all(cell.queue is None and cell.depth() == 0 for cell in cells)


async def test_a_handler_that_never_waits_may_fail_all_that_is_queued() -> None:
    class Failing(Counter):
        @handler
        async def refuse(self, cmd: Refuse) -> None:
            self.count += 100 * self.fail_queued(Add, No())

    async with open_system({"counter": lambda _: Failing()}) as system:
        system.tell_nowait(Refuse())
        for _ in range(3):
            system.tell_nowait(Add())
        assert await system.ask(Read()) == 300
        assert system.dead_letters.by_reason["failed queued"] == 3


async def test_reads_may_take_the_rest_of_a_turn_from_a_waiting_handler(autojump_clock) -> None:
    class Peekable(Counter):
        @handler(reentrant=True)
        async def read(self, cmd: Read) -> int:
            return self.count

    async with open_system({"counter": lambda _: Peekable()}) as system:
        system.tell_nowait(Wait(seconds=1))
        for _ in range(3):
            system.tell_nowait(Read())
        await trio.sleep(2)
        assert await system.ask(Add()) == 1
