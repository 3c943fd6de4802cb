"""One Engine.IO 4 session: heartbeats, polling, websocket, the upgrade between them.

Sans-IO: bytes come in by method calls, bytes go out through the `Link` (a websocket) and `Poll` (a
hanging GET) that the caller hands in, and time through its clock. What the packets mean is the
business of the `Upper` layer above. Public source: the engine.io-protocol repository.
"""

from collections.abc import Callable
from typing import Final

from api.realtime import packet as codec
from api.realtime.packet import PacketError, Parts
from api.realtime.settings import RealtimeSettings
from api.realtime.timers import NEVER_SLOT
from api.realtime.transports import NEVER, Link, Poll, Upper
from api.realtime.websocket import BINARY, TRY_AGAIN, frame

_PING: Final = (b"2", False)
_NOOP: Final = (b"6", False)
_CLOSE: Final = (b"1", False)
_PING_FRAME: Final = frame(b"2")
_PROBE_ANSWER: Final = frame(b"3probe")


class Session:
    """State of one session; `clock` is monotonic, in seconds.

    `forget` is called once no request can find the session any more.
    """

    __slots__ = (
        "_buffer",
        "_buffered",
        "_candidate",
        "_clock",
        "_forget",
        "_ping_at",
        "_poll",
        "_pong_by",
        "_probed",
        "_settings",
        "_upgrade_by",
        "closed",
        "drain_by",
        "link",
        "posting",
        "sid",
        "upper",
        "wake_slot",
    )

    def __init__(
        self,
        sid: str,
        settings: RealtimeSettings,
        clock: Callable[[], float],
        forget: Callable[["Session"], None],
    ) -> None:
        self.sid = sid
        self.upper: Upper
        self.link: Link | None = None
        self.closed = False
        self.posting = False
        self.drain_by = 0.0  # a closed polling session still owes its last packets until then
        self.wake_slot = NEVER_SLOT
        self._settings = settings
        self._clock = clock
        self._forget = forget
        self._candidate: Link | None = None
        self._probed = False
        self._upgrade_by = NEVER
        self._poll: Poll | None = None
        self._buffer: list[tuple[bytes, bool]] = []
        self._buffered = 0
        self._ping_at = clock() + settings.ping_interval
        self._pong_by = 0.0

    def now(self) -> float:
        """The session's clock."""
        return self._clock()

    # -- opening ---------------------------------------------------------------------------------

    def open_packet(self, *, upgrades: bool) -> bytes:
        """The first packet: what the client must know of this session."""
        return b"0" + codec.encode_json(
            {
                "sid": self.sid,
                "upgrades": ["websocket"] if upgrades else [],
                "pingInterval": round(self._settings.ping_interval * 1000),
                "pingTimeout": round(self._settings.ping_timeout * 1000),
                "maxPayload": self._settings.max_payload,
            }
        )

    def open_websocket(self, link: Link) -> None:
        """The session starts on a websocket."""
        self.link = link
        if self.upper.joined:
            self.come_in()
        link.write(frame(self.open_packet(upgrades=False)))

    def come_in(self) -> None:
        """Somebody is in a namespace: it may say more than a first word."""
        if self.link is not None:
            self.link.allow(self._settings.max_payload)

    # -- polling ---------------------------------------------------------------------------------

    def poll(self, poll: Poll) -> bool:
        """A GET came: answer it now, or hold it. False if another hangs: both are over then."""
        if self._poll is not None:
            self.close("overlapping polls", discard=True)
            return False
        self._poll = poll
        if self.closed:
            self._answer_last_poll()
            return True
        if self._probed and not self._buffer:
            self._buffer.append(_NOOP)
        if self._buffer:
            self._answer_poll()
        return True

    def _answer_last_poll(self) -> None:
        """What is left first and the close packet by itself: the official client forgets the
        packets that come in one body with a close.
        """
        rest = [packet for packet in self._buffer if packet is not _CLOSE]
        over = not rest or len(rest) == len(self._buffer)
        self._buffer = rest or self._buffer
        self._answer_poll()
        if over:
            self._finish()
        else:
            self._buffer = [_CLOSE]

    def poll_lost(self, poll: Poll) -> None:
        """The connection of a hanging GET died, and the session with it."""
        if self._poll is poll:
            self._poll = None
            self._end("transport error")

    def post(self, body: bytes) -> None:
        """Take a polling body; raises `PacketError` after closing the session."""
        try:
            for data, binary in codec.split_payload(body):
                if self.closed:
                    return
                self._packet(data, binary)
        except PacketError as error:
            self.close(f"parse error: {error}", discard=True)
            raise

    # -- websocket -------------------------------------------------------------------------------

    def begin_upgrade(self, link: Link) -> bool:
        """A websocket came for this polling session; False when it may not have one."""
        if self.closed or self.link is not None or self._candidate is not None:
            return False
        self._candidate = link
        self._upgrade_by = self._clock() + self._settings.upgrade_timeout
        return True

    def catch_up(self) -> None:
        """A request came while a websocket is about to take over: what was said there before it
        counts first, whichever of the two connections is looked at first.
        """
        if self._candidate is not None:
            self._candidate.catch_up()

    def receive(self, link: Link, data: bytes, binary: bool) -> None:
        """Take one websocket message."""
        if link is self.link:
            try:
                self._packet(data, binary)
            except PacketError as error:
                self.close(f"parse error: {error}", discard=True)
        elif link is self._candidate:
            self._candidate_packet(link, data)

    def _candidate_packet(self, link: Link, data: bytes) -> None:
        if data == b"2probe":
            self._probed = True
            link.write(_PROBE_ANSWER)
            self._release_poll()
        elif data == b"5":
            self._upgrade(link)
        else:
            self._drop_candidate("unexpected packet before the upgrade")

    def _upgrade(self, link: Link) -> None:
        self._candidate = None
        self._probed, self._upgrade_by = False, NEVER
        if self.closed:
            self._farewell(link)
            return
        self._release_poll()
        self.link = link
        if self.upper.joined:
            self.come_in()
        if self._pong_by:  # a ping under way on the old transport may not kill the session
            self._pong_by = 0.0
            self._ping_at = self._clock() + self._settings.ping_interval
        self.upper.upgraded(link)
        buffer, self._buffer, self._buffered = self._buffer, [], 0
        if buffer:
            link.write(b"".join(_framed(data, binary) for data, binary in buffer))

    def _farewell(self, link: Link) -> None:
        """The session was closed while its client was busy upgrading: say the rest here."""
        rest = [_framed(*packet) for packet in self._buffer if packet is not _CLOSE]
        if rest:
            link.write(b"".join(rest))
        link.close(1000, "the session was closed")
        self._finish()

    def _release_poll(self) -> None:
        if self._poll is not None:
            self._buffer.append(_NOOP)
            self._answer_poll()

    def _drop_candidate(self, reason: str) -> None:
        candidate, self._candidate = self._candidate, None
        self._probed, self._upgrade_by = False, NEVER
        if candidate is not None:
            candidate.close(1008, reason)

    def ponged(self) -> None:
        """Pongs of the websocket level say nothing here: the heartbeat is Engine.IO's."""

    def unblocked(self) -> None:
        """Nobody waits for it: what cannot be sent is queued up to the cap."""

    def link_lost(self, link: Link, reason: str) -> None:
        """A websocket died. A candidate's death leaves the session on polling."""
        if link is self.link:
            self._end(reason)
        elif link is self._candidate:
            self._candidate = None
            self._probed, self._upgrade_by = False, NEVER

    # -- both ways -------------------------------------------------------------------------------

    def _packet(self, data: bytes, binary: bool) -> None:
        if binary:
            self.upper.binary(data)
            return
        match data[0] if data else 0:
            case codec.MESSAGE:
                self.upper.text(data[1:])
            case codec.PONG:
                self._pong_by = 0.0
                self._ping_at = self._clock() + self._settings.ping_interval
            case codec.CLOSE:
                self._client_closes()
            case codec.OPEN | codec.UPGRADE | codec.NOOP:
                pass
            case codec.PING:
                msg = "invalid heartbeat direction"
                raise PacketError(msg)
            case _:
                msg = "unknown packet type"
                raise PacketError(msg)

    def _client_closes(self) -> None:
        if self._poll is not None:
            self._release_poll()
        elif self.link is None:  # its last GET may still be on the way: that gets a noop
            self._buffer = [_NOOP]
            self.drain_by = self._clock() + 1.0
        self.close("transport close", discard=True)

    def send(self, parts: Parts) -> None:
        """Send one message with its attachments, nothing in between."""
        if self.closed:
            return
        if self.link is None:
            self._enqueue((parts[0], False), *((part, True) for part in parts[1:]))
        elif len(parts) == 1:
            self.link.write(frame(parts[0]))
        else:
            self.link.write(framed_parts(parts))

    def send_binary(self, data: bytes) -> None:
        """Send one binary message (bare Engine.IO; Socket.IO has them only behind a packet)."""
        if self.closed:
            return
        if self.link is None:
            self._enqueue((data, True))
        else:
            self.link.write(frame(data, BINARY))

    def _enqueue(self, *packets: tuple[bytes, bool]) -> None:
        """Queue for polling (also while an upgrade is under way); too much ends the session."""
        self._buffer.extend(packets)
        self._buffered += sum(len(data) for data, _ in packets)
        if self._poll is not None:
            self._answer_poll()
        elif self._buffered > self._settings.sink_bytes:
            self._buffer.clear()
            self.close("client reads too slowly", code=TRY_AGAIN)

    def _answer_poll(self) -> None:
        poll, self._poll = self._poll, None
        buffer, self._buffer, self._buffered = self._buffer, [], 0
        if poll is not None:
            poll.answer(codec.join_payload(buffer))

    # -- time and end ----------------------------------------------------------------------------

    def tick(self, now: float) -> float:
        """Do everything due by `now`; returns when to call again (`NEVER` when all is done)."""
        if self.closed or self._heartbeat(now):
            if 0.0 < self.drain_by <= now:
                self._finish()
            return self.drain_by or NEVER
        if now >= self._upgrade_by:
            self._drop_candidate("upgrade took too long")
        due = self.upper.tick(now)
        return min(due, self._upgrade_by, self._pong_by or self._ping_at)

    def _heartbeat(self, now: float) -> bool:
        """Ping, or find that the pong is overdue: True when that closed the session."""
        if self._pong_by:
            if now >= self._pong_by:
                self.close("ping timeout", discard=True)
                return True
        elif now >= self._ping_at:
            late = now - self._ping_at > self._settings.ping_timeout / 4
            self._pong_by = (now if late else self._ping_at) + self._settings.ping_timeout
            if self.link is not None:
                self.link.write(_PING_FRAME)
            else:
                self._buffer.append(_PING)
                if self._poll is not None:
                    self._answer_poll()
        return False

    def expired(self) -> bool:
        """Is the session gone for a request that comes now? Does what is due first."""
        self.tick(self._clock())
        return self.closed and not self.drain_by

    def close(self, reason: str, *, code: int = 1000, discard: bool = False) -> None:
        """End the session. With `discard` a polling client finds an unknown session; without,
        what is buffered stays readable for the drain timeout, followed by a close packet.
        """
        if self.closed:
            return
        if self._poll is not None:
            self._buffer.append(_CLOSE)
            self._answer_poll()
        elif self.link is None and not discard:
            self._buffer.append(_CLOSE)
            self.drain_by = self._clock() + self._settings.drain_timeout
        link = self.link
        self._end(reason)
        if link is not None:
            link.close(code, reason)

    def _end(self, reason: str) -> None:
        if self.closed:
            return
        self.closed = True
        self.link = None
        if not self.drain_by:
            self._finish()
        self.upper.closed(reason)

    def _finish(self) -> None:
        """Nothing is owed to the client any more."""
        self.drain_by = 0.0
        self._drop_candidate("the session was closed")
        self._buffer.clear()
        self._forget(self)


def _framed(data: bytes, binary: bool) -> bytes:
    return frame(data, BINARY) if binary else frame(data)


def framed_parts(parts: Parts) -> bytes:
    """The frames of one message and its attachments."""
    return b"".join((frame(parts[0]), *(frame(part, BINARY) for part in parts[1:])))
