"""The plain WebSocket API at `/ws`: commands with ids, and the event stream with resume by seq.

For integrations that want neither Socket.IO nor polling. The token comes as `Authorization:
Bearer`, or as `?token=`. Messages are JSON in text frames or msgpack in binary frames; the server
answers in the form that the client used last. See README.md beside this file.
"""

import logging
from collections import deque
from typing import Annotated, Any, Final

import msgspec
import trio
from msgspec import Meta

from api.principal import Principal
from api.realtime import rooms
from api.realtime.arguments import offered_token
from api.realtime.channel import STREAM_JSON, STREAM_MSGPACK, Channel, Outgoing
from api.realtime.client import Client
from api.realtime.handshake import Request
from api.realtime.host import Host
from api.realtime.packet import Parts
from api.realtime.ports import CommandRefused, EventsSince
from api.realtime.questions import FORBIDDEN, INTERNAL, NO_TOKEN, Refused, answer, as_of_now
from api.realtime.recovery import same_permissions
from api.realtime.timers import NEVER_SLOT
from api.realtime.transports import NEVER, Handshake, Link
from api.realtime.websocket import BAD_DATA, BINARY, PING_FRAME, POLICY, TRY_AGAIN, frame
from storage.event_log import EventPage

log = logging.getLogger(__name__)
_MAX_WAITING: Final = 256
_MAX_BYTES: Final = 4_000_000
_MAX_HELD: Final = 10_000
_PAGE: Final = 500
_AFTER_ALL: Final = 2**53 - 1
_PING: Final = frame(b"", PING_FRAME)


class Order(msgspec.Struct):
    """One command. `key` makes its repetition, on whatever connection, the same command."""

    id: int | str
    do: str
    with_: dict[str, object] = msgspec.field(name="with", default_factory=dict)
    key: str = ""
    since: Annotated[int, Meta(ge=0, le=2**53 - 1)] | None = None

    @property
    def lane(self) -> str:
        """Commands of one lane are worked on one after the other; catching up holds none up."""
        return "subscribe" if self.do == "subscribe" else str(self.with_.get("ticketId", ""))


_read_json: Final = msgspec.json.Decoder(Order).decode
_read_msgpack: Final = msgspec.msgpack.Decoder(Order).decode
_write_json: Final = msgspec.json.Encoder().encode
_write_msgpack: Final = msgspec.msgpack.Encoder().encode


