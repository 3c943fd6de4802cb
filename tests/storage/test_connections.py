"""Connections: one default, found by token or account, secrets only for who has the key."""

from typing import Any

import pytest
import sqlalchemy as sa

from storage import connections
from storage.connections import (
    Connection,
    ConnectionPatch,
    ConnectionSecrets,
    connection_secrets,
    network,
)
from storage.connections import connections as table
from storage.database import Database
from storage.errors import UniqueViolation
from storage.secrets import SecretBox, SecretUnreadable
from tests.storage.world import Place, found

BOX = SecretBox(b"k" * 32)
SECRETS = ConnectionSecrets(token="api-token", webhook_token="hook", access_token="EAAB" * 10)


async def _create(database: Database, place: Place, **values: Any) -> Connection:
    async with database.begin(place.company_id) as tx:
        return await connections.create(tx, place.company_id, ConnectionPatch(**values))


async def test_a_new_default_takes_the_place_of_the_old_one(database: Database) -> None:
    place = await found(database, "one")
    second = await _create(database, place, name="Second", is_default=True)
    rows = await connections.all_of(database, place.company_id)
    assert {row.id: row.is_default for row in rows} == {
        place.connection_id: False,
        second.id: True,
    }
    async with database.begin(place.company_id) as tx:
        patch = ConnectionPatch(is_default=True)
        await connections.change(tx, place.company_id, place.connection_id, patch)
    rows = await connections.all_of(database, place.company_id)
    assert [row.id for row in rows if row.is_default] == [place.connection_id]


async def test_a_change_counts_the_version_and_replaces_departments(database: Database) -> None:
    place = await found(database, "one")
    before = await connections.get(database, place.company_id, place.connection_id)
    async with database.begin(place.company_id) as tx:
        patch = ConnectionPatch(greeting_message="Hi", department_ids=())
        after = await connections.change(tx, place.company_id, place.connection_id, patch)
    assert (after.version, after.greeting_message) == (before.version + 1, "Hi")
    ids = await connections.department_ids(database, place.company_id, place.connection_id)
    assert ids == ()


async def test_one_account_speaks_for_one_company(database: Database) -> None:
    one, two = await found(database, "one"), await found(database, "two")
    account = {"channel": "whatsapp_cloud", "external_account_id": "1055"}
    made = await _create(database, one, name="Cloud", **account)
    assert await connections.by_external_account(database, "whatsapp_cloud", "1055") == made
    assert await connections.by_external_account(database, "simulator", "1055") is None
    with pytest.raises(UniqueViolation):
        await _create(database, two, name="Cloud", **account)


async def test_a_name_is_taken_in_its_company_only(database: Database) -> None:
    one, two = await found(database, "one"), await found(database, "two")
    await _create(database, one, name="Sales")
    await _create(database, two, name="Sales")
    with pytest.raises(UniqueViolation):
        await _create(database, one, name="Sales")


async def test_secrets_come_back_and_tokens_find_the_connection(database: Database) -> None:
    place = await found(database, "one")
    company_id, connection_id = place.company_id, place.connection_id
    empty = await connections.read_secrets(database, company_id, connection_id, box=BOX)
    assert empty == ConnectionSecrets()
    for secrets in (SECRETS, ConnectionSecrets(webhook_token="other")):
        async with database.begin(company_id) as tx:
            await connections.write_secrets(tx, company_id, connection_id, secrets, box=BOX)
        read = await connections.read_secrets(database, company_id, connection_id, box=BOX)
        assert read == secrets
    by_hook = await connections.by_webhook_token(database, "other")
    assert by_hook is not None
    assert by_hook.id == connection_id
    assert await connections.by_webhook_token(database, "hook") is None
    assert await connections.by_api_token(database, "api-token") is None
    assert await connections.by_api_token(database, "") is None


async def test_stored_secrets_open_only_in_their_own_row_with_their_key(
    database: Database,
) -> None:
    one, two = await found(database, "one"), await found(database, "two")
    async with database.begin(one.company_id) as tx:
        await connections.write_secrets(tx, one.company_id, one.connection_id, SECRETS, box=BOX)
    sealed = await database.value(sa.select(connection_secrets.c.sealed))
    assert b"EAAB" not in sealed
    await database.execute(
        sa.insert(connection_secrets).values(
            company_id=two.company_id, connection_id=two.connection_id, sealed=sealed
        )
    )
    for place, box in ((two, BOX), (one, SecretBox(b"l" * 32))):
        with pytest.raises(SecretUnreadable):
            await connections.read_secrets(database, place.company_id, place.connection_id, box=box)


async def test_a_token_opens_one_connection_of_the_installation(database: Database) -> None:
    one, two = await found(database, "one"), await found(database, "two")
    async with database.begin(one.company_id) as tx:
        await connections.write_secrets(tx, one.company_id, one.connection_id, SECRETS, box=BOX)
    async with database.begin(two.company_id) as tx:
        with pytest.raises(UniqueViolation):
            await connections.write_secrets(tx, two.company_id, two.connection_id, SECRETS, box=BOX)


def test_the_record_of_a_connection_carries_no_secret() -> None:
    digests = {"token_digest", "webhook_digest"}
    assert set(Connection.__struct_fields__) == {column.name for column in table.c} - digests
    assert not set(Connection.__struct_fields__) & set(ConnectionSecrets.__struct_fields__)


def test_cloud_and_simulator_reach_the_whatsapp_network() -> None:
    assert network("whatsapp_cloud") == network("simulator") == network("whatsapp") == "whatsapp"
    assert network("instagram") == "instagram"
