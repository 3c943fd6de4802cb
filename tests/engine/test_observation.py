"""Dead letters, events, snapshots, slow handlers, tracing: nothing happens unseen."""

import pytest
import trio

from engine import ActorStopped, DeadLetter, Event, SlowCommand
from engine.testing import Probe, open_system
from tests.engine.counters import Add, Counter, Crash, Log, No, Read, Refuse, Wait


class Happened(Event, frozen=True, kw_only=True):
    number: int


class HappenedTwice(Happened, frozen=True, kw_only=True):
    pass


async def test_dead_letters_are_counted_and_sampled(autojump_clock) -> None:
    async with open_system({"counter": Counter}) as system:
        await system.tell(Wait(seconds=1))
        await trio.testing.wait_all_tasks_blocked()
        for amount in range(200):
            await system.tell(Add(amount=amount))
        await system.stop(Add().to)
        dead = system.dead_letters
        assert dead.total == dead.by_reason["stopped"] == 200
        latest = dead.latest("stopped")
        assert len(latest) == 64
        assert latest[-1] == DeadLetter(
            address=Add().to, command=Add(amount=199), reason="stopped", at=latest[-1].at
        )


async def test_subscribers_get_events_of_their_class_and_below() -> None:
    got: list[Event] = []
    async with open_system({}) as system:
        with system.subscribe(Happened, got.append):
            system.publish(Happened(number=1))
            system.publish(HappenedTwice(number=2))
        system.publish(Happened(number=3))
    assert got == [Happened(number=1), HappenedTwice(number=2)]


async def test_a_full_event_queue_drops_the_oldest_and_counts() -> None:
    async with open_system({}) as system:
        with system.stream(Happened, capacity=2) as queue:
            for number in range(5):
                system.publish(Happened(number=number))
            assert [(await queue.next()).number for _ in range(2)] == [3, 4]
            assert queue.dropped == 3


async def test_a_broken_subscriber_breaks_nothing() -> None:
    got: list[Event] = []

    def broken(event: Event) -> None:
        raise ValueError

    async with open_system({}) as system:
        with system.subscribe(Happened, broken), system.subscribe(Happened, got.append):
            system.publish(Happened(number=1))
    assert len(got) == 1


async def test_snapshot_tells_state_depth_counts_and_errors(autojump_clock) -> None:
    async with open_system({"counter": Counter}) as system:
        for _ in range(5):
            await system.ask(Add(key=1))
        await system.tell(Crash(key=2))
        with pytest.raises(No):
            await system.ask(Refuse(key=3))
        await system.tell(Wait(key=4, seconds=50))
        await trio.testing.wait_all_tasks_blocked()
        await system.tell(Add(key=4))
        snapshot = await system.snapshot()
        (kind,) = snapshot.kinds
        assert (kind.handled, kind.crashes, kind.refused, kind.queued) == (7, 1, 1, 1)
        assert 0 < kind.p50 <= kind.p99
        actors = {actor.key: actor for actor in snapshot.actors}
        assert actors[1].handled == 5
        assert actors[4].state == "waiting"
        assert actors[4].current == "Wait"
        assert actors[4].depth == 1
        await system.ask(Read(key=2))
        page = await system.snapshot("counter", limit=1, order="restarts")
        assert page.total_actors == 4
        assert page.actors[0].key == 2
        assert page.actors[0].restarts == 1
        assert page.actors[0].last_error == "ValueError('crashed on purpose')"


async def test_snapshot_pages_through_many_actors(autojump_clock) -> None:
    async with open_system({"counter": Counter}) as system:
        for key in range(1000):
            await system.tell(Add(key=key))
        await trio.testing.wait_all_tasks_blocked()
        keys: list[object] = []
        for offset in range(0, 1000, 300):
            page = await system.snapshot(limit=300, offset=offset, order="handled")
            keys += [actor.key for actor in page.actors]
        assert sorted(keys) == list(range(1000))


async def test_slow_commands_are_published() -> None:
    class Slow(Counter):
        slow = 0.0

    events: list[SlowCommand] = []
    async with open_system({"counter": Slow}) as system:
        with system.subscribe(SlowCommand, events.append):
            await system.ask(Wait(seconds=0.001))
    assert events[0].command == Wait(seconds=0.001)
    assert events[0].seconds > 0


async def test_the_trace_hook_sees_every_command_and_its_outcome(autojump_clock) -> None:
    seen: list[tuple[str, str]] = []

    def trace(address, item, error) -> None:
        command = getattr(item, "command", item)
        seen.append((type(command).__name__, type(error).__name__))

    async with open_system({"counter": Counter}, trace=trace) as system:
        await system.ask(Add())
        await system.tell(Crash())
        await system.tell(Add())
    assert seen == [("Add", "NoneType"), ("Crash", "ValueError")]


async def test_a_closed_system_refuses_commands(autojump_clock) -> None:
    async with open_system({"counter": Counter}) as system:
        await system.ask(Add())
    with pytest.raises(ActorStopped):
        system.tell_nowait(Add())
    with pytest.raises(ActorStopped):
        system.tell_nowait(Add(key=77))


async def test_a_ref_survives_passivation_and_restart(autojump_clock) -> None:
    log = Log()
    async with open_system({"counter": lambda a: Counter(a, log)}) as system:
        ref = system.ref(Add().to)
        ref.tell_nowait(Add())
        await trio.sleep(Counter.idle_timeout + 1)
        ref.tell_nowait(Crash())
        await trio.testing.wait_all_tasks_blocked()
        ref.tell_nowait(Add(amount=2))
        assert await system.ask(Read()) == 2
    assert len(log.of("start")) == 3


async def test_a_probe_records_and_answers() -> None:
    probe = Probe(reply=7)
    async with open_system({"counter": probe.actor}) as system:
        probe.answer(1, ValueError("no"))
        assert await system.ask(Add()) == 1
        assert await probe.expect(Add) == Add()
        await system.tell(Read(key=5))
        assert await probe.expect(Read) == Read(key=5)
        probe.expect_nothing()
        assert await system.ask(Add()) == 7
        with pytest.raises(AssertionError, match="expected Read"):
            await probe.expect(Read)
