"""What a ticket actor starts from, in one statement, of its own contact only."""

from datetime import timedelta

import sqlalchemy as sa

from storage import connections
from storage.bridge import AsyncpgConnection
from storage.connections import ConnectionPatch
from storage.conversations import (
    LOAD,
    RECENT,
    find_message,
    find_ticket,
    load_conversations,
    messages_by_provider_id,
)
from storage.database import Database
from storage.ids import ContactId
from storage.ticket_trackings import ticket_trackings
from tests.storage.world import NOON, found, put_contact, put_message, put_ticket


async def test_active_and_newest_tickets_of_each_connection_are_loaded(
    database: Database,
) -> None:
    place = await found(database, "one")
    async with database.begin(place.company_id) as tx:
        second = await connections.create(tx, place.company_id, ConnectionPatch(name="Second"))
    old = await put_ticket(database, place, status="closed", updated_at=NOON)
    newest = await put_ticket(
        database, place, status="closed", updated_at=NOON + timedelta(hours=1)
    )
    active = await put_ticket(database, place, status="open", updated_at=NOON - timedelta(hours=1))
    elsewhere = await put_ticket(
        database, place, status="closed", connection_id=second.id, updated_at=NOON
    )
    stranger = await put_contact(database, place.company_id, "1")
    await put_ticket(database, place, contact_id=stranger.id)
    loaded = await load_conversations(database, place.company_id, place.contact_id)
    assert loaded.contact is not None
    assert loaded.contact.id == place.contact_id
    assert set(loaded.tickets) == {newest, active, elsewhere}
    assert old not in loaded.tickets


async def test_only_running_trackings_are_loaded(database: Database) -> None:
    place = await found(database, "one")
    ticket = await put_ticket(database, place)
    for finished in (NOON, None):
        row = {"company_id": place.company_id, "ticket_id": ticket.id, "finished_at": finished}
        await database.execute(sa.insert(ticket_trackings).values(row))
    loaded = await load_conversations(database, place.company_id, place.contact_id)
    (running,) = loaded.trackings
    assert (running.ticket_id, running.finished_at) == (ticket.id, None)


async def test_the_provider_ids_of_the_newest_messages_come_oldest_first(
    database: Database,
) -> None:
    place = await found(database, "one")
    ticket = await put_ticket(database, place)
    for index in range(RECENT + 3):
        await put_message(database, place, ticket.id, provider_id=f"w{index}")
    await put_message(database, place, ticket.id, provider_id=None)
    loaded = await load_conversations(database, place.company_id, place.contact_id)
    assert [item.provider_id for item in loaded.recent] == [f"w{i}" for i in range(4, RECENT + 3)]


async def test_a_contact_is_loaded_without_reading_other_conversations(database: Database) -> None:
    place = await found(database, "one")
    ticket = await put_ticket(database, place)
    history = sa.text(
        "insert into messages (company_id, ticket_id, contact_id, connection_id, provider_id)"
        " select company_id, id, contact_id, connection_id, case when n % 50 = 0 then 'w' || n end"
        " from tickets, generate_series(1, 5000) n"
    )
    await database.execute(history)
    await database.execute(sa.text("analyze messages"))
    stranger = await put_contact(database, place.company_id, "1")
    await put_message(database, place, ticket.id, contact_id=stranger.id, provider_id="s")
    values = LOAD.arguments({"company_id": place.company_id, "contact_id": stranger.id})
    plan = await database.pool.run(_explained, LOAD.sql, values, read=True)
    assert "ix_messages_conversation" in plan
    assert "provider_id" not in plan.replace("provider_id IS NOT NULL", "")
    loaded = await load_conversations(database, place.company_id, stranger.id)
    assert [item.provider_id for item in loaded.recent] == ["s"]


async def _explained(connection: AsyncpgConnection, sql: str, values: list[object]) -> str:
    return "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {sql}", *values))


async def test_nothing_of_another_company_or_contact_is_found(database: Database) -> None:
    one, two = await found(database, "one"), await found(database, "two")
    ticket = await put_ticket(database, two)
    message = await put_message(database, two, ticket.id, provider_id="w")
    me = one.company_id
    assert (await load_conversations(database, me, two.contact_id)).contact is None
    for company_id, contact_id in ((me, two.contact_id), (two.company_id, ContactId(404))):
        assert await find_ticket(database, company_id, contact_id, ticket.id) is None
        assert await find_message(database, company_id, contact_id, message.id) is None
    assert await messages_by_provider_id(database, me, two.connection_id, ["w"]) == []
    found_again = await messages_by_provider_id(
        database, two.company_id, two.connection_id, ["w", "x"]
    )
    assert found_again == [message]
