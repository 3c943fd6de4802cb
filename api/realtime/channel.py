"""Fan-out inside one company: rooms, and events encoded once for everybody who reads them.

A channel belongs to one company and knows only that company's sockets: an event cannot leave it.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Protocol

import msgspec

from api.principal import Principal
from api.realtime import packet as codec
from api.realtime.packet import Parts
from api.realtime.recovery import Log
from api.realtime.transports import Link
from api.realtime.websocket import BINARY, frame
from storage.ids import CompanyId

log = logging.getLogger(__name__)

ROOT, NUMBER, WORKSPACE, STREAM_JSON, STREAM_MSGPACK = range(5)
"""Dialects: how a socket's frames look. The first three are Socket.IO namespaces."""

_encode_msgpack: Final = msgspec.msgpack.Encoder().encode


class Outgoing:
    """One event on its way to a company's sockets; encoded at most once per dialect."""

    __slots__ = ("_json", "ends", "name", "offset", "payload", "seq", "volatile")

    def __init__(
        self, name: str, payload: object, seq: int, volatile: bool, ends: bool = True
    ) -> None:
        """`ends`: it is the last event that its change is told by. `seq` 0: it is in no log."""
        self.name = name
        self.payload = payload
        self.seq = seq
        self.volatile = volatile
        self.ends = ends
        self.offset = ""
        self._json: bytes | None = None

    @property
    def json(self) -> bytes:
        """The Socket.IO arguments: name, payload, and the offset that recovery goes by."""
        return self.encode()

    def encode(self) -> bytes:
        """The same, made when it is first asked for. Raises what an encoder raises."""
        if self._json is None:
            arguments = [self.name, self.payload]
            self._json = codec.encode_json([*arguments, self.offset] if self.offset else arguments)
        return self._json

    def framed(self, dialect: int, prefix: bytes) -> bytes:
        """The websocket frame for one dialect."""
        if dialect < STREAM_JSON:
            return frame(prefix + self.json)
        number = {"seq": self.seq} if self.seq else {}
        event = {"event": self.name, **number, "data": self.payload}
        if dialect == STREAM_JSON:
            return frame(codec.encode_json(event))
        return frame(_encode_msgpack(msgspec.to_builtins(event)), BINARY)  # times as in JSON


class Member(Protocol):
    """Whoever can be in rooms: `dialect` says how its frames look, `link` is its websocket.

    A member without a link is asked to `hear` each event instead.
    """

    dialect: int
    link: Link | None
    rooms: dict[str, int]
    principal: Principal | None

    def deliver(self, parts: Parts) -> None:
        """Send one encoded packet now (also by polling)."""

    def hear(self, event: Outgoing, prefix: bytes) -> None:
        """Take one event without a websocket."""


class Wave:
    """A run of events on its way through the members that were there when it began.

    `blobs` are its frames by dialect, joined and made when the first member needs them.
    """

    __slots__ = ("at", "blobs", "members", "run")

    def __init__(self, members: list[Member], run: list[Outgoing], dialects: int) -> None:
        self.members = members
        self.run = run
        self.blobs: list[bytes | None] = [None] * dialects
        self.at = 0


