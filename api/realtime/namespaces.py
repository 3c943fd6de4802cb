"""Socket.IO 5 above one Engine.IO session: namespaces, events, acks, attachments.

Sans-IO like the layer below. Public source: the socket.io-protocol repository.
"""

import logging
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from api.principal import Principal
from api.realtime import packet as codec
from api.realtime.packet import Packet, PacketError
from api.realtime.protocol import Session
from api.realtime.settings import RealtimeSettings
from api.realtime.transports import NEVER, Handshake, Link

log = logging.getLogger(__name__)
_MAX_HELD = 256
_MOST_KNOWN = 1_000


class Application(Protocol):
    """What the sockets are for. None of these may wait: hold the connection, and release it."""

    def connecting(self, connection: "Connection", namespace: str, auth: dict[str, Any]) -> None:
        """A CONNECT came: answer it with `accept` or `refuse`, now or (while holding) later."""

    def received(self, socket: "Socket", args: list[Any], ack_id: int | None) -> None:
        """An event came; `args[0]` is its name."""

    def expired(self, socket: "Socket") -> None:
        """The socket's `expires_at` has passed."""

    def disconnected(self, socket: "Socket", reason: str) -> None:
        """The socket left its namespace, for whatever reason."""

    def ended(self, connection: "Connection", reason: str) -> None:
        """The whole connection is over; its sockets were disconnected before."""


class Encoded(Protocol):
    """An event of the fan-out."""

    @property
    def json(self) -> bytes:
        """Its encoded arguments."""
        ...


class Sender(Protocol):
    """What orders a socket's packets behind the events published before."""

    def send(self, member: "Socket", parts: codec.Parts) -> None:
        """Deliver the packet to the socket after those."""


class Socket:
    """One client in one namespace; `id` is public, unlike the Engine.IO session id."""

    __slots__ = (
        "_acks",
        "_next_ack",
        "aliases",
        "channel",
        "connection",
        "dialect",
        "expires_at",
        "id",
        "link",
        "namespace",
        "pid",
        "principal",
        "rooms",
    )

    def __init__(self, connection: "Connection", namespace: str, socket_id: str) -> None:
        self.connection = connection
        self.namespace = namespace
        self.id = socket_id
        self.link: Link | None = connection.session.link
        self.pid: str | None = None
        self.principal: Principal | None = None
        self.expires_at = NEVER
        self.channel: Sender | None = None  # the fan-out of its company, set by whoever joins it
        self.dialect = 0  # index of the channel's encoding that this socket reads
        self.rooms: dict[str, int] = {}
        self.aliases: dict[str, str] | None = None  # tickets as the client names them -> rooms
        self._acks: dict[int, Callable[..., None]] | None = None
        self._next_ack = 0

    def emit(self, name: str, *args: Any, on_ack: Callable[..., None] | None = None) -> None:
        """Send one event; `on_ack` is called with the client's answer, if one comes."""
        ack_id = None
        if on_ack is not None:
            if self._acks is None:
                self._acks = {}
            ack_id = self._next_ack
            self._next_ack += 1
            self._acks[ack_id] = on_ack
        self.send(codec.encode(codec.EVENT, self.namespace, [name, *args], ack_id))

    def acknowledge(self, ack_id: int | None, *args: Any) -> None:
        """Answer an event; nothing happens when the client wants no answer (None)."""
        if ack_id is not None:
            self.send(codec.encode(codec.ACK, self.namespace, list(args), ack_id))

    def send(self, parts: codec.Parts) -> None:
        """Send one encoded packet, behind what the channel still holds for this socket."""
        if self.channel is None:
            self.deliver(parts)
        else:
            self.channel.send(self, parts)

    def deliver(self, parts: codec.Parts) -> None:
        """Send one encoded packet now."""
        self.connection.session.send(parts)

    def hear(self, event: "Encoded", prefix: bytes) -> None:
        """Take one event while there is no websocket."""
        self.connection.session.send((prefix + event.json,))

    def disconnect(self, reason: str = "server namespace disconnect") -> None:
        """Leave the namespace: the client is told and does not come back by itself."""
        self.connection.leave(self, reason)

    def know(self, reference: str, room: str) -> str | None:
        """Keep by which name the client knows a ticket's room; of too many, a room to leave."""
        known = self.aliases
        if known is None:
            known = self.aliases = {}
        known.pop(reference, None)
        known[reference] = room
        if len(known) <= _MOST_KNOWN:
            return None
        gone = known.pop(next(iter(known)))
        return None if gone in known.values() else gone

    def acked(self, ack_id: int | None, args: list[Any]) -> None:
        """Route a client's answer; late and unknown ones are ignored."""
        if self._acks is not None and ack_id is not None:
            on_ack = self._acks.pop(ack_id, None)
            if on_ack is not None:
                on_ack(*args)


