"""Dashboards: counters and times of the caller's own company, whatever the query says."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from msgspec import field

from api.endpoint import Ctx, Routes, Short, sees_dashboard
from api.endpoint.times import moment
from api.errors import Detail, Invalid
from api.resources.dashboard_views import (
    Attendant,
    ByTime,
    ByUser,
    Count,
    Counters,
    Dashboard,
    DayChart,
    PartLine,
    Series,
    StatusNow,
    TicketReport,
    TicketsNow,
    TicketStatistics,
    UserChart,
    UserLine,
    UserNow,
    UserReport,
)
from storage import reports
from storage.connections import Connection
from storage.departments import Department
from storage.ids import UserId
from storage.reports import Handling, Period, Rated, Share
from storage.snapshots import CompanySnapshot, Member
from storage.views.departments import department_brief

routes = Routes(tag="dashboard", guard=sees_dashboard, paid=True)
LONGEST = timedelta(days=800)


class PeriodQuery(msgspec.Struct, kw_only=True):
    """A number of days up to now, or a first and last day, under each frontend's names."""

    days: Short = ""
    date_from: Short = ""
    date_to: Short = ""
    hour_from: Short = ""
    hour_to: Short = ""
    tz: Short = ""
    initial: Short = field(name="initialDate", default="")
    final: Short = field(name="finalDate", default="")
    start: Short = field(name="dateStart", default="")
    end: Short = field(name="dateEnd", default="")
    from_me: bool | None = field(name="fromMe", default=None)


@routes.get("/dashboard")
async def show(ctx: Ctx, query: PeriodQuery) -> Dashboard:
    """Count tickets, times and ratings of a period, in all and by agent."""
    snapshot, period = await _asked(ctx, query)
    database, company_id = ctx.parts.database, ctx.company_id
    handled = await reports.handling(database, company_id, period)
    rated = await reports.ratings(database, company_id, period)
    now = {"open": 0, "pending": 0}
    for row in await reports.waiting(database, company_id):
        now[row.status] += row.count
    leads = await reports.new_contacts(database, company_id, period)
    agents = {row.id: row for row in await reports.by_agent(database, company_id, period)}
    attendants = [
        _attendant(
            member, agents.get(member.id), next((r for r in rated if r.user_id == member.id), None)
        )
        for member in snapshot.users.values()
    ]
    return Dashboard(_counters(handled, rated, now, leads), attendants)


@routes.get("/dashboard/ticketsUsers")
async def show_by_user(ctx: Ctx, query: PeriodQuery) -> UserChart:
    """Count the cases of a period by agent."""
    snapshot, period = await _asked(ctx, query)
    found = await reports.by_agent(ctx.parts.database, ctx.company_id, period)
    names = {member.id: member.name for member in snapshot.users.values()}
    rows = [ByUser(name, row.cases) for row in found if (name := names.get(UserId(row.id)))]
    return UserChart(sorted(rows, key=lambda row: -row.quantidade))


@routes.get("/dashboard/ticketsDay")
async def show_by_day(ctx: Ctx, query: PeriodQuery) -> DayChart:
    """Count the cases of a period by day, or those of one day by hour."""
    snapshot, period = await _asked(ctx, query)
    by_hour = period.end - period.start <= timedelta(days=1, hours=1)
    found = await reports.begun(
        ctx.parts.database,
        ctx.company_id,
        period,
        zone=snapshot.zone,
        by_hour=by_hour,
    )
    rows = [
        ByTime(row.count, horario=row.place)
        if by_hour
        else ByTime(row.count, data="/".join(reversed(row.place.split("-"))))
        for row in found
    ]
    return DayChart(sum(row.total for row in rows), rows)


@routes.get("/dashboard/status")
async def show_now(ctx: Ctx) -> StatusNow:
    """Tell what waits now, and who is here."""
    snapshot = await ctx.snapshot()
    rows = [
        TicketsNow(
            status=row.status,
            department_id=row.department_id,
            count=row.count,
            department=None
            if row.department_id is None or row.department_id not in snapshot.departments
            else department_brief(snapshot.departments[row.department_id]),
        )
        for row in await reports.waiting(ctx.parts.database, ctx.company_id)
    ]
    people = [UserNow(m.id, m.name, m.online) for m in snapshot.users.values()]
    return StatusNow(tickets_status_summary=rows, users_status_summary=people)


@routes.get("/dashboard/tickets")
async def show_tickets(ctx: Ctx, query: PeriodQuery) -> TicketReport:
    """Report the cases of a period."""
    snapshot, period = await _asked(ctx, query)
    database, company_id = ctx.parts.database, ctx.company_id
    handled = await reports.handling(database, company_id, period)
    days = await reports.begun(database, company_id, period, zone=snapshot.zone, by_hour=False)
    created = [Series(row.place, row.count) for row in days]
    return TicketReport(
        start=query.date_from,
        end=query.date_to,
        ticket_counters={"create": created},
        ticket_statistics=TicketStatistics(
            avg_wait_time=handled.wait,
            avg_service_time=handled.service,
            total_closed=handled.finished,
            avg_first_reply_time=handled.first_reply,
            new_contacts=await reports.new_contacts(database, company_id, period),
        ),
        by_department=_named(
            await reports.by_department(database, company_id, period), snapshot.departments
        ),
        by_connection=_named(
            await reports.by_connection(database, company_id, period), snapshot.connections
        ),
    )


