"""As much HTTP/1.1 as the fake needs: one request after the other on a kept connection."""

from collections.abc import Awaitable, Callable

import httptools
import msgspec
import trio

READ = 65536


class Request(msgspec.Struct):
    """A request, whole."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Answer(msgspec.Struct):
    """An answer; `drop` breaks the connection instead."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    drop: bool = False

    def encode(self) -> bytes:
        """Head and body as sent."""
        head = (
            f"HTTP/1.1 {self.status} Fake\r\ncontent-length: {len(self.body)}\r\n"
            f"content-type: {self.content_type}\r\n\r\n"
        )
        return head.encode() + self.body


Handler = Callable[[Request], Awaitable[Answer]]


class _Reader:
    """httptools' callbacks, collecting whole requests."""

    def __init__(self) -> None:
        self.parser = httptools.HttpRequestParser(self)
        self.done: list[Request] = []

    def on_message_begin(self) -> None:
        self.url = b""
        self.headers: dict[str, str] = {}
        self.body = bytearray()

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.done.append(
            Request(
                method=self.parser.get_method().decode(),
                path=self.url.decode("latin-1"),
                headers=self.headers,
                body=bytes(self.body),
            )
        )


async def serve_connection(stream: trio.SocketStream, handler: Handler) -> None:
    """Answers requests until the client goes, or is dropped."""
    reader = _Reader()
    async with stream:
        try:
            while data := await stream.receive_some(READ):
                reader.parser.feed_data(data)
                while reader.done:
                    answer = await handler(reader.done.pop(0))
                    if answer.drop:
                        return
                    await stream.send_all(answer.encode())
        except (httptools.HttpParserError, trio.BrokenResourceError, trio.ClosedResourceError):
            return
