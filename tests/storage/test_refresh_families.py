"""A login session's chain of tokens: parallel uses are forgiven, copies are not."""

import secrets

import pytest
import sqlalchemy as sa
import trio

from storage import bearers, refresh_families
from storage.companies import companies
from storage.database import Database
from storage.ids import CompanyId, UserId
from storage.refresh_families import RefreshFamily
from storage.users import users

LIFE = 3600.0


async def opened(database: Database, company: int = 1) -> RefreshFamily:
    await database.execute(sa.insert(companies).values(id=company, name=f"c{company}"))
    user_id = await database.value(
        sa.insert(users)
        .values(company_id=company, name="Ana", email=f"ana{company}@x.test", password_hash="-")
        .returning(users.c.id)
    )
    family = await created(database, CompanyId(company), UserId(user_id))
    assert family is not None
    return family


async def created(
    database: Database, company_id: CompanyId, user_id: UserId, seen: str | None = None
) -> RefreshFamily | None:
    return await refresh_families.create(
        database,
        company_id,
        family=secrets.token_hex(8),
        user_id=user_id,
        lifetime=LIFE,
        address="192.0.2.1",
        user_agent="test",
        seen=seen,
    )


async def use(
    database: Database, family: RefreshFamily, generation: int, *, grace: float = 20.0
) -> RefreshFamily | None:
    return await refresh_families.rotate(
        database, family.company_id, family.id, generation, grace=grace, lifetime=LIFE
    )


async def stands(database: Database, family: RefreshFamily) -> bool:
    found = await bearers.look(database, family.company_id, family.user_id, family.id)
    assert found.user is not None
    return found.standing is not None


async def test_the_newest_token_moves_the_family_on(database: Database):
    family = await opened(database)
    rotated = await use(database, family, 1)
    assert rotated is not None
    assert (rotated.generation, rotated.revoked_at) == (2, None)
    assert rotated.expires_at >= family.expires_at


async def test_eight_parallel_uses_of_one_token_get_one_successor(database: Database):
    family = await opened(database)
    got: list[RefreshFamily | None] = []

    async def once() -> None:
        got.append(await use(database, family, 1))

    async with trio.open_nursery() as nursery:
        for _ in range(8):
            nursery.start_soon(once)
    assert {f and (f.generation, f.rotated_at, f.expires_at, f.revoked_at) for f in got} == {
        got[0] and (2, got[0].rotated_at, got[0].expires_at, None)
    }


async def test_a_token_two_rotations_old_is_forgiven_inside_the_grace(database: Database):
    family = await opened(database)
    await use(database, family, 1)
    await use(database, family, 2)
    late = await use(database, family, 1)
    assert late is not None
    assert (late.generation, late.revoked_at) == (3, None)


async def test_a_token_reused_after_the_grace_ends_the_family(database: Database):
    family = await opened(database)
    await use(database, family, 1, grace=0)
    copied = await use(database, family, 1, grace=0)
    assert copied is not None
    assert copied.revoked_at is not None
    assert copied.revoked_reason == "reuse"
    assert await use(database, family, 2) is None
    assert not await stands(database, family)


async def test_a_new_window_does_not_forgive_what_an_old_one_did(database: Database):
    family = await opened(database)
    await use(database, family, 1, grace=0)
    await use(database, family, 2, grace=0)
    older = await use(database, family, 1, grace=20)
    assert older is not None
    assert older.revoked_reason == "reuse"


async def test_a_token_from_the_future_ends_the_family(database: Database):
    family = await opened(database)
    forged = await use(database, family, 9)
    assert forged is not None
    assert forged.revoked_reason == "reuse"


async def test_another_company_cannot_use_or_end_a_family(database: Database):
    family = await opened(database)
    other = CompanyId(2)
    assert (
        await refresh_families.rotate(database, other, family.id, 1, grace=20, lifetime=LIFE)
        is None
    )
    await refresh_families.revoke(database, other, family.id, "logout")
    assert await stands(database, family)


async def test_revoking_ends_one_or_all_of_a_users_families(database: Database):
    family = await opened(database)
    await refresh_families.revoke(database, family.company_id, family.id, "logout")
    assert await use(database, family, 1) is None
    ended = await refresh_families.revoke_user(
        database, family.company_id, family.user_id, "password"
    )
    assert ended == []


async def test_an_expired_family_is_not_live(database: Database):
    family = await opened(database)
    await refresh_families.rotate(database, family.company_id, family.id, 1, grace=20, lifetime=-1)
    assert not await stands(database, family)
    assert await use(database, family, 2) is None


@pytest.mark.parametrize("generation", [0, -1])
async def test_a_number_that_was_never_given_ends_the_family(database: Database, generation: int):
    family = await opened(database)
    assert (found := await use(database, family, generation)) is not None
    assert found.revoked_reason == "reuse"


@pytest.mark.parametrize(
    "change",
    [sa.update(users).values(password_hash="new"), sa.update(companies).values(status=False)],
)
async def test_a_login_waits_for_a_change_of_what_it_was_let_in_by(database: Database, change):
    there = await opened(database)
    company_id, user_id = there.company_id, there.user_id
    assert await created(database, company_id, user_id, "-") is not None
    got: list[RefreshFamily | None] = []

    async def login() -> None:
        got.append(await created(database, company_id, user_id, "-"))

    waiting = sa.text("select count(*) from pg_locks where not granted")
    async with trio.open_nursery() as nursery, database.begin(company_id) as tx:
        await tx.execute(change)
        nursery.start_soon(login)
        while not got and not await tx.value(waiting):
            await trio.lowlevel.checkpoint()
        await refresh_families.revoke_user(tx, company_id, user_id, "changed")
    assert got == [None]
    assert await refresh_families.of_user(database, company_id, user_id) == []


async def test_nobody_is_let_in_as_a_user_who_is_gone(database: Database):
    there = await opened(database)
    assert await created(database, there.company_id, UserId(there.user_id + 1)) is None
    assert await created(database, CompanyId(999), there.user_id) is None
