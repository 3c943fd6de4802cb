"""The configuration of each company as actors see it: one immutable snapshot, replaced whole."""

from collections.abc import Awaitable, Callable, Sequence

import msgspec
import trio

from actors.events import (
    ConnectionChanged,
    ConnectionRemoved,
    RecordChanged,
    SessionChanged,
    UserChanged,
    UserRemoved,
)
from storage.events import DomainEvent
from storage.ids import CompanyId
from storage.snapshots import HELD, CompanySnapshot
from storage.views import UserView

CONFIGURATION = (
    ConnectionChanged,
    ConnectionRemoved,
    SessionChanged,
    UserChanged,
    UserRemoved,
)
"""With `RecordChanged` of what a snapshot holds, the events after which a company's is loaded
again before the next decision; who came or went is entered as it is."""


class SnapshotCache:
    """Current snapshot per company, loaded once and again after a committed configuration event.

    A decision that starts after a configuration write was acknowledged sees that write: the
    publisher calls `published` before the writer of the change is released.
    """

    def __init__(self, load: Callable[[CompanyId], Awaitable[CompanySnapshot]]) -> None:
        self._load = load
        self._fresh: dict[CompanyId, CompanySnapshot] = {}
        self._loading: dict[CompanyId, trio.Event] = {}
        self._generation: dict[CompanyId, int] = {}

    def peek(self, company_id: CompanyId) -> CompanySnapshot | None:
        """The snapshot if it is in memory and current, else None; never waits."""
        return self._fresh.get(company_id)

    async def current(self, company_id: CompanyId) -> CompanySnapshot:
        """The current snapshot; loads it when it is missing or stale, once for all who wait.

        Raises NotFound for an unknown company and DatabaseUnavailable.
        """
        while (snapshot := self._fresh.get(company_id)) is None:
            loading = self._loading.get(company_id)
            if loading is not None:
                await loading.wait()
            else:
                await self._refresh(company_id)
        return snapshot

    async def _refresh(self, company_id: CompanyId) -> None:
        done = self._loading[company_id] = trio.Event()
        generation = self._generation.get(company_id, 0)
        try:
            snapshot = await self._load(company_id)
            if self._generation.get(company_id, 0) == generation:
                self._fresh[company_id] = snapshot
        finally:
            del self._loading[company_id]
            done.set()

    def invalidate(self, company_id: CompanyId) -> None:
        """Forgets the snapshot: whoever asks next waits for a new one."""
        self._generation[company_id] = self._generation.get(company_id, 0) + 1
        self._fresh.pop(company_id, None)

    def _came_or_went(self, company_id: CompanyId, user: UserView) -> None:
        """One flag of one user: sockets open and close too often to load everything for it."""
        snapshot = self._fresh.get(company_id)
        member = None if snapshot is None else snapshot.users.get(user.id)
        if snapshot is None or member is None:
            self.invalidate(company_id)
            return
        now = msgspec.structs.replace(member, online=user.online)
        users = {**snapshot.users, user.id: now}
        self._fresh[company_id] = msgspec.structs.replace(snapshot, users=users)

    def published(self, pairs: Sequence[tuple[int, DomainEvent]]) -> None:
        """Takes note of committed events; only configuration matters here."""
        for _, event in pairs:
            if isinstance(event, UserChanged) and event.presence:
                self._came_or_went(event.company_id, event.user)
            elif isinstance(event, CONFIGURATION):
                self.invalidate(event.company_id)
            elif isinstance(event, RecordChanged) and event.noun in HELD:
                self.invalidate(event.company_id)
                if not event.is_everybodys:
                    continue
                for company_id in [*self._fresh, *self._loading]:
                    self.invalidate(company_id)
