"""Addresses on several nodes: who owns an address, and how a command gets there.

`Placement` names the owner of an address, `Transport` carries frames to it. A `Node` joins a
system to both: commands for its own addresses go straight into the system, others are encoded,
carried, handled by the owner's `Node`, and their reply comes back the same way. What travels with
a command: the deadline as seconds left. Delivery is at most once; an asker whose owner cannot be
reached gets `Unreachable`.

The in-process pair (`OneNode`, `memory_transports`) defines what a networked one must do.
"""

from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from math import inf
from typing import Any, Protocol, TypeVar
from zlib import crc32

import msgspec
import trio

from engine import codec
from engine._command import Command
from engine._system import System
from engine.errors import Address, Refusal

R = TypeVar("R")


class Unreachable(Refusal):
    """The owner of the address cannot be reached."""


class Placement(Protocol):
    """Who owns an address. Must give one answer on all nodes at a time."""

    def owner(self, address: Address) -> str:
        """Name of the owning node."""
        ...


class Transport(Protocol):
    """Carries frames between nodes: in order per pair of nodes, at most once."""

    async def send(self, node: str, frame: bytes) -> None:
        """Hand a frame over; may wait for room.

        Raises:
            Unreachable: the node is gone.
        """
        ...

    async def receive(self) -> tuple[str, bytes]:
        """The next frame for this node, and who sent it."""
        ...


class OneNode:
    """The placement of a system that runs alone."""

    def __init__(self, name: str = "local") -> None:
        self._name = name

    def owner(self, address: Address) -> str:
        """Always this node."""
        return self._name


class HashedShards:
    """Addresses hash to shards by `shard_key`, shards belong to nodes in turn."""

    def __init__(
        self,
        nodes: Sequence[str],
        shards: int = 64,
        shard_key: Callable[[Address], object] = lambda address: address.key,
    ) -> None:
        self._nodes = tuple(nodes)
        self._shards = shards
        self._shard_key = shard_key

    def owner(self, address: Address) -> str:
        """The node of the shard of the address; equal in every process."""
        shard = crc32(repr(self._shard_key(address)).encode()) % self._shards
        return self._nodes[shard % len(self._nodes)]


class MemoryTransport:
    """One end of an in-process network."""

    def __init__(self, name: str, network: "dict[str, MemoryTransport]", capacity: int) -> None:
        self._name = name
        self._network = network
        self._send, self._receive = trio.open_memory_channel[tuple[str, bytes]](capacity)
        network[name] = self

    async def send(self, node: str, frame: bytes) -> None:
        """See `Transport`."""
        other = self._network.get(node)
        if other is None:
            message = f"no node {node!r}"
            raise Unreachable(message)
        await other._send.send((self._name, frame))  # noqa: SLF001 - the other end

    async def receive(self) -> tuple[str, bytes]:
        """See `Transport`."""
        return await self._receive.receive()

    def disconnect(self) -> None:
        """Leave the network; others find this node unreachable."""
        self._network.pop(self._name, None)


def memory_transports(*names: str, capacity: int = 1024) -> list[MemoryTransport]:
    """Connected in-process transports, one per name."""
    network: dict[str, MemoryTransport] = {}
    return [MemoryTransport(name, network, capacity) for name in names]


class _Frame(msgspec.Struct, array_like=True, frozen=True):
    kind: str  # tell, ask, reply, error
    number: int
    seconds: float | None  # left until the asker's deadline
    body: bytes


class _Pending:
    def __init__(self) -> None:
        self.done = trio.Event()
        self.kind = ""
        self.body = b""


_frames = msgspec.msgpack.Decoder(_Frame)


class Node:
    """A system that knows its peers. `run` must run beside it."""

    def __init__(
        self, name: str, system: System, placement: Placement, transport: Transport
    ) -> None:
        self._name = name
        self._system = system
        self._placement = placement
        self._transport = transport
        self._numbers = count(1)
        self._pending: dict[int, _Pending] = {}

    async def tell(self, command: Command[Any]) -> None:
        """As `System.tell`, wherever the address lives."""
        owner = self._placement.owner(command.to)
        if owner == self._name:
            await self._system.tell(command)
        else:
            await self._emit(owner, "tell", 0, None, codec.encode(command))

    async def ask(self, command: Command[R]) -> R:
        """As `System.ask`, wherever the address lives.

        Raises:
            RemoteRefusal, RemoteFailure: what the far actor answered, by name and text.
            Unreachable: the owner is gone.
        """
        owner = self._placement.owner(command.to)
        if owner == self._name:
            return await self._system.ask(command)
        number = next(self._numbers)
        pending = self._pending[number] = _Pending()
        left = trio.current_effective_deadline() - trio.current_time()
        try:
            body = codec.encode(command)
            await self._emit(owner, "ask", number, None if left == inf else left, body)
            await pending.done.wait()
        finally:
            del self._pending[number]
        if pending.kind == "error":
            raise codec.decode_error(pending.body)
        return codec.decode_reply(command, pending.body)

    async def run(self) -> None:
        """Serve frames of other nodes for ever."""
        async with trio.open_nursery() as nursery:
            while True:
                sender, data = await self._transport.receive()
                frame = _frames.decode(data)
                if frame.kind in ("reply", "error"):
                    self._settle(frame)
                elif frame.kind == "tell":
                    await self._quietly(self._system.tell, frame.body)
                else:
                    nursery.start_soon(self._answer, sender, frame)

    async def _emit(
        self, node: str, kind: str, number: int, seconds: float | None, body: bytes
    ) -> None:
        await self._transport.send(
            node, msgspec.msgpack.encode(_Frame(kind, number, seconds, body))
        )

    def _settle(self, frame: _Frame) -> None:
        pending = self._pending.get(frame.number)
        if pending is not None:
            pending.kind, pending.body = frame.kind, frame.body
            pending.done.set()

    async def _quietly(self, tell: Callable[[Command[Any]], Awaitable[None]], body: bytes) -> None:
        try:
            await tell(codec.decode(body))
        except Exception as error:  # noqa: BLE001 - a tell has nobody to answer to
            self._system.dead_letters.count(f"remote {type(error).__name__}")

    async def _answer(self, sender: str, frame: _Frame) -> None:
        kind, body = "error", b""
        with trio.move_on_after(inf if frame.seconds is None else max(0.0, frame.seconds)) as limit:
            try:
                body = codec.encode_reply(await self._system.ask(codec.decode(frame.body)))
                kind = "reply"
            except Exception as error:  # noqa: BLE001 - whatever it is, the far asker gets it
                body = codec.encode_error(error)
        if not limit.cancelled_caught:
            try:
                await self._emit(sender, kind, frame.number, None, body)
            except Unreachable:
                return  # the asker's node is gone, and its asker with it
