"""One websocket on one TCP connection: non-blocking reads and joined sends, no trio."""

import logging
import socket
from collections import deque
from typing import Protocol

from api.realtime.timers import NEVER_SLOT
from api.realtime.transports import NEVER
from api.realtime.websocket import (
    CLOSE_FRAME,
    NORMAL,
    PING_FRAME,
    PONG_FRAME,
    TEXT,
    FrameError,
    Parser,
    close_frame,
    frame,
)

log = logging.getLogger(__name__)
_READ = 8_192  # per turn and socket: a flooding client gets its share, no more
_DRAIN = 1 << 18  # what a client that was told goodbye may still send


class Receiver(Protocol):
    """Who gets what a websocket says."""

    def receive(self, link: "Client", data: bytes, binary: bool) -> None:
        """A whole message."""

    def ponged(self) -> None:
        """The peer answered a ping of the websocket level."""

    def unblocked(self) -> None:
        """The peer has read what waited for it."""

    def link_lost(self, link: "Client", reason: str) -> None:
        """The connection is gone without a `close` from our side."""


class Loop(Protocol):
    """What a client needs from the reactor that polls it."""

    dirty: deque["Client"]
    sink_bytes: int
    linger: float

    def want_write(self, client: "Client", wanted: bool) -> None:
        """Poll for writability too, or no more."""

    def forget(self, client: "Client") -> None:
        """Stop polling."""

    def wake(self) -> None:
        """There is something to send."""

    def call_at(self, item: "Client", delay: float) -> None:
        """Tick the client after `delay` seconds."""

    def feed(self, client: "Client", data: bytes) -> None:
        """Give a client what it received."""

    def overflowed(self) -> None:
        """Count a client dropped because it reads too slowly."""


class Client:
    """A `Link`: frames collect in `out` and leave in one send per loop turn.

    Life: open, then closing (our close frame is on its way; we wait for the peer's end so that
    the kernel does not throw away what it has not read), then dead.
    """

    __slots__ = (
        "_close_at",
        "_drained",
        "_loop",
        "_parser",
        "_queued",
        "_send",
        "_sock",
        "blocked",
        "closing",
        "dead",
        "fd",
        "out",
        "receiver",
        "wake_slot",
    )

    def __init__(
        self, sock: socket.socket, loop: Loop, receiver: Receiver, max_payload: int
    ) -> None:
        self.fd = sock.fileno()
        self.out: list[bytes] = []
        self.blocked = False
        self.closing = False
        self.dead = False
        self.receiver = receiver
        self.wake_slot = NEVER_SLOT
        self._sock = sock
        self._send = sock.send
        self._loop = loop
        self._parser = Parser(max_payload)
        self._queued = 0
        self._close_at = NEVER
        self._drained = 0

    # -- out -------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Queue whole frames; a peer that does not read them is dropped at the byte cap."""
        if self.closing or self.dead:
            return
        self._queue(data)

    def _queue(self, data: bytes) -> None:
        if self.blocked:
            self.out.append(data)
            self._queued += len(data)
            if self._queued > self._loop.sink_bytes and not self.closing:
                self._loop.overflowed()
                self.lost("client reads too slowly")
            return
        if not self.out:
            if not self._loop.dirty:
                self._loop.wake()
            self._loop.dirty.append(self)
        self.out.append(data)

    def push(self, data: bytes) -> None:
        """Send whole frames now, or queue them behind what waits."""
        if self.out:
            self.write(data)
        elif not (self.closing or self.dead):
            try:
                sent = self._send(data)
            except BlockingIOError:
                sent = 0
            except OSError:
                self.lost("transport error")
                return
            if sent != len(data):
                self._keep(data[sent:])

    def flush(self) -> None:
        """Send everything queued with one call; what the kernel does not take stays."""
        out = self.out
        if self.dead or not out:
            return
        data = out[0] if len(out) == 1 else b"".join(out)
        try:
            sent = self._send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            out.clear()
            self.lost("transport error")
            return
        out.clear()
        if sent == len(data):
            if self.blocked:
                self.blocked = False
                self._loop.want_write(self, False)
                self.receiver.unblocked()
            if self.closing:
                self._half_close()
            return
        self._keep(data[sent:] if sent else data)

    def _keep(self, rest: bytes) -> None:
        self.out.append(rest)
        self._queued = len(rest)
        if not self.blocked:
            self.blocked = True
            self._loop.want_write(self, True)
        if self._queued > self._loop.sink_bytes and not self.closing:
            self._loop.overflowed()
            self.lost("client reads too slowly")

    def allow(self, size: int) -> None:
        """Take messages of up to `size` bytes from now on."""
        self._parser.limit = size

    # -- in --------------------------------------------------------------------------------------

    def read(self) -> bytes:
        """One read's worth of bytes; none when there is nothing to do with them."""
        try:
            data = self._sock.recv(_READ)
        except BlockingIOError:
            return b""
        except OSError:
            data = b""
        if not data:
            self.lost("transport close")
        if not self.closing:
            return data
        self._drained += len(data)
        if self._drained > _DRAIN:
            self.destroy()
        return b""

    def catch_up(self) -> None:
        """Take what the peer has said by now, without waiting for its turn, and answer it."""
        if not self.dead and (data := self.read()):
            self._loop.feed(self, data)
            self.flush()

    def feed(self, data: bytes) -> None:
        """Take received bytes (also those that came together with the upgrade request)."""
        try:
            for opcode, payload in self._parser.feed(data):
                if opcode <= 2:
                    self.receiver.receive(self, payload, opcode != TEXT)
                elif opcode == PING_FRAME:
                    self.write(frame(payload, PONG_FRAME))
                elif opcode == PONG_FRAME:
                    self.receiver.ponged()
                elif opcode == CLOSE_FRAME:
                    self._peer_closes(payload)
                if self.closing or self.dead:
                    return
        except FrameError as error:
            self.lost(f"transport error: {error}", error.code)

    def _peer_closes(self, payload: bytes) -> None:
        code = int.from_bytes(payload[:2], "big") if payload else NORMAL
        self.lost("transport close", code)

    # -- end -------------------------------------------------------------------------------------

    def lost(self, reason: str, code: int = 0) -> None:
        """The connection is over for the receiver; with `code` the peer still gets a close frame."""
        if self.dead:
            return
        told = self.closing
        if code and not told:
            self.close(code, reason)
        else:
            self.destroy()
        if not told:
            try:
                self.receiver.link_lost(self, reason)
            except Exception:  # it is found while others are served, who are not to blame
                log.exception("the end of a connection was not taken in")

    def close(self, code: int, reason: str) -> None:
        """Send what is queued, then a close frame; hang up when the peer does, or soon."""
        if self.closing or self.dead:
            return
        self.closing = True
        self._loop.call_at(self, self._loop.linger)
        self._queue(close_frame(code, reason))

    def _half_close(self) -> None:
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.destroy()

    def tick(self, now: float) -> float:
        """The linger time is over."""
        if self.closing:
            self.destroy()
        return NEVER

    def destroy(self) -> None:
        """Close the socket now."""
        if not self.dead:
            self.dead = True
            self.out.clear()
            self._loop.forget(self)
            self._sock.close()
