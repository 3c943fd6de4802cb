"""Supervision as in OTP: strategies, restart rules, intensity, escalation, order of start and stop."""

import pytest
import trio

from engine import (
    Actor,
    ActorStopped,
    Address,
    Backoff,
    ChildSpec,
    Command,
    DefinitionError,
    RestartsExhausted,
    Supervisor,
    Virtual,
    handler,
    open_system,
)
from engine._command import R_co
from tests.engine.counters import Add, Counter, Log, Read

AT_ONCE = Backoff(initial=0.0, jitter=0.0)


class ChildCommand(Command[R_co], frozen=True, kw_only=True):
    child: str

    @property
    def to(self) -> Address:
        return Address(self.child, ())


class Ping(ChildCommand[int], frozen=True, kw_only=True):
    pass


class Die(ChildCommand[None], frozen=True, kw_only=True):
    pass


class Leave(ChildCommand[None], frozen=True, kw_only=True):
    pass


class Doze(ChildCommand[None], frozen=True, kw_only=True):
    seconds: float


class Child(Actor, accepts=ChildCommand):
    """Numbers its incarnations through the log it is given."""

    def __init__(self, log: Log) -> None:
        self.log = log

    async def on_start(self) -> None:
        self.log.add("start", self.address.kind)
        self.number = self.log.of("start").count((self.address.kind,))

    async def on_stop(self) -> None:
        self.log.add("stop", self.address.kind)

    @handler
    async def ping(self, cmd: Ping) -> int:
        return self.number

    @handler
    async def die(self, cmd: Die) -> None:
        message = f"{cmd.child} died"
        raise ValueError(message)

    @handler
    async def leave(self, cmd: Leave) -> None:
        self.stop()

    @handler
    async def doze(self, cmd: Doze) -> None:
        await trio.sleep(cmd.seconds)


def child(log: Log, name: str, **options) -> ChildSpec:
    return ChildSpec(name, lambda: Child(log), backoff=AT_ONCE, **options)


def three(log: Log, strategy: str, **options) -> Supervisor:
    return Supervisor(
        "root", strategy=strategy, children=tuple(child(log, n) for n in "abc"), **options
    )


async def test_children_start_in_order_each_after_the_on_start_of_the_last(autojump_clock) -> None:
    log = Log()

    class Slow(Child):
        async def on_start(self) -> None:
            log.add("begin", self.address.kind)
            await trio.sleep(1)
            await super().on_start()

    children = tuple(ChildSpec(name, lambda: Slow(log)) for name in "abc")
    async with open_system(Supervisor("root", children=children)):
        assert [entry[0] + entry[1] for entry in log.entries] == [
            "begina", "starta", "beginb", "startb", "beginc", "startc",
        ]  # fmt: skip


async def test_shutdown_runs_in_reverse_order_and_drains_each_child(autojump_clock) -> None:
    log = Log()
    async with open_system(three(log, "one_for_one")) as system:
        for name in "abc":
            await system.tell(Doze(child=name, seconds=1))
            await system.tell(Doze(child=name, seconds=1))
    assert log.of("stop") == [("c",), ("b",), ("a",)]
    assert trio.current_time() == pytest.approx(2)


async def test_a_child_that_overruns_its_drain_time_is_cancelled(autojump_clock) -> None:
    log = Log()
    tree = Supervisor("root", children=(child(log, "a"), child(log, "b", shutdown=2.0)))
    async with open_system(tree) as system:
        await system.tell(Doze(child="b", seconds=1000))
        await trio.testing.wait_all_tasks_blocked()
    assert trio.current_time() == pytest.approx(2)
    assert log.of("stop") == [("a",)]


async def test_leaving_by_cancellation_still_drains(autojump_clock) -> None:
    log = Log()
    with trio.move_on_after(5) as scope:
        async with open_system(three(log, "one_for_one")) as system:
            await trio.sleep(4.5)
            await system.tell(Doze(child="a", seconds=2))
            await trio.sleep(100)
    assert scope.cancelled_caught
    assert trio.current_time() == pytest.approx(6.5)
    assert log.of("stop") == [("c",), ("b",), ("a",)]


