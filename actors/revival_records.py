"""Events about users and plain rows, shown again from the rows as they are now."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec

from actors.events import RecordChanged, UserChanged, UserLoggedIn, UserRemoved
from storage import (
    campaigns,
    chatbots,
    company_settings,
    department_options,
    helps,
    quick_messages,
    scheduled_messages,
    settings,
    users,
)
from storage.database import Database
from storage.errors import NotFound
from storage.events import DomainEvent, StoredEvent
from storage.ids import DepartmentId, TagId, UserId
from storage.repo import Repo
from storage.snapshots import CompanySnapshot
from storage.views import (
    company_settings_view,
    department_view,
    setting_view,
    user_view,
)

Shown = msgspec.Struct | None
Shows = Callable[[Database, CompanySnapshot, int | str], Awaitable[Shown]]
DELETE: Final = "delete"


async def _department(_: Database, snapshot: CompanySnapshot, row_id: int | str) -> Shown:
    found = snapshot.departments.get(DepartmentId(int(row_id)))
    return department_view(found) if found is not None else None


async def _tag(_: Database, snapshot: CompanySnapshot, row_id: int | str) -> Shown:
    return snapshot.tags.get(TagId(int(row_id)))


async def _setting(database: Database, snapshot: CompanySnapshot, row_id: int | str) -> Shown:
    found = await settings.find(database, snapshot.company_id, str(row_id))
    return setting_view(found) if found is not None else None


async def _company_settings(
    database: Database, snapshot: CompanySnapshot, _row_id: int | str
) -> Shown:
    try:
        return company_settings_view(await company_settings.get(database, snapshot.company_id))
    except NotFound:
        return None


def _row_of(rows: Repo[Any]) -> Shows:
    """Shows a row that clients see as it is, its file by its address."""

    async def show(database: Database, snapshot: CompanySnapshot, row_id: int | str) -> Shown:
        found = await rows.find(database, snapshot.company_id, int(row_id))
        path = getattr(found, "media_path", None)
        if found is None or not path:
            return found
        address = snapshot.urls.file(snapshot.company_id, path)
        shown: msgspec.Struct = msgspec.structs.replace(found, media_path=address)
        return shown

    return show


SHOWN: Final[Mapping[str, Shows]] = {
    "department": _department,
    "tag": _tag,
    "setting": _setting,
    "company_settings": _company_settings,
    "help": _row_of(helps.rows),
    "chatbot": _row_of(chatbots.rows),
    "campaign": _row_of(campaigns.rows),
    "quick_message": _row_of(quick_messages.rows),
    "department_option": _row_of(department_options.rows),
    "scheduled_message": _row_of(scheduled_messages.rows),
}
"""By noun. What is shown sealed or put together from several rows is not here."""


async def record_changed(
    database: Database, snapshot: CompanySnapshot, event: StoredEvent
) -> DomainEvent | None:
    """A plain row that was written, or is gone; None where its noun cannot be shown again."""
    noun, action = str(event.ids["noun"]), str(event.ids["action"])
    row_id, record = event.ids["id"], None
    if action != DELETE:
        show = SHOWN.get(noun)
        record = await show(database, snapshot, row_id) if show is not None else None
        if record is None:
            return None
    return RecordChanged(
        company_id=event.company_id, noun=noun, action=action, record_id=row_id, record=record
    )


async def user_changed(
    database: Database, snapshot: CompanySnapshot, event: StoredEvent
) -> DomainEvent | None:
    """A user as it is now; None when it is gone, which an event of its own tells."""
    user_id = UserId(int(event.ids["user"]))
    user = await users.find(database, event.company_id, user_id)
    if user is None:
        return None
    departments = await users.department_ids(database, event.company_id, user_id)
    return UserChanged(company_id=event.company_id, user=user_view(user, departments, snapshot))


async def user_removed(
    _database: Database, _snapshot: CompanySnapshot, event: StoredEvent
) -> DomainEvent | None:
    """A user that is gone."""
    return UserRemoved(company_id=event.company_id, user_id=UserId(int(event.ids["user"])))


async def user_logged_in(
    database: Database, _snapshot: CompanySnapshot, event: StoredEvent
) -> DomainEvent | None:
    """A login, so that the user's other sessions still learn of it."""
    user_id = UserId(int(event.ids["user"]))
    user = await users.find(database, event.company_id, user_id)
    if user is None:
        return None
    return UserLoggedIn(
        company_id=event.company_id,
        user_id=user_id,
        email=user.email,
        token_digest=str(event.ids["digest"]),
    )
