"""Lists of tickets as a user may see them: visibility, filters and pages, in one round trip."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from storage.contacts import Contact, contacts
from storage.database import Database
from storage.ids import CompanyId, ConnectionId, ContactId, DepartmentId, TagId, TicketId, UserId
from storage.json_rows import document, rows_of
from storage.messages import messages
from storage.metadata import columns_of
from storage.search import contains, digits_contain, one_of
from storage.tags import ticket_tags
from storage.tickets import Ticket, tickets

PAGE: Final = 40
COUNTED: Final = 10_000
"""Lists are counted exactly up to this; longer ones show this count."""

Condition = sa.ColumnElement[bool]
_t = tickets.c


class Viewer(msgspec.Struct, frozen=True, kw_only=True):
    """Who looks: what decides which tickets of the company a user may see."""

    user_id: UserId
    is_admin: bool = False
    department_ids: tuple[DepartmentId, ...] = ()
    all_ticket: bool = False
    all_historic: bool = False
    all_user_chat: bool = False
    allow_group: bool = False
    connection_id: ConnectionId | None = None


class TicketFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What a list is narrowed by. `status` "" lists own and waiting tickets.

    Times bound from `created_from` (inclusive) to `created_until` (exclusive).
    """

    status: str = ""
    show_all: bool = False
    unread_only: bool = False
    not_closed: bool = False
    department_ids: tuple[DepartmentId, ...] | None = None
    contact_id: ContactId | None = None
    tag_ids: tuple[TagId, ...] = ()
    user_ids: tuple[UserId, ...] = ()
    connection_ids: tuple[ConnectionId, ...] = ()
    statuses: tuple[str, ...] = ()
    search: str = ""
    search_messages: bool = False
    created_from: datetime | None = None
    created_until: datetime | None = None
    updated_from: datetime | None = None
    updated_until: datetime | None = None
    oldest_first: bool = False
    page: int = 1
    page_size: int = PAGE


class TagOfTicket(msgspec.Struct, frozen=True):
    """One tag of one listed ticket."""

    ticket_id: TicketId
    tag_id: TagId


class TicketRows(msgspec.Struct, frozen=True, kw_only=True):
    """A page: tickets in order, their contacts and tags, and the size of the whole list."""

    tickets: list[Ticket]
    contacts: list[Contact]
    tags: list[TagOfTicket]
    count: int

    def tags_of(self, ticket_id: TicketId) -> tuple[TagId, ...]:
        """The tags of one listed ticket."""
        return tuple(tag.tag_id for tag in self.tags if tag.ticket_id == ticket_id)


_DECODER: Final = msgspec.json.Decoder(TicketRows)


async def page(
    database: Database, company_id: CompanyId, viewer: Viewer, wanted: TicketFilter
) -> TicketRows:
    """One page of what `viewer` may see, newest change first; one statement."""
    visible = sa.and_(_t.company_id == company_id, *_visible(viewer, wanted), *_filters(wanted))
    if wanted.status in ("closed", "search"):
        newest = (
            sa.select(sa.func.max(_t.id))
            .where(visible)
            .group_by(_t.contact_id, _t.connection_id)
            .scalar_subquery()
        )
        visible = sa.and_(_t.company_id == company_id, _t.id.in_(newest))
    return await _rows(database, company_id, visible, wanted)


async def one(database: Database, company_id: CompanyId, ticket_id: TicketId) -> TicketRows:
    """One ticket of the company with its contact and tags, whoever may see it."""
    found = sa.and_(_t.company_id == company_id, _t.id == ticket_id)
    return await _rows(database, company_id, found, TicketFilter())


async def _rows(
    database: Database, company_id: CompanyId, visible: Condition, wanted: TicketFilter
) -> TicketRows:
    listed = (
        sa.select(*columns_of(tickets, Ticket))
        .where(visible)
        .order_by(*_order(_t, wanted))
        .limit(wanted.page_size)
        .offset((wanted.page - 1) * wanted.page_size)
        .cte("listed")
    )
    counted = sa.select(sa.literal(1)).where(visible).limit(COUNTED).subquery()
    text = await database.value(
        document(
            tickets=rows_of(sa.select(listed).order_by(*_order(listed.c, wanted))),
            contacts=rows_of(
                sa.select(*columns_of(contacts, Contact)).where(
                    contacts.c.company_id == company_id,
                    contacts.c.id.in_(sa.select(listed.c.contact_id)),
                )
            ),
            tags=rows_of(
                sa.select(ticket_tags.c.ticket_id, ticket_tags.c.tag_id).where(
                    ticket_tags.c.company_id == company_id,
                    ticket_tags.c.ticket_id.in_(sa.select(listed.c.id)),
                )
            ),
            count=sa.select(sa.func.count()).select_from(counted).scalar_subquery(),
        )
    )
    return _DECODER.decode(text)


def _order(columns: Any, wanted: TicketFilter) -> tuple[sa.ColumnElement[Any], ...]:
    if wanted.oldest_first:
        return columns.updated_at, columns.id
    return columns.updated_at.desc(), columns.id.desc()


