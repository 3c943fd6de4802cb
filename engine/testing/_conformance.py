"""What every mailbox policy must do, as a suite anyone can run against a system of theirs.

`await check_mailbox(open, policy)` opens a system of one echo actor with that policy (by calling
`open(factory)`) and raises `AssertionError` where a promise is broken. It needs a mock clock that
jumps. Use it for a system with other settings, another placement, or a changed engine.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import trio

from engine._actor import Actor
from engine._command import Command
from engine._handlers import handler
from engine._mailbox import MailboxPolicy
from engine._system import System
from engine.errors import ActorStopped, Address, MailboxFull

Open = Callable[[Callable[[Address], Actor]], AbstractAsyncContextManager[System]]


class Note(Command[int], frozen=True, kw_only=True):
    """Recorded by the actor under test, `pause` seconds after it was begun."""

    number: int
    pause: float = 0.0
    kind: str = "mailbox"

    @property
    def to(self) -> Address:
        return Address(self.kind, 0)


def _require(fact: bool, promise: str) -> None:
    if not fact:
        raise AssertionError(promise)


class _Suite:
    def __init__(self, open_: Open, policy: MailboxPolicy) -> None:
        self.open = open_
        self.policy = policy
        self.seen: list[int] = []

    def factory(self, _: Address) -> Actor:
        suite = self

        class Recorder(Actor):
            mailbox = suite.policy

            @handler
            async def note(self, cmd: Note) -> int:
                if cmd.pause:
                    await trio.sleep(cmd.pause)
                suite.seen.append(cmd.number)
                return cmd.number

        return Recorder()

    async def busy(self, system: System, pause: float = 10.0) -> None:
        """Start a long command and fill the mailbox behind it with 0, 1, 2, ..."""
        self.seen.clear()
        await system.tell(Note(number=-1, pause=pause))
        await trio.testing.wait_all_tasks_blocked()
        for number in range(self.policy.capacity):
            await system.tell(Note(number=number))

    async def order(self) -> None:
        async with self.open(self.factory) as system:
            for number in range(3 * self.policy.capacity):
                await system.ask(Note(number=number))
            _require(self.seen == sorted(self.seen), "commands of one sender keep their order")

    async def bound(self) -> None:
        async with self.open(self.factory) as system:
            await self.busy(system)
            depth = system.depth(Note(number=0).to)
            _require(depth == self.policy.capacity, "a mailbox holds its capacity, no more")
            extra = Note(number=self.policy.capacity)
            if self.policy.overflow == "drop_oldest":
                await system.tell(extra)
                expected = [-1, *range(1, self.policy.capacity + 1)]
            else:
                await self._refused(system, extra)
                expected = [-1, *range(self.policy.capacity)]
            await trio.sleep(11)
            _require(self.seen == expected, "an overflow loses what its policy says, and only that")

    async def _refused(self, system: System, extra: Note) -> None:
        try:
            system.tell_nowait(extra)
        except MailboxFull:
            pass
        else:
            _require(False, "tell_nowait to a full mailbox raises MailboxFull")
        if self.policy.overflow == "reject":
            try:
                await system.tell(extra)
            except MailboxFull:
                return
            _require(False, "tell to a full rejecting mailbox raises MailboxFull")

    async def room(self) -> None:
        if self.policy.overflow != "backpressure":
            return
        async with self.open(self.factory) as system:
            await self.busy(system)
            last = self.policy.capacity + 4
            async with trio.open_nursery() as nursery:
                for number in range(self.policy.capacity, last):
                    nursery.start_soon(system.tell, Note(number=number))
                    await trio.testing.wait_all_tasks_blocked()
            await system.ask(Note(number=last))
            _require(self.seen == [-1, *range(last + 1)], "senders in line enter first come first")

    async def stop(self) -> None:
        async with self.open(self.factory) as system:
            await self.busy(system, pause=1.0)
            answers: list[Any] = []

            async def ask() -> None:
                try:
                    answers.append(await system.ask(Note(number=99)))
                except (ActorStopped, MailboxFull) as error:
                    answers.append(error)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(ask)
                await trio.testing.wait_all_tasks_blocked()
                await system.stop(Note(number=0).to)
            _require(self.seen == [-1], "a stop overtakes queued commands")
            _require(isinstance(answers[0], Exception), "a stop answers every asker")


async def check_mailbox(open_: Open, policy: MailboxPolicy) -> None:
    """Run the whole suite for one policy; raises AssertionError naming the broken promise."""
    suite = _Suite(open_, policy)
    for part in (suite.order, suite.bound, suite.room, suite.stop):
        suite.seen.clear()
        await part()
