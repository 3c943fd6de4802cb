"""Activation, passivation, cap and budgets of virtual actors against a model, as a state machine.

As in `test_supervision_model`: rules build a program and move the model on, the program then runs
against a real system on the mock clock.
"""

import pytest
import trio
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from trio.testing import MockClock

from engine import ActorCrashed, Backoff, RestartBudget, Unavailable, Virtual
from engine.testing import open_system
from tests.engine.counters import Add, Counter, Crash, Log, Read

IDLE = 10.0
LATE = 0.6  # the sweep may come this much after the time-out
STEP = 0.01
BUDGET = RestartBudget(1, per=30.0, backoff=Backoff(initial=4.0, maximum=20.0, jitter=0.0))


class Model:
    """One address: its count while it lives, its crashes, until when it backs off."""

    def __init__(self) -> None:
        self.count: int | None = None
        self.used = 0.0
        self.crashes: list[float] = []
        self.until = 0.0

    def add(self, now: float) -> object:
        if self.count is None:
            if now < self.until:
                return "unavailable"
            self.count = 0
        self.count += 1
        self.used = now
        return self.count

    def crash(self, now: float) -> object:
        if self.count is None and now < self.until:
            return "unavailable"
        self.count = None
        self.crashes = [at for at in self.crashes if at > now - BUDGET.per] + [now]
        excess = len(self.crashes) - BUDGET.restarts
        if excess > 0:
            self.until = now + BUDGET.backoff.delay(excess + 1, 0.5)
        return "crashed"


class Leaver(Counter):
    idle_timeout = IDLE


class VirtualMachine(RuleBasedStateMachine):
    @initialize(cap=st.sampled_from([None, 1, 2]), resident=st.booleans())
    def begin(self, cap: int | None, resident: bool) -> None:
        self.cap, self.resident = cap, resident
        self.program: list[tuple[str, float]] = []

    @rule(key=st.integers(0, 3))
    def add(self, key: int) -> None:
        self.program.append(("add", key))

    @rule(key=st.integers(0, 3))
    def crash(self, key: int) -> None:
        self.program.append(("crash", key))

    @rule(key=st.integers(0, 3))
    def stop(self, key: int) -> None:
        self.program.append(("stop", key))

    @rule(seconds=st.sampled_from([0.5, 4.1, 11.0, 31.0]))
    def sleep(self, seconds: float) -> None:
        self.program.append(("sleep", seconds))

    def teardown(self) -> None:
        if hasattr(self, "program"):
            trio.run(self.replay, clock=MockClock(autojump_threshold=0))

    async def replay(self) -> None:
        log = Log()
        virtual = Virtual(
            "counter",
            lambda address: Leaver(address, log),
            budget=BUDGET,
            cap=self.cap,
            resident=self.resident,
        )
        models = {key: Model() for key in range(4)}
        async with open_system({"counter": virtual}) as system:
            for action, argument in self.program:
                now = trio.current_time()
                if action == "sleep":
                    await trio.sleep(argument)
                elif action == "stop":
                    await system.stop(Read(key=int(argument)).to)
                    models[int(argument)].count = None
                else:
                    model = models[int(argument)]
                    expected = model.add(now) if action == "add" else model.crash(now)
                    assert await self.act(system, action, int(argument)) == expected
                    if expected != "unavailable":
                        self.make_room(models, model)
                await trio.sleep(STEP)
                self.check(system, models)
        starts = len(log.of("start"))
        crashes = system._core.kinds["counter"].stats.crashes
        assert starts == len(log.of("stop")) + crashes

    async def act(self, system, action: str, key: int) -> object:
        try:
            if action == "add":
                return await system.ask(Add(key=key))
            await system.ask(Crash(key=key, note=str(trio.current_time())))
        except ActorCrashed:
            return "crashed"
        except Unavailable:
            return "unavailable"

    def make_room(self, models: dict[int, Model], active: Model) -> None:
        """An activation beyond the cap costs the others used least recently their place."""
        others = sorted(
            (m for m in models.values() if m.count is not None and m is not active),
            key=lambda m: m.used,
        )
        if self.cap is not None:
            for model in others[: max(0, len(others) + 1 - self.cap)]:
                model.count = None

    def check(self, system, models: dict[int, Model]) -> None:
        now = trio.current_time()
        for key, model in models.items():
            live = system.is_live(Read(key=key).to)
            idle = now - model.used
            if model.count is not None and idle >= IDLE + LATE:
                model.count = None
            elif model.count is not None and idle >= IDLE and not live:
                model.count = None  # within the sweep's slack either is right
        for key, model in models.items():
            assert system.is_live(Read(key=key).to) == (model.count is not None), key


OPTIONS = settings(
    max_examples=200,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


class TestVirtualActorsFollowTheModel(VirtualMachine.TestCase):
    settings = OPTIONS


@pytest.mark.prove
class TestVirtualActorsFollowTheModelAtLength(VirtualMachine.TestCase):
    settings = settings(OPTIONS, max_examples=10_000)
