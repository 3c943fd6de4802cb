"""The report on cases: every run of a ticket that began in a period, with who and how long."""

from datetime import datetime
from typing import Final

import msgspec
import sqlalchemy as sa

from storage.contacts import contacts
from storage.database import Statements
from storage.ids import CompanyId, ConnectionId, ContactId, DepartmentId, TagId, TicketId, UserId
from storage.json_rows import AnySelect
from storage.reports import Period
from storage.search import contains, digits_of, one_of, pattern
from storage.tags import ticket_tags
from storage.ticket_trackings import ticket_trackings
from storage.tickets import tickets
from storage.user_ratings import user_ratings

_k, _t, _c, _r = ticket_trackings.c, tickets.c, contacts.c, user_ratings.c


class CaseFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What the report is narrowed by; an empty tuple narrows nothing."""

    period: Period | None = None
    search: str = ""
    contact_id: ContactId | None = None
    connection_ids: tuple[ConnectionId, ...] = ()
    statuses: tuple[str, ...] = ()
    department_ids: tuple[DepartmentId, ...] = ()
    tag_ids: tuple[TagId, ...] = ()
    user_ids: tuple[UserId, ...] = ()
    only_rated: bool = False
    page: int = 1
    page_size: int = 20


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a ticket; `rate` is the rating that its ticket got last."""

    id: TicketId
    uuid: str
    status: str
    last_message: str
    contact_id: ContactId
    contact_name: str
    contact_number: str
    connection_id: ConnectionId | None
    department_id: DepartmentId | None
    user_id: UserId | None
    created_at: datetime
    queued_at: datetime | None
    started_at: datetime | None
    first_reply_at: datetime | None
    finished_at: datetime | None
    rate: int | None


async def cases(
    source: Statements, company_id: CompanyId, wanted: CaseFilter
) -> tuple[list[Case], int]:
    """One page of cases, the latest first, and how many there are in all."""
    found = _found(company_id, wanted, _WHOLE)
    rate = (
        sa.select(_r.rate)
        .where(_r.company_id == company_id, _r.ticket_id == _t.id)
        .order_by(_r.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    page = (
        found.with_only_columns(
            _t.id,
            _t.uuid,
            _t.status,
            _t.last_message,
            _c.id.label("contact_id"),
            _c.name.label("contact_name"),
            _c.number.label("contact_number"),
            _k.connection_id,
            _k.department_id,
            _k.user_id,
            _k.created_at,
            _k.queued_at,
            _k.started_at,
            _k.first_reply_at,
            _k.finished_at,
            rate.label("rate"),
        )
        .order_by(_k.created_at.desc(), _k.id.desc())
        .limit(wanted.page_size)
        .offset((wanted.page - 1) * wanted.page_size)
    )
    # Every run has its ticket and contact: they are looked at only where they decide.
    narrow = wanted.search or wanted.statuses or wanted.tag_ids or wanted.contact_id is not None
    counted = _found(company_id, wanted, _WHOLE if narrow else ticket_trackings)
    rows = await source.all(page, into=Case)
    count: int = await source.value(
        sa.select(sa.func.count()).select_from(counted.with_only_columns(sa.literal(1)).subquery())
    )
    return rows, count


_WHOLE: Final = ticket_trackings.join(
    tickets, sa.and_(_t.company_id == _k.company_id, _t.id == _k.ticket_id)
).join(contacts, sa.and_(_c.company_id == _t.company_id, _c.id == _t.contact_id))


def _found(company_id: CompanyId, wanted: CaseFilter, among: sa.FromClause) -> AnySelect:
    found = sa.select(sa.literal(1)).select_from(among).where(_k.company_id == company_id)
    if wanted.period is not None:
        found = found.where(_k.created_at >= wanted.period.start, _k.created_at < wanted.period.end)
    if text := wanted.search.strip():
        named = contains(_c.name, text)
        if digits := digits_of(text):
            named = sa.or_(named, _c.number.like(sa.literal(pattern(digits), sa.Text)))
        found = found.where(named)
    if wanted.contact_id is not None:
        found = found.where(_c.id == wanted.contact_id)
    for column, ids in (
        (_k.connection_id, wanted.connection_ids),
        (_k.department_id, wanted.department_ids),
        (_k.user_id, wanted.user_ids),
    ):
        if ids:
            found = found.where(one_of(column, list(ids), sa.BigInteger))
    if wanted.statuses:
        found = found.where(one_of(_t.status, list(wanted.statuses), sa.Text))
    if wanted.tag_ids:
        found = found.where(
            sa.exists().where(
                ticket_tags.c.company_id == _t.company_id,
                ticket_tags.c.ticket_id == _t.id,
                one_of(ticket_tags.c.tag_id, list(wanted.tag_ids), sa.BigInteger),
            )
        )
    return found.where(_k.rated) if wanted.only_rated else found
