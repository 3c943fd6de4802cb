"""WebSocket frames (RFC 6455), server side: a parser for what comes, bytes for what goes.

The parser is ours because it is on the hot path of every inbound message, and by measurement: it
takes a third to a tenth of the time of the sans-IO layer of the `websockets` package (`python -m
bench frame_parsers` runs them side by side). A test feeds both the same hostile bytes and demands
the same answers. Masks are removed by that package's C code.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterator
from hashlib import sha1
from struct import pack
from typing import Final

from websockets.speedups import apply_mask

CONTINUATION, TEXT, BINARY = 0, 1, 2
CLOSE_FRAME, PING_FRAME, PONG_FRAME = 8, 9, 10

NORMAL, GOING_AWAY, PROTOCOL_ERROR, BAD_DATA, POLICY, TOO_BIG = 1000, 1001, 1002, 1007, 1008, 1009
INTERNAL_ERROR: Final = 1011
TRY_AGAIN: Final = 1013

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_MAX_FRAGMENTS: Final = 1024


class FrameError(ValueError):
    """The peer broke RFC 6455; `code` is what its close frame must say."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def accept_key(key: bytes) -> bytes:
    """The Sec-WebSocket-Accept value; raises ValueError unless the key is 16 bytes in base64."""
    if len(b64decode(key, validate=True)) != 16:
        msg = "Sec-WebSocket-Key must hold 16 bytes"
        raise ValueError(msg)
    return b64encode(sha1(key + _GUID, usedforsecurity=False).digest())


def frame(payload: bytes, opcode: int = TEXT) -> bytes:
    """One whole unmasked frame."""
    size = len(payload)
    if size < 126:
        return bytes((0x80 | opcode, size)) + payload
    if size < 65536:
        return pack("!BBH", 0x80 | opcode, 126, size) + payload
    return pack("!BBQ", 0x80 | opcode, 127, size) + payload


def close_frame(code: int, reason: str = "") -> bytes:
    """A close frame; the reason is cut to what a control frame may carry."""
    return frame(pack("!H", code) + reason.encode()[:123], CLOSE_FRAME)


class Parser:
    """Turns received bytes into messages and control frames; holds at most one message."""

    __slots__ = ("_fragments", "_need", "_opcode", "_rest", "_size", "limit")

    def __init__(self, limit: int) -> None:
        """`limit`: the biggest message in bytes, checked on the header, before buffering."""
        self.limit = limit
        self._rest: bytearray | None = None  # the start of a frame, until `_need` bytes are there
        self._need = 0
        self._fragments: list[bytes] | None = None
        self._opcode = 0
        self._size = 0

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield (opcode, payload) of each whole message or control frame, in order.

        What came before an error is yielded before `FrameError` is raised. Text is checked to be
        UTF-8, close payloads to be well-formed.
        """
        data = self._gather(data)
        position, end, stop = 0, len(data), 0
        while end - position >= 2:
            first, second = data[position], data[position + 1]
            size = second & 127
            start = position + 6
            if size > 125:
                start += 2 if size == 126 else 8
                if end < start - 4:
                    self._check_head(first, second, 0)
                    stop = start
                    break
                size = int.from_bytes(data[position + 2 : start - 4], "big")
            self._check_head(first, second, size)
            stop = start + size
            if stop > end:
                break
            payload = apply_mask(data[start:stop], data[start - 4 : start]) if size else b""
            position = stop
            if first & 8:
                yield first & 15, _control(first & 15, payload)
            elif first > 128 and self._fragments is None:
                yield first & 15, payload if first == 130 else _text(payload)
            elif (whole := self._join(first, payload)) is not None:
                yield self._opcode, whole
        if position < end:
            self._rest = bytearray(data[position:])
            self._need = stop - position

    def _gather(self, data: bytes) -> bytes:
        """Put a frame's start and its continuation together, once there is enough of it."""
        if self._rest is None:
            return data
        self._rest += data
        if len(self._rest) < self._need:
            return b""
        data = bytes(self._rest)
        self._rest = None
        return data

    def _check_head(self, first: int, second: int, size: int) -> None:
        opcode = first & 15
        if first & 0x70:
            raise FrameError(PROTOCOL_ERROR, "reserved bits are set")
        if not second & 128:
            raise FrameError(PROTOCOL_ERROR, "client frames must be masked")
        if opcode & 8:
            if opcode > PONG_FRAME or not first & 128 or second & 127 > 125:
                raise FrameError(PROTOCOL_ERROR, "bad control frame")
            return
        if opcode > BINARY or (opcode == CONTINUATION) == (self._fragments is None):
            raise FrameError(PROTOCOL_ERROR, "bad opcode")
        if size + (self._size if self._fragments is not None else 0) > self.limit:
            raise FrameError(TOO_BIG, "message is too big")

    def _join(self, first: int, payload: bytes) -> bytes | None:
        if self._fragments is None:
            self._fragments, self._size, self._opcode = [], 0, first & 15
        self._fragments.append(payload)
        self._size += len(payload)
        if not first & 128:
            if len(self._fragments) > _MAX_FRAGMENTS:
                raise FrameError(POLICY, "too many fragments")
            return None
        whole = b"".join(self._fragments)
        self._fragments = None
        return whole if self._opcode == BINARY else _text(whole)


def _text(payload: bytes) -> bytes:
    if not payload.isascii():
        try:
            payload.decode()
        except UnicodeDecodeError as error:
            raise FrameError(BAD_DATA, "text is not UTF-8") from error
    return payload


def _control(opcode: int, payload: bytes) -> bytes:
    if opcode == CLOSE_FRAME and payload:
        if len(payload) == 1:
            raise FrameError(PROTOCOL_ERROR, "bad close payload")
        code = int.from_bytes(payload[:2], "big")
        if not (3000 <= code < 5000 or (1000 <= code <= 1014 and code not in (1004, 1005, 1006))):
            raise FrameError(PROTOCOL_ERROR, "bad close code")
        _text(payload[2:])
    return payload
