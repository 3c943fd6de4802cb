"""Connection state recovery: what a client missed while it was away, or an honest no.

A client that comes back soon with its private `pid` and the offset of the last event it saw gets
its old socket id, its rooms and exactly the events it missed. Whenever that cannot be complete
(too old, other permissions, another process) it gets a fresh session instead and knows it by
`recovered: false`. What the buffer had to let go is read from the event log again, when that has
all of it. Public source: the Socket.IO documentation of the feature.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import Final, NamedTuple, Protocol

import msgspec

from api.principal import Principal

RECOVERABLE = ("transport close", "transport error", "ping timeout", "server shutting down")

UNNUMBERED: Final = 0
"""The number of what every company is told and none has in its log: only the buffer has it."""

MOST_AWAITED: Final = 5_000
"""So many lost sockets of one company may come back."""

LONGEST: Final = 1_000
"""So many events are read again for one client; after more of them a fresh start is cheaper."""


class Logged(Protocol):
    """An event as the log keeps it."""

    offset: str
    volatile: bool
    seq: int
    ends: bool

    @property
    def json(self) -> bytes:
        """Its encoded arguments, offset included."""
        ...


class Gap(NamedTuple):
    """Numbers of the events that the buffer has no more: after `since`, up to `until`."""

    since: int
    until: int


class Reread(NamedTuple):
    """What the event log tells up to number `until`: rooms and encoded arguments, in order."""

    until: int
    entries: Sequence[tuple[tuple[str, ...], bytes]]


class Saved(msgspec.Struct, frozen=True):
    """A lost socket that may come back."""

    socket_id: str
    namespace: str
    rooms: Mapping[str, int]
    principal: Principal
    until: float


class Log:
    """The last events of one company, bounded in bytes, and its sockets that may come back.

    `boot` tells this process's offsets from those of an earlier one. `age` is for how many seconds an
    event can be missing to somebody who may still come back: who is here has had it by then.
    """

    __slots__ = (
        "_age",
        "_boot",
        "_bytes",
        "_entries",
        "_first",
        "_last_seq",
        "_limit",
        "_marks",
        "_next",
        "_saved",
        "_trimmed_seq",
        "_unlogged",
    )

    def __init__(self, boot: str, limit: int, age: float = inf) -> None:
        self._boot = boot
        self._limit = limit
        self._age = age
        self._marks: deque[tuple[float, int]] = deque()  # what the next number was, and when
        self._entries: deque[tuple[tuple[str, ...], bytes, int]] = deque()
        self._bytes = 0
        self._first = 1  # number of the oldest entry
        self._next = 1
        self._last_seq = 0
        self._trimmed_seq = 0
        self._unlogged = 0  # number of the last entry let go that the event log has not
        self._saved: dict[str, Saved] = {}

    @property
    def awaited(self) -> bool:
        """May somebody come back?"""
        return bool(self._saved)

    @property
    def size(self) -> int:
        """How many bytes of events it keeps."""
        return self._bytes

    def append(self, rooms: tuple[str, ...], event: Logged) -> None:
        """Number an event (the number becomes its offset) and keep it.

        One that cannot be encoded raises what the encoder raises, and is not numbered.
        """
        if event.volatile:
            return
        event.offset = self._offset(self._next, event)
        entry = event.json
        self._next += 1
        self._last_seq = event.seq or self._last_seq
        self._entries.append((rooms, entry, event.seq))
        self._bytes += len(entry)
        self._trim(self._first)

    def _trim(self, first: int) -> None:
        """Let go of the oldest: those with a number below `first`, and what is over the limit."""
        while self._entries and (self._first < first or self._bytes > self._limit):
            _, gone, seq = self._entries.popleft()
            self._bytes -= len(gone)
            if seq == UNNUMBERED:
                self._unlogged = self._first
            else:
                self._trimmed_seq = seq
            self._first += 1

    def _offset(self, number: int, event: Logged) -> str:
        """Process, place in the buffer, and the change's number where it is told to its end."""
        return f"{self._boot}.{number}.{event.seq if event.ends else 0}"

    def here(self) -> str:
        """The offset of whoever has heard all so far."""
        return f"{self._boot}.{self._next - 1}.{self._last_seq}"

    def encode_again(self, event: Logged) -> bytes:
        """The arguments of an event that the log told again; its place is no more in the buffer."""
        event.offset = self._offset(0, event)
        return event.json

    def forget(self) -> None:
        """Something was not told to everybody: who is not here now starts afresh."""
        self._entries.clear()
        self._bytes = 0
        self._unlogged = self._next
        self._first = self._next = self._next + 1
        self._saved.clear()

    def save(self, pid: str, saved: Saved) -> None:
        """Remember a lost socket; of too many the one lost first has to start afresh."""
        self._saved[pid] = saved
        if len(self._saved) > MOST_AWAITED:
            del self._saved[next(iter(self._saved))]

    def thin_out(self, room: str, may_stay: Callable[[Principal], bool]) -> None:
        """Those who lost the right to a room while they were away get a fresh start."""
        for pid, saved in list(self._saved.items()):
            if room in saved.rooms and not may_stay(saved.principal):
                del self._saved[pid]

    def expire(self, now: float, limit: int | None = None) -> None:
        """Forget who did not come back in time, and events that are too old for anybody else.

        To be called from time to time; `limit` is how many bytes may be kept from here on.
        """
        for pid in [pid for pid, saved in self._saved.items() if saved.until <= now]:
            del self._saved[pid]
        self._limit = self._limit if limit is None else limit
        marks = self._marks
        if self._entries and (not marks or now - marks[-1][0] >= self._age / 10):
            marks.append((now, self._next))
        while marks and now - marks[0][0] > self._age:
            self._trim(marks.popleft()[1])
        self._trim(self._first)

    def gap(
        self, pid: str, offset: str, namespace: str, principal: Principal, now: float
    ) -> Gap | None:
        """What must be read from the event log before this client can be restored, if anything."""
        place = self._place(offset)
        if place is None or self._returning(pid, namespace, principal, now) is None:
            return None
        number, seq = place
        if not self._unlogged <= number < self._first - 1:
            return None
        if not 0 < seq <= self._last_seq <= seq + LONGEST:
            return None
        return Gap(seq, self._last_seq)

    def restore(
        self,
        pid: str,
        offset: str,
        namespace: str,
        principal: Principal,
        now: float,
        reread: Reread | None = None,
    ) -> tuple[Saved, Sequence[bytes]] | None:
        """What the returning client missed; None unless that is certainly all of it."""
        saved = self._returning(pid, namespace, principal, now)
        place = self._place(offset)
        if saved is None or place is None:
            return None
        start = place[0] + 1 - self._first
        entries = list(self._entries)
        if start >= 0:
            found = [(rooms, entry) for rooms, entry, _ in entries[start:]]
        elif reread is None or self._trimmed_seq > reread.until or self._unlogged > place[0]:
            return None
        else:
            newer = [item for item in entries if item[2] > reread.until or item[2] == UNNUMBERED]
            found = [*reread.entries, *((rooms, entry) for rooms, entry, _ in newer)]
        del self._saved[pid]
        own = saved.rooms.keys()
        return saved, [entry for rooms, entry in found if not own.isdisjoint(rooms)]

    def _returning(
        self, pid: str, namespace: str, principal: Principal, now: float
    ) -> Saved | None:
        saved = self._saved.get(pid)
        if saved is None or saved.until <= now or saved.namespace != namespace:
            return None
        return saved if same_permissions(saved.principal, principal) else None

    def _place(self, offset: str) -> tuple[int, int] | None:
        boot, _, rest = offset.partition(".")
        number, _, seq = rest.partition(".")
        if boot != self._boot or not (number.isdecimal() and seq.isdecimal()):
            return None
        if len(rest) > 32 or int(number) >= self._next:
            return None
        return int(number), int(seq)


def same_permissions(one: Principal, other: Principal) -> bool:
    """Is it the same user who may see the same? (A renewed token is no difference.)"""
    return msgspec.structs.replace(one, expires_at=0.0, name="") == msgspec.structs.replace(
        other, expires_at=0.0, name=""
    )
