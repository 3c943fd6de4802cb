"""Connection state recovery: what a client missed while it was away, or an honest no.

A client that comes back soon with its private `pid` and the offset of the last event it saw gets
its old socket id, its rooms and exactly the events it missed. Whenever that cannot be complete
(too old, buffer overrun, other permissions, another process) it gets a fresh session instead and
knows it by `recovered: false`. Public source: the Socket.IO documentation of the feature.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from api.principal import Principal

RECOVERABLE = ("transport close", "transport error", "ping timeout", "server shutting down")


class Logged(Protocol):
    """An event as the log keeps it."""

    offset: str
    volatile: bool

    @property
    def json(self) -> bytes:
        """Its encoded arguments, offset included."""
        ...


class Saved(msgspec.Struct, frozen=True):
    """A lost socket that may come back."""

    socket_id: str
    namespace: str
    rooms: Mapping[str, int]
    principal: Principal
    until: float


class Log:
    """The last events of one company, bounded in bytes, and its sockets that may come back.

    `boot` tells this process's offsets from those of an earlier one.
    """

    __slots__ = ("_boot", "_bytes", "_entries", "_first", "_limit", "_next", "_saved")

    def __init__(self, boot: str, limit: int) -> None:
        self._boot = boot
        self._limit = limit
        self._entries: deque[tuple[tuple[str, ...], bytes]] = deque()
        self._bytes = 0
        self._first = 0  # number of the oldest entry
        self._next = 0
        self._saved: dict[str, Saved] = {}

    @property
    def awaited(self) -> bool:
        """May somebody come back?"""
        return bool(self._saved)

    def append(self, rooms: tuple[str, ...], event: Logged) -> None:
        """Number an event (the number becomes its offset) and keep it."""
        if event.volatile:
            return
        event.offset = f"{self._boot}.{self._next}"
        self._next += 1
        entry = event.json
        self._entries.append((rooms, entry))
        self._bytes += len(entry)
        while self._bytes > self._limit:
            self._bytes -= len(self._entries.popleft()[1])
            self._first += 1

    def save(self, pid: str, saved: Saved) -> None:
        """Remember a lost socket."""
        self._saved[pid] = saved

    def expire(self, now: float) -> None:
        """Forget who did not come back in time."""
        for pid in [pid for pid, saved in self._saved.items() if saved.until <= now]:
            del self._saved[pid]

    def restore(
        self, pid: str, offset: str, namespace: str, principal: Principal, now: float
    ) -> tuple[Saved, Sequence[bytes]] | None:
        """What the returning client missed; None unless that is certainly all of it."""
        saved = self._saved.get(pid)
        number = self._number(offset)
        if saved is None or number is None or saved.until <= now or saved.namespace != namespace:
            return None
        if not same_permissions(saved.principal, principal):
            return None
        del self._saved[pid]
        missed: list[bytes] = []
        for index in range(number + 1 - self._first, len(self._entries)):
            rooms, entry = self._entries[index]
            if not saved.rooms.keys().isdisjoint(rooms):
                missed.append(entry)
        return saved, missed

    def _number(self, offset: str) -> int | None:
        boot, _, digits = offset.partition(".")
        if boot != self._boot or not digits.isdecimal() or len(digits) > 15:
            return None
        number = int(digits)
        return number if self._first - 1 <= number < self._next else None


def same_permissions(one: Principal, other: Principal) -> bool:
    """Is it the same user who may see the same? (A renewed token is no difference.)"""
    return msgspec.structs.replace(one, expires_at=0.0, name="") == msgspec.structs.replace(
        other, expires_at=0.0, name=""
    )
