"""Seeded simulation: the same seed gives the same run, in this process and in any other."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from engine import ActorCrashed
from engine.testing import DETERMINISTIC, Faults, InjectedCrash, Simulation, open_system, simulate
from engine.testing._simulation import _order
from tests.engine.counters import Add, Counter, Read, Wait
from tests.engine.simulated import run

ROOT = Path(__file__).parents[2]
needs_seeding = pytest.mark.skipif(
    not DETERMINISTIC, reason="this trio's scheduler cannot be seeded"
)


def hashes_elsewhere(first: int, last: int, hash_seed: str) -> list[str]:
    """The trace hashes of these seeds, from a process with another string hash."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.engine.simulated", str(first), str(last)],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


@needs_seeding
def test_the_same_seed_gives_the_same_trace_in_two_processes() -> None:
    here = [run(seed)[1] for seed in range(5)]
    assert len(set(here)) == 5
    assert hashes_elsewhere(0, 5, "1") == here


@pytest.mark.prove
@needs_seeding
def test_a_hundred_seeds_repeat_in_two_processes() -> None:
    assert hashes_elsewhere(0, 100, "1") == hashes_elsewhere(0, 100, "2")


def test_a_simulated_week_of_twenty_actors_handles_every_visit() -> None:
    handled, _ = run(1, seconds=7 * 86_400.0, pause=6 * 3600.0)
    assert handled > 100


@needs_seeding
def test_the_scheduler_self_test_sees_an_unseeded_scheduler() -> None:
    assert _order(3) == _order(3)
    assert any(_order(3) != _order(seed) for seed in range(4, 12))


def test_faults_crash_the_nth_command_of_each_address() -> None:
    faults = Faults(crash_at={2}, only=(Add,))

    async def main(simulation: Simulation) -> list[str]:
        outcomes: list[str] = []
        async with simulation.open_system({"counter": faults.wrap(Counter)}) as system:
            for key in (0, 1):
                for _ in range(3):
                    try:
                        outcomes.append(str(await system.ask(Add(key=key))))
                    except ActorCrashed as error:
                        outcomes.append(type(error.error).__name__)
                await system.ask(Read(key=key))
        return outcomes

    outcomes, _ = simulate(1, main)
    assert outcomes == ["1", InjectedCrash.__name__, "1"] * 2
    assert faults.crashes == 2


async def test_faults_delay_commands(autojump_clock) -> None:
    faults = Faults(delay=lambda command: 5.0, only=(Wait,))
    async with open_system({"counter": faults.wrap(Counter)}) as system:
        await system.ask(Add())
        assert trio.current_time() == pytest.approx(0)
        await system.ask(Wait(seconds=1))
        assert trio.current_time() == pytest.approx(6)
