"""A small vocabulary for the engine's tests: counters that can wait, crash and refuse."""

from collections.abc import Sequence
from typing import Any

import trio

from engine import Actor, Address, Command, Forward, Refusal, Turn, handler
from engine._command import R_co


class No(Refusal):
    """A domain refusal."""


class CounterCommand(Command[R_co], frozen=True, kw_only=True):
    key: int = 0

    @property
    def to(self) -> Address:
        return Address("counter", self.key)


class Add(CounterCommand[int], frozen=True, kw_only=True):
    amount: int = 1


class Read(CounterCommand[int], frozen=True, kw_only=True):
    pass


class Wait(CounterCommand[float], frozen=True, kw_only=True):
    seconds: float


class Crash(CounterCommand[None], frozen=True, kw_only=True):
    note: str = ""


class Refuse(CounterCommand[None], frozen=True, kw_only=True):
    pass


class Pass(CounterCommand[int], frozen=True, kw_only=True):
    """Forward an Add to another counter."""

    target: int
    amount: int = 1


class AskOther(CounterCommand[int], frozen=True, kw_only=True):
    """Ask along a path of counters; the last one answers with its count."""

    path: tuple[int, ...]


class Batch(CounterCommand[int], frozen=True, kw_only=True):
    number: int


class Log:
    """What the counters of one test did, in order."""

    def __init__(self) -> None:
        self.entries: list[tuple[Any, ...]] = []

    def add(self, *entry: Any) -> None:
        self.entries.append(entry)

    def of(self, name: str) -> list[tuple[Any, ...]]:
        return [entry[1:] for entry in self.entries if entry[0] == name]


class Counter(Actor, accepts=CounterCommand):
    """Counts; tells its log when it starts, stops and handles."""

    def __init__(self, address: Address | None = None, log: Log | None = None) -> None:
        self.count = 0
        self.log = log if log is not None else Log()
        self.inside = False

    async def on_start(self) -> None:
        self.log.add("start", self.address.key)

    async def on_stop(self) -> None:
        self.log.add("stop", self.address.key)

    @handler
    async def add(self, cmd: Add) -> int:
        self.count += cmd.amount
        self.log.add("add", self.address.key, cmd.amount)
        return self.count

    @handler
    async def read(self, cmd: Read) -> int:
        return self.count

    @handler
    async def wait(self, cmd: Wait) -> float:
        assert not self.inside
        self.inside = True
        try:
            await trio.sleep(cmd.seconds)
        finally:
            self.inside = False
        self.log.add("waited", self.address.key, cmd.seconds)
        return cmd.seconds

    @handler
    async def crash(self, cmd: Crash) -> None:
        self.log.add("crash", self.address.key)
        message = "crashed on purpose"
        raise ValueError(message)

    @handler
    async def refuse(self, cmd: Refuse) -> None:
        raise No

    @handler
    async def pass_on(self, cmd: Pass) -> int | Forward[int]:
        return Forward(Add(key=cmd.target, amount=cmd.amount))

    @handler
    async def ask_other(self, cmd: AskOther) -> int:
        if not cmd.path:
            return self.count
        return await self.system.ask(AskOther(key=cmd.path[0], path=cmd.path[1:]))

    @handler(fold=4)
    async def batch(self, turns: Sequence[Turn[Batch]]) -> None:
        self.log.add("batch", tuple(turn.command.number for turn in turns))
        for turn in turns:
            turn.reply(turn.command.number * 10)
