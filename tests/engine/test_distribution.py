"""Commands encode and decode; nodes carry them to their owners and the replies back."""

from typing import ClassVar

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from engine import Address, Command, DefinitionError, codec
from engine.distribution import (
    HashedShards,
    Node,
    OneNode,
    Unreachable,
    memory_transports,
)
from engine.testing import open_system
from tests.engine.counters import Add, Counter, Crash, Log, Read, Refuse, Wait


class Rich(Command[dict[str, list[int]]], frozen=True, kw_only=True):
    tag: ClassVar[str] = "rich-v1"
    text: str
    raw: bytes
    pair: tuple[int, str]
    more: dict[str, float | None]


@given(
    st.builds(
        Rich,
        text=st.text(),
        raw=st.binary(),
        pair=st.tuples(st.integers(-(2**63), 2**63 - 1), st.text()),
        more=st.dictionaries(st.text(), st.none() | st.floats(allow_nan=False)),
    )
)
def test_a_command_comes_back_equal(command: Rich) -> None:
    assert codec.decode(codec.encode(command)) == command


@pytest.mark.parametrize("command", [Add(amount=7), Wait(seconds=0.5), Crash(note="x"), Read()])
def test_commands_round_trip_by_tag(command: Command) -> None:
    again = codec.decode(codec.encode(command))
    assert type(again) is type(command)
    assert again == command


def test_a_reply_is_decoded_as_the_type_its_command_names() -> None:
    command = Rich(text="", raw=b"", pair=(0, ""), more={})
    assert codec.decode_reply(command, codec.encode_reply({"a": [1]})) == {"a": [1]}
    assert codec.decode_reply(Add(), codec.encode_reply(3)) == 3


def test_an_unknown_tag_is_refused() -> None:
    data = codec.encode(Add()).replace(b"Add", b"Xyz")
    with pytest.raises(codec.UnknownTag):
        codec.decode(data)


def test_two_commands_of_one_tag_are_refused(monkeypatch) -> None:
    class Twin(Command[int], frozen=True, kw_only=True):
        tag: ClassVar[str] = "rich-v1"

    with pytest.raises(DefinitionError, match="one tag"):
        codec._register()
    monkeypatch.setattr(Twin, "tag", "twin", raising=False)
    codec._register()


def test_placement_is_one_node_or_hashed_by_company() -> None:
    assert OneNode("n").owner(Address("a", 1)) == "n"
    placement = HashedShards(["a", "b"], shard_key=lambda address: address.key[0])
    owners = {company: placement.owner(Address("x", (company, 1))) for company in range(50)}
    assert set(owners.values()) == {"a", "b"}
    for company, owner in owners.items():
        assert placement.owner(Address("y", (company, 2))) == owner


class ByParity:
    def owner(self, address: Address) -> str:
        return "ab"[address.key % 2]


async def test_commands_for_foreign_addresses_travel_and_replies_come_back(autojump_clock) -> None:
    logs = {"a": Log(), "b": Log()}
    wires = memory_transports("a", "b")
    async with (
        open_system({"counter": lambda a: Counter(a, logs["a"])}) as system_a,
        open_system({"counter": lambda a: Counter(a, logs["b"])}) as system_b,
        trio.open_nursery() as nursery,
    ):
        node_a = Node("a", system_a, ByParity(), wires[0])
        node_b = Node("b", system_b, ByParity(), wires[1])
        nursery.start_soon(node_a.run)
        nursery.start_soon(node_b.run)
        assert await node_a.ask(Add(key=0, amount=2)) == 2
        assert await node_a.ask(Add(key=1, amount=3)) == 3
        await node_a.tell(Add(key=1, amount=4))
        assert await node_a.ask(Read(key=1)) == 7
        assert logs["a"].of("start") == [(0,)]
        assert logs["b"].of("start") == [(1,)]
        with pytest.raises(codec.RemoteRefusal, match="No"):
            await node_a.ask(Refuse(key=1))
        with pytest.raises(codec.RemoteFailure, match="ActorCrashed"):
            await node_a.ask(Crash(key=1))
        await node_a.tell(Wait(key=1, seconds=10))
        with trio.move_on_after(5) as scope:
            await node_a.ask(Add(key=1))
        assert scope.cancelled_caught
        await trio.sleep(20)
        assert await node_a.ask(Read(key=1)) == 0  # the deadline travelled along
        wires[1].disconnect()
        with pytest.raises(Unreachable):
            await node_a.ask(Read(key=1))
        nursery.cancel_scope.cancel()
