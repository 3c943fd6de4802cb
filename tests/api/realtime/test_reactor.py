"""The loop's turns: whoever has much to say keeps nobody else from theirs."""

import socket
from itertools import count

import pytest
import trio

from api.realtime import reactor as module
from api.realtime.client import Client
from api.realtime.reactor import Reactor
from api.realtime.settings import RealtimeSettings
from bench.load.frames import masked_text


class Notes:
    """A receiver that notes in which turn of another task it was served."""

    def __init__(self) -> None:
        self.turn = 0
        self.served: list[int] = []

    def receive(self, link: Client, data: bytes, binary: bool) -> None:
        self.served.append(self.turn)

    def ponged(self) -> None:
        pass

    def unblocked(self) -> None:
        pass

    def link_lost(self, link: Client, reason: str) -> None:
        pass


@pytest.mark.parametrize(("slow", "turns"), [(True, 8), (False, 1)])
async def test_reading_that_takes_long_is_interrupted_for_the_others(
    slow: bool, turns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = count() if slow else iter(lambda: 0, None)
    monkeypatch.setattr(module, "perf_counter", lambda: next(clock))
    reactor, notes = Reactor(RealtimeSettings()), Notes()
    peers = []
    for _ in range(8):
        ours, peer = socket.socketpair()
        ours.setblocking(False)
        peer.send(masked_text(b"all at once"))
        peers.append(peer)
        reactor.adopt(ours, notes)

    async def other() -> None:
        while True:
            notes.turn += 1
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        await nursery.start(reactor.run)
        nursery.start_soon(other)
        with trio.fail_after(10):
            while len(notes.served) < 8:
                await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    for peer in peers:
        peer.close()
    # Tasks of one batch run in any order: two readings may see the same turn of the other task.
    assert turns / 2 <= len(set(notes.served)) <= turns
