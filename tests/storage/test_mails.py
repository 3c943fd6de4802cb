"""Letters among a million other things to send: found and forgotten by an index of their own."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from storage import mails, retention
from storage.database import Database
from storage.ids import CompanyId
from storage.mails import Mail
from storage.secrets import SecretBox
from storage.sql import Query
from tests.storage.world import found

BOX = SecretBox(b"k" * 32)
NOW = datetime.now(UTC)
LONG_AGO = NOW - timedelta(days=30, hours=12)
SENDS = sa.text(
    "insert into outbox (company_id, connection_id, state, due_at, finished_at)"
    " select c.company_id, c.id, state, now() - n * interval '1 minute', done"
    " from connections c, generate_series(1, 20000) n,"
    " (values ('pending', null), ('sent', now() - interval '60 days')) as s (state, done)"
)
LETTERS = sa.text(
    "insert into outbox (company_id, kind, state, finished_at)"
    " select :company, 'mail', 'sent', now() - n * interval '1 day' from generate_series(1, 40) n"
)


@pytest.fixture(params=["counted", "never counted"])
async def company_id(database: Database, request: pytest.FixtureRequest) -> CompanyId:
    """A company that has much to send, and some letters that were sent."""
    place = await found(database, "one")
    await database.execute(SENDS)
    await database.execute(LETTERS.bindparams(company=place.company_id))
    if request.param == "counted":
        await database.execute(sa.text("analyze outbox"))
    return place.company_id


async def plan(database: Database, query: Query, **params: object) -> str:
    async def explain(connection: Any) -> str:
        rows = await connection.fetch(f"EXPLAIN {query.sql}", *query.arguments(params))
        return "\n".join(row[0] for row in rows)

    return await database.pool.run(explain, read=True)


QUERIES = [(mails._TAKE, {}), (mails._DOUBT, {}), (retention._MAILS, {"before": LONG_AGO})]


@pytest.mark.parametrize(("query", "params"), QUERIES, ids=["take", "doubt", "forget"])
@pytest.mark.usefixtures("company_id")
async def test_letters_are_found_without_reading_what_else_is_sent(
    database: Database, query: Query, params: dict[str, object]
) -> None:
    steps = await plan(database, query, **params)
    assert "ix_outbox_mail" in steps
    assert "Seq Scan" not in steps
    assert "ix_outbox_due" not in steps


async def test_old_letters_alone_are_forgotten_and_the_one_due_is_taken(
    database: Database, company_id: CompanyId
) -> None:
    count = sa.text("select count(*) from outbox where kind <> 'mail'")
    sends = await database.value(count)
    assert await retention.forget_mails(database, LONG_AGO) == 10
    assert await retention.forget_mails(database, LONG_AGO) == 0
    assert await database.value(count) == sends
    letter = Mail(to="ana@x.test", subject="s", text="t")
    async with database.begin(company_id) as tx:
        await mails.order(tx, company_id, letter, expires_at=NOW, box=BOX)
    taken = await mails.take_due(database, BOX)
    assert taken is not None
    assert taken.mail == letter
    assert await mails.take_due(database, BOX) is None