class Connection:
    """The `Upper` of one session: which namespaces it is in, and what it is waiting for."""

    __slots__ = (
        "_application",
        "_connect_by",
        "_held",
        "_held_bytes",
        "_parts",
        "_pending",
        "_settings",
        "handshake",
        "holding",
        "session",
        "sockets",
    )

    def __init__(
        self,
        session: Session,
        handshake: Handshake,
        application: Application,
        settings: RealtimeSettings,
        now: float,
    ) -> None:
        self.session = session
        self.handshake = handshake
        self.sockets: dict[str, Socket] = {}
        self.holding = False
        self._application = application
        self._settings = settings
        self._connect_by = now + settings.connect_timeout
        self._pending: Packet | None = None  # a binary packet whose attachments are coming
        self._parts: list[bytes] | None = None
        self._held: deque[tuple[bytes, bool]] | None = None
        self._held_bytes = 0

    # -- from the session ------------------------------------------------------------------------

    def text(self, data: bytes) -> None:
        """Take a text message; while holding it waits its turn."""
        if self.holding:
            self._hold_back(data, False)
            return
        if self._pending is not None:
            msg = "text between attachments"
            raise PacketError(msg)
        packet = codec.decode(data)
        if packet.attachments:
            self._pending, self._parts = packet, []
        else:
            self._handle(packet)

    def binary(self, data: bytes) -> None:
        """Take an attachment; `PacketError` when none is due."""
        if self.holding:
            self._hold_back(data, True)
            return
        packet, parts = self._pending, self._parts
        if packet is None or parts is None:
            msg = "attachment without a packet"
            raise PacketError(msg)
        parts.append(data)
        if sum(map(len, parts)) > self._settings.max_payload:
            msg = "attachments are too big"
            raise PacketError(msg)
        if len(parts) == packet.attachments:
            self._pending = self._parts = None
            try:
                filled = codec.fill(packet.data, parts)
            except RecursionError as error:
                msg = "payload is nested too deeply"
                raise PacketError(msg) from error
            self._handle(packet._replace(data=filled))

    @property
    def joined(self) -> bool:
        """Is it in a namespace?"""
        return bool(self.sockets)

    def upgraded(self, link: Link) -> None:
        """The session moved to a websocket."""
        for socket in self.sockets.values():
            socket.link = link

    def closed(self, reason: str) -> None:
        """The session is over."""
        self._held = self._pending = self._parts = None
        for socket in list(self.sockets.values()):
            self._drop(socket, reason)
        self._application.ended(self, reason)

    def tick(self, now: float) -> float:
        """Drop expired sockets, and connections that are in no namespace for too long."""
        if not self.sockets:
            if now >= self._connect_by and not self.holding:
                self.session.close("no namespace joined", discard=True)
            return max(self._connect_by, now + 1.0)
        due = NEVER
        for socket in list(self.sockets.values()):
            if now >= socket.expires_at:
                self._application.expired(socket)
            else:
                due = min(due, socket.expires_at)
        return due

    # -- holding ---------------------------------------------------------------------------------

    def hold(self) -> None:
        """Keep what the client sends until `release`: its order is kept while we ask somebody."""
        self.holding = True

    def release(self) -> None:
        """Go on with what was held back."""
        self.holding = False
        while self._held and not self.holding and not self.session.closed:
            data, binary = self._held.popleft()
            self._held_bytes -= len(data)
            try:
                self.binary(data) if binary else self.text(data)
            except PacketError as error:
                self.session.close(f"parse error: {error}", discard=True)
        if not self._held:
            self._held = None

    def _hold_back(self, data: bytes, binary: bool) -> None:
        if self._held is None:
            self._held = deque()
        self._held.append((data, binary))
        self._held_bytes += len(data)
        settings = self._settings
        most = settings.max_payload if self.sockets else settings.first_payload
        if len(self._held) > _MAX_HELD or self._held_bytes > most:
            msg = "too many packets before the answer"
            raise PacketError(msg)

    # -- packets ---------------------------------------------------------------------------------

    def _handle(self, packet: Packet) -> None:
        socket = self.sockets.get(packet.namespace)
        match packet.kind:
            case codec.EVENT | codec.BINARY_EVENT if socket is not None:
                self._application.received(socket, packet.data, packet.ack_id)
            case codec.ACK | codec.BINARY_ACK if socket is not None:
                socket.acked(packet.ack_id, packet.data)
            case codec.CONNECT if socket is None:
                self._application.connecting(self, packet.namespace, packet.data or {})
            case codec.DISCONNECT if socket is not None:
                self._drop(socket, "client namespace disconnect")
            case _:
                msg = "packet does not fit the namespace's state"
                raise PacketError(msg)

    def accept(self, namespace: str, socket_id: str, pid: str | None = None) -> Socket:
        """Answer a CONNECT: the client is in. The reply goes out before anything else."""
        socket = Socket(self, namespace, socket_id)
        self.sockets[namespace] = socket
        self.session.come_in()
        socket.pid = pid
        reply = {"sid": socket_id} if pid is None else {"sid": socket_id, "pid": pid}
        self.session.send(codec.encode(codec.CONNECT, namespace, reply))
        return socket

    def refuse(self, namespace: str, message: str, data: object = msgspec.UNSET) -> None:
        """Answer a CONNECT: no. The connection stays open for other namespaces."""
        reply: dict[str, object] = {"message": message}
        if data is not msgspec.UNSET:
            reply["data"] = data
        self.session.send(codec.encode(codec.CONNECT_ERROR, namespace, reply))

    def leave(self, socket: Socket, reason: str) -> None:
        """Tell the client that the server takes it out of the namespace, and do it."""
        if self.sockets.get(socket.namespace) is socket:
            socket.send(codec.encode(codec.DISCONNECT, socket.namespace))
            self._drop(socket, reason)

    def _drop(self, socket: Socket, reason: str) -> None:
        del self.sockets[socket.namespace]
        if not self.sockets:
            self._connect_by = self.session.now() + self._settings.connect_timeout
        try:
            self._application.disconnected(socket, reason)
        except Exception:
            log.exception("the end of a socket was not taken in")