class Stream:
    """One `/ws` connection: a `Receiver` of its websocket and a member of rooms."""

    def __init__(self, host: Host, principal: Principal, ping_interval: float) -> None:
        self.dialect = STREAM_JSON
        self.link: Link | None = None
        self.rooms: dict[str, int] = {}
        self.principal: Principal | None = principal
        self._who = principal
        self.wake_slot = NEVER_SLOT
        self._host = host
        self._client: Client | None = None
        self._channel: Channel | None = None
        self._lanes: dict[str, deque[tuple[Order, int]]] = {}
        self._waiting = 0
        self._waiting_bytes = 0
        self._held: list[Outgoing] | None = None
        self._replayed = 0
        self._heard = True
        self._readable = trio.Event()
        self._ping_interval = ping_interval
        self._expires_at = host.now() + host.seconds_left(principal)

    def open(self, client: Client) -> None:
        """The websocket is there."""
        self.link = self._client = client

    # -- receiver --------------------------------------------------------------------------------

    def receive(self, link: Client, data: bytes, binary: bool) -> None:
        """Take one command; it waits for those of its ticket before it."""
        self._heard = True
        self.dialect = STREAM_MSGPACK if binary else STREAM_JSON
        try:
            order = (_read_msgpack if binary else _read_json)(data)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            link.close(BAD_DATA, "not a command")
            self._gone()
            return
        full = self._waiting >= _MAX_WAITING or self._waiting_bytes + len(data) > _MAX_BYTES
        if self._waiting and full:
            self._say({"id": order.id, "error": "ERR_OVERLOADED"})
            return
        self._waiting += 1
        self._waiting_bytes += len(data)
        lane = self._lanes.get(order.lane)
        if lane is None:
            self._lanes[order.lane] = deque(((order, len(data)),))
            self._host.spawn(self._work, order.lane)
        else:
            lane.append((order, len(data)))

    def ponged(self) -> None:
        """The client is alive."""
        self._heard = True

    def unblocked(self) -> None:
        """The client has read what waited for it: more of the log may follow."""
        self._readable.set()

    def link_lost(self, link: Client, reason: str) -> None:
        """The connection is gone."""
        self._gone()

    def _gone(self) -> None:
        self.link = self._client = None
        self._readable.set()
        self._host.stream_ended(self)
        for lane in self._lanes.values():
            lane.clear()
        if self._channel is not None:
            self._channel.leave_all(self)

    def end(self, code: str, close_code: int = POLICY) -> None:
        """Tell the client why, then hang up."""
        client = self._client
        if client is not None:
            self._say({"error": code})
            if self._channel is not None:
                self._channel.fold()  # what was said before the end is heard before it
            client.close(close_code, code)
            self._gone()

    def tick(self, now: float) -> float:
        """Ping, find that nothing came back, or that the token ran out."""
        if self._client is None:
            return NEVER
        if now >= self._expires_at:
            self.end("ERR_SESSION_EXPIRED")
            return NEVER
        if not self._heard:
            self._client.lost("ping timeout", POLICY)
            return NEVER
        self._heard = False
        self._client.write(_PING)
        return min(now + self._ping_interval, self._expires_at)

    # -- member ----------------------------------------------------------------------------------

    def deliver(self, parts: Parts) -> None:
        """Send frames."""
        if self._client is not None:
            self._client.write(parts[0])

    def hear(self, event: Outgoing, prefix: bytes) -> None:
        """Keep an event while the log is replayed; then pass over what the log told already."""
        if self._held is not None:
            self._held.append(event)
            if len(self._held) > _MAX_HELD:
                self.end("ERR_OVERLOADED")
        elif self._client is not None and not 0 < event.seq <= self._replayed:
            self._client.write(event.framed(self.dialect, b""))
            if event.seq:
                self.link = self._client  # the live events are past the log

    def _say(self, reply: dict[str, Any]) -> None:
        if self.dialect == STREAM_JSON:
            framed = frame(_write_json(reply))
        else:
            framed = frame(_write_msgpack(msgspec.to_builtins(reply)), BINARY)
        if self._channel is not None:
            self._channel.send(self, (framed,))
        else:
            self.deliver((framed,))

    # -- commands --------------------------------------------------------------------------------

    async def _work(self, name: str) -> None:
        lane = self._lanes[name]
        try:
            while lane:
                order, size = lane.popleft()
                self._say(await self._reply(order))
                self._waiting -= 1
                self._waiting_bytes -= size
        finally:
            del self._lanes[name]

    async def _reply(self, order: Order) -> dict[str, Any]:
        try:
            return {"id": order.id, "ok": await self._do(order)}
        except (Refused, CommandRefused) as refused:
            reply: dict[str, Any] = {"id": order.id, "error": refused.code}
            if isinstance(refused, CommandRefused):
                if refused.details:
                    reply["details"] = refused.details
                if refused.retry_after is not None:
                    reply["retryAfter"] = refused.retry_after
            return reply
        except Exception:
            log.exception("command %s failed", order.do)
            return {"id": order.id, "error": INTERNAL}

    async def _do(self, order: Order) -> object:
        if order.do == "subscribe":
            return await self._subscribe(order.since)
        run = self._host.ports.run_command
        if run is None:
            msg = "ERR_NOT_AVAILABLE"
            raise Refused(msg)
        return await run(self._who, order.do, order.with_, order.key)

    async def revalidate(self) -> None:
        """Compare the permissions with today's; a difference ends the connection."""
        revalidate = self._host.ports.revalidate
        if revalidate is None:
            return
        try:
            fresh = await answer(revalidate(self._who))
            if not same_permissions(fresh, self._who):
                self.end("ERR_SESSION_CHANGED")
        except Refused as refused:
            self.end(refused.code, TRY_AGAIN if refused.passing else POLICY)

    async def _subscribe(self, since: int | None) -> dict[str, object]:
        """Tell the log at the client's pace; then join, hold what comes, tell the log's rest, and
        let go: nothing is in between.
        """
        read = self._host.ports.events_since
        if read is None or not self._who.is_admin:
            if since is not None:
                raise Refused("ERR_NOT_AVAILABLE" if read is None else FORBIDDEN)
            self._join()
            return {}
        if since is None:
            now: EventPage = await answer(read(self._who.company_id, _AFTER_ALL, 1))
            since = now.last_seq
        self._replayed = since
        complete = self._channel is not None or await self._replay(read)
        self._held = []
        self.link = None
        self._join()
        try:
            complete = await self._replay(read) and complete
        finally:
            if self._channel is not None:
                self._channel.fold()  # what waits there comes before what was held
            held, self._held = self._held, None
            for outgoing in held:
                self.hear(outgoing, b"")
        return {"seq": self._replayed, "complete": complete}

    async def _replay(self, read: EventsSince) -> bool:
        """Tell the log from where the client is; True when nothing of it was forgotten."""
        complete = more = True
        while more and self._client is not None:
            page: EventPage = await answer(read(self._who.company_id, self._replayed, _PAGE))
            for event in page.events:
                self._say({"seq": event.seq, "kind": event.kind, "ids": event.ids})
                self._replayed = event.seq
            complete, more = complete and page.complete, page.has_more
            await trio.lowlevel.checkpoint()  # what was said is tried before the next page is read
            while self._held_up():
                self._readable = trio.Event()
                await self._readable.wait()
        return complete

    def _held_up(self) -> bool:
        """Whether there is a client, and it has not read what it was told."""
        return self._client is not None and self._client.blocked

    def _join(self) -> None:
        if self._client is not None and self._channel is None:
            self._channel = self._host.channel(self._who.company_id)
            for room in rooms.automatic_rooms(self._who, STREAM_JSON):
                self._channel.join(self, room)


async def stream_principal(host: Host, request: Request) -> Principal:
    """Who opens a stream: by `Authorization: Bearer`, or `?token=`. Raises `Refused`."""
    given = request.headers.get(b"authorization", b"").decode("latin-1")
    token = offered_token(Handshake(request.query.get("token", "")), {"token": given})
    if token is None:
        raise Refused(NO_TOKEN)
    seen = host.withdrawals.count
    principal: Principal = await answer(host.ports.authenticate(token))
    if host.seconds_left(principal) <= 0:
        raise Refused(NO_TOKEN)
    return await as_of_now(host, principal, seen)