@routes.get("/dashboard/users")
async def show_users(ctx: Ctx, query: PeriodQuery) -> UserReport:
    """Report what each agent did in a period."""
    snapshot, period = await _asked(ctx, query)
    database, company_id = ctx.parts.database, ctx.company_id
    agents = {row.id: row for row in await reports.by_agent(database, company_id, period)}
    rated = {row.user_id: row for row in await reports.ratings(database, company_id, period)}
    lines = []
    for member in snapshot.users.values():
        done, stars = agents.get(member.id), rated.get(member.id)
        line = UserLine(
            id=member.id,
            name=member.name,
            avg_wait_time=done.wait if done else None,
            avg_service_time=done.service if done else None,
            avg_first_reply_time=done.first_reply if done else None,
            total_tickets=done.cases if done else 0,
            open_tickets=done.open if done else 0,
            closed_tickets=done.finished if done else 0,
            average_rating=stars.average if stars else None,
            online=member.online,
        )
        lines.append(line)
    return UserReport(start=query.date_from, end=query.date_to, user_report=lines)


@routes.get("/messages-allMe")
async def count_messages(ctx: Ctx, query: PeriodQuery) -> Count:
    """Count the messages of a period."""
    _, period = await _asked(ctx, query)
    found = await reports.message_count(
        ctx.parts.database, ctx.company_id, period, from_me=query.from_me
    )
    return Count(found)


async def _asked(ctx: Ctx, query: PeriodQuery) -> tuple[CompanySnapshot, Period]:
    snapshot = await ctx.snapshot()
    zone = snapshot.zone
    now = datetime.now(UTC)
    first = query.date_from or query.initial or query.start
    last = query.date_to or query.final or query.end
    if not first or not last:
        days = int(query.days) if query.days.isdigit() and len(query.days) < 4 else 0
        start = now.astimezone(ZoneInfo(zone)).replace(hour=0, minute=0, second=0, microsecond=0)
        return snapshot, Period((start - timedelta(days=days)).astimezone(UTC), now)
    start_text = _clock(first, query.hour_from, query.tz)
    end_text = _clock(last, query.hour_to, query.tz)
    start = moment(start_text, zone, "$.date_from") or now
    end = moment(end_text, zone, "$.date_to") or now
    whole_day = len(end_text) == len("2026-11-24")
    end += timedelta(days=1) if whole_day else timedelta(seconds=1)
    if not start <= end or end - start > LONGEST:
        raise Invalid(Detail("$", f"a period of at most {LONGEST.days} days"))
    return snapshot, Period(start, end)


def _named(shares: list[Share], known: Mapping[Any, Department | Connection]) -> list[PartLine]:
    """Shares under the names of what the company still has, the largest first."""
    lines = [
        PartLine(
            id=share.id,
            name=known[share.id].name,
            total_tickets=share.cases,
            open_tickets=share.open,
            closed_tickets=share.finished,
            avg_wait_time=share.wait,
            avg_first_reply_time=share.first_reply,
            avg_service_time=share.service,
        )
        for share in shares
        if share.id in known
    ]
    return sorted(lines, key=lambda line: (-line.total_tickets, line.name))


def _clock(day: str, hour: str, zone: str) -> str:
    return f"{day}T{hour}{zone}" if hour else day


def _minutes(seconds: float | None) -> float:
    return 0.0 if seconds is None else round(seconds / 60, 2)


def _share(part: int, whole: int) -> float:
    return round(100 * part / whole, 2) if whole else 0.0


def _counters(handled: Handling, rated: list[Rated], now: dict[str, int], leads: int) -> Counters:
    given = sum(row.count for row in rated)
    promoters = _share(sum(row.promoters for row in rated), given)
    detractors = _share(sum(row.detractors for row in rated), given)
    return Counters(
        avg_support_time=_minutes(handled.service),
        avg_first_reply_time=_minutes(handled.first_reply),
        avg_wait_time=_minutes(handled.wait),
        support_happening=now["open"],
        support_pending=now["pending"],
        support_finished=handled.finished,
        leads=leads,
        tickets=handled.cases,
        wait_rating=handled.awaiting_rating,
        without_rating=handled.finished - handled.rated,
        with_rating=handled.rated,
        perc_rating=_share(handled.rated, handled.finished),
        nps_promoters_perc=promoters,
        nps_passive_perc=_share(sum(row.passives for row in rated), given),
        nps_detractors_perc=detractors,
        nps_score=round(promoters - detractors, 2),
    )


def _attendant(member: Member, done: Share | None, stars: Rated | None) -> Attendant:
    return Attendant(
        id=member.id,
        name=member.name,
        online=member.online,
        avg_wait_time=_minutes(done.wait if done else None),
        avg_support_time=_minutes(done.service if done else None),
        tickets=done.cases if done else 0,
        rating=round(stars.average, 2) if stars else 0.0,
        count_rating=stars.count if stars else 0,
    )
