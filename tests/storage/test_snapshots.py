"""A snapshot is one company's whole configuration, at one moment."""

import pytest

from storage import connections, departments, tags
from storage.connections import ConnectionPatch
from storage.database import Database
from storage.departments import DepartmentPatch
from storage.errors import NotFound
from storage.ids import CompanyId
from storage.public_urls import PublicUrls
from storage.snapshots import load_snapshot
from storage.tags import TagPatch
from tests.storage.world import found


async def test_a_snapshot_holds_one_companys_configuration(database: Database) -> None:
    ours, theirs = await found(database, "ours"), await found(database, "theirs")
    schedules: list[dict[str, object]] = [{"weekday": "Segunda-feira", "startTimeA": "08:00"}]
    async with database.begin(ours.company_id) as tx:
        tag = await tags.create(tx, ours.company_id, TagPatch(name="VIP", color="#fff"))
        support = await departments.change(
            tx, ours.company_id, ours.department_id, DepartmentPatch(schedules=schedules)
        )
    snapshot = await load_snapshot(database, ours.company_id, urls=PublicUrls("http://b", "f"))
    assert snapshot.company_id == ours.company_id
    assert snapshot.company.name == "ours"
    assert snapshot.departments == {support.id: support}
    assert snapshot.departments[support.id].schedules == schedules
    main = await connections.get(database, ours.company_id, ours.connection_id)
    assert snapshot.connections == {main.id: main}
    assert snapshot.connection_departments == {main.id: (support.id,)}
    assert snapshot.tags == {tag.id: tag}
    assert set(snapshot.users) == {ours.admin.id, ours.agent.id}
    assert snapshot.users[ours.agent.id].department_ids == (support.id,)
    assert snapshot.users[ours.admin.id].is_admin
    assert not snapshot.users[ours.agent.id].is_admin
    assert snapshot.settings.company_id == ours.company_id
    assert snapshot.urls.backend == "http://b"
    assert theirs.agent.id not in snapshot.users


async def test_an_unknown_company_has_no_snapshot(database: Database) -> None:
    with pytest.raises(NotFound):
        await load_snapshot(database, CompanyId(999))


async def test_conversations_go_to_the_default_connection_else_the_oldest(
    database: Database,
) -> None:
    place = await found(database, "one")
    async with database.begin(place.company_id) as tx:
        second = await connections.create(
            tx, place.company_id, ConnectionPatch(name="Second", is_default=True)
        )
    chosen = (await load_snapshot(database, place.company_id)).default_connection()
    assert chosen is not None
    assert chosen.id == second.id
    async with database.begin(place.company_id) as tx:
        await connections.clear_default(tx, place.company_id)
    chosen = (await load_snapshot(database, place.company_id)).default_connection()
    assert chosen is not None
    assert chosen.id == place.connection_id
    async with database.begin(place.company_id) as tx:
        await connections.delete(tx, place.company_id, second.id)
        await connections.delete(tx, place.company_id, place.connection_id)
    assert (await load_snapshot(database, place.company_id)).default_connection() is None
