"""A client of the plain WebSocket API, to start an integration from: python -m … URL TOKEN.

It follows every change of the company and never misses one: after a lost connection it resumes
before the greatest `seq` it has seen. Commands are pipelined; replies come back by id.
"""

import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import msgspec
import trio
from trio_websocket import ConnectionClosed, HandshakeError, WebSocketConnection, open_websocket_url

AGAIN_SECONDS = 1.0
Handle = Callable[[dict[str, Any]], None]


class CommandFailed(Exception):
    """The server's answer to a command was no; `code` says why."""

    def __init__(self, reply: dict[str, Any]) -> None:
        super().__init__(reply["error"])
        self.code: str = reply["error"]
        self.retry_after: float | None = reply.get("retryAfter")


class StreamClient:
    """One connection: `ask` from as many tasks as you like, events go to `handle`."""

    def __init__(self, ws: WebSocketConnection, handle: Handle) -> None:
        self._ws = ws
        self._handle = handle
        self._ids = count(1)
        self._replies: dict[int, trio.MemorySendChannel[dict[str, Any]]] = {}

    async def ask(self, do: str, *, key: str = "", since: int | None = None, **given: Any) -> Any:
        """Send one command and wait for its reply; a `key` makes its repetition harmless.

        Raises CommandFailed, and ConnectionClosed when the outcome will never be known here.
        """
        number = next(self._ids)
        order: dict[str, Any] = {"id": number, "do": do, "with": given, "key": key, "since": since}
        send, receive = trio.open_memory_channel[dict[str, Any]](1)
        self._replies[number] = send
        try:
            await self._ws.send_message(msgspec.json.encode(order).decode())
            reply = await receive.receive()
        except trio.EndOfChannel:
            raise ConnectionClosed(self._ws.closed) from None
        finally:
            del self._replies[number]
        if "error" in reply:
            raise CommandFailed(reply)
        return reply["ok"]

    async def run(self) -> None:
        """Read until the connection ends (ConnectionClosed); who waits for a reply is told."""
        try:
            while True:
                told = msgspec.json.decode(await self._ws.get_message())
                if "id" in told:
                    if told["id"] in self._replies:
                        self._replies[told["id"]].send_nowait(told)
                elif "seq" in told or "event" in told:
                    self._handle(told)
        finally:
            for waiting in self._replies.values():
                waiting.close()


@asynccontextmanager
async def connected(url: str, token: str, handle: Handle) -> AsyncGenerator[StreamClient]:
    """A client for the length of the block."""
    headers = [(b"Authorization", f"Bearer {token}".encode())]
    async with (
        open_websocket_url(f"{url}/ws", extra_headers=headers) as ws,
        trio.open_nursery() as nursery,
    ):
        client = StreamClient(ws, handle)
        nursery.start_soon(client.run)
        yield client
        nursery.cancel_scope.cancel()


class Position:
    """How far this integration has come; a real one keeps it where it keeps what it made of it."""

    def __init__(self, seq: int | None = None) -> None:
        self.seq = seq

    @property
    def since(self) -> int | None:
        """Where to resume: one change can be several live events, and the last may be missing."""
        return None if self.seq is None else max(self.seq - 1, 0)

    def takes(self, event: dict[str, Any]) -> bool:
        """Take note of an event. False: it belongs to a change that is long handled.

        What the operators tell every company has no number: it is heard or missed, and moves nothing.
        """
        if "seq" not in event:
            return True
        new = self.seq is None or event["seq"] >= self.seq
        self.seq = max(self.seq or 0, event["seq"])
        return new


async def follow(url: str, token: str, position: Position, handle: Handle) -> None:
    """Hand over every event from `position` on, over any number of lost connections."""

    def take(event: dict[str, Any]) -> None:
        if position.takes(event):
            handle(event)

    while True:
        try:
            async with connected(url, token, take) as client:
                start = await client.ask("subscribe", since=position.since)
                position.seq = max(position.seq or 0, start["seq"])
                if not start["complete"]:
                    sys.stderr.write("older events are forgotten: read everything again\n")
                await trio.sleep_forever()
        except* (OSError, ConnectionClosed, HandshakeError):
            pass
        await trio.sleep(AGAIN_SECONDS)


def main() -> None:
    """Print every event of the token's company."""
    url, token = sys.argv[1:3]

    def show(event: dict[str, Any]) -> None:
        print(msgspec.json.encode(event).decode())

    trio.run(follow, url, token, Position(), show)


if __name__ == "__main__":
    main()
