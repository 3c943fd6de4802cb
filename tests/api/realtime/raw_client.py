"""A websocket spoken by hand over trio: shows what the server puts on the wire, byte for byte."""

from collections import deque
from collections.abc import Callable

import trio

from bench.load.frames import FrameReader, masked_text

OPENED: list[trio.SocketStream] = []
"""Every stream of the running test; the server's context closes them."""


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what happens on the other side of a real socket."""
    with trio.fail_after(10):
        while not condition():  # noqa: ASYNC110 - nothing on this side tells
            await trio.sleep(0.005)


class RawClient:
    """One connection; frames are (opcode, payload)."""

    def __init__(self, stream: trio.SocketStream, rest: bytes) -> None:
        self.stream = stream
        self._reader = FrameReader()
        self._frames = deque(self._reader.feed(rest))

    async def frame(self) -> tuple[int, bytes] | None:
        """The next frame; None at the end of the stream."""
        while not self._frames:
            try:
                data = await self.stream.receive_some(65536)
            except trio.BrokenResourceError:
                return None
            if not data:
                return None
            self._frames.extend(self._reader.feed(data))
        return self._frames.popleft()

    async def text(self) -> bytes:
        """The next text frame."""
        frame = await self.frame()
        assert frame is not None
        assert frame[0] == 1, frame
        return frame[1]

    async def close_code(self) -> int | None:
        """Read on to the end; the code of the close frame, if one came."""
        code = None
        while (frame := await self.frame()) is not None:
            if frame[0] == 8:
                code = int.from_bytes(frame[1][:2], "big")
        return code

    async def say(self, *texts: bytes) -> None:
        """Send text frames in one write."""
        await self.stream.send_all(b"".join(masked_text(text) for text in texts))

    async def join(self, namespace: bytes = b"") -> None:
        """CONNECT, and read up to the answer."""
        await self.say(b"40" + namespace)
        while not (await self.text()).startswith((b"40", b"44")):
            pass
        if not namespace:
            assert (await self.text()).startswith(b'42["ready",')


async def http(port: int, request: bytes) -> tuple[trio.SocketStream, bytes, bytes]:
    """Send a request; the stream, the response's head and what came behind it."""
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    OPENED.append(stream)
    await stream.send_all(request)
    data = b""
    while b"\r\n\r\n" not in data:
        data += await stream.receive_some(65536) or b"\r\n\r\n"
    head, _, rest = data.partition(b"\r\n\r\n")
    return stream, head, rest


def upgrade_request(query: str, extra: str = "") -> bytes:
    """A websocket upgrade."""
    return (
        f"GET /socket.io/?EIO=4&transport=websocket&{query} HTTP/1.1\r\nHost: test\r\n"
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{extra}\r\n"
    ).encode()


async def open_websocket(port: int, token: str = "admin") -> RawClient:
    """A websocket that read its open packet."""
    stream, head, rest = await http(port, upgrade_request(f"token={token}"))
    assert head.startswith(b"HTTP/1.1 101 "), head
    client = RawClient(stream, rest)
    assert (await client.text()).startswith(b'0{"sid":')
    return client
