"""One request per key: claimed once, answered again, taken over from the dead."""

import sqlalchemy as sa
import trio

from storage import idempotency
from storage.companies import companies
from storage.database import Database
from storage.ids import CompanyId, UserId
from storage.users import users

ONE = CompanyId(1)


async def a_user(database: Database) -> UserId:
    await database.execute(sa.insert(companies).values(id=1, name="one"))
    return UserId(
        await database.value(
            sa.insert(users)
            .values(company_id=1, name="Ana", email="a@x.test", password_hash="-")
            .returning(users.c.id)
        )
    )


async def test_of_a_hundred_parallel_claims_one_executes(database: Database):
    user = await a_user(database)
    ours = 0

    async def attempt() -> None:
        nonlocal ours
        found = await idempotency.claim(database, ONE, user, "k", digest=b"d", epoch=1)
        ours += found is None

    async with trio.open_nursery() as nursery:
        for _ in range(100):
            nursery.start_soon(attempt)
    assert ours == 1


async def test_a_finished_key_gives_the_stored_answer(database: Database):
    user = await a_user(database)
    assert await idempotency.claim(database, ONE, user, "k", digest=b"d", epoch=1) is None
    await idempotency.finish(
        database, ONE, user, "k", status=201, headers={"x-a": "b"}, reply=b"{}"
    )
    found = await idempotency.claim(database, ONE, user, "k", digest=b"d", epoch=2)
    assert found is not None
    assert (found.state, found.status, found.headers, found.reply) == (
        "done",
        201,
        {"x-a": "b"},
        b"{}",
    )


async def test_a_key_of_a_dead_process_is_taken_over_by_the_same_request_only(database: Database):
    user = await a_user(database)
    await idempotency.claim(database, ONE, user, "k", digest=b"d", epoch=1)
    other = await idempotency.claim(database, ONE, user, "k", digest=b"e", epoch=2)
    assert other is not None
    assert await idempotency.claim(database, ONE, user, "k", digest=b"d", epoch=2) is None
    assert await idempotency.claim(database, ONE, user, "k", digest=b"d", epoch=2) is not None


async def test_a_released_key_is_free(database: Database):
    user = await a_user(database)
    await idempotency.claim(database, ONE, user, "k", digest=b"d", epoch=1)
    await idempotency.release(database, ONE, user, "k")
    assert await idempotency.claim(database, ONE, user, "k", digest=b"e", epoch=1) is None