def may_see(viewer: Viewer, ticket: Ticket) -> bool:
    """Whether `viewer` may open this ticket of the own company."""
    if viewer.is_admin or ticket.user_id == viewer.user_id:
        return True
    if ticket.is_group and not viewer.allow_group:
        return False
    in_departments = (
        viewer.all_ticket
        if ticket.department_id is None
        else ticket.department_id in viewer.department_ids
    )
    if ticket.user_id is None or ticket.status == "pending":
        return in_departments or viewer.all_historic
    return viewer.all_user_chat or (viewer.all_historic and in_departments)


def _visible(viewer: Viewer, wanted: TicketFilter) -> Iterator[Condition]:
    """The conditions of one list; see the family's rules for each column of the inbox."""
    everyone = wanted.show_all and (viewer.is_admin or viewer.all_user_chat)
    own = _t.user_id == viewer.user_id
    status = wanted.status
    if not viewer.allow_group and not viewer.is_admin:
        yield sa.or_(_t.is_group.is_(False), own)
    if status == "group":
        yield _t.status == "group"
        if viewer.connection_id is not None and not viewer.is_admin:
            yield _t.connection_id == viewer.connection_id
        return
    departments = _departments(viewer, wanted)
    if status == "pending":
        yield one_of(_t.status, ["pending", "lgpd"] if everyone else ["pending"], sa.Text)
        yield _pending(viewer, own, departments, everyone=everyone)
    elif status in ("search", ""):
        yield departments if everyone else sa.or_(own, sa.and_(_t.status != "open", departments))
    elif status == "closed":
        yield _t.status == "closed"
        yield departments if everyone else _closed(viewer, own, departments)
    else:
        yield _t.status == status
        yield departments if everyone else sa.and_(own, departments)


def _pending(
    viewer: Viewer, own: Condition, departments: Condition, *, everyone: bool
) -> Condition:
    if everyone or viewer.is_admin:
        return departments
    within = sa.true() if viewer.all_historic else departments
    return sa.and_(sa.or_(_t.user_id.is_(None), own), within)


def _closed(viewer: Viewer, own: Condition, departments: Condition) -> Condition:
    if viewer.all_historic and not viewer.is_admin:
        return sa.or_(own, departments)
    return own


def _departments(viewer: Viewer, wanted: TicketFilter) -> Condition:
    """Requested departments as far as they are the viewer's; tickets without one by right."""
    asked = wanted.department_ids
    if viewer.is_admin and asked is None:
        return sa.true()
    allowed = asked if viewer.is_admin else viewer.department_ids
    if asked is not None and not viewer.is_admin:
        allowed = tuple(item for item in asked if item in viewer.department_ids)
    inside = one_of(_t.department_id, list(allowed or ()), sa.BigInteger)
    if viewer.is_admin or viewer.all_ticket:
        return sa.or_(inside, _t.department_id.is_(None))
    return inside


def _filters(wanted: TicketFilter) -> Iterator[Condition]:
    if wanted.unread_only:
        yield _t.unread_messages > 0
    if wanted.not_closed:
        yield _t.status != "closed"
    if wanted.contact_id is not None:
        yield _t.contact_id == wanted.contact_id
    if wanted.user_ids:
        yield one_of(_t.user_id, list(wanted.user_ids), sa.BigInteger)
    if wanted.connection_ids:
        yield one_of(_t.connection_id, list(wanted.connection_ids), sa.BigInteger)
    if wanted.statuses:
        yield one_of(_t.status, list(wanted.statuses), sa.Text)
    yield from _times(wanted)
    for tag_id in wanted.tag_ids:
        yield sa.exists().where(
            ticket_tags.c.company_id == _t.company_id,
            ticket_tags.c.ticket_id == _t.id,
            ticket_tags.c.tag_id == tag_id,
        )
    if wanted.search:
        yield _matches(wanted)


def _times(wanted: TicketFilter) -> Iterator[Condition]:
    bounds: tuple[tuple[Any, datetime | None], ...] = (
        (_t.created_at.__ge__, wanted.created_from),
        (_t.created_at.__lt__, wanted.created_until),
        (_t.updated_at.__ge__, wanted.updated_from),
        (_t.updated_at.__lt__, wanted.updated_until),
    )
    yield from (compare(moment) for compare, moment in bounds if moment is not None)


def _matches(wanted: TicketFilter) -> Condition:
    text = wanted.search.strip()
    of_contact = sa.exists().where(
        contacts.c.company_id == _t.company_id,
        contacts.c.id == _t.contact_id,
        sa.or_(contains(contacts.c.name, text), digits_contain(contacts.c.number, text)),
    )
    if not wanted.search_messages:
        return of_contact
    in_messages = sa.exists().where(
        messages.c.company_id == _t.company_id,
        messages.c.ticket_id == _t.id,
        contains(messages.c.body, text),
    )
    return sa.or_(of_contact, in_messages)
