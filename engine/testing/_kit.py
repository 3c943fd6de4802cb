"""A system from a mapping of kinds, and an actor that records what it is told."""

from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Any

import trio

from engine._actor import Actor
from engine._command import Command
from engine._handlers import Handlers, HandlerSpec
from engine._system import ParkedHook, System, TraceHook
from engine._system import open_system as open_tree
from engine._tree import Backoff, RestartBudget, Supervisor, Virtual
from engine.errors import Address

Factory = Callable[[Address], Actor]


@asynccontextmanager
async def open_system(
    kinds: Mapping[str, Factory | Virtual],
    *,
    parked: ParkedHook | None = None,
    trace: TraceHook | None = None,
    seed: int = 0,
    clock: Callable[[], float] = perf_counter,
) -> AsyncGenerator[System, None]:
    """A running system with one virtual kind per entry: a factory, or a whole `Virtual`.

    Plain factories get a budget that never backs off, so that a test sees each crash.
    """
    budget = RestartBudget(restarts=1_000_000, per=1.0, backoff=Backoff(jitter=0.0))
    children = tuple(
        entry if isinstance(entry, Virtual) else Virtual(name, entry, budget=budget)
        for name, entry in kinds.items()
    )
    tree = Supervisor("test", children=children)
    async with open_tree(tree, parked=parked, trace=trace, seed=seed, clock=clock) as system:
        yield system


class Probe:
    """A stand-in for an actor: records the commands it gets and answers as it is told.

    Use `probe.actor` as a factory: `open_system({"ticket": probe.actor})`. One probe may stand in
    for many addresses.
    """

    def __init__(self, reply: object = None) -> None:
        self.commands: list[Command[Any]] = []
        self._unread: deque[Command[Any]] = deque()
        self._news = trio.Event()
        self._answers: deque[object] = deque()
        self._default = reply

    def answer(self, *values: object) -> None:
        """Reply with these values, in order, before the default; exceptions are raised."""
        self._answers.extend(values)

    async def expect(self, command_type: type[Command[Any]] | None = None) -> Any:
        """The next command not yet expected; waits for it.

        Raises:
            AssertionError: it is of another type.
        """
        while not self._unread:
            self._news = trio.Event()
            await self._news.wait()
        command = self._unread.popleft()
        if command_type is not None and type(command) is not command_type:
            message = f"expected {command_type.__name__}, got {command!r}"
            raise AssertionError(message)
        return command

    def expect_nothing(self) -> None:
        """Fail if a command came that was not expected yet."""
        if self._unread:
            message = f"unexpected: {list(self._unread)!r}"
            raise AssertionError(message)

    def actor(self, _: Address | None = None) -> Actor:
        """Make an actor that reports to this probe."""
        return _ProbeActor(self)

    def _take(self, command: Command[Any]) -> object:
        self.commands.append(command)
        self._unread.append(command)
        self._news.set()
        value = self._answers.popleft() if self._answers else self._default
        if isinstance(value, BaseException):
            raise value
        return value(command) if callable(value) else value


class _AnyCommand(dict[type, Any]):
    """A handler table that knows every type of command."""

    def __missing__(self, command_type: type) -> HandlerSpec:
        if not issubclass(command_type, Command):
            raise KeyError(command_type)
        return HandlerSpec(command_type, _record, 0, False)

    def get(self, command_type: type, default: Any = None) -> Any:
        return self[command_type].function if issubclass(command_type, Command) else default


async def _record(actor: "_ProbeActor", command: Command[Any]) -> object:
    return actor.probe._take(command)  # noqa: SLF001 - the probe's other half


class _ProbeActor(Actor):
    def __init__(self, probe: Probe) -> None:
        self.probe = probe


_ProbeActor.handlers = Handlers(plain=_AnyCommand())
