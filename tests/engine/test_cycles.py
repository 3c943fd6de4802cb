"""Who waits for whom: cycles through folds, activations, reads and crossing asks; deadlines."""

from collections.abc import Sequence
from typing import ClassVar

import pytest
import trio

from engine import (
    Actor,
    Address,
    AskCycle,
    Command,
    DeadlineExceeded,
    MailboxPolicy,
    Turn,
    handler,
)
from engine.testing import open_system


class Go(Command[str], frozen=True, kw_only=True):
    """Ask along a path of (actor, how); `how` is a handler of that actor."""

    path: tuple[tuple[str, str], ...] = ()
    pause: float = 0.0
    at: str = ""

    @property
    def to(self) -> Address:
        return Address("node", self.at)


class PlainGo(Go, frozen=True, kw_only=True):
    pass


class FoldedGo(Go, frozen=True, kw_only=True):
    pass


class ReadGo(Go, frozen=True, kw_only=True):
    pass


class LaterGo(Go, frozen=True, kw_only=True):
    pass


HOW = {"plain": PlainGo, "fold": FoldedGo, "read": ReadGo, "later": LaterGo}


class Node(Actor):
    starts: ClassVar[dict[str, tuple[tuple[str, str], ...]]] = {}
    mailbox = MailboxPolicy(2)

    async def on_start(self) -> None:
        path = self.starts.pop(self.address.key, ())
        if path:
            await self.follow(path)

    async def follow(self, path: tuple[tuple[str, str], ...]) -> str:
        if not path:
            return "end"
        (at, how), *rest = path
        return await self.system.ask(HOW[how](at=at, path=tuple(rest)))

    @handler
    async def plain(self, cmd: PlainGo) -> str:
        await trio.sleep(cmd.pause)
        return await self.follow(cmd.path)

    @handler(fold=4)
    async def folded(self, turns: Sequence[Turn[FoldedGo]]) -> None:
        for turn in turns:
            turn.reply(await self.follow(turn.command.path))

    @handler(reentrant=True)
    async def read(self, cmd: ReadGo) -> str:
        return await self.follow(cmd.path)

    @handler(fold=1)
    async def later(self, turns: Sequence[Turn[LaterGo]]) -> None:
        turns[0].defer()
        self.start_soon(self.settle, turns[0])

    async def settle(self, turn: Turn[LaterGo]) -> None:
        await trio.sleep(1)
        turn.reply("later")


@pytest.mark.parametrize(
    "path",
    [
        (("a", "plain"), ("b", "fold"), ("a", "plain")),
        (("a", "plain"), ("b", "fold"), ("c", "plain"), ("a", "plain")),
        (("a", "fold"), ("b", "fold"), ("a", "fold")),
        (("a", "plain"), ("b", "read"), ("a", "plain")),
        (("a", "plain"), ("b", "read"), ("c", "fold"), ("a", "plain")),
    ],
)
async def test_an_ask_cycle_through_folds_and_reads_fails_at_once(autojump_clock, path) -> None:
    async with open_system({"node": lambda _: Node()}) as system:
        (at, how), *rest = path
        with trio.fail_after(1), pytest.raises(AskCycle):
            await system.ask(HOW[how](at=at, path=tuple(rest)))


async def test_an_activation_that_asks_whom_it_keeps_waiting_fails(
    autojump_clock, monkeypatch
) -> None:
    monkeypatch.setattr(Node, "starts", {"b": (("a", "plain"),)})
    async with open_system({"node": lambda _: Node()}) as system:
        with trio.fail_after(1), pytest.raises(AskCycle):
            await system.ask(PlainGo(at="a", path=(("b", "plain"),)))


async def test_of_two_asks_that_cross_one_fails_and_one_is_answered(autojump_clock) -> None:
    outcomes: list[str] = []
    async with open_system({"node": lambda _: Node()}) as system:

        async def ask(at: str, other: str) -> None:
            try:
                outcomes.append(await system.ask(PlainGo(at=at, pause=1, path=((other, "plain"),))))
            except AskCycle:
                outcomes.append("cycle")

        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(ask, "a", "b")
                nursery.start_soon(ask, "b", "a")
    assert sorted(outcomes) == ["cycle", "end"]


@pytest.mark.parametrize("how", ["later", "read"])
async def test_a_turn_that_does_not_need_the_handler_closes_no_cycle(
    autojump_clock, how: str
) -> None:
    """a waits for a deferred turn of b, or for a read of b; b may well ask a meanwhile."""
    answers: list[str] = []
    async with open_system({"node": lambda _: Node()}) as system:

        async def ask(command: Go) -> None:
            answers.append(await system.ask(command))

        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                asks = [PlainGo(at="b", pause=0.5, path=(("a", "plain"),))]
                asks.insert(how == "read", PlainGo(at="a", path=(("b", how),)))
                for each in asks:
                    nursery.start_soon(ask, each)
                    await trio.testing.wait_all_tasks_blocked()
    assert len(answers) == 2


@pytest.mark.parametrize("how", ["fold", "read"])
async def test_a_deadline_follows_asks_of_folds_and_reads(autojump_clock, how: str) -> None:
    ends: list[tuple[type[BaseException], float]] = []

    class Timed(Node):
        async def follow(self, path: tuple[tuple[str, str], ...]) -> str:
            try:
                return await super().follow(path)
            except DeadlineExceeded as error:
                ends.append((type(error), trio.current_time()))
                raise

    async with open_system({"node": lambda _: Timed()}) as system:
        await system.tell(PlainGo(at="z", pause=100))
        with trio.move_on_after(5):
            await system.ask(HOW[how](at="a", path=(("z", "plain"),)))
        await trio.sleep(1)
        assert ends == [(DeadlineExceeded, pytest.approx(5))]


async def test_an_inherited_deadline_is_forgotten_with_its_ask(autojump_clock) -> None:
    async with open_system({"node": lambda _: Node()}) as system:
        with trio.fail_after(3600):
            for _ in range(6000):
                await system.ask(PlainGo(at="a", path=(("b", "plain"),)))
        core = system._core
        assert not core.expiries
        assert len(core.timers._heap) < 5000


async def test_askers_that_left_the_line_do_not_pile_up(autojump_clock) -> None:
    async with open_system({"node": lambda _: Node()}) as system:
        await system.tell(PlainGo(at="a", pause=1000))
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(1000):
            with trio.move_on_after(0.1):
                await system.ask(PlainGo(at="a"))
        extra = system._core.cells[Address("node", "a")].extra
        assert extra is not None
        assert len(extra.waiters) <= 64


async def test_reads_in_line_follow_the_reads_that_make_room(autojump_clock) -> None:
    async with open_system({"node": lambda _: Node()}) as system:
        await system.tell(PlainGo(at="a", pause=10))
        async with trio.open_nursery() as nursery:
            for _ in range(6):
                nursery.start_soon(system.ask, ReadGo(at="a"))
        assert trio.current_time() < 1


async def test_each_read_is_counted_once(autojump_clock) -> None:
    async with open_system({"node": lambda _: Node()}) as system:
        for _ in range(5):
            await system.ask(ReadGo(at="a"))
        await system.tell(PlainGo(at="a", pause=10))
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(5):
            await system.ask(ReadGo(at="a"))
        await trio.sleep(20)
        snapshot = await system.snapshot()
        assert snapshot.kinds[0].handled == 11
        assert snapshot.actors[0].handled == 11
