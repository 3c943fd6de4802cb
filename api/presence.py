"""Who is online: a user's first socket sets the flag, the last one's end takes it back."""

import logging

import trio

from actors.configuration import SnapshotCache
from actors.events import UserChanged
from storage import users
from storage.database import Database
from storage.errors import Retryable
from storage.ids import CompanyId, UserId
from storage.users import UserPatch
from storage.views import user_view

log = logging.getLogger("api.presence")
_SETTLE = 0.5  # a page load drops its socket and opens the next: that is no news


class Presence:
    """Writes the newest state of each user; what comes and goes in a moment is left out."""

    def __init__(self, database: Database, snapshots: SnapshotCache) -> None:
        self._database = database
        self._snapshots = snapshots
        self._wanted: dict[tuple[CompanyId, UserId], bool] = {}
        self._woken = trio.Event()

    def changed(self, company_id: CompanyId, user_id: UserId, online: bool) -> None:
        """Take note; never waits. At most one entry for each user is kept."""
        self._wanted[company_id, user_id] = online
        self._woken.set()

    async def run(self) -> None:
        """Write what changed, for ever."""
        while True:
            await self._woken.wait()
            await trio.sleep(_SETTLE)
            self._woken = trio.Event()
            wanted, self._wanted = self._wanted, {}
            for (company_id, user_id), online in wanted.items():
                try:
                    await self._write(company_id, user_id, online)
                except Retryable as error:
                    log.warning("presence of user %s not written yet: %s", user_id, error)
                    self._again(company_id, user_id, online)
                    await trio.sleep(error.retry_after)
                except Exception:
                    log.exception("presence of user %s not written", user_id)

    def _again(self, company_id: CompanyId, user_id: UserId, online: bool) -> None:
        """Write it with the next ones, unless something newer is known by now."""
        self._wanted.setdefault((company_id, user_id), online)
        self._woken.set()

    async def _write(self, company_id: CompanyId, user_id: UserId, online: bool) -> None:
        found = await users.find(self._database, company_id, user_id)
        if found is None or found.online == online:
            return
        snapshot = await self._snapshots.current(company_id)
        async with self._database.begin(company_id) as tx:
            user = await users.change(tx, company_id, user_id, UserPatch(online=online))
            departments = await users.department_ids(tx, company_id, user_id)
            shown = user_view(user, departments, snapshot)
            tx.publish(UserChanged(company_id=company_id, user=shown, presence=True))
