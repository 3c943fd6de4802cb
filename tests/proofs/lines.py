"""A keep-alive HTTP/1.1 connection to the server under test: what is lost is told apart."""

import msgspec
import trio

from actors.channels.whatsapp_cloud import signature

PATIENCE = 20.0
"""Seconds after which an answer counts as lost; longer than any deadline of the server."""


class Lost(Exception):
    """No answer: the connection was refused or broke. The outcome is unknown."""


class Silent(Lost):
    """No answer for longer than any deadline of the server, on a connection that stands."""


class Answer(msgspec.Struct, frozen=True):
    """A whole answer; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def retry_after(self) -> float:
        """What the server asks for, in seconds; 0 when it asks for nothing."""
        return float(self.headers.get("retry-after", "0"))

    @property
    def json(self) -> object:
        """The decoded body."""
        return msgspec.json.decode(self.body)


class Line:
    """One request at a time on one connection, which is opened anew whenever it broke."""

    def __init__(self, port: int) -> None:
        self.port = port
        """Where the next request goes; a connection to another port is given up for it."""
        self.opened = port
        """Where the last request went."""
        self._stream: trio.SocketStream | None = None
        self._buffer = b""

    async def call(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> Answer:
        """Send one request and return its answer. Raises Lost."""
        lines = [f"{method} {path} HTTP/1.1", "host: proof", f"content-length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        try:
            with trio.fail_after(PATIENCE):
                if self.opened != self.port:
                    await self.close()
                if self._stream is None:
                    self.opened = self.port
                    self._stream = await trio.open_tcp_stream("127.0.0.1", self.port)
                await self._stream.send_all("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
                return await self._answer()
        except (OSError, trio.BrokenResourceError) as error:
            await self.close()
            raise Lost(repr(error)) from error
        except trio.TooSlowError as error:
            await self.close()
            raise Silent(path) from error
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Drop the connection."""
        stream, self._stream, self._buffer = self._stream, None, b""
        if stream is not None:
            await trio.aclose_forcefully(stream)

    async def _answer(self) -> Answer:
        while b"\r\n\r\n" not in self._buffer:
            await self._more()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        first, *rest = head.decode("latin-1").split("\r\n")
        headers = {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in rest)}
        length = int(headers.get("content-length", "0"))
        while len(self._buffer) < length:
            await self._more()
        body, self._buffer = self._buffer[:length], self._buffer[length:]
        answer = Answer(int(first.split()[1]), headers, body)
        if headers.get("connection") == "close":
            await self.close()
        return answer

    async def _more(self) -> None:
        assert self._stream is not None
        data = await self._stream.receive_some(65536)
        if not data:
            message = "closed in the middle"
            raise trio.BrokenResourceError(message)
        self._buffer += data


def signed(secret: str, body: bytes) -> dict[str, str]:
    """The headers of a provider's delivery."""
    return {"content-type": "application/json", "x-hub-signature-256": signature(secret, body)}
