"""Reports as lists: cases with their times and ratings, and contacts by when and whose."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta, field

from api.endpoint import Ctx, Id, Page, Routes, Short, admin
from api.endpoint.times import moment
from api.errors import Detail, Invalid
from api.resources.contacts import contacts_shown
from storage import contact_lists, ticket_reports
from storage.contact_lists import ContactFilter
from storage.ids import ConnectionId, ContactId, DepartmentId, TagId, UserId
from storage.reports import Period
from storage.snapshots import CompanySnapshot
from storage.ticket_reports import Case, CaseFilter
from storage.views import ContactView

routes = Routes(tag="reports", guard=admin, paid=True)
K = TypeVar("K")
MOST_CONTACTS = 5000
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_COUNTRY = "55"


class CaseQuery(msgspec.Struct, kw_only=True, rename="camel"):
    """What the report on cases is narrowed by; days are YYYY-MM-DD in the company's zone."""

    search_param: Short = ""
    contact_id: Id | None = None
    connections: list[Id] = field(name="whatsappId", default=[])
    date_from: Short = ""
    date_to: Short = ""
    status: list[Short] = []
    queue_ids: list[Id] = []
    tags: list[Id] = []
    users: list[Id] = []
    only_rated: bool = False
    page: Page = 1
    page_size: Annotated[int, Meta(ge=1, le=1000)] = 20


class CaseLine(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One run of a ticket; times in seconds, None where there was nothing to measure."""

    id: int
    uuid: str
    status: str
    last_message: str
    contact_id: int
    contact_name: str
    contact_number: str
    whatsapp_name: str
    queue_name: str
    user_name: str
    created_at: datetime
    closed_at: datetime | None
    wait_time: float | None
    first_reply_time: float | None
    support_time: float | None
    rate: int | None = field(name="NPS")


class CaseReport(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A page of cases, the latest first."""

    tickets: list[CaseLine]
    total_tickets: int


class ContactReportQuery(msgspec.Struct, kw_only=True, rename="camel"):
    """Contacts created in a period, with all of the tags, in one of the wallets and area codes."""

    start_date: Short = ""
    end_date: Short = ""
    tags: list[Id] = []
    area_codes: list[Short] = field(name="ddds", default=[])
    wallets: list[Id] = []
    search_param: Short = ""


@routes.get("/ticketreport/reports")
async def report_cases(ctx: Ctx, query: CaseQuery) -> CaseReport:
    """Report on the cases that began in a period."""
    snapshot = await ctx.snapshot()
    wanted = CaseFilter(
        period=_period(query.date_from, query.date_to, snapshot),
        search=query.search_param,
        contact_id=None if query.contact_id is None else ContactId(query.contact_id),
        connection_ids=_ids(ConnectionId, query.connections),
        statuses=tuple(query.status),
        department_ids=_ids(DepartmentId, query.queue_ids),
        tag_ids=_ids(TagId, query.tags),
        user_ids=_ids(UserId, query.users),
        only_rated=query.only_rated,
        page=query.page,
        page_size=query.page_size,
    )
    rows, count = await ticket_reports.cases(ctx.parts.database, ctx.company_id, wanted)
    return CaseReport(tickets=[_line(row, snapshot) for row in rows], total_tickets=count)


@routes.get("/contacts-report")
async def report_contacts(ctx: Ctx, query: ContactReportQuery) -> list[ContactView]:
    """Report on contacts by name, the first 5,000."""
    snapshot = await ctx.snapshot()
    period = _period(query.start_date, query.end_date, snapshot)
    wanted = ContactFilter(
        search=query.search_param,
        is_group=False,
        tag_ids=_ids(TagId, query.tags),
        wallets=_ids(UserId, query.wallets),
        prefixes=tuple(_prefix(code) for code in query.area_codes),
        created_from=period.start if period else None,
        created_until=period.end if period else None,
        page_size=MOST_CONTACTS,
    )
    rows = await contact_lists.page(ctx.parts.database, ctx.company_id, wanted)
    return contacts_shown(rows, snapshot)


def _ids(kind: Callable[[int], K], numbers: list[int]) -> tuple[K, ...]:
    return tuple(kind(number) for number in numbers)


def _prefix(code: str) -> str:
    """A Brazilian area code as numbers begin. Raises Invalid."""
    plain = code.strip()
    if not (plain.isascii() and plain.isdigit() and len(plain) == 2):
        raise Invalid(Detail("$.ddds", "area codes have two digits"))
    return _COUNTRY + plain


def _period(first: str, last: str, snapshot: CompanySnapshot) -> Period | None:
    """From the beginning of one day to the end of another; either may be left open."""
    zone = snapshot.zone
    start = moment(first, zone, "$.dateFrom") if first else None
    end = moment(last, zone, "$.dateTo") if last else None
    if start is None and end is None:
        return None
    until = datetime.now(UTC) if end is None else end
    if len(last) == len("2026-11-24"):
        until += timedelta(days=1)
    return Period(start or _EARLIEST, until)


def _line(case: Case, snapshot: CompanySnapshot) -> CaseLine:
    connection = snapshot.connections.get(case.connection_id or ConnectionId(0))
    department = snapshot.departments.get(case.department_id or DepartmentId(0))
    user = snapshot.users.get(case.user_id or UserId(0))
    begun = case.queued_at or case.created_at
    return CaseLine(
        id=case.id,
        uuid=case.uuid,
        status=case.status,
        last_message=case.last_message,
        contact_id=case.contact_id,
        contact_name=case.contact_name,
        contact_number=case.contact_number,
        whatsapp_name=connection.name if connection else "",
        queue_name=department.name if department else "",
        user_name=user.name if user else "",
        created_at=case.created_at,
        closed_at=case.finished_at,
        wait_time=_seconds(begun, case.started_at),
        first_reply_time=_seconds(begun, case.first_reply_at),
        support_time=_seconds(case.started_at, case.finished_at),
        rate=case.rate,
    )


def _seconds(since: datetime | None, until: datetime | None) -> float | None:
    return None if since is None or until is None else (until - since).total_seconds()
