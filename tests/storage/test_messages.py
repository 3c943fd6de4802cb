"""Messages: once per provider id, gone with their ticket, unread until read."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from storage import messages
from storage.database import Database
from storage.errors import NotFound, UniqueViolation
from storage.messages import messages as table
from storage.tickets import tickets
from tests.storage.world import found, put_message, put_ticket


async def test_a_provider_id_is_stored_once_per_connection(database: Database) -> None:
    one, two = await found(database, "one"), await found(database, "two")
    ticket = await put_ticket(database, one)
    await put_message(database, one, ticket.id, provider_id="wamid.1")
    with pytest.raises(UniqueViolation) as refused:
        await put_message(database, one, ticket.id, provider_id="wamid.1")
    assert refused.value.constraint == "uq_messages_company_id_connection_id_provider_id"
    theirs = await put_ticket(database, two)
    await put_message(database, two, theirs.id, provider_id="wamid.1")
    for _ in range(2):
        await put_message(database, one, ticket.id, provider_id=None)


async def test_a_message_comes_back_as_it_was_stored(database: Database) -> None:
    place = await found(database, "one")
    ticket = await put_ticket(database, place)
    message = await put_message(
        database, place, ticket.id, body="olá 👋", data={"n": [1, None]}, error={"code": 131026}
    )
    assert await messages.get(database, place.company_id, message.id) == message
    assert (message.body, message.data) == ("olá 👋", {"n": [1, None]})
    assert (message.ack, message.read, message.from_me, message.seq) == (0, False, False, 0)


async def test_the_newest_received_is_the_contacts_on_that_connection_and_not_too_old(
    database: Database,
) -> None:
    place = await found(database, "one")
    ticket = await put_ticket(database, place)

    async def newest(since: datetime | None = None) -> str | None:
        after = since or datetime(2000, 1, 1, tzinfo=UTC)
        return await messages.newest_received(
            database, place.company_id, ticket.contact_id, place.connection_id, after
        )

    assert await newest() is None
    await put_message(database, place, ticket.id, provider_id="wamid.1")
    second = await put_message(database, place, ticket.id, provider_id="wamid.2")
    await put_message(database, place, ticket.id, provider_id="wamid.3", from_me=True)
    await put_message(database, place, ticket.id, provider_id="wamid.4", connection_id=None)
    assert await newest() == "wamid.2"
    assert await newest(second.created_at) == "wamid.2"
    assert await newest(second.created_at + timedelta(hours=1)) is None
    for _ in range(messages.LOOKED_BACK):
        await put_message(database, place, ticket.id, from_me=True)
    assert await newest() is None


async def test_messages_leave_with_their_ticket(database: Database) -> None:
    place = await found(database, "one")
    ticket = await put_ticket(database, place)
    message = await put_message(database, place, ticket.id)
    await database.execute(sa.delete(tickets).where(tickets.c.id == ticket.id))
    with pytest.raises(NotFound):
        await messages.get(database, place.company_id, message.id)


async def _ids(database: Database) -> list[int]:
    return [row[0] for row in await database.rows(sa.select(table.c.id).order_by(table.c.id))]


@pytest.mark.parametrize("whole", [True, False])
async def test_of_what_is_to_be_deleted_the_newest_messages_are_left_and_all_that_is_others(
    database: Database, whole: bool
) -> None:
    one, two = await found(database, "one"), await found(database, "two")
    own, other = await put_ticket(database, one), await put_ticket(database, one, status="closed")
    theirs = await put_ticket(database, two)
    for place, ticket in ((two, theirs), (one, other), (one, own)):
        many = sa.func.generate_series(1, 2 * messages.KEPT + 10).table_valued("n")
        row = {"company_id": place.company_id, "contact_id": place.contact_id}
        values = {**row, "ticket_id": ticket.id}
        names = [sa.literal(value).label(name) for name, value in values.items()]
        rows = sa.select(*names).select_from(many)
        await database.execute(sa.insert(table).from_select(list(values), rows))
    before = await _ids(database)
    ticket_id = None if whole else own.id
    await messages.delete_older(database, one.company_id, one.contact_id, ticket_id)
    mine = len(before) // 3
    kept = before[:mine] if whole else before[: 2 * mine]
    assert await _ids(database) == [*kept, *before[-messages.KEPT :]]
    await messages.delete_older(database, one.company_id, one.contact_id, ticket_id)
    assert len(await _ids(database)) == len(kept) + messages.KEPT


async def test_a_conversation_page_reads_the_index_in_order(database: Database) -> None:
    place = await found(database, "one")
    page = (
        sa.select(table.c.id)
        .where(table.c.company_id == place.company_id, table.c.contact_id == place.contact_id)
        .order_by(table.c.id.desc())
        .limit(20)
    )
    plan = await _plan(database, page)
    assert "ix_messages_conversation" in plan
    assert "Sort" not in plan


async def _plan(database: Database, statement: sa.Select[tuple[int]]) -> str:
    sql = str(statement.compile(compile_kwargs={"literal_binds": True}))
    rows = await database.rows(sa.text(f"EXPLAIN {sql}"))
    return "\n".join(row[0] for row in rows)
