"""Seeded simulation: a whole system on a mock clock, repeatable bit for bit from its seed.

Time jumps to the next timer whenever every task waits, so a simulated week takes what its
commands cost. Which of several runnable tasks goes first is drawn from the seed. That last part
needs two private names of trio; whether they work is tested when this module is imported
(`DETERMINISTIC`), and without them a simulation still runs, on trio's own random order.

Repeatable means: the same seed, program, Python and trio version give the same trace in every
process. The program must draw its randomness from `Simulation.random`, use no threads or real
I/O, and not depend on the order of sets of objects.
"""

import hashlib
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final, TypeVar

import trio
from trio.testing import MockClock

from engine._command import Command
from engine._system import ParkedHook, System
from engine._system import open_system as open_tree
from engine._tree import Supervisor, Virtual
from engine._turn import Turn
from engine.errors import Address
from engine.testing._kit import Factory, open_system

T = TypeVar("T")


_FLAG: Final = "_ALLOW_DETERMINISTIC_SCHEDULING"


@contextmanager
def _seeded(seed: int) -> Generator[None, None, None]:
    """Have trio's scheduler order runnable tasks by the seed while the block runs."""
    from trio._core import _run

    before, state = getattr(_run, _FLAG), _run._r.getstate()  # noqa: SLF001
    setattr(_run, _FLAG, True)
    _run._r.seed(seed)  # noqa: SLF001
    try:
        yield
    finally:
        setattr(_run, _FLAG, before)
        _run._r.setstate(state)  # noqa: SLF001


def _order(seed: int) -> list[int]:
    """The order in which six tasks started together get to run twice."""
    order: list[int] = []

    async def task(number: int) -> None:
        for _ in range(2):
            order.append(number)
            await trio.lowlevel.checkpoint()

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for number in range(6):
                nursery.start_soon(task, number)

    with _seeded(seed):
        trio.run(main)
    return order


def _self_test() -> bool:
    try:
        same = all(_order(seed) == _order(seed) for seed in range(3))
        return same and len({tuple(_order(seed)) for seed in range(6)}) > 2
    except (AttributeError, ImportError, TypeError, RuntimeError):
        return False


DETERMINISTIC: Final = _self_test()
"""Whether this trio's scheduling can be seeded here."""


class Simulation:
    """The running side of `simulate`: randomness, faults and the trace of one seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.random = random.Random(seed)
        self.handled = 0
        self._ticks = 0
        self._hash = hashlib.sha256()

    def trace(self, address: Address, item: Any, error: BaseException | None) -> None:
        """A trace hook: folds one handled command into the hash."""
        if isinstance(item, list):
            for turn in item:
                self.trace(address, turn, error)
            return
        command: Command[Any] = item.command if isinstance(item, Turn) else item
        outcome = "ok" if error is None else type(error).__name__
        self.handled += 1
        self.note(f"{trio.current_time():.9f} {address} {command!r} {outcome}")

    def tick(self) -> float:
        """Stands for the processor's clock: a microsecond passes per look at it."""
        self._ticks += 1
        return self._ticks * 1e-6

    def note(self, text: str) -> None:
        """Fold anything else into the trace."""
        self._hash.update(text.encode())
        self._hash.update(b"\n")

    @property
    def digest(self) -> str:
        """Hash of everything traced so far."""
        return self._hash.hexdigest()

    @asynccontextmanager
    async def open_system(
        self,
        tree: Supervisor | Mapping[str, Factory | Virtual],
        *,
        parked: ParkedHook | None = None,
    ) -> AsyncGenerator[System, None]:
        """A system whose commands are traced and whose jitter follows the seed."""
        if isinstance(tree, Supervisor):
            opened = open_tree(
                tree, parked=parked, trace=self.trace, seed=self.seed, clock=self.tick
            )
        else:
            opened = open_system(
                tree, parked=parked, trace=self.trace, seed=self.seed, clock=self.tick
            )
        async with opened as system:
            yield system


def simulate(seed: int, main: Callable[[Simulation], Awaitable[T]]) -> tuple[T, str]:
    """Run `main(simulation)` on a mock clock; its result, and the hash of the trace."""
    simulation = Simulation(seed)

    async def run() -> T:
        return await main(simulation)

    clock = MockClock(rate=0.0, autojump_threshold=0.0)
    if not DETERMINISTIC:
        return trio.run(run, clock=clock), simulation.digest
    with _seeded(seed):
        result = trio.run(run, clock=clock)
    return result, simulation.digest
