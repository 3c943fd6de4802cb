"""Events shown again from the log: what a gap on the way to the sockets does not lose."""

from collections.abc import Sequence

import pytest

from actors.events import RecordChanged, UserChanged, UserLoggedIn, UserRemoved
from actors.revival import PgEventLog
from storage import company_settings, departments, helps, settings, tags, users
from storage.company_settings import CompanySettingsPatch
from storage.database import Database, Tx
from storage.departments import DepartmentPatch
from storage.events import DomainEvent
from storage.ids import UserId
from storage.secrets import SecretBox
from storage.snapshots import load_snapshot
from storage.tags import TagPatch
from storage.users import UserPatch
from storage.views import (
    company_settings_view,
    department_view,
    setting_view,
    user_view,
)
from tests.actors.world import ONE, World, open_world

ANN, BOB = UserId(1001), UserId(1002)


async def written(tx: Tx, noun: str) -> tuple[int | str, object]:
    """A row of that noun and what clients see of it."""
    if noun == "department":
        row = await departments.create(tx, ONE, DepartmentPatch(name="New", color="#9"))
        return row.id, department_view(row)
    if noun == "tag":
        tag = await tags.create(tx, ONE, TagPatch(name="vip", color="#9"))
        return tag.id, tag
    if noun == "setting":
        return "theme", setting_view(
            await settings.put(tx, ONE, "theme", "dark", SecretBox(b"k" * 32))
        )
    if noun == "company_settings":
        changed = await company_settings.change(tx, ONE, CompanySettingsPatch(lgpd_enabled=True))
        return ONE, company_settings_view(changed)
    help_ = await helps.rows.insert(tx, ONE, title="How", description="So")
    return help_.id, help_


async def published(world: World, *events: DomainEvent) -> Sequence[DomainEvent | None]:
    """What the log says of these events."""
    async with world.database.begin(ONE) as tx:
        for event in events:
            tx.publish(event)
    log = PgEventLog(world.database, world.ports.snapshots, {})
    return [event for _, event in await log.since(ONE, 0, 100)][-len(events) :]


@pytest.mark.parametrize("noun", ["department", "tag", "setting", "company_settings", "help"])
async def test_a_written_row_is_shown_again_and_a_deleted_one_is_gone(
    database: Database, noun: str
) -> None:
    async with open_world(database) as world:
        async with database.begin(ONE) as tx:
            row_id, shown = await written(tx, noun)
            event = RecordChanged(
                company_id=ONE, noun=noun, action="create", record_id=row_id, record=shown
            )
            tx.publish(event)
        gone = RecordChanged(company_id=ONE, noun=noun, action="delete", record_id=row_id)
        assert await published(world, event, gone) == [event, gone]


async def test_users_and_logins_are_shown_again(database: Database) -> None:
    async with open_world(database) as world:
        async with database.begin(ONE) as tx:
            user = await users.change(tx, ONE, ANN, UserPatch(online=True))
        snapshot = await load_snapshot(database, ONE)
        changed = UserChanged(company_id=ONE, user=user_view(user, (), snapshot))
        login = UserLoggedIn(company_id=ONE, user_id=ANN, email=user.email, token_digest="d")
        gone = UserRemoved(company_id=ONE, user_id=BOB)
        assert await published(world, changed, login, gone) == [changed, login, gone]


async def test_what_cannot_be_shown_again_is_skipped(database: Database) -> None:
    async with open_world(database) as world:
        sealed = RecordChanged(
            company_id=ONE, noun="prompt", action="update", record_id=1, record=None
        )
        missing = RecordChanged(
            company_id=ONE, noun="tag", action="update", record_id=999_999, record=None
        )
        assert await published(world, sealed, missing) == [None, None]
