"""Where commands go: each is handled once, or refused, or discarded, and never two of these.

Bursts of commands whose handlers wait, crash, refuse, fold, tell themselves, fail what is queued
behind them, and are overtaken by reads; over all policies and the smallest capacities, where a
mailbox changes its form (nothing, one command, a queue) with nearly every command.
"""

from collections import Counter as Tally
from collections.abc import Sequence
from itertools import count
from typing import Any

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from engine import (
    Actor,
    ActorCrashed,
    ActorStopped,
    Address,
    Backoff,
    Command,
    Forward,
    MailboxFull,
    MailboxPolicy,
    Refusal,
    RestartBudget,
    Turn,
    Virtual,
    handler,
)
from engine.testing import open_system


class No(Refusal):
    pass


class Numbered(Command[int], frozen=True, kw_only=True):
    number: int
    sender: str = "test"
    key: int = 0

    @property
    def to(self) -> Address:
        return Address("post", self.key)


class Plain(Numbered, frozen=True, kw_only=True):
    act: str = ""


class Folded(Numbered, frozen=True, kw_only=True):
    pass


class Peek(Numbered, frozen=True, kw_only=True):
    pass


class Book:
    """What became of each command."""

    def __init__(self) -> None:
        self.numbers = count()
        self.sent: dict[int, Numbered] = {}
        self.begun: list[int] = []
        self.refused: list[int] = []  # the sender was told at once
        self.failed: list[int] = []  # the asker got an error
        self.asked: set[int] = set()
        self.passed_on: dict[int, int] = {}  # for whom the asker of which waits

    def command(self, make: type[Numbered], **fields: Any) -> Numbered:
        number = next(self.numbers)
        made = self.sent[number] = make(number=number, **fields)
        return made

    def tell(self, system: Any, command: Numbered) -> None:
        try:
            system.tell_nowait(command)
        except MailboxFull:
            self.refused.append(command.number)

    async def ask(self, system: Any, command: Numbered) -> None:
        self.asked.add(command.number)
        try:
            await system.ask(command)
        except (MailboxFull, No, ActorCrashed, ActorStopped):
            self.failed.append(command.number)


class Post(Actor, accepts=Numbered):
    """Does what it is told while others queue behind."""

    def __init__(self, book: Book) -> None:
        self.book = book

    @handler
    async def plain(self, cmd: Plain) -> int | Forward[int]:
        self.book.begun.append(cmd.number)
        match cmd.act:
            case "wait":
                await trio.sleep(0.1)
            case "crash":
                raise ValueError
            case "refuse":
                raise No
            case "fail queued":
                self.fail_queued(Plain, No())
            case "fail all after a wait":
                await trio.sleep(0.1)
                self.fail_queued(Numbered, No())
            case "tell myself":
                for make in (Plain, Peek, Plain):
                    command = self.book.command(make, sender="myself", key=cmd.key)
                    self.book.tell(self.system, command)
            case "pass on":
                command = self.book.command(Plain, sender="passed on", key=cmd.key + 1)
                self.book.passed_on[command.number] = cmd.number
                return Forward(command)
        return cmd.number

    @handler(fold=3)
    async def folded(self, turns: Sequence[Turn[Folded]]) -> None:
        for turn in turns:
            self.book.begun.append(turn.command.number)
            turn.reply(turn.command.number)

    @handler(reentrant=True)
    async def peek(self, cmd: Peek) -> int:
        self.book.begun.append(cmd.number)
        await trio.sleep(0.01)
        return cmd.number


ACTS = (
    "",
    "wait",
    "crash",
    "refuse",
    "fail queued",
    "fail all after a wait",
    "tell myself",
    "pass on",
)
commands = st.one_of(
    st.sampled_from(ACTS), st.just("folded"), st.just("folded"), st.just("peek"), st.just("")
)
steps = st.one_of(
    st.tuples(st.sampled_from(["tell", "tell", "ask"]), commands),
    st.tuples(st.just("sleep"), st.sampled_from([0.0, 0.05, 0.3])),
)
OPTIONS = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("overflow", ["backpressure", "reject", "drop_oldest"])
@given(
    program=st.lists(steps, max_size=20),
    capacity=st.integers(1, 4),
    keep=st.booleans(),
    resident=st.booleans(),
)
@OPTIONS
def test_each_command_is_handled_or_accounted_for(
    overflow: str, program: list[tuple[str, Any]], capacity: int, keep: bool, resident: bool
) -> None:
    trio.run(run, program, overflow, capacity, keep, resident, clock=MockClock(0, 0))


@pytest.mark.prove
@pytest.mark.parametrize("overflow", ["backpressure", "reject", "drop_oldest"])
@given(
    program=st.lists(steps, max_size=40),
    capacity=st.integers(1, 4),
    keep=st.booleans(),
    resident=st.booleans(),
)
@settings(OPTIONS, max_examples=3_000)
def test_each_command_is_handled_or_accounted_for_at_length(
    overflow: str, program: list[tuple[str, Any]], capacity: int, keep: bool, resident: bool
) -> None:
    trio.run(run, program, overflow, capacity, keep, resident, clock=MockClock(0, 0))


async def run(
    program: list[tuple[str, Any]], overflow: str, capacity: int, keep: bool, resident: bool
) -> None:
    class Small(Post):
        mailbox = MailboxPolicy(capacity, overflow)
        keep_mailbox = (ValueError,) if keep else ()
        refusals = (No,)
        park_after = 1 << 30

    book = Book()
    budget = RestartBudget(1 << 30, backoff=Backoff(jitter=0.0))
    virtual = Virtual("post", lambda _: Small(book), budget=budget, resident=resident)
    async with open_system({"post": virtual}) as system, trio.open_nursery() as asks:
        for what, argument in program:
            if what == "sleep":
                await trio.sleep(argument)
                continue
            match argument:
                case "folded":
                    command = book.command(Folded)
                case "peek":
                    command = book.command(Peek)
                case act:
                    command = book.command(Plain, act=act)
            if what == "tell":
                book.tell(system, command)
            else:
                asks.start_soon(book.ask, system, command)
        await trio.sleep(60)
        for address in system.addresses():
            assert system.depth(address) == 0
            assert system._core.cells[address].queue is None
        check(book, [letter.command.number for letter in system.dead_letters.latest()])


def check(book: Book, letters: list[int]) -> None:
    begun = Tally(book.begun)
    gone = Tally(book.refused + book.failed + letters)
    for number, command in book.sent.items():
        assert begun[number] <= 1, f"{command} was handled {begun[number]} times"
        assert gone[number] <= 1, f"{command} was accounted for {gone[number]} times"
        asked = book.passed_on.get(number, number)
        assert begun[number] or gone[number] or gone[asked], f"{command} was lost"
        if begun[number] and gone[number]:  # its own error, or a read whose actor crashed
            assert isinstance(command, Peek) or (
                isinstance(command, Plain) and command.act in ("crash", "refuse", "pass on")
            ), command
    for sender in ("test", "myself"):
        order = [
            number
            for number in book.begun
            if book.sent[number].sender == sender and not isinstance(book.sent[number], Peek)
        ]
        if sender == "test":
            order = [number for number in order if number not in book.asked]
        assert order == sorted(order), "a sender's commands were handled out of order"
