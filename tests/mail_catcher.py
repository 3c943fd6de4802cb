"""A mail server that keeps what it is given (RFC 5321, as much of it as smtplib speaks)."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from functools import partial

import trio

LETTER = "LETTER"
"""The place of the text itself in `answers`: what is said after the final dot."""


class MailCatcher:
    """What arrived. `answers` overrides the reply to a verb; "" hangs up instead of replying."""

    def __init__(self) -> None:
        self.port = 0
        self.letters: list[EmailMessage] = []
        self.answers: dict[str, str] = {}
        self.heard: list[str] = []
        self._arrived = trio.Condition()

    async def wait_for(self, count: int = 1) -> list[EmailMessage]:
        """The letters, once there are so many."""
        return await self._until(lambda: len(self.letters) >= count)

    async def wait_to_hear(self, verb: str) -> None:
        """Return once a client has said this."""
        await self._until(lambda: verb in self.heard)

    async def _until(self, done: Callable[[], bool]) -> list[EmailMessage]:
        with trio.fail_after(10):
            async with self._arrived:
                while not done():
                    await self._arrived.wait()
        return self.letters

    async def serve(self, stream: trio.SocketStream) -> None:
        lines = _Lines(stream)
        try:
            await stream.send_all(b"220 catcher\r\n")
            while (line := await lines.next()) is not None:
                if not await self._answer(stream, lines, line):
                    return
        except trio.BrokenResourceError:
            return

    async def _answer(self, stream: trio.SocketStream, lines: "_Lines", line: bytes) -> bool:
        verb = line.split(b" ")[0].upper().decode()
        reply = self.answers.get(verb, _REPLIES.get(verb, "250 ok"))
        await self._note(verb)
        if not reply:
            return False
        await stream.send_all(reply.encode() + b"\r\n")
        if verb == "DATA" and reply.startswith("354"):
            letter = await lines.until_dot()
            after = self.answers.get(LETTER, "250 kept")
            if after.startswith("250"):
                self.letters.append(message_from_bytes(letter, EmailMessage, policy=SMTP))
            await self._note(LETTER)
            if not after:
                return False
            await stream.send_all(after.encode() + b"\r\n")
        return verb != "QUIT"

    async def _note(self, verb: str) -> None:
        self.heard.append(verb)
        async with self._arrived:
            self._arrived.notify_all()


_REPLIES = {"DATA": "354 go on", "QUIT": "221 bye", "STARTTLS": "502 no"}


class _Lines:
    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._buffer = b""

    async def next(self) -> bytes | None:
        while b"\r\n" not in self._buffer:
            more = await self._stream.receive_some(4096)
            if not more:
                return None
            self._buffer += more
        line, _, self._buffer = self._buffer.partition(b"\r\n")
        return line

    async def until_dot(self) -> bytes:
        lines = []
        while (line := await self.next()) not in (b".", None):
            lines.append(line[1:] if line.startswith(b"..") else line)
        return b"\r\n".join(lines)


@asynccontextmanager
async def open_catcher() -> AsyncIterator[MailCatcher]:
    """A catcher on a free port of the loopback address."""
    catcher = MailCatcher()
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    catcher.port = listener.socket.getsockname()[1]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(trio.serve_listeners, catcher.serve, [listener]))
        yield catcher
        nursery.cancel_scope.cancel()
