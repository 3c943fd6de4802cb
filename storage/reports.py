"""Counts and times for dashboards: one aggregate each, over one company and one period."""

from datetime import datetime
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from storage.contacts import contacts
from storage.database import Statements
from storage.ids import CompanyId, DepartmentId, UserId
from storage.messages import messages
from storage.ticket_trackings import ticket_trackings
from storage.tickets import tickets
from storage.user_ratings import user_ratings

_k: Final = ticket_trackings.c
_r: Final = user_ratings.c


class Period(msgspec.Struct, frozen=True):
    """From `start` up to `end`, which is not part of it."""

    start: datetime
    end: datetime


class Waiting(msgspec.Struct, frozen=True):
    """How many active tickets a department has in a status."""

    status: str
    department_id: DepartmentId | None
    count: int


class Handling(msgspec.Struct, frozen=True):
    """Cases of a period; times in seconds, None where there was nothing to measure."""

    cases: int
    finished: int
    rated: int
    awaiting_rating: int
    wait: float | None
    first_reply: float | None
    service: float | None


class Share(msgspec.Struct, frozen=True):
    """What one agent, department or connection handled in a period; times in seconds."""

    id: int
    cases: int
    open: int
    finished: int
    wait: float | None
    first_reply: float | None
    service: float | None


class Rated(msgspec.Struct, frozen=True):
    """The ratings of one agent in a period (1 to 5), in all and by the family's three classes."""

    user_id: UserId | None
    count: int
    average: float
    promoters: int
    passives: int
    detractors: int


class Slice(msgspec.Struct, frozen=True):
    """How many cases began on a day, or in an hour, of the company's own clock."""

    place: str
    count: int


_BEGUN: Final = sa.func.coalesce(_k.queued_at, _k.created_at)


def _average(until: sa.ColumnElement[Any], since: sa.ColumnElement[Any], name: str) -> Any:
    return _number(sa.func.avg(sa.extract("epoch", until - since)), name)


def _within(column: sa.ColumnElement[Any], period: Period) -> sa.ColumnElement[bool]:
    return sa.and_(column >= period.start, column < period.end)


def _number(value: sa.ColumnElement[Any], name: str) -> sa.ColumnElement[Any]:
    return sa.cast(value, sa.Double).label(name)


async def waiting(source: Statements, company_id: CompanyId) -> list[Waiting]:
    """Open and pending tickets now, by status and department."""
    t = tickets.c
    statement = (
        sa.select(t.status, t.department_id, sa.func.count().label("count"))
        .where(t.company_id == company_id, t.status.in_(("open", "pending")))
        .group_by(t.status, t.department_id)
        .order_by(t.status, t.department_id)
    )
    return await source.all(statement, into=Waiting)


async def handling(source: Statements, company_id: CompanyId, period: Period) -> Handling:
    """The cases that began in the period."""
    asked = _k.rating_at.is_not(None)
    statement = sa.select(
        sa.func.count().label("cases"),
        sa.func.count(_k.finished_at).label("finished"),
        sa.func.count().filter(_k.rated).label("rated"),
        sa.func.count().filter(asked, sa.not_(_k.rated)).label("awaiting_rating"),
        *_times(),
    ).where(_k.company_id == company_id, _within(_k.created_at, period))
    return await source.one(statement, into=Handling)


def _times() -> tuple[Any, ...]:
    """Until an agent took the case, until one wrote, and from the one to the end."""
    return (
        _average(_k.started_at, _BEGUN, "wait"),
        _average(_k.first_reply_at, _BEGUN, "first_reply"),
        _average(_k.finished_at, _k.started_at, "service"),
    )


async def by_agent(source: Statements, company_id: CompanyId, period: Period) -> list[Share]:
    """The cases that began in the period, by agent."""
    return await _shares(source, company_id, period, _k.user_id)


async def by_department(source: Statements, company_id: CompanyId, period: Period) -> list[Share]:
    """The cases that began in the period, by department."""
    return await _shares(source, company_id, period, _k.department_id)


async def by_connection(source: Statements, company_id: CompanyId, period: Period) -> list[Share]:
    """The cases that began in the period, by connection."""
    return await _shares(source, company_id, period, _k.connection_id)


async def _shares(
    source: Statements, company_id: CompanyId, period: Period, whose: sa.ColumnElement[Any]
) -> list[Share]:
    statement = (
        sa.select(
            whose.label("id"),
            sa.func.count().label("cases"),
            sa.func.count().filter(_k.finished_at.is_(None)).label("open"),
            sa.func.count(_k.finished_at).label("finished"),
            *_times(),
        )
        .where(_k.company_id == company_id, whose.is_not(None), _within(_k.created_at, period))
        .group_by(whose)
    )
    return await source.all(statement, into=Share)


async def ratings(source: Statements, company_id: CompanyId, period: Period) -> list[Rated]:
    """The ratings given in the period, by agent."""
    statement = (
        sa.select(
            _r.user_id,
            sa.func.count().label("count"),
            _number(sa.func.avg(_r.rate), "average"),
            sa.func.count().filter(_r.rate > 3).label("promoters"),
            sa.func.count().filter(_r.rate == 3).label("passives"),
            sa.func.count().filter(_r.rate.between(1, 2)).label("detractors"),
        )
        .where(_r.company_id == company_id, _within(_r.created_at, period))
        .group_by(_r.user_id)
    )
    return await source.all(statement, into=Rated)


async def new_contacts(source: Statements, company_id: CompanyId, period: Period) -> int:
    """Contacts who wrote, or were entered, for the first time in the period."""
    statement = sa.select(sa.func.count()).where(
        contacts.c.company_id == company_id, _within(contacts.c.created_at, period)
    )
    found: int = await source.value(statement)
    return found


async def begun(
    source: Statements, company_id: CompanyId, period: Period, *, zone: str, by_hour: bool
) -> list[Slice]:
    """The cases that began in the period, by day (`2026-11-24`) or hour (`09`) in `zone`."""
    local = sa.func.timezone(sa.literal(zone, sa.Text), _k.created_at)
    form = sa.literal("HH24" if by_hour else "YYYY-MM-DD", sa.Text)
    inner = sa.select(sa.func.to_char(local, form).label("place")).where(
        _k.company_id == company_id, _within(_k.created_at, period)
    )
    rows = inner.subquery()
    statement = (
        sa.select(rows.c.place, sa.func.count().label("count"))
        .group_by(rows.c.place)
        .order_by(rows.c.place)
    )
    return await source.all(statement, into=Slice)


async def message_count(
    source: Statements, company_id: CompanyId, period: Period, *, from_me: bool | None
) -> int:
    """Messages of the period: ours, theirs, or (None) both."""
    conditions = [messages.c.company_id == company_id, _within(messages.c.created_at, period)]
    if from_me is not None:
        conditions.append(messages.c.from_me.is_(from_me))
    found: int = await source.value(sa.select(sa.func.count()).where(*conditions))
    return found