@pytest.mark.parametrize(
    ("strategy", "restarted", "stopped"),
    [("one_for_one", "b", ""), ("one_for_all", "abc", "ca"), ("rest_for_one", "bc", "c")],
)
async def test_a_strategy_restarts_the_right_siblings(
    autojump_clock, strategy: str, restarted: str, stopped: str
) -> None:
    log = Log()
    async with open_system(three(log, strategy)) as system:
        await system.tell(Die(child="b"))
        await trio.sleep(1)
        numbers = {name: await system.ask(Ping(child=name)) for name in "abc"}
        assert numbers == {name: 1 + (name in restarted) for name in "abc"}
        assert log.of("start")[3:] == [(name,) for name in restarted]
        assert log.of("stop") == [(name,) for name in stopped]


@pytest.mark.parametrize(
    ("restart", "after_crash", "after_leave"),
    [("permanent", 2, 2), ("transient", 2, None), ("temporary", None, None)],
)
async def test_restart_rules(autojump_clock, restart, after_crash, after_leave) -> None:
    for command_type, expected in ((Die, after_crash), (Leave, after_leave)):
        log = Log()
        tree = Supervisor("root", children=(child(log, "a", restart=restart),))
        async with open_system(tree) as system:
            await system.tell(command_type(child="a"))
            await trio.sleep(1)
            if expected is None:
                with pytest.raises(ActorStopped):
                    await system.ask(Ping(child="a"))
            else:
                assert await system.ask(Ping(child="a")) == expected


async def test_too_many_restarts_in_a_period_give_up_with_the_errors_of_the_window(
    autojump_clock,
) -> None:
    log = Log()
    with pytest.raises(RestartsExhausted) as caught:  # noqa: PT012 - the block is cancelled
        async with open_system(three(log, "one_for_one", intensity=2, period=10)) as system:
            for name in "aba":
                await system.tell(Die(child=name))
                await trio.sleep(1)
            await trio.sleep(1000)
    assert trio.current_time() < 10
    assert [str(error) for error in caught.value.exceptions] == ["a died", "b died", "a died"]
    assert log.of("stop") == [("c",), ("b",)]


async def test_restarts_spread_wider_than_the_period_are_tolerated(autojump_clock) -> None:
    log = Log()
    async with open_system(three(log, "one_for_one", intensity=1, period=10)) as system:
        for _ in range(5):
            await system.tell(Die(child="a"))
            await trio.sleep(10.1)
        assert await system.ask(Ping(child="a")) == 6


async def test_a_supervisor_that_gives_up_escalates_to_its_parent(autojump_clock) -> None:
    log = Log()
    inner = Supervisor("inner", intensity=1, period=10, children=(child(log, "b"), child(log, "c")))
    tree = Supervisor("root", intensity=3, children=(child(log, "a"), inner), backoff=AT_ONCE)
    async with open_system(tree) as system:
        await system.tell(Die(child="b"))
        await trio.sleep(1)
        await system.tell(Die(child="b"))
        await trio.sleep(1)
        assert [await system.ask(Ping(child=name)) for name in "abc"] == [1, 3, 2]
        runs = {run.path: run for run in (await system.snapshot()).supervisors}
        assert runs["root"].restarts == 1
        assert "inner" in (runs["root"].last_error or "")


async def test_restarts_back_off_exponentially(autojump_clock) -> None:
    started: list[float] = []

    class Fragile(Child):
        async def on_start(self) -> None:
            started.append(trio.current_time())
            if 1 < len(started) < 5:
                raise ValueError

    backoff = Backoff(initial=1.0, maximum=3.0, jitter=0.0)
    tree = Supervisor("root", children=(ChildSpec("a", lambda: Fragile(Log()), backoff=backoff),))
    async with open_system(tree) as system:
        await system.tell(Die(child="a"))
        await trio.sleep(60)
    assert started == [0, pytest.approx(0), pytest.approx(1), pytest.approx(3), pytest.approx(6)]