class Channel:
    """The sockets of one company. `wake` is called when there is something to hand over."""

    __slots__ = (
        *("_pending", "_prefixes", "_rooms", "_wake", "_wave"),
        *("company_id", "dirty", "log", "moves"),
    )

    def __init__(
        self, company_id: CompanyId, log: Log | None, wake: Callable[["Channel"], None]
    ) -> None:
        self.company_id = company_id
        self.log = log
        self.dirty: deque[Link] = deque()  # links with something to send, each once
        self.moves = 0  # how many tickets changed their place, so that an answer can be stale
        self._wake = wake
        self._rooms: dict[str, dict[Member, None]] = {}
        self._wave: Wave | None = None
        self._pending: list[tuple[Any, Any]] = []  # (rooms, Outgoing) or (Member, Parts)
        self._prefixes = (
            codec.event_prefix("/"),
            codec.event_prefix(f"/{company_id}"),
            codec.event_prefix(f"/workspace-{company_id}"),
            b"",
            b"",
        )

    # -- rooms -----------------------------------------------------------------------------------

    @property
    def empty(self) -> bool:
        """Nobody is here and nothing is under way."""
        return not (self._rooms or self.busy or (self.log and self.log.awaited))

    @property
    def busy(self) -> bool:
        """Something waits for a turn or a send."""
        return bool(self._pending or self.dirty) or self._wave is not None

    def join(self, member: Member, room: str) -> None:
        """Join, counting: a room is left when it was left as often as joined."""
        count = member.rooms.get(room, 0)
        member.rooms[room] = count + 1
        if not count:
            self._rooms.setdefault(room, {})[member] = None

    def leave(self, member: Member, room: str) -> None:
        """Undo one join; leaving a room one is not in does nothing."""
        count = member.rooms.get(room, 0)
        if count > 1:
            member.rooms[room] = count - 1
        elif count:
            del member.rooms[room]
            self._remove(member, room)

    def quit(self, member: Member, room: str) -> None:
        """Leave a room however often it was joined."""
        if member.rooms.pop(room, None) is not None:
            self._remove(member, room)

    def thin_out(self, room: str, may_stay: Callable[[Principal], bool]) -> list[Member]:
        """Take those out of a room who may not be there any more, also those who are away.

        They hear what was published before, and nothing of the room after.
        """
        self.moves += 1
        if self.log is not None:
            self.log.thin_out(room, may_stay)
        gone = [
            member
            for member in self._rooms.get(room, ())
            if member.principal is None or not may_stay(member.principal)
        ]
        if gone:
            self.fold()
        for member in gone:
            del member.rooms[room]
            self._remove(member, room)
        return gone

    def tell(self, member: Member, outgoing: Outgoing) -> None:
        """Say something to one member only, after what was published before."""
        self.fold()
        member.hear(outgoing, self._prefixes[member.dialect])

    def leave_all(self, member: Member) -> None:
        """The socket is gone."""
        for room in member.rooms:
            self._remove(member, room)
        member.rooms = {}

    def _remove(self, member: Member, room: str) -> None:
        members = self._rooms.get(room)
        if members is not None:
            members.pop(member, None)
            if not members:
                del self._rooms[room]

    def members(self, rooms: Iterable[str]) -> list[Member]:
        """Everybody in any of the rooms, each once, in the order of joining."""
        found = [members for room in rooms if (members := self._rooms.get(room))]
        if len(found) < 2:
            return list(found[0]) if found else []
        union = dict(found[0])
        for members in found[1:]:
            union.update(members)
        return list(union)

    # -- sending ---------------------------------------------------------------------------------

    def publish(self, rooms: tuple[str, ...], outgoing: Outgoing) -> None:
        """Hand an event over; it is encoded and sent to its sockets at the next `turn`."""
        if not self._pending:
            self._wake(self)
        self._pending.append((rooms, outgoing))

    def send(self, member: Member, parts: Parts) -> None:
        """Send to one socket, after the events published before."""
        if self._pending or self._wave is not None:
            self._pending.append((member, parts))
        else:
            member.deliver(parts)

    def replay(self, member: Member, entries: Iterable[bytes]) -> None:
        """Send one socket the encoded events that it missed."""
        prefix = self._prefixes[member.dialect]
        for entry in entries:
            member.deliver((prefix + entry,))

    def turn(self, budget: int) -> int:
        """Do at most `budget` sends of what is to be handed over; returns how many it were."""
        if self._pending:
            self._begin()
        if self._wave is not None:
            return self._advance(self._wave, budget)
        return flush_some(self.dirty, budget)

    def abandon(self) -> None:
        """Let go of what is under way, and of the places to come back to before it."""
        self._wave, self._pending = None, []
        if self.log is not None:
            self.log.forget()

    def _begin(self) -> None:
        """What is said to the same rooms, with nothing under way, leaves without a queue."""
        batch = self._pending
        target = batch[0][0]
        alone = self._wave is None and not self.dirty and isinstance(target, tuple)
        if not alone or any(other[0] != target for other in batch[1:]):
            self.fold()
            return
        self._pending = []
        run = self._remembered(target, [item[1] for item in batch])
        self._wave = Wave(self.members(target), run, len(self._prefixes))

    def _advance(self, wave: Wave, budget: int) -> int:
        members = wave.members[wave.at : wave.at + budget]
        wave.at += len(members)
        blobs = wave.blobs
        for member in members:
            link = member.link
            if link is None or link.blocked:
                self._queue((member,), wave)
                continue
            blob = blobs[member.dialect]
            if blob is None:
                blob = blobs[member.dialect] = self._blob(member.dialect, wave.run)
            link.push(blob)
        if wave.at >= len(wave.members):
            self._wave = None
        return len(members)

    def fold(self) -> None:
        """Move what was published to the sockets' buffers: one blob per run of equal rooms."""
        wave, self._wave = self._wave, None
        if wave is not None:
            self._queue(wave.members[wave.at :], wave)
        batch, self._pending = self._pending, []
        start, size = 0, len(batch)
        while start < size:
            target = batch[start][0]
            stop = start + 1
            if not isinstance(target, tuple):
                target.deliver(batch[start][1])
            else:
                while stop < size and batch[stop][0] == target:
                    stop += 1
                run = self._remembered(target, [item[1] for item in batch[start:stop]])
                members = self.members(target)
                self._queue(members, Wave(members, run, len(self._prefixes)))
            start = stop

    def _remembered(self, rooms: tuple[str, ...], run: Iterable[Outgoing]) -> list[Outgoing]:
        """Those of a run that can be told at all; one that cannot is a defect of who made it."""
        kept: list[Outgoing] = []
        for outgoing in run:
            try:
                if self.log is not None:
                    self.log.append(rooms, outgoing)
                outgoing.encode()
            except (TypeError, ValueError, OverflowError, RecursionError):
                log.exception("event %s cannot be encoded", outgoing.name)
            else:
                kept.append(outgoing)
        return kept

    def _queue(self, members: Sequence[Member], wave: Wave) -> None:
        blobs, run, dirty = wave.blobs, wave.run, self.dirty
        for member in members:
            link = member.link
            if link is None:
                for outgoing in run:
                    member.hear(outgoing, self._prefixes[member.dialect])
                continue
            blob = blobs[member.dialect]
            if blob is None:
                blob = blobs[member.dialect] = self._blob(member.dialect, run)
            if link.blocked:
                self._to_blocked(link, member.dialect, blob, run)
            else:
                if not link.out:
                    dirty.append(link)
                link.out.append(blob)

    def _blob(self, dialect: int, run: Sequence[Outgoing]) -> bytes:
        prefix = self._prefixes[dialect]
        if len(run) == 1:
            return run[0].framed(dialect, prefix)
        return b"".join([outgoing.framed(dialect, prefix) for outgoing in run])

    def _to_blocked(self, link: Link, dialect: int, blob: bytes, run: Sequence[Outgoing]) -> None:
        lasting = [outgoing for outgoing in run if not outgoing.volatile]
        if len(lasting) == len(run):
            link.write(blob)
        elif lasting:
            link.write(self._blob(dialect, lasting))


def flush_some(dirty: deque[Any], budget: int) -> int:
    """Send what at most `budget` links hold; returns how many it were."""
    count = min(len(dirty), budget)
    for _ in range(count):
        dirty.popleft().flush()
    return count
