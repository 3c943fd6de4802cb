"""Search finds any part of a text, accents and case aside, by index and within one company."""

from typing import Any

import pytest
import sqlalchemy as sa

from storage import contact_lists, messages, ticket_lists
from storage.contact_lists import ContactFilter
from storage.database import Database, open_database
from storage.ids import TicketId, UserId
from storage.sql import Query
from storage.ticket_lists import TicketFilter, Viewer, pages
from tests.storage.world import Place, found, put_contact, put_message, put_ticket

ADMIN = Viewer(user_id=UserId(1), is_admin=True)

CROWD = (
    "insert into contacts (company_id, name, number)"
    " select {company}, 'Pessoa ' || n, '5511' || (900000000 + n) from generate_series(1, 8000) n",
    "insert into tickets (company_id, uuid, contact_id, status)"
    " select company_id, gen_random_uuid(), id, 'closed' from contacts where name like 'Pessoa%'",
    "insert into messages (company_id, ticket_id, contact_id, body)"
    " select company_id, id, contact_id, 'pedido número ' || id || ' de bolo' from tickets",
    "analyze contacts, tickets, messages",
)
"""Enough rows that reading them all would be the worse plan."""


async def crowd(database: Database, place: Place) -> None:
    for statement in CROWD:
        await database.execute(sa.text(statement.format(company=int(place.company_id))))
    await messages.work_in_texts(database)


class Explained:
    """Stands in for the database: explains the statements that it is asked for."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.plan = ""

    async def value(self, query: Query, **params: Any) -> str:
        lines = await self._database.pool.run(
            _explain, query.sql, query.arguments(params), read=True
        )
        self.plan = "\n".join((self.plan, *lines))
        return await self._database.value(query, **params)


async def _explain(connection: Any, sql: str, args: list[Any]) -> list[str]:
    return [row[0] for row in await connection.fetch(f"EXPLAIN {sql}", *args)]


async def search(database: Any, place: Place, text: str, **more: Any) -> list[int]:
    wanted = TicketFilter(status="search", show_all=True, search=text, **more)
    page = await ticket_lists.page(database, place.company_id, ADMIN, wanted)
    assert page.count == len(page.rows.tickets)
    return [ticket.contact_id for ticket in page.rows.tickets]


async def person(database: Database, place: Place, number: str, name: str) -> tuple[int, TicketId]:
    contact = await put_contact(database, place.company_id, number, name)
    ticket = await put_ticket(database, place, contact_id=contact.id)
    return contact.id, ticket.id


@pytest.mark.parametrize("text", ["conceição", "CONCEICAO", "ceic", "9777"])
async def test_people_are_found_by_any_part_of_name_and_number(
    database: Database, text: str
) -> None:
    place = await found(database, "a")
    contact_id, _ = await person(database, place, "5511977770000", "Conceição Araújo")
    await crowd(database, place)
    explained: Any = Explained(database)
    assert await search(explained, place, text) == [contact_id]
    assert "ix_contacts_text" in explained.plan
    explained = Explained(database)
    rows = await contact_lists.page(explained, place.company_id, ContactFilter(search=text))
    assert [row.id for row in rows.contacts] == [contact_id]
    assert "ix_contacts_text" in explained.plan


async def test_what_was_said_is_found_by_index_before_and_after_it_is_worked_in(
    database: Database,
) -> None:
    place, other = await found(database, "a"), await found(database, "b")
    await crowd(database, place)
    contact_id, ticket_id = await person(database, place, "1", "Ana")
    said = "Meu XILOFONE não chegou, Conceição"
    await put_message(database, place, ticket_id, contact_id=contact_id, body=said)
    foreign_id, foreign_ticket = await person(database, other, "1", "Xilofone")
    await put_message(database, other, foreign_ticket, contact_id=foreign_id, body="xilofone nao")
    for _ in range(2):
        explained: Any = Explained(database)
        assert await search(explained, place, "xilofone nao", search_messages=True) == [contact_id]
        assert "ix_messages_text" in explained.plan
        await messages.work_in_texts(database)
    assert await search(database, place, "xilofone") == []
    assert await search(database, place, "chegou%", search_messages=True) == []


async def test_a_text_that_very_many_contain_is_looked_for_in_the_newest(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = await found(database, "a")
    people = []
    for number in "123":
        contact_id, ticket_id = await person(database, place, number, f"Ana {number}")
        await put_message(database, place, ticket_id, contact_id=contact_id, body="bom dia")
        people.append(contact_id)
    pages._page.cache_clear()
    assert set(await search(database, place, "dia", search_messages=True)) == set(people)
    pages._page.cache_clear()
    monkeypatch.setattr("storage.search.FOUND", 2)
    try:
        assert set(await search(database, place, "dia", search_messages=True)) == set(people[1:])
    finally:
        pages._page.cache_clear()


async def test_a_search_is_planned_for_its_text_and_a_plain_list_once_for_all(dsn: str) -> None:
    kept = sa.text("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE :like")
    async with open_database(dsn, pool=1) as database:
        place = await found(database, "a")
        for text in ("rare", "", "common", ""):
            wanted = ContactFilter(search=text)
            await contact_lists.page(database, place.company_id, wanted)
            await search(database, place, text, search_messages=True)
        assert await database.value(kept.bindparams(like="%contact_wallets%")) == 1
        assert await database.value(kept.bindparams(like="%talks%")) == 0
