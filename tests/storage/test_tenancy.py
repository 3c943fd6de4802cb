"""Another company's rows are not there, and no row can point into another company."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import sqlalchemy as sa

from storage import connections, contacts, departments, messages, tags, tickets, users
from storage.connections import ConnectionPatch, ConnectionSecrets
from storage.database import Database, Tx
from storage.departments import DepartmentPatch
from storage.errors import Conflict, DatabaseUnavailable, NotFound
from storage.founding import delete_company
from storage.ids import CompanyId
from storage.metadata import metadata
from storage.secrets import SecretBox
from storage.snapshots import load_snapshot
from storage.tables import ALL
from storage.tags import TagPatch
from storage.users import UserPatch
from tests.storage.world import NOON, Place, found, put_message, put_ticket

BOX = SecretBox(bytes(32))


async def test_reads_of_another_companys_rows_find_nothing(database: Database) -> None:
    ours, theirs = await found(database, "ours"), await found(database, "theirs")
    ticket = await put_ticket(database, theirs)
    message = await put_message(database, theirs, ticket.id)
    me = ours.company_id
    reads: list[Awaitable[object]] = [
        users.get(database, me, theirs.agent.id),
        departments.get(database, me, theirs.department_id),
        connections.get(database, me, theirs.connection_id),
        contacts.get(database, me, theirs.contact_id),
        tickets.get(database, me, ticket.id),
        tickets.get_by_uuid(database, me, ticket.uuid),
        messages.get(database, me, message.id),
    ]
    for read in reads:
        with pytest.raises(NotFound):
            await read
    assert await users.find(database, me, theirs.agent.id) is None
    assert await users.department_ids(database, me, theirs.agent.id) == ()
    assert await tickets.contacts_with(database, me, "pending") == []


async def test_writes_to_another_companys_rows_find_nothing(database: Database) -> None:
    ours, theirs = await found(database, "ours"), await found(database, "theirs")
    async with database.begin(theirs.company_id) as tx:
        tag = await tags.create(tx, theirs.company_id, TagPatch(name="VIP"))
    me = ours.company_id
    writes: list[Callable[[Tx], Awaitable[object]]] = [
        lambda tx: users.change(tx, me, theirs.agent.id, UserPatch(name="x")),
        lambda tx: users.delete(tx, me, theirs.agent.id),
        lambda tx: departments.change(tx, me, theirs.department_id, DepartmentPatch(name="x")),
        lambda tx: departments.delete(tx, me, theirs.department_id),
        lambda tx: connections.change(tx, me, theirs.connection_id, ConnectionPatch(name="x")),
        lambda tx: connections.delete(tx, me, theirs.connection_id),
        lambda tx: connections.write_secrets(
            tx, me, theirs.connection_id, ConnectionSecrets(token="t"), box=BOX
        ),
        lambda tx: tags.rows.change(tx, me, tag.id, {"name": "x"}),
        lambda tx: tags.rows.delete(tx, me, tag.id),
    ]
    for write in writes:
        with pytest.raises(NotFound):
            async with database.begin(me) as tx:
                await write(tx)
    assert (await tags.rows.get(database, theirs.company_id, tag.id)).name == "VIP"
    assert (await users.get(database, theirs.company_id, theirs.agent.id)).name == "Bea"


async def test_a_row_cannot_point_into_another_company(database: Database) -> None:
    ours, theirs = await found(database, "ours"), await found(database, "theirs")
    with pytest.raises(Conflict):
        await put_ticket(database, ours, contact_id=theirs.contact_id)
    with pytest.raises(Conflict):
        await put_ticket(database, ours, user_id=theirs.agent.id)
    patch = UserPatch(department_ids=(theirs.department_id,))
    async with database.begin(ours.company_id) as tx:
        with pytest.raises(Conflict):
            await users.change(tx, ours.company_id, ours.agent.id, patch)


async def test_every_table_names_its_company_first_in_its_key() -> None:
    of_nobody = {"companies", "plans", "shards", "webhook_events", "dead_letters"}
    of_nobody |= {"announcements", "helps", "partners", "translations", "versions"}
    for table in ALL:
        first = next(iter(table.primary_key.columns))
        assert (first.name == "company_id") == (table.name not in of_nobody), table.name


async def test_a_deleted_company_takes_everything_with_it(database: Database) -> None:
    ours, theirs = await found(database, "ours"), await found(database, "theirs")
    for place in (ours, theirs):
        await _fill(database, place)
    everything = await _rows_of(database, theirs.company_id)
    assert all(count for count in everything.values()), everything
    await delete_company(database, ours.company_id)
    assert not any((await _rows_of(database, ours.company_id)).values())
    assert await _rows_of(database, theirs.company_id) == everything
    with pytest.raises(NotFound):
        await delete_company(database, ours.company_id)


async def test_a_company_of_more_rows_than_one_statement_takes_is_deleted_in_portions(
    database: Database,
) -> None:
    ours, theirs = await found(database, "ours"), await found(database, "theirs")
    many = sa.text(
        "insert into settings (company_id, key) select c, 'n' || n"
        " from generate_series(1, 10001) n, unnest(cast(:both as bigint[])) c"
    ).bindparams(
        sa.bindparam("both", [ours.company_id, theirs.company_id], sa.ARRAY(sa.BigInteger))
    )
    await database.execute(many)
    await delete_company(database, ours.company_id)
    left = sa.text("select company_id, count(*) from settings where key like 'n%' group by 1")
    assert [tuple(row) for row in await database.rows(left)] == [(theirs.company_id, 10_001)]


async def test_a_deletion_that_broke_off_goes_on(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = await found(database, "ours")
    await _fill(database, place)
    real, left = database.execute, 25

    async def execute(*given: Any, **more: Any) -> int:
        nonlocal left
        left -= 1
        if not left:
            message = "away"
            raise DatabaseUnavailable(message)
        return await real(*given, **more)

    monkeypatch.setattr(database, "execute", execute)
    with pytest.raises(DatabaseUnavailable):
        await delete_company(database, place.company_id)
    monkeypatch.undo()
    assert (await load_snapshot(database, place.company_id)).company_id == place.company_id
    await delete_company(database, place.company_id)
    assert not any((await _rows_of(database, place.company_id)).values())


async def _fill(database: Database, place: Place) -> None:
    """Put a row into every table of a company that founding left empty."""
    ticket = await put_ticket(database, place, user_id=place.agent.id)
    await put_message(database, place, ticket.id)
    async with database.begin(place.company_id) as tx:
        tag = await tags.create(tx, place.company_id, TagPatch(name="VIP"))
    known = {
        "contact_id": place.contact_id,
        "ticket_id": ticket.id,
        "tag_id": tag.id,
        "user_id": place.agent.id,
        "connection_id": place.connection_id,
    }
    texts = dict.fromkeys(("alias", "channel", "provider_id", "key"), "x")
    blobs = dict.fromkeys(("sealed", "request_digest", "body", "payload", "hash"), b"x")
    blobs["digest"] = str(place.company_id).encode()  # unique over all companies
    other = {"id": "family", "expires_at": NOON, "at": NOON, "ack": 1, "seq": 1, "entry": [1]}
    values = known | texts | blobs | other
    for table in metadata.sorted_tables:
        if "company_id" not in table.c or await _count(database, table, place.company_id):
            continue
        needed = {
            column.name: values.get(column.name) or await _parent(database, place, column)
            for column in table.columns
            if column.name != "company_id" and not column.nullable and column.server_default is None
        }
        row = needed | {"company_id": place.company_id}
        await database.execute(sa.insert(table).values(row))


async def _parent(database: Database, place: Place, column: sa.Column[object]) -> int:
    """A row of the company in the table that the column points at."""
    (key,) = (key for key in column.foreign_keys if key.column.name == "id")
    parent = key.column.table
    first = sa.select(sa.func.min(parent.c.id)).where(parent.c.company_id == place.company_id)
    return await database.value(first)


async def _count(database: Database, table: sa.Table, company_id: CompanyId) -> int:
    statement = sa.select(sa.func.count()).select_from(table)
    found: int = await database.value(statement.where(table.c.company_id == company_id))
    return found


async def _rows_of(database: Database, company_id: CompanyId) -> dict[str, int]:
    return {
        table.name: await _count(database, table, company_id)
        for table in ALL
        if "company_id" in table.c
    }
