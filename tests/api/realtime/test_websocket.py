"""Our frame parser says what the `websockets` package's sans-IO protocol says, byte for byte."""

from collections.abc import Sequence
from struct import pack

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from websockets.frames import Opcode
from websockets.protocol import OPEN, Side
from websockets.protocol import Protocol as Judge
from websockets.speedups import apply_mask

from api.realtime.websocket import FrameError, Parser, accept_key, close_frame, frame

LIMIT = 5_000
Message = tuple[int, bytes]


def client_frame(
    payload: bytes,
    opcode: int = 1,
    *,
    final: bool = True,
    reserved: int = 0,
    masked: bool = True,
    length: int | None = None,
) -> bytes:
    """A frame as a client writes it, or as a liar does."""
    size = len(payload) if length is None else length
    first = (0x80 if final else 0) | reserved << 4 | opcode
    mask_bit = 0x80 if masked else 0
    if size < 126:
        head = pack("!BB", first, mask_bit | size)
    elif size < 65536:
        head = pack("!BBH", first, mask_bit | 126, size)
    else:
        head = pack("!BBQ", first, mask_bit | 127, size)
    if not masked:
        return head + payload
    mask = b"\x01\xfe\x80\x7f"
    return head + mask + (apply_mask(payload, mask) if payload else b"")


def ours(chunks: Sequence[bytes]) -> tuple[list[Message], int | None]:
    """Messages and control frames until the end or the error, and the error's close code."""
    parser, found = Parser(LIMIT), []
    try:
        for chunk in chunks:
            for opcode, payload in parser.feed(chunk):
                if opcode == 8 and parser._fragments is not None:
                    return found, 1002  # legal for us; that package wants the message's end first
                found.append((opcode, bytes(payload)))
                if opcode == 8:
                    return found, None
    except FrameError as error:
        return found, error.code
    return found, None


def theirs(chunks: Sequence[bytes]) -> tuple[list[Message], int | None]:
    """The same by the `websockets` package."""
    judge = Judge(Side.SERVER, state=OPEN, max_size=LIMIT)
    found: list[Message] = []
    fragments: list[bytes] = []
    kind = 0
    for chunk in chunks:
        judge.receive_data(chunk)
        for event in judge.events_received():
            if event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                if event.opcode is not Opcode.CONT:
                    kind = int(event.opcode)
                fragments.append(bytes(event.data))
                if event.fin:
                    found.append((kind, b"".join(fragments)))
                    fragments = []
            else:
                found.append((int(event.opcode), bytes(event.data)))
                if event.opcode is Opcode.CLOSE:
                    return found, None
        if judge.parser_exc is not None:
            assert judge.close_sent is not None
            return found, int(judge.close_sent.code)
    return found, None


payloads = st.binary(max_size=300) | st.text(max_size=80).map(
    lambda text: text.encode("utf-8", "surrogatepass")
)
frames = st.builds(
    client_frame,
    payloads,
    st.sampled_from([0, 0, 1, 1, 1, 2, 2, 3, 8, 9, 10, 11]),
    final=st.booleans(),
    reserved=st.sampled_from([0] * 12 + [1, 4]),
    masked=st.sampled_from([True] * 12 + [False]),
    length=st.sampled_from([None] * 12 + [4_999, 5_001, 70_000, 2**63]),
)
closes = st.builds(
    lambda code, reason: client_frame(pack("!H", code) + reason, 8),
    st.integers(0, 65535) | st.integers(998, 1016),
    payloads.map(lambda payload: payload[:50]),
)


def cut(data: bytes, sizes: Sequence[int]) -> list[bytes]:
    """The bytes as they may arrive."""
    chunks, at = [], 0
    for size in sizes:
        chunks.append(data[at : at + size])
        at += size
    chunks.append(data[at:])
    return [chunk for chunk in chunks if chunk]


@settings(max_examples=400, deadline=None)
@given(
    st.lists(frames | closes, max_size=6).map(b"".join) | st.binary(max_size=80),
    st.lists(st.integers(1, 40), max_size=12),
)
@example(client_frame(b"\xc3", final=False) + client_frame(b"\xa9", 0), [1, 1])
@example(client_frame(b"x", final=False) * 2, [])
@example(client_frame(b"\xff"), [])
def test_hostile_bytes_get_the_same_verdict_as_from_the_websockets_package(
    data: bytes, sizes: Sequence[int]
) -> None:
    chunks = cut(data, sizes)
    (messages, code), (expected, judged) = ours(chunks), theirs(chunks)
    assert messages == expected[: len(messages)]
    if code == 1007:  # that package leaves the UTF-8 of messages to its users
        assert judged == 1007 or is_bad_text(expected[len(messages)])
        return
    assert len(messages) == len(expected)
    if code is not None and judged is None:  # ours judges a frame by its head already
        judged = theirs([*chunks, bytes(LIMIT + 14)])[1]
    both_see_one = {code, judged} <= {1002, 1007, 1009}  # a frame may have two faults
    assert code == judged or both_see_one


def is_bad_text(message: Message) -> bool:
    """Text that is not UTF-8."""
    try:
        message[1].decode()
    except UnicodeDecodeError:
        return message[0] == 1
    return False


@settings(deadline=None)
@given(st.binary(max_size=70_000), st.sampled_from([1, 2, 9]))
def test_our_frames_are_read_back_by_the_websockets_package(payload: bytes, opcode: int) -> None:
    payload = payload[:125] if opcode == 9 else payload
    judge = Judge(Side.CLIENT, state=OPEN, max_size=None)
    judge.receive_data(frame(payload, opcode) + close_frame(1001, "going " * 50))
    message, close = judge.events_received()
    assert (int(message.opcode), bytes(message.data)) == (opcode, payload)
    assert judge.close_rcvd is not None
    assert judge.close_rcvd.code == 1001
    assert close.opcode is Opcode.CLOSE


def test_a_huge_frame_is_refused_on_its_header() -> None:
    parser = Parser(LIMIT)
    with pytest.raises(FrameError) as caught:
        list(parser.feed(client_frame(b"", 2, length=64 << 20)[:10]))
    assert caught.value.code == 1009


def test_fragments_may_not_add_up_to_more_than_the_limit_nor_come_without_end() -> None:
    with pytest.raises(FrameError) as caught:
        list(Parser(LIMIT).feed(client_frame(bytes(3_000), 2, final=False) + client_frame(bytes(2_001), 0)))  # fmt: skip
    assert caught.value.code == 1009
    endless = client_frame(b"", 2, final=False) + client_frame(b"", 0, final=False) * 2_000
    with pytest.raises(FrameError) as caught:
        list(Parser(LIMIT).feed(endless))
    assert caught.value.code == 1008


def test_a_frame_that_comes_byte_by_byte_is_put_together_once() -> None:
    parser, data = Parser(1 << 20), client_frame(bytes(100_000), 2)
    found = [message for at in range(len(data)) for message in parser.feed(data[at : at + 1])]
    assert found == [(2, bytes(100_000))]


def test_the_accept_key_of_the_standard() -> None:
    assert accept_key(b"dGhlIHNhbXBsZSBub25jZQ==") == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@pytest.mark.parametrize("key", [b"", b"short", b"!!!!", b"AAAA", b"A" * 400])
def test_bad_keys_are_refused(key: bytes) -> None:
    with pytest.raises(ValueError, match=r".*"):
        accept_key(key)
