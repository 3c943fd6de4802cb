"""The packet codec: everything valid survives a round trip, everything else is refused."""

from base64 import b64encode

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from api.realtime import packet as codec
from api.realtime.packet import Packet, PacketError

names = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
scalars = (
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | names
)  # fmt: skip
values = st.recursive(
    scalars | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=9,
).filter(lambda value: "_placeholder" not in str(value))
namespaces = st.sampled_from(["/", "/1", "/workspace-12", "/admin"])
ids = st.none() | st.integers(0, 10**14)


def decoded(parts: codec.Parts) -> Packet:
    """What a receiver makes of the parts."""
    assert parts[0][:1] == b"4"
    packet = codec.decode(parts[0][1:])
    assert packet.attachments == len(parts) - 1
    return packet._replace(data=codec.fill(packet.data, parts[1:]))


@settings(deadline=None)
@given(namespaces, st.lists(values, max_size=3), ids)
def test_events_survive_a_round_trip(
    namespace: str, args: list[object], ack_id: int | None
) -> None:
    parts = codec.encode(codec.EVENT, namespace, ["said", *args], ack_id)
    assume(len(parts) <= 1 + codec.MAX_ATTACHMENTS)
    packet = decoded(parts)
    assert packet[:4] == (packet.kind, namespace, ["said", *args], ack_id)
    assert packet.kind == (codec.BINARY_EVENT if packet.attachments else codec.EVENT)


@settings(deadline=None)
@given(namespaces, st.lists(values, max_size=3), st.integers(0, 10**14))
def test_acks_survive_a_round_trip(namespace: str, args: list[object], ack_id: int) -> None:
    parts = codec.encode(codec.ACK, namespace, args, ack_id)
    assume(len(parts) <= 1 + codec.MAX_ATTACHMENTS)
    packet = decoded(parts)
    assert packet[1:4] == (namespace, args, ack_id)
    assert packet.kind == (codec.BINARY_ACK if packet.attachments else codec.ACK)


@settings(deadline=None)
@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_no_bytes_do_worse_than_a_packet_error(text: bytes) -> None:
    try:
        packet = codec.decode(text)
    except PacketError:
        return
    assert 0 <= packet.kind <= 6


@pytest.mark.parametrize(
    ("text", "packet"),
    [
        (b"0", Packet(0, "/", None, None, 0)),
        (b'0{"token":"x"}', Packet(0, "/", {"token": "x"}, None, 0)),
        (b"0/custom", Packet(0, "/custom", None, None, 0)),
        (b"0/custom,", Packet(0, "/custom", None, None, 0)),
        (b'0/ns?a=1,{"b":2}', Packet(0, "/ns?a=1", {"b": 2}, None, 0)),
        (b"1", Packet(1, "/", None, None, 0)),
        (b"1/custom,", Packet(1, "/custom", None, None, 0)),
        (b'2["a"]', Packet(2, "/", ["a"], None, 0)),
        (b'2[1,"number as a name"]', Packet(2, "/", [1, "number as a name"], None, 0)),
        (b'2/ns,12["a",{}]', Packet(2, "/ns", ["a", {}], 12, 0)),
        (b"312[]", Packet(3, "/", [], 12, 0)),
        (b'4"no"', Packet(4, "/", "no", None, 0)),
        (b'50-["a"]', Packet(5, "/", ["a"], None, 0)),
    ],
)
def test_legal_spellings(text: bytes, packet: Packet) -> None:
    assert codec.decode(text) == packet


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"7",
        b"x",
        b"\xff",
        b"2",
        b"2{}",
        b"2[]",
        b'2["a"',
        b'2["a"] x',
        b"2[{}]",
        b"2[true]",
        b"2[null]",
        b'2["connect"]',
        b'2["disconnecting"]',
        b'2["newListener"]',
        b"2abc[]",
        b"3{}",
        b"3",
        b"0[]",
        b'0"token"',
        b"1{}",
        b"4",
        b"4[]",
        b'5["a"]',
        b'5-["a"]',
        b'511-["a"]',
        b'5999999999-["a"]',
        b'5x-["a"]',
        b'6["a"]',
        b'0/\xff\xfe,{"a":1}',
        b'21234567890123456["ack id too long"]',
        b'2["a",' + b"[" * 100_000,
        b'2["a",' + b'{"a":' * 100_000,
        b'2["\xff"]',
        b'2["a",NaN]',
    ],
)
def test_illegal_packets_are_refused(text: bytes) -> None:
    with pytest.raises(PacketError):
        codec.decode(text)


@pytest.mark.parametrize(
    "data",
    [
        ["a", {"_placeholder": True, "num": 1}],
        ["a", {"_placeholder": True, "num": -1}],
        ["a", {"_placeholder": True, "num": "0"}],
        ["a", {"_placeholder": True}],
    ],
)
def test_a_placeholder_without_its_attachment_is_refused(data: object) -> None:
    with pytest.raises(PacketError):
        codec.fill(data, [b"only one"])


def test_an_attachment_may_be_used_twice_and_a_false_placeholder_is_plain_data() -> None:
    one = {"_placeholder": True, "num": 0}
    data = ["a", [one, {"x": one}], {"_placeholder": False, "num": 0}]
    filled = ["a", [b"!", {"x": b"!"}], {"_placeholder": False, "num": 0}]
    assert codec.fill(data, [b"!"]) == filled


packets = st.lists(
    st.tuples(
        st.binary(min_size=1).filter(lambda b: b[:1] != b"b" and b"\x1e" not in b), st.just(False)
    )
    | st.tuples(st.binary(), st.just(True)),
    min_size=1,
    max_size=20,
)


@settings(deadline=None)
@given(packets)
def test_payloads_survive_a_round_trip(pairs: list[tuple[bytes, bool]]) -> None:
    assert codec.split_payload(codec.join_payload(pairs)) == pairs


@pytest.mark.parametrize("body", [b"", b"4a\x1e", b"\x1e4a", b"4a\x1e\x1e4b", b"b*", b"bAAA"])
def test_bad_payloads_are_refused(body: bytes) -> None:
    with pytest.raises(PacketError):
        codec.split_payload(body)


def test_binary_in_a_payload_is_standard_base64() -> None:
    data = bytes(range(256))
    assert codec.join_payload([(b"4x", False), (data, True)]) == b"4x\x1eb" + b64encode(data)


def test_the_record_separator_cannot_occur_inside_json() -> None:
    assert b"\x1e" not in codec.encode(codec.EVENT, "/", ["a\x1eb", {"\x1e": "\x1e"}])[0]
