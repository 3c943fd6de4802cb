"""Users: who they are, where they work, how they are found."""

import pytest

from storage import connections, tickets, users
from storage.database import Database
from storage.errors import NotFound, UniqueViolation
from storage.users import NewUser, UserPatch
from tests.storage.world import found, nobody, put_ticket


async def test_a_new_user_has_departments_and_what_else_was_set(database: Database) -> None:
    place = await found(database, "one")
    new = NewUser(
        name="Cy", email="cy@one.test", password_hash="h", department_ids=(place.department_id,) * 2
    )
    async with database.begin(place.company_id) as tx:
        user = await users.create(
            tx, place.company_id, new, UserPatch(all_ticket=True, connection_id=place.connection_id)
        )
    assert await users.get(database, place.company_id, user.id) == user
    assert (user.all_ticket, user.profile) == (True, "user")
    ids = await users.department_ids(database, place.company_id, user.id)
    assert ids == (place.department_id,)


async def test_a_patch_changes_what_it_sets_and_nothing_else(database: Database) -> None:
    place = await found(database, "one")
    async with database.begin(place.company_id) as tx:
        changed = await users.change(
            tx, place.company_id, place.agent.id, UserPatch(name="Bo", department_ids=())
        )
    assert changed.name == "Bo"
    assert changed.email == place.agent.email
    assert changed.updated_at > place.agent.updated_at
    assert await users.department_ids(database, place.company_id, place.agent.id) == ()


async def test_an_empty_patch_is_no_error(database: Database) -> None:
    place = await found(database, "one")
    async with database.begin(place.company_id) as tx:
        changed = await users.change(tx, place.company_id, place.agent.id, UserPatch())
    assert changed.name == place.agent.name


async def test_addresses_are_unique_over_the_installation_in_any_case(database: Database) -> None:
    one, two = await found(database, "one"), await found(database, "two")
    new = NewUser(name="X", email=one.agent.email.upper(), password_hash="h")
    async with database.begin(two.company_id) as tx:
        with pytest.raises(UniqueViolation) as refused:
            await users.create(tx, two.company_id, new)
    assert refused.value.constraint == "uq_users_email"


async def test_pages_are_by_name_and_search_ignores_accents(database: Database) -> None:
    place = await found(database, "one")
    async with database.begin(place.company_id) as tx:
        for name in ("Zé", "Ana"):
            new = NewUser(name=name, email=f"{name}@one.test", password_hash="h")
            await users.create(tx, place.company_id, new)
    first, count = await users.page(database, place.company_id, size=3)
    assert ([user.name for user in first], count) == (["Ada", "Ana", "Bea"], 4)
    rest, _ = await users.page(database, place.company_id, number=2, size=3)
    assert [user.name for user in rest] == ["Zé"]
    hits, count = await users.page(database, place.company_id, search="ZE")
    assert ([user.name for user in hits], count) == (["Zé"], 1)
    nothing, count = await users.page(database, place.company_id, search="%")
    assert (nothing, count) == ([], 0)


async def test_a_deleted_user_leaves_tickets_without_owner(database: Database) -> None:
    place = await found(database, "one")
    ticket = await put_ticket(database, place, user_id=place.agent.id, status="open")
    async with database.begin(place.company_id) as tx:
        await users.delete(tx, place.company_id, place.agent.id)
    assert (await tickets.get(database, place.company_id, ticket.id)).user_id is None
    async with database.begin(place.company_id) as tx:
        with pytest.raises(NotFound):
            await users.delete(tx, place.company_id, nobody())


async def test_a_deleted_connection_is_nobodys_own(database: Database) -> None:
    place = await found(database, "one")
    patch = UserPatch(connection_id=place.connection_id)
    async with database.begin(place.company_id) as tx:
        await users.change(tx, place.company_id, place.agent.id, patch)
        await connections.delete(tx, place.company_id, place.connection_id)
    assert (await users.get(database, place.company_id, place.agent.id)).connection_id is None
