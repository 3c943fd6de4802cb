"""Reports over a long history read what they count by index, and nothing of another company."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from storage import reports, ticket_reports
from storage.database import Database
from storage.ids import CompanyId
from storage.reports import Period
from storage.sql import bound
from storage.ticket_reports import CaseFilter
from tests.storage.world import found

NOW = datetime.now(UTC)
WEEK = Period(NOW - timedelta(days=7), NOW)

HISTORY = (
    "insert into contacts (company_id, name, number, created_at)"
    " select {company}, 'c' || n, 'h' || n, now() - n * interval '1 hour'"
    " from generate_series(1, 5000) n",
    "insert into tickets (company_id, uuid, contact_id, status)"
    " select company_id, gen_random_uuid(), id, 'closed' from contacts"
    " where company_id = {company} and number like 'h%'",
    "insert into ticket_trackings (company_id, ticket_id, created_at, finished_at)"
    " select t.company_id, t.id, c.created_at, now() from tickets t join contacts c"
    " on c.company_id = t.company_id and c.id = t.contact_id where t.company_id = {company}",
    "insert into messages (company_id, ticket_id, contact_id, created_at)"
    " select t.company_id, t.id, t.contact_id, c.created_at from tickets t join contacts c"
    " on c.company_id = t.company_id and c.id = t.contact_id where t.company_id = {company}",
)


async def history(database: Database, company_id: CompanyId) -> None:
    """A case, a contact and a message for every hour of the last 5,000."""
    for statement in HISTORY:
        await database.execute(sa.text(statement.format(company=int(company_id))))


class Explained:
    """Stands in for the database: remembers the plan of every statement."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.plans: list[str] = []

    async def _explain(self, statement: Any, params: Mapping[str, object]) -> None:
        query, args = bound(statement, params)

        async def plan(connection: Any) -> str:
            rows = await connection.fetch(f"EXPLAIN {query.sql}", *args)
            return "\n".join(row[0] for row in rows)

        self.plans.append(await self._database.pool.run(plan, read=True))

    async def all(self, statement: Any, *, into: Any, **params: object) -> Any:
        await self._explain(statement, params)
        return await self._database.all(statement, into=into, **params)

    async def one(self, statement: Any, *, into: Any, **params: object) -> Any:
        await self._explain(statement, params)
        return await self._database.one(statement, into=into, **params)

    async def value(self, statement: Any, **params: object) -> Any:
        await self._explain(statement, params)
        return await self._database.value(statement, **params)


Report = Callable[[Any, CompanyId, Period], Awaitable[Any]]
BY_DAY: Report = lambda source, company_id, period: reports.begun(  # noqa: E731
    source, company_id, period, zone="America/Sao_Paulo", by_hour=False
)
MESSAGES: Report = lambda source, company_id, period: reports.message_count(  # noqa: E731
    source, company_id, period, from_me=False
)
CASES: Report = lambda source, company_id, period: ticket_reports.cases(  # noqa: E731
    source, company_id, CaseFilter(period=period)
)


@pytest.mark.parametrize(
    ("report", "index"),
    [
        (reports.handling, "ix_ticket_trackings_begun"),
        (reports.by_agent, "ix_ticket_trackings_begun"),
        (reports.by_department, "ix_ticket_trackings_begun"),
        (reports.by_connection, "ix_ticket_trackings_begun"),
        (BY_DAY, "ix_ticket_trackings_begun"),
        (CASES, "ix_ticket_trackings_begun"),
        (MESSAGES, "ix_messages_created"),
        (reports.new_contacts, "ix_contacts_created"),
    ],
)
async def test_a_weeks_report_reads_a_weeks_rows(
    database: Database, report: Report, index: str
) -> None:
    place = await found(database, "a")
    await history(database, place.company_id)
    await database.execute(sa.text("analyze"))
    explained: Any = Explained(database)
    await report(explained, place.company_id, WEEK)
    assert explained.plans
    for plan in explained.plans:
        assert index in plan, plan


async def test_reports_count_one_company_and_its_period(database: Database) -> None:
    place, other = await found(database, "a"), await found(database, "b")
    await history(database, other.company_id)
    assert await MESSAGES(database, place.company_id, WEEK) == 0
    assert (await reports.handling(database, place.company_id, WEEK)).cases == 0
    assert await CASES(database, place.company_id, WEEK) == ([], 0)
    hours = 7 * 24 - 1
    assert await MESSAGES(database, other.company_id, WEEK) in (hours, hours + 1)
    handled = await reports.handling(database, other.company_id, WEEK)
    assert handled.cases == handled.finished in (hours, hours + 1)
    rows, count = await CASES(database, other.company_id, WEEK)
    assert (len(rows), count) == (20, handled.cases)
    assert [row.created_at for row in rows] == sorted(
        (row.created_at for row in rows), reverse=True
    )
