"""The real-time server: accepts sockets, keeps rooms and fans committed events out."""

import logging
import secrets
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import msgspec
import trio

from actors.events import RecordChanged, TicketChanged, UserChanged, UserRemoved
from api.principal import Principal
from api.realtime import rooms
from api.realtime.attendance import Attendance
from api.realtime.backend_log import BackendLog
from api.realtime.channel import Channel, Outgoing
from api.realtime.engine_io import EngineIo, accepted_key, switching
from api.realtime.handshake import (
    Receive,
    Scope,
    Send,
    origin_allowed,
    read_request,
    respond,
)
from api.realtime.inbound import Inbound, dismiss
from api.realtime.namespaces import Connection, Socket
from api.realtime.packet import encode_json
from api.realtime.ports import RealtimePorts
from api.realtime.protocol import Session
from api.realtime.questions import NO_TOKEN, OVERLOADED, Refused
from api.realtime.reactor import Reactor
from api.realtime.recovery import RECOVERABLE, UNNUMBERED, Log, Saved, same_permissions
from api.realtime.rereading import outgoing
from api.realtime.settings import RealtimeSettings
from api.realtime.stream import Stream, stream_principal
from api.realtime.transports import Handshake
from api.realtime.websocket import GOING_AWAY
from api.realtime.wire import Rooms
from api.realtime.withdrawals import EVERYBODY, Withdrawals, sees_as
from storage.events import DomainEvent
from storage.ids import CompanyId, UserId
from storage.views import TicketView

log = logging.getLogger(__name__)

_HOUSEKEEPING = 1.0
_LOST_DEPARTMENT = "department", "delete"


class RealtimeStats(msgspec.Struct, frozen=True):
    """What the metrics page shows; counters since the start."""

    companies: int
    sessions: int
    sockets: int
    websockets: int
    accepted: int
    events: int
    sends: int
    slow_clients: int
    kept_bytes: int


