"""Tags: on contacts and tickets, gone from both when deleted."""

import pytest
import sqlalchemy as sa

from storage import tags
from storage.database import Database
from storage.errors import Conflict, UniqueViolation
from storage.tags import TagPatch, ticket_tags
from tests.storage.world import Place, found, put_ticket


async def _tag(database: Database, place: Place, name: str, kanban: int = 0) -> tags.Tag:
    async with database.begin(place.company_id) as tx:
        return await tags.create(tx, place.company_id, TagPatch(name=name, kanban=kanban))


async def test_a_contacts_tags_are_replaced_whole(database: Database) -> None:
    place = await found(database, "one")
    first, second = await _tag(database, place, "a"), await _tag(database, place, "b")
    for chosen in ((first.id,), (second.id, first.id, second.id), (second.id,), ()):
        async with database.begin(place.company_id) as tx:
            await tags.set_of_contact(tx, place.company_id, place.contact_id, chosen)
        stored = await tags.of_contact(database, place.company_id, place.contact_id)
        assert set(stored) == set(chosen)


async def test_another_companys_tag_sticks_to_nothing(database: Database) -> None:
    one, two = await found(database, "one"), await found(database, "two")
    theirs = await _tag(database, two, "a")
    async with database.begin(one.company_id) as tx:
        with pytest.raises(Conflict):
            await tags.set_of_contact(tx, one.company_id, one.contact_id, (theirs.id,))


async def test_a_deleted_tag_leaves_everything_that_carried_it(database: Database) -> None:
    place = await found(database, "one")
    lane = await _tag(database, place, "Lane", kanban=1)
    ticket = await put_ticket(database, place)
    row = {"company_id": place.company_id, "ticket_id": ticket.id, "tag_id": lane.id}
    await database.execute(sa.insert(ticket_tags).values(row))
    async with database.begin(place.company_id) as tx:
        following = await tags.create(
            tx, place.company_id, TagPatch(name="Next", kanban=1, next_lane_id=lane.id)
        )
        await tags.rows.delete(tx, place.company_id, lane.id)
    assert await database.rows(sa.select(ticket_tags)) == []
    left = await tags.rows.get(database, place.company_id, following.id)
    assert left.next_lane_id is None


async def test_a_lane_and_a_label_may_share_a_name(database: Database) -> None:
    place = await found(database, "one")
    await _tag(database, place, "Urgent")
    lane = await _tag(database, place, "Urgent", kanban=1)
    with pytest.raises(UniqueViolation):
        await _tag(database, place, "Urgent")
    rows, count = await tags.rows.page(
        database, place.company_id, *tags.rows.matching("urg", {"kanban": 1})
    )
    assert (rows, count) == ([lane], 1)
    assert len(await tags.rows.all_of(database, place.company_id)) == 2
