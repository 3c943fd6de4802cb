"""The polling transport as plain ASGI: one GET hangs, one POST at a time brings packets."""

from typing import Final

import trio

from api.realtime.handshake import Headers, Receive, Request, Send, respond
from api.realtime.packet import PacketError
from api.realtime.protocol import Session
from api.realtime.settings import RealtimeSettings

_TEXT: Final = b"text/plain; charset=UTF-8"


class HangingGet:
    """A `Poll`: the request waits for `answered`, the session fills in the body."""

    __slots__ = ("answered", "body")

    def __init__(self) -> None:
        self.body: bytes | None = None
        self.answered = trio.Event()

    def answer(self, body: bytes) -> None:
        """Let the request finish with this body."""
        self.body = body
        self.answered.set()


async def serve_get(session: Session, receive: Receive, send: Send, headers: Headers) -> None:
    """Answer a poll when there is something to say; the session dies with a lost poll."""
    poll = HangingGet()
    if not session.poll(poll):
        await respond(send, 400, headers=headers)
        return
    sent = False
    try:
        if poll.body is None:
            await _wait(session, poll, receive)
        if poll.body is not None:
            await respond(send, 200, poll.body, _TEXT, headers)
            sent = True
    finally:
        if poll.body is None:
            session.poll_lost(poll)
        elif not sent:
            session.close("transport error", discard=True)


async def _wait(session: Session, poll: HangingGet, receive: Receive) -> None:
    async def watch() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        session.poll_lost(poll)
        nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch)
        await poll.answered.wait()
        nursery.cancel_scope.cancel()


async def serve_post(
    session: Session,
    request: Request,
    receive: Receive,
    send: Send,
    headers: Headers,
    settings: RealtimeSettings,
) -> None:
    """Take a body of packets, in order; anything wrong with it ends the session."""
    if session.posting or request.headers.get(b"content-type") == b"application/octet-stream":
        session.close("transport error", discard=True)
        await respond(send, 400, headers=headers)
        return
    session.posting = True
    try:
        joined = session.upper.joined
        most = settings.max_payload if joined else settings.first_payload
        body = await _read_body(request, receive, most)
    finally:
        session.posting = False
    if body is None:
        await respond(send, 413, headers=[*headers, (b"connection", b"close")])
        return
    try:
        session.post(body)
    except PacketError:
        await respond(send, 400, headers=headers)
        return
    await respond(send, 200, b"ok", b"text/html", headers)


async def _read_body(request: Request, receive: Receive, limit: int) -> bytes | None:
    declared = request.headers.get(b"content-length", b"0")
    if declared.isdigit() and int(declared[:19]) > limit:
        return None
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b""
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            return None
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)
