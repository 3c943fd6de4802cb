"""Tickets: one active case per contact and connection, whoever writes it."""

import itertools

import pytest
import sqlalchemy as sa

from storage import connections, departments, tickets
from storage.database import Database
from storage.errors import Conflict, NotFound, UniqueViolation
from storage.tickets import ACTIVE_STATUSES, Ticket
from storage.tickets import tickets as table
from tests.storage.world import NOON, found, put_contact, put_ticket


async def test_a_contact_has_one_active_ticket_per_connection(database: Database) -> None:
    place = await found(database, "one")
    for first, second in itertools.combinations_with_replacement(ACTIVE_STATUSES, 2):
        ticket = await put_ticket(database, place, status=first)
        with pytest.raises(UniqueViolation) as refused:
            await put_ticket(database, place, status=second)
        assert refused.value.constraint == "uq_tickets_active"
        close = sa.update(table).values(status="closed").where(table.c.id == ticket.id)
        await database.execute(close)
    await put_ticket(database, place, connection_id=None)
    with pytest.raises(UniqueViolation):
        await put_ticket(database, place, connection_id=None)
    await put_ticket(database, place)
    await put_ticket(database, place, status="closed")


async def test_a_status_outside_the_list_is_refused(database: Database) -> None:
    place = await found(database, "one")
    with pytest.raises(Exception, match="ck_tickets_status"):
        await put_ticket(database, place, status="lost")


async def test_a_ticket_is_found_by_id_and_by_uuid(database: Database) -> None:
    place = await found(database, "one")
    ticket = await put_ticket(database, place, flow_data={"variables": {"a": [1, "é"]}})
    assert await tickets.get(database, place.company_id, ticket.id) == ticket
    assert await tickets.get_by_uuid(database, place.company_id, ticket.uuid) == ticket
    assert ticket.flow_data == {"variables": {"a": [1, "é"]}}
    for odd in ("'; drop table tickets; --", "\x00", "a\x00b", "\ud800", "", "x" * 10_000):
        with pytest.raises(NotFound):
            await tickets.get_by_uuid(database, place.company_id, odd)


async def test_a_row_has_the_defaults_of_its_record(database: Database) -> None:
    place = await found(database, "one")
    row = await put_ticket(database, place)
    record = Ticket(
        company_id=row.company_id,
        id=row.id,
        uuid=row.uuid,
        status="pending",
        contact_id=row.contact_id,
        connection_id=row.connection_id,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
    assert row == record
    assert row.is_active


async def test_contacts_with_a_status_are_named_once(database: Database) -> None:
    place = await found(database, "one")
    other = await put_contact(database, place.company_id, "55119")
    for _ in range(2):
        await put_ticket(database, place, status="closed")
    await put_ticket(database, place, contact_id=other.id, status="closed")
    await put_ticket(database, place, status="open", user_id=place.agent.id)
    everyone = await tickets.contacts_with(database, place.company_id, "closed")
    assert everyone == [place.contact_id, other.id]
    mine = await tickets.contacts_with(database, place.company_id, "open", user_id=place.agent.id)
    assert mine == [place.contact_id]
    assert not await tickets.contacts_with(
        database, place.company_id, "open", user_id=place.admin.id
    )
    here = await tickets.contacts_with(
        database, place.company_id, "closed", connection_id=place.connection_id
    )
    assert here == everyone


async def test_a_deleted_department_or_connection_leaves_its_tickets(database: Database) -> None:
    place = await found(database, "one")
    ticket = await put_ticket(
        database, place, status="closed", department_id=place.department_id, created_at=NOON
    )
    async with database.begin(place.company_id) as tx:
        await departments.delete(tx, place.company_id, place.department_id)
        await connections.delete(tx, place.company_id, place.connection_id)
    left = await tickets.get(database, place.company_id, ticket.id)
    assert (left.department_id, left.connection_id, left.created_at) == (None, None, NOON)
    assert left.company_id == place.company_id


async def test_a_connection_with_competing_active_tickets_is_not_deleted(
    database: Database,
) -> None:
    place = await found(database, "one")
    await put_ticket(database, place)
    await put_ticket(database, place, connection_id=None)
    async with database.begin(place.company_id) as tx:
        with pytest.raises(Conflict):
            await connections.delete(tx, place.company_id, place.connection_id)
