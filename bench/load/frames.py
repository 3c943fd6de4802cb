"""Unmasked websocket frames cut out of a byte stream: all that a load client needs of RFC 6455."""

from collections.abc import Iterator


class FrameReader:
    """Feeds on received bytes, yields (opcode, payload); server frames are never masked."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield every complete frame; keep the rest for the next call."""
        if self._buffer:
            data = self._buffer + data
        position, end = 0, len(data)
        while end - position >= 2:
            size = data[position + 1] & 0x7F
            start = position + 2
            if size == 126:
                size, start = int.from_bytes(data[start : start + 2], "big"), start + 2
            elif size == 127:
                size, start = int.from_bytes(data[start : start + 8], "big"), start + 8
            if start + size > end:
                break
            yield data[position] & 0x0F, data[start : start + size]
            position = start + size
        self._buffer = data[position:]


def masked_text(text: bytes) -> bytes:
    """Encode one client text frame with a zero mask (allowed, and free)."""
    size = len(text)
    if size < 126:
        return bytes((0x81, 0x80 | size)) + b"\0\0\0\0" + text
    return b"\x81\xfe" + size.to_bytes(2, "big") + b"\0\0\0\0" + text
