"""The query of a ticket list, and what it means in storage's words."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

import msgspec

from api.endpoint import Id, Page, Short
from api.errors import Detail, Invalid
from storage.ids import ConnectionId, ContactId, DepartmentId, TagId, UserId
from storage.ticket_lists import TicketFilter
from storage.tickets import ACTIVE_STATUSES

STATUSES: tuple[str, ...] = (*ACTIVE_STATUSES, "closed")
_LISTS = {"": "", "search": "search", "chatbot": "bot"} | {name: name for name in STATUSES}
K = TypeVar("K")
Bounds = tuple[datetime | None, datetime | None]


class TicketQuery(msgspec.Struct, kw_only=True, rename="camel"):
    """What a list of tickets may be narrowed by; days are YYYY-MM-DD in the company's zone."""

    page_number: Page = 1
    status: Short = ""
    search_param: Short = ""
    search_on_messages: bool = False
    show_all: bool = False
    all: bool = False
    with_unread_messages: bool = False
    not_closed: bool = False
    contact_id: Id | None = None
    queue_ids: list[Id] | None = None
    tags: list[Id] = []
    users: list[Id] = []
    whatsapps: list[Id] = []
    status_filter: list[Short] = []
    sort_tickets: Short = ""
    date: Short = ""
    date_start: Short = ""
    date_end: Short = ""
    updated_at: Short = ""
    min_updated_at: Short = ""


def filter_of(query: TicketQuery, local: ZoneInfo, size: int) -> TicketFilter:
    """What is asked for. Raises Invalid for unknown statuses and for days that are none."""
    if query.status not in _LISTS:
        raise Invalid(Detail("$.status", "no such status"))
    created = _days(query.date_start or query.date, query.date_end or query.date, local)
    updated = _days(query.updated_at, query.updated_at, local)
    return TicketFilter(
        status=_LISTS[query.status],
        show_all=query.show_all or query.all,
        unread_only=query.with_unread_messages,
        not_closed=query.not_closed,
        department_ids=None if query.queue_ids is None else _ids(DepartmentId, query.queue_ids),
        contact_id=None if query.contact_id is None else ContactId(query.contact_id),
        tag_ids=_ids(TagId, query.tags),
        user_ids=_ids(UserId, query.users),
        connection_ids=_ids(ConnectionId, query.whatsapps),
        statuses=tuple(query.status_filter),
        search=query.search_param,
        search_messages=query.search_on_messages,
        created_from=created[0],
        created_until=created[1],
        updated_from=_instant(query.min_updated_at) or updated[0],
        updated_until=updated[1],
        oldest_first=query.sort_tickets.upper() == "ASC",
        page=query.page_number,
        page_size=size,
    )


def _ids(kind: Callable[[int], K], numbers: list[int]) -> tuple[K, ...]:
    return tuple(kind(number) for number in numbers)


def _days(first: str, last: str, local: ZoneInfo) -> Bounds:
    """From the first day's midnight to the end of the last, by the company's clock."""
    if not first and not last:
        return None, None
    start = _midnight(first, local) if first else None
    until = _midnight(last, local, days=1) if last else None
    return start, until


def _midnight(text: str, local: ZoneInfo, *, days: int = 0) -> datetime:
    try:
        day = date.fromisoformat(text[:10]) + timedelta(days=days)
        return datetime.combine(day, time(), local).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Invalid(Detail("$", f"not a day: {text[:40]}")) from error


def _instant(text: str) -> datetime | None:
    if not text:
        return None
    try:
        moment = msgspec.convert(text, datetime, strict=False)
    except msgspec.ValidationError as error:
        raise Invalid(Detail("$.minUpdatedAt", "not an ISO 8601 time")) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
