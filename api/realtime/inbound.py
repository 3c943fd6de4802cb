"""What clients say: who may connect, which rooms they may join, and garbage survived in silence."""

import logging
import secrets
from collections.abc import Callable
from typing import Any, Final

import trio

from api.principal import Principal
from api.realtime import rooms
from api.realtime.arguments import offered_token, reference_of, status_of
from api.realtime.backend_log import EVENT, said
from api.realtime.channel import ROOT, Channel
from api.realtime.host import Host
from api.realtime.namespaces import Connection, Socket
from api.realtime.ports import ShowComposing
from api.realtime.questions import (
    ASKS,
    EXPIRED,
    FORBIDDEN,
    INTERNAL,
    NO_TOKEN,
    OVERLOADED,
    PATIENCE,
    Refused,
    answer,
    as_of_now,
)
from api.realtime.recovery import Reread, same_permissions
from api.realtime.rereading import reread
from api.realtime.transports import Handshake
from api.realtime.websocket import TRY_AGAIN
from storage.ids import CompanyId, TicketId

log = logging.getLogger(__name__)

INVALID_NAMESPACE: Final = "Invalid namespace"
_READERS: Final = 4


class Inbound:
    """The `Application` of every connection."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._rereading = trio.CapacityLimiter(_READERS)
        self._events: dict[str, Callable[[Socket, list[Any], int | None], None]] = {
            "joinChatBox": self._join_ticket,
            "leaveChatBox": self._leave_ticket,
            "joinChatBoxLeave": self._leave_ticket,
            "joinNotification": self._join_notification,
            "leaveNotification": self._leave_notification,
            "joinTickets": self._join_tickets,
            "leaveTickets": self._leave_tickets,
            "joinTicketsLeave": self._leave_tickets,
            "presenceUpdate": self._presence,
            "joinBackendlog": self._join_log,
            "leaveBackendlog": self._leave_log,
            "setLoglevel": self._choose_level,
            "debugCheckRoom": self._refuse,
        }

    # -- connecting ------------------------------------------------------------------------------

    def connecting(self, connection: Connection, namespace: str, auth: dict[str, Any]) -> None:
        """Check the token, then accept or refuse; packets wait meanwhile."""
        parsed = rooms.parse_namespace(namespace)
        if parsed is None:
            connection.refuse(namespace, INVALID_NAMESPACE)
            return
        connection.hold()
        self._host.spawn(self._connect, connection, namespace, *parsed, auth)

    async def _connect(
        self,
        connection: Connection,
        namespace: str,
        dialect: int,
        company_id: CompanyId | None,
        auth: dict[str, Any],
    ) -> None:
        try:
            seen = self._host.withdrawals.count
            principal = await self._principal(connection.handshake, company_id, auth)
            self._host.supersede(auth.get("pid"), namespace, principal)
            again = await self._reread(namespace, principal, auth)
            principal = await as_of_now(self._host, principal, seen)
            if self._host.crowded(principal):
                raise Refused(OVERLOADED)
            if not connection.session.closed:
                self._admit(connection, namespace, dialect, principal, auth, again)
        except Refused as refused:
            if refused.passing:  # after an error packet the official client does not come again
                connection.session.close("not now", code=TRY_AGAIN)
            elif not connection.session.closed:
                connection.refuse(namespace, refused.code, {"code": refused.code})
        finally:
            connection.release()

    async def _principal(
        self, handshake: Handshake, company_id: CompanyId | None, auth: dict[str, Any]
    ) -> Principal:
        ports = self._host.ports
        check, token = ports.authenticate, offered_token(handshake, auth)
        if token is None and ports.authenticate_cookie is not None:
            check, token = ports.authenticate_cookie, handshake.cookie
        if not token:
            raise Refused(NO_TOKEN)
        principal: Principal = await answer(check(token))
        if company_id is not None and principal.company_id != company_id:
            raise Refused(FORBIDDEN)
        if self._host.seconds_left(principal) <= 0:
            raise Refused(EXPIRED)
        return principal

    async def _reread(
        self, namespace: str, principal: Principal, auth: dict[str, Any]
    ) -> Reread | None:
        """What a returning client missed and the buffer has no more; few clients at a time."""
        read, kept = self._host.ports.events_again, self._host.channel(principal.company_id).log
        pid, offset = auth.get("pid"), auth.get("offset")
        if kept is None or read is None or not isinstance(pid, str) or not isinstance(offset, str):
            return None
        async with self._rereading:
            gap = kept.gap(pid, offset, namespace, principal, self._host.now())
            if gap is None:
                return None
            try:
                with trio.fail_after(PATIENCE):
                    return await reread(read, principal.company_id, gap, kept)
            except Exception:
                log.exception("the event log could not be read again")
                return None

    def _admit(
        self,
        connection: Connection,
        namespace: str,
        dialect: int,
        principal: Principal,
        auth: dict[str, Any],
        again: Reread | None,
    ) -> None:
        host = self._host
        channel = host.channel(principal.company_id)
        restored = None
        pid, offset = auth.get("pid"), auth.get("offset")
        if channel.log is not None and isinstance(pid, str) and isinstance(offset, str):
            restored = channel.log.restore(pid, offset, namespace, principal, host.now(), again)
        if restored is None:
            pid = None if channel.log is None else secrets.token_urlsafe(18)
            socket = connection.accept(namespace, secrets.token_urlsafe(15), pid)
        else:
            socket = connection.accept(namespace, restored[0].socket_id, str(pid))
        socket.principal = principal
        socket.dialect = dialect
        socket.channel = channel
        left = host.seconds_left(principal)
        socket.expires_at = host.now() + left
        host.look_at(connection, left)
        names = rooms.automatic_rooms(principal, dialect) if restored is None else None
        for room in names or ():
            channel.join(socket, room)
        if restored is not None:
            for room, count in restored[0].rooms.items():
                channel.join(socket, room)
                socket.rooms[room] = count
                if room.isdecimal():
                    self._know(socket, room, room)
            channel.replay(socket, restored[1])
            if rooms.BACKEND_LOG in socket.rooms:
                host.backend_log.watch(channel)
        host.arrived(socket)
        if dialect == ROOT:
            # The client takes every last argument that is a text for the place to come back to.
            channel.fold()
            socket.emit("ready", *([] if channel.log is None else [channel.log.here()]))

    # -- events ----------------------------------------------------------------------------------

    def received(self, socket: Socket, args: list[Any], ack_id: int | None) -> None:
        """Route an event by its name; unknown names and odd arguments are nobody's fault."""
        name = args[0]
        react = self._events.get(name) if isinstance(name, str) else None
        if react is not None and socket.principal is not None:
            react(socket, args, ack_id)

    def _join_ticket(self, socket: Socket, args: list[Any], ack_id: int | None) -> None:
        reference = reference_of(args)
        if reference is None:
            socket.acknowledge(ack_id, "ERR_NO_TICKET_FOUND")
            return
        socket.connection.hold()
        self._host.spawn(self._join_if_visible, socket, reference, ack_id)

    async def _join_if_visible(self, socket: Socket, reference: str, ack_id: int | None) -> None:
        try:
            principal, channel = _placed(socket)
            ticket_id = await self._visible(principal, channel, reference)
            if socket.connection.sockets.get(socket.namespace) is not socket:
                return
            if ticket_id is None:
                socket.acknowledge(ack_id, FORBIDDEN)
                return
            room = rooms.ticket(ticket_id)
            channel.join(socket, room)
            self._know(socket, reference, room)
            socket.acknowledge(ack_id)
        except Refused as refused:
            socket.acknowledge(ack_id, refused.code)
            if refused.passing and ack_id is None:  # else it would wait for events in vain
                socket.connection.session.close("not now", code=TRY_AGAIN)
        finally:
            socket.connection.release()

    def _know(self, socket: Socket, reference: str, room: str) -> None:
        too_many = socket.know(reference, room)
        if too_many is not None:
            _placed(socket)[1].quit(socket, too_many)

    async def _visible(
        self, principal: Principal, channel: Channel, reference: str
    ) -> TicketId | None:
        """The ticket's id if this user may see it; asked again when tickets moved meanwhile."""
        for _ in range(ASKS):
            moves = channel.moves
            ticket_id: TicketId | None = await answer(
                self._host.ports.may_see_ticket(principal, reference)
            )
            if channel.moves == moves:
                return ticket_id
        raise Refused(INTERNAL, passing=True)

    def _leave_ticket(self, socket: Socket, args: list[Any], ack_id: int | None) -> None:
        reference = reference_of(args)
        if reference is not None:
            room = (socket.aliases or {}).get(reference, reference)
            if room.isdecimal():
                _placed(socket)[1].leave(socket, room)
        socket.acknowledge(ack_id)

    def _join_notification(self, socket: Socket, args: list[Any], ack_id: int | None) -> None:
        self._join(socket, rooms.notification_rooms(_placed(socket)[0]), ack_id)

    def _leave_notification(self, socket: Socket, args: list[Any], ack_id: int | None) -> None:
        self._leave(socket, rooms.notification_rooms(_placed(socket)[0]), ack_id)

    def _join_tickets(self, socket: Socket, args: list[Any], ack_id: int | None) -> None:
        self._join(socket, rooms.ticket_rooms(_placed(socket)[0], status_of(args)), ack_id)

    def _leave_tickets(self, socket: Socket, args: list[Any], ack_id: int | None) -> None:
        self._leave(socket, rooms.ticket_rooms(_placed(socket)[0], status_of(args)), ack_id)

    def _presence(self, socket: Socket, args: list[Any], ack_id: int | None) -> None:
        """The agent types or records, or paused: for that networks have no word, what they show ends.

        Nothing waits for it, and joins and messages go on meanwhile.
        """
        given = args[1] if len(args) > 1 and isinstance(args[1], dict) else {}
        reference = reference_of([None, given.get("ticketId")])
        show = self._host.ports.show_composing
        if reference is None:
            socket.acknowledge(ack_id, "ERR_NO_TICKET_FOUND")
        elif show is None:
            socket.acknowledge(ack_id, "ERR_NOT_AVAILABLE")
        elif given.get("presence") not in ("composing", "recording"):
            socket.acknowledge(ack_id)
        else:
            self._host.spawn(self._show_composing, show, socket, reference, ack_id)

    async def _show_composing(
        self, show: ShowComposing, socket: Socket, reference: str, ack_id: int | None
    ) -> None:
        code: list[str] = []
        try:
            await answer(show(_placed(socket)[0], reference))
        except Refused as refused:
            code = [refused.code]
        if socket.connection.sockets.get(socket.namespace) is socket:
            socket.acknowledge(ack_id, *code)

    def _join_log(self, socket: Socket, args: list[Any], ack_id: int | None) -> None:
        principal, channel = _placed(socket)
        if not principal.is_super:
            socket.acknowledge(ack_id, FORBIDDEN)
            return
        backend_log = self._host.backend_log
        self._join(socket, (rooms.BACKEND_LOG,), ack_id)
        backend_log.watch(channel)
        level = {"currentLevel": backend_log.level_name}
        socket.emit(EVENT, said(level, "the server's log from here on"))

    def _leave_log(self, socket: Socket, args: list[Any], ack_id: int | None) -> None:
        self._leave(socket, (rooms.BACKEND_LOG,), ack_id)

    def _choose_level(self, socket: Socket, args: list[Any], ack_id: int | None) -> None:
        if not _placed(socket)[0].is_super:
            socket.acknowledge(ack_id, FORBIDDEN)
            return
        self._host.backend_log.choose(args[1] if len(args) > 1 else None)
        socket.acknowledge(ack_id)

    def _refuse(self, socket: Socket, args: list[Any], ack_id: int | None) -> None:
        socket.acknowledge(ack_id, FORBIDDEN)

    def _join(self, socket: Socket, names: tuple[str, ...], ack_id: int | None) -> None:
        channel = _placed(socket)[1]
        for room in names:
            channel.join(socket, room)
        socket.acknowledge(ack_id)

    def _leave(self, socket: Socket, names: tuple[str, ...], ack_id: int | None) -> None:
        principal, channel = _placed(socket)
        kept = rooms.automatic_rooms(principal, socket.dialect)
        for room in names:
            if room not in kept or socket.rooms.get(room, 0) > 1:
                channel.leave(socket, room)
        socket.acknowledge(ack_id)

    # -- leaving ---------------------------------------------------------------------------------

    def expired(self, socket: Socket) -> None:
        """The token ran out: tell the client, take it out, and hang up when that was all."""
        dismiss(socket, EXPIRED)

    def disconnected(self, socket: Socket, reason: str) -> None:
        """Forget the socket, or keep its place for a while."""
        if socket.channel is None:
            return
        try:
            self._host.departed(socket, reason)
        finally:
            _placed(socket)[1].leave_all(socket)

    def ended(self, connection: Connection, reason: str) -> None:
        """Nothing is left to do: the sockets are gone already."""

    async def revalidate(self, socket: Socket) -> None:
        """Compare the socket's permissions with today's; a difference makes it connect again."""
        port = self._host.ports.revalidate
        if port is None or socket.principal is None:
            return
        try:
            fresh: Principal = await answer(port(socket.principal))
            if not same_permissions(fresh, socket.principal):
                socket.connection.session.close("permissions changed", discard=True)
        except Refused as refused:
            if refused.passing:
                socket.connection.session.close("permissions unknown", discard=True)
            else:
                dismiss(socket, refused.code)


def dismiss(socket: Socket, code: str) -> None:
    """Tell a client why, take it out of its namespace, and hang up when it is in no other."""
    connection, channel = socket.connection, socket.channel
    if connection.sockets.get(socket.namespace) is not socket:
        return
    socket.emit("auth_error", {"error": code})
    socket.disconnect("server namespace disconnect")
    if isinstance(channel, Channel):
        channel.fold()  # what was said before the end is heard before it
    if not connection.sockets:
        connection.session.close("forced server close")


def _placed(socket: Socket) -> tuple[Principal, Channel]:
    principal, channel = socket.principal, socket.channel
    if principal is None or not isinstance(channel, Channel):
        msg = "the socket was not admitted"
        raise TypeError(msg)
    return principal, channel
