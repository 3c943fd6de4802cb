"""One request per key: claimed once, answered again, taken over from the dead."""

from contextlib import suppress

import pytest
import sqlalchemy as sa
import trio

from storage import idempotency
from storage.companies import companies
from storage.database import Database
from storage.ids import CompanyId, UserId
from storage.users import users

ONE = CompanyId(1)
_WAITING = sa.text(
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


class _RolledBack(Exception): ...


async def a_user(database: Database) -> UserId:
    await database.execute(sa.insert(companies).values(id=1, name="one"))
    return UserId(
        await database.value(
            sa.insert(users)
            .values(company_id=1, name="Ana", email="a@x.test", password_hash="-")
            .returning(users.c.id)
        )
    )


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


@pytest.mark.parametrize("left", [1, 2])
async def test_a_key_that_was_left_behind_is_taken_over_by_the_same_request_only(
    database: Database, left: int
):
    """Left by a process that died, or by this one when it could not reach the database."""
    user = await a_user(database)
    await idempotency.claim(database, ONE, user, "k", digest=b"d", epoch=left)
    assert await idempotency.claim(database, ONE, user, "k", digest=b"e", epoch=2) is not None
    assert await idempotency.claim(database, ONE, user, "k", digest=b"d", epoch=2) is None
    assert await idempotency.claim(database, ONE, user, "k", digest=b"d", epoch=1) is not None


@pytest.mark.parametrize("committed", [True, False])
async def test_a_claim_waits_for_the_transaction_that_takes_the_key(
    database: Database, *, committed: bool
):
    """A commit whose connection broke may still be on its way when the request is repeated."""
    user = await a_user(database)
    await idempotency.claim(database, ONE, user, "k", digest=b"d", epoch=1)
    found: list[idempotency.IdempotencyKey | None] = []

    async def repeat() -> None:
        found.append(await idempotency.claim(database, ONE, user, "k", digest=b"d", epoch=1))

    async with trio.open_nursery() as nursery:
        with suppress(_RolledBack):
            async with database.begin(ONE) as tx:
                await tx.execute(sa.update(idempotency.idempotency_keys).values(state="done"))
                nursery.start_soon(repeat)
                while not await database.value(_WAITING):
                    await trio.lowlevel.checkpoint()
                assert found == []
                if not committed:
                    raise _RolledBack
    (row,) = found
    assert (row is not None and row.state == "done") is committed


async def test_a_released_key_is_free(database: Database):
    user = await a_user(database)
    await idempotency.claim(database, ONE, user, "k", digest=b"d", epoch=1)
    await idempotency.release(database, ONE, user, "k")
    assert await idempotency.claim(database, ONE, user, "k", digest=b"e", epoch=1) is None
