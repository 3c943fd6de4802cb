"""Restart intensity, strategies and restart rules against a model, as a state machine.

A rule only extends the program and moves the model on; at the end of an example the whole program
runs against a real system on the mock clock and must have gone the way the model says.
"""

import pytest
import trio
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from trio.testing import MockClock

from engine import ActorStopped, RestartsExhausted, Supervisor, open_system
from tests.engine.counters import Log
from tests.engine.test_supervision import Die, Leave, Ping, child

STEP = 0.01


class Model:
    """What OTP's supervisor would do."""

    def __init__(self, strategy: str, rules: tuple[str, ...], intensity: int, period: float):
        self.strategy, self.rules = strategy, rules
        self.intensity, self.period = intensity, period
        self.numbers: list[int | None] = [1] * len(rules)
        self.started = [1] * len(rules)
        self.restarts: list[float] = []
        self.now = 0.0
        self.gave_up = False

    def end(self, index: int, *, crashed: bool) -> None:
        if self.numbers[index] is None:
            return
        kind = self.rules[index]
        if kind == "temporary" or (kind == "transient" and not crashed):
            self.numbers[index] = None
            return
        self.restarts.append(self.now)
        recent = [at for at in self.restarts if at > self.now - self.period]
        if len(recent) > self.intensity:
            self.gave_up = True
            return
        for each in self.affected(index):
            if self.rules[each] == "temporary":
                self.numbers[each] = None
            else:
                self.started[each] += 1
                self.numbers[each] = self.started[each]

    def affected(self, index: int) -> range:
        count = len(self.rules)
        return {
            "one_for_one": range(index, index + 1),
            "one_for_all": range(count),
            "rest_for_one": range(index, count),
        }[self.strategy]


class SupervisionMachine(RuleBasedStateMachine):
    @initialize(
        strategy=st.sampled_from(["one_for_one", "one_for_all", "rest_for_one"]),
        rules=st.lists(
            st.sampled_from(["permanent", "transient", "temporary"]), min_size=1, max_size=4
        ),
        intensity=st.integers(0, 4),
        period=st.sampled_from([1.0, 5.0, 20.0]),
    )
    def begin(self, strategy: str, rules: list[str], intensity: int, period: float) -> None:
        self.model = Model(strategy, tuple(rules), intensity, period)
        self.program: list[tuple[str, float]] = []
        self.expected: list[list[int | None]] = []

    def running(self) -> bool:
        return not self.model.gave_up

    def note(self, action: str, argument: float) -> None:
        self.program.append((action, argument))
        self.expected.append(list(self.model.numbers))

    @precondition(running)
    @rule(index=st.integers(0, 3), crashed=st.booleans())
    def end(self, index: int, crashed: bool) -> None:
        index %= len(self.model.rules)
        self.model.end(index, crashed=crashed)
        self.note("crash" if crashed else "leave", index)
        self.model.now += STEP

    @precondition(running)
    @rule(seconds=st.sampled_from([0.5, 1.5, 6.0, 25.0]))
    def sleep(self, seconds: float) -> None:
        self.model.now += seconds
        self.note("sleep", seconds)
        self.model.now += STEP

    @precondition(lambda self: not self.running())
    @rule()
    def nothing_more(self) -> None:
        """A system that gave up is over."""

    def teardown(self) -> None:
        if hasattr(self, "model"):
            trio.run(self.replay, clock=MockClock(autojump_threshold=0))

    async def replay(self) -> None:
        log, model = Log(), self.model
        names = "abcd"[: len(model.rules)]
        children = tuple(
            child(log, name, restart=kind) for name, kind in zip(names, model.rules, strict=True)
        )
        tree = Supervisor(
            "root",
            strategy=model.strategy,
            intensity=model.intensity,
            period=model.period,
            children=children,
        )
        seen: list[list[int | None]] = []
        failures = 0
        try:
            async with open_system(tree) as system:
                for action, argument in self.program:
                    if action == "sleep":
                        await trio.sleep(argument)
                    else:
                        command = Die if action == "crash" else Leave
                        try:
                            system.tell_nowait(command(child=names[int(argument)]))
                        except ActorStopped:
                            assert seen[-1][int(argument)] is None
                    await trio.sleep(STEP)
                    seen.append([await self.number(system, name) for name in names])
        except RestartsExhausted as error:
            failures = len(error.exceptions)
        assert failures == (model.intensity + 1 if model.gave_up else 0)
        assert seen == (self.expected[:-1] if model.gave_up else self.expected)

    async def number(self, system, name: str) -> int | None:
        try:
            return await system.ask(Ping(child=name))
        except ActorStopped:
            return None


OPTIONS = settings(
    max_examples=200,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


class TestSupervisionFollowsTheModel(SupervisionMachine.TestCase):
    settings = OPTIONS


@pytest.mark.prove
class TestSupervisionFollowsTheModelAtLength(SupervisionMachine.TestCase):
    settings = settings(OPTIONS, max_examples=10_000)