def test_jitter_stays_within_its_share() -> None:
    backoff = Backoff(initial=1.0, maximum=8.0, jitter=0.25)
    assert backoff.delay(1, 0.7) == 0
    assert [backoff.delay(n, 0.5) for n in (2, 3, 4, 5, 9)] == [1, 2, 4, 8, 8]
    assert backoff.delay(3, 0.0) == 1.5
    assert backoff.delay(3, 1.0) == 2.5


async def test_a_failing_first_start_stops_what_was_started_and_raises(autojump_clock) -> None:
    log = Log()

    class Broken(Child):
        async def on_start(self) -> None:
            message = "cannot start"
            raise ValueError(message)

    tree = Supervisor("root", children=(child(log, "a"), ChildSpec("b", lambda: Broken(log))))
    with pytest.raises(ValueError, match="cannot start"):
        async with open_system(tree):
            pytest.fail("the block must not run")
    assert log.of("stop") == [("a",)]


async def test_commands_sent_while_a_child_is_down_wait_for_its_next_incarnation(
    autojump_clock,
) -> None:
    log = Log()
    spec = ChildSpec("a", lambda: Child(log), backoff=Backoff(initial=5.0, jitter=0.0))
    async with open_system(Supervisor("root", children=(spec,))) as system:
        for _ in range(2):
            await system.tell(Die(child="a"))
            await trio.testing.wait_all_tasks_blocked()
        assert await system.ask(Ping(child="a")) == 3
        assert trio.current_time() == pytest.approx(5)


async def test_a_strategy_ends_virtual_siblings_and_keeps_their_commands(autojump_clock) -> None:
    log = Log()
    tree = Supervisor(
        "root",
        strategy="one_for_all",
        children=(child(log, "a"), Virtual("counter", lambda a: Counter(a, log))),
    )
    async with open_system(tree) as system:
        await system.ask(Add(amount=5))
        await system.tell(Die(child="a"))
        await trio.sleep(1)
        assert await system.ask(Read()) == 0
        assert await system.ask(Ping(child="a")) == 2


async def test_the_errors_of_several_child_tasks_surface_whole(autojump_clock) -> None:
    from engine import ActorFailed

    class Parent(Child):
        @handler
        async def ping(self, cmd: Ping) -> int:
            for text in ("one", "two"):
                self.start_soon(self.fail, text)
            await trio.sleep(1)
            return 0

        async def fail(self, text: str) -> None:
            await trio.sleep(0.5)
            raise ValueError(text)

    events: list[ActorFailed] = []
    tree = Supervisor("root", children=(ChildSpec("a", lambda: Parent(Log())),))
    async with open_system(tree) as system:
        with system.subscribe(ActorFailed, events.append):
            await system.ask(Ping(child="a"))
            await trio.sleep(1)
    (event,) = events
    assert isinstance(event.error, ExceptionGroup)
    assert sorted(map(str, event.error.exceptions)) == ["one", "two"]


async def test_the_block_s_own_exception_surfaces_as_itself(autojump_clock) -> None:
    log = Log()
    with pytest.raises(KeyError):
        async with open_system(three(log, "one_for_one")):
            raise KeyError
    assert len(log.of("stop")) == 3


def test_a_malformed_tree_is_refused() -> None:
    log = Log()
    with pytest.raises(DefinitionError, match="two children"):
        Supervisor("root", children=(child(log, "a"), child(log, "a")))
    with pytest.raises(DefinitionError, match="unknown strategy"):
        three(log, "all_for_none")


async def test_names_are_unique_in_the_whole_tree() -> None:
    log = Log()
    tree = Supervisor(
        "root", children=(child(log, "a"), Supervisor("b", children=(child(log, "a"),)))
    )
    with pytest.raises(DefinitionError, match="two children"):
        async with open_system(tree):
            pytest.fail("the block must not run")