class RealtimeServer:
    """Socket.IO (both dialects) and the plain WebSocket API over one process's sockets."""

    def __init__(self, settings: RealtimeSettings, ports: RealtimePorts) -> None:
        self.ports = ports
        self.withdrawals = Withdrawals()
        """How often rights may have been withdrawn: who is let in meanwhile is looked at again."""
        self.backend_log = BackendLog()
        self._settings = settings
        self._reactor = Reactor(settings)
        self._inbound = Inbound(self)
        self._engine = EngineIo(settings, self._reactor, self._open_upper)
        self._channels: dict[CompanyId, Channel] = {}
        self._here = Attendance(settings.max_per_user)
        self._streams: dict[object, Stream] = {}
        self._nursery: trio.Nursery | None = None
        self._boot = secrets.token_urlsafe(6)
        self._events = 0

    # -- life ------------------------------------------------------------------------------------

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve the sockets until cancelled; then every socket is closed."""
        try:
            async with trio.open_nursery() as nursery:
                await nursery.start(self._reactor.run)
                nursery.start_soon(self._housekeep)
                nursery.start_soon(self.backend_log.run)
                self._nursery = nursery
                task_status.started()
        finally:
            self._nursery = None

    async def drain(self) -> None:
        """Stop accepting, tell the clients that the server goes, and let their buffers empty.

        Returns when all sockets are closed, after the settings' linger time at the latest.
        """
        self._engine.closing = True
        for channel in self._channels.values():
            channel.fold()
        for stream in list(self._streams.values()):
            stream.end("ERR_SHUTTING_DOWN", GOING_AWAY)
        for count, session in enumerate(list(self._engine.sessions.values()), 1):
            session.close("server shutting down", code=GOING_AWAY)
            if count % self._settings.sends_per_turn == 0:
                await trio.lowlevel.checkpoint()
        with trio.move_on_after(self._settings.close_linger):
            await self._engine.emptied()
            await self._reactor.emptied()

    async def _housekeep(self) -> None:
        while True:
            await trio.sleep(_HOUSEKEEPING)
            now, limit = self.now(), self._share()
            for count, channel in enumerate(list(self._channels.values()), 1):
                if channel.log is not None:
                    channel.log.expire(now, limit)
                if channel.empty:
                    self._channels.pop(channel.company_id, None)
                if count % self._settings.sends_per_turn == 0:  # ten thousand take 10 ms
                    await trio.lowlevel.checkpoint()

    def _share(self) -> int:
        """How many bytes of events one company keeps for those who come back."""
        settings = self._settings
        return min(settings.recovery_bytes, settings.recovery_total // max(len(self._channels), 1))

    # -- requests --------------------------------------------------------------------------------

    async def asgi(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request under `/socket.io/` or `/ws` (503 unless `run` is running).

        Polling is plain ASGI; a websocket upgrade takes the socket over by
        `scope["extensions"]["chatia.takeover"]() -> (non-blocking socket, unread bytes)`.
        """
        if self._nursery is None:
            await respond(send, 503)
            return
        if scope["path"].rstrip("/") == "/ws":
            await self._open_stream(scope, send)
        else:
            await self._engine.asgi(scope, receive, send)

    async def _open_stream(self, scope: Scope, send: Send) -> None:
        request = read_request(scope)
        takeover = scope["extensions"].get("chatia.takeover")
        accept = accepted_key(request)
        if self._engine.closing:
            await respond(send, 503)
            return
        if takeover is None or accept is None or not origin_allowed(request, self._settings):
            await respond(send, 400, b"this is a WebSocket", b"text/plain")
            return
        try:
            principal = await stream_principal(self, request)
        except Refused as refused:
            body = encode_json({"error": refused.code})
            status, more = (503, [(b"retry-after", b"5")]) if refused.passing else (401, [])
            await respond(send, status, body, b"application/json", more)
            return
        if self._engine.closing or self._nursery is None or self._reactor.full:
            await respond(send, 503)
            return
        if (
            len(self._streams_of(lambda who: who.family == principal.family))
            >= self._settings.max_per_user
        ):
            body = encode_json({"error": OVERLOADED})
            await respond(send, 429, body, b"application/json", [(b"retry-after", b"5")])
            return
        stream = Stream(self, principal, self._settings.ping_interval)
        sock, leftover = takeover()
        client = self._reactor.adopt(sock, stream)
        client.allow(self._settings.max_payload)
        client.write(switching(accept))
        stream.open(client)
        self._streams[stream] = stream
        self._reactor.call_at(stream, self._settings.ping_interval)
        if leftover:
            self._reactor.feed(client, leftover)

    def _open_upper(self, session: Session, handshake: Handshake) -> Connection:
        return Connection(session, handshake, self._inbound, self._settings, self.now())

    # -- events out ------------------------------------------------------------------------------

    def emit(self, company_id: CompanyId, seq: int, event: DomainEvent) -> None:
        """Send a committed event to the rooms that the wire table names. Never waits or raises.

        Call it on the trio thread, in seq order per company. At most once per socket.
        """
        self._events += 1
        channel = self._channels.get(company_id)
        if channel is not None:
            self._publish(channel, seq, event)
        if isinstance(event, RecordChanged) and event.is_everybodys:
            self.spawn(self._tell_others, event)
        if isinstance(event, UserChanged):
            if not event.presence:
                user = event.user
                self._part_with(company_id, rooms.user(user.id), lambda who: sees_as(who, user))
                self.revalidate_user(company_id, user.id)
        elif isinstance(event, UserRemoved):
            self.revalidate_user(company_id, event.user_id)
        elif isinstance(event, RecordChanged) and (event.noun, event.action) == _LOST_DEPARTMENT:
            self.withdrawals.note((company_id, EVERYBODY))
            gone = event.record_id
            agents = rooms.agents(company_id)
            self._part_with(company_id, agents, lambda who: gone not in who.department_ids)

    def _publish(self, channel: Channel, seq: int, event: DomainEvent) -> None:
        try:
            pushes = list(outgoing(seq, event))
            if isinstance(event, TicketChanged) and event.was is not None:
                self._part(
                    channel, event.ticket, next(push for push in pushes if not push[1].volatile)
                )
            for told, told_event in pushes:
                channel.publish(told, told_event)
        except Exception:
            log.exception("event %s has no wire form", event.kind)

    async def _tell_others(self, event: RecordChanged) -> None:
        """The other companies' sockets hear of what is everybody's; it is in none of their logs."""
        for count, company_id in enumerate(list(self._channels), 1):
            channel = self._channels.get(company_id)
            if channel is not None and company_id != event.company_id:
                theirs = msgspec.structs.replace(event, company_id=company_id)
                self._publish(channel, UNNUMBERED, theirs)
            if count % self._settings.sends_per_turn == 0:
                await trio.lowlevel.checkpoint()

    def _part(self, channel: Channel, ticket: TicketView, push: tuple[Rooms, Outgoing]) -> None:
        """A ticket moved: who had it open and may see it no longer hears the `delete`, no more."""
        told, delete = push
        sees = self.ports.sees_ticket
        for member in channel.thin_out(rooms.ticket(ticket.id), lambda who: sees(who, ticket)):
            if member.rooms.keys().isdisjoint(told):
                payload = delete.payload
                channel.tell(member, Outgoing(delete.name, payload, delete.seq, volatile=False))

    # -- permissions -----------------------------------------------------------------------------

    def revoke(self, family: str) -> None:
        """Tell and drop every socket of a revoked login session."""
        self.withdrawals.note(family)
        for socket in self._here.of_family(family):
            dismiss(socket, NO_TOKEN)
        for stream in self._streams_of(lambda who: who.family == family):
            stream.end(NO_TOKEN)

    def revalidate_user(self, company_id: CompanyId, user_id: UserId) -> None:
        """A user's departments, profile or flags may have changed: if they did, its sockets
        connect again and get the rooms of today; if its session is gone, they are dropped.
        """
        self.withdrawals.note((company_id, user_id))
        channel = self._channels.get(company_id)
        for member in channel.members((rooms.user(user_id),)) if channel else ():
            if isinstance(member, Socket):
                self.spawn(self._inbound.revalidate, member)
        mine = self._streams_of(lambda who: who.user_id == user_id and who.company_id == company_id)
        for stream in mine:
            self.spawn(stream.revalidate)

    def _streams_of(self, matches: Callable[[Principal], bool]) -> list[Stream]:
        """Streams are found here and not by rooms: one that subscribed to nothing acts as well."""
        return [
            stream
            for stream in self._streams.values()
            if stream.principal is not None and matches(stream.principal)
        ]

    def _part_with(
        self, company_id: CompanyId, room: str, may_stay: Callable[[Principal], bool]
    ) -> None:
        """End at once whoever is in a room by rights of before: a look at the database takes time,
        and what is published meanwhile is not theirs. They hear what was published so far.
        """
        channel = self._channels.get(company_id)
        if channel is None:
            return
        for member in channel.members((room,)):
            if member.principal is None or may_stay(member.principal):
                continue
            channel.fold()
            if isinstance(member, Socket):
                member.connection.session.close("permissions changed", discard=True)
            elif isinstance(member, Stream):
                member.end("ERR_SESSION_CHANGED")

    # -- what the rules of `inbound` need --------------------------------------------------------

    def channel(self, company_id: CompanyId) -> Channel:
        """The company's channel, made when it is missing."""
        channel = self._channels.get(company_id)
        if channel is None:
            settings = self._settings
            age = settings.recovery_seconds + settings.ping_interval + settings.ping_timeout
            kept = Log(self._boot, self._share(), age)
            channel = Channel(
                company_id,
                kept if self._settings.recovery_seconds > 0 else None,
                self._reactor.activate,
            )
            self._channels[company_id] = channel
        return channel

    def spawn(self, work: Callable[..., Awaitable[None]], *args: object) -> None:
        """Run something that waits; its errors end neither the server nor other sockets."""
        if self._nursery is not None:
            self._nursery.start_soon(self._fenced, work, *args)

    async def _fenced(self, work: Callable[..., Awaitable[None]], *args: object) -> None:
        try:
            await work(*args)
        except Exception:
            log.exception("work for a socket failed")

    def seconds_left(self, principal: Principal) -> float:
        """How long the principal's token is still good, in seconds."""
        return principal.expires_at - datetime.now(UTC).timestamp()

    def now(self) -> float:
        """The monotonic clock of the sockets."""
        return self._reactor.now()

    def stream_ended(self, stream: object) -> None:
        """A connection of the plain WebSocket API is over."""
        self._streams.pop(stream, None)

    def supersede(self, pid: object, namespace: str, principal: Principal) -> None:
        """A client comes back: its old connection is over, whether we noticed or not.

        A line that broke silently would else be found out by the ping timeout, long after.
        """
        old = self._here.of_pid(pid)
        if old is None or old.principal is None or old.namespace != namespace:
            return
        if same_permissions(old.principal, principal):
            old.connection.session.close("transport close", discard=True)

    def look_at(self, connection: Connection, delay: float) -> None:
        """Tick the connection's session within `delay` seconds."""
        self._reactor.call_at(connection.session, delay)

    def arrived(self, socket: Socket) -> None:
        """A socket is in its rooms: its user is online."""
        principal = socket.principal
        if principal is not None and self._here.enter(socket, principal):
            self._presence(principal, online=True)

    def crowded(self, principal: Principal) -> bool:
        """Whether this user has as many sockets as one may have."""
        return self._here.full(principal)

    def departed(self, socket: Socket, reason: str) -> None:
        """A socket left; its place is kept for a while when it may come back."""
        channel, principal = socket.channel, socket.principal
        if principal is None:
            return
        last = self._here.leave(socket, principal)
        kept = channel.log if isinstance(channel, Channel) and reason in RECOVERABLE else None
        if kept is not None and socket.pid is not None:
            until = self.now() + self._settings.recovery_seconds
            saved = Saved(socket.id, socket.namespace, dict(socket.rooms), principal, until)
            kept.save(socket.pid, saved)
        if last:
            self._presence(principal, online=False)

    def _presence(self, principal: Principal, *, online: bool) -> None:
        if self.ports.presence_changed is not None:
            self.ports.presence_changed(principal.company_id, principal.user_id, online)

    # -- figures ---------------------------------------------------------------------------------

    def stats(self) -> RealtimeStats:
        """Figures for the metrics page."""
        reactor = self._reactor.stats
        return RealtimeStats(
            companies=len(self._channels),
            sessions=len(self._engine.sessions),
            sockets=self._here.total,
            websockets=reactor.clients,
            accepted=reactor.accepted,
            events=self._events,
            sends=reactor.sends,
            slow_clients=reactor.overflowed,
            kept_bytes=sum(c.log.size for c in self._channels.values() if c.log is not None),
        )
