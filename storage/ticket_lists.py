"""Lists of tickets as a user may see them: visibility, filters and pages, in one round trip."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy.sql.util import ClauseAdapter

from storage.contacts import Contact, contacts
from storage.database import Database
from storage.ids import CompanyId, ConnectionId, ContactId, DepartmentId, TagId, TicketId, UserId
from storage.json_rows import document, rows_of
from storage.messages import messages
from storage.metadata import columns_of
from storage.repo import COUNTED
from storage.search import contains, digits_contain, one_of
from storage.tags import ticket_tags
from storage.tickets import Ticket, tickets

PAGE: Final = 40
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
        visible = sa.and_(visible, ~_newer(visible))
    return await _rows(database, company_id, visible, wanted)


def _newer(visible: Condition) -> sa.Exists:
    """Whether the list has a later ticket of the same conversation.

    Asked of each row in list order it stops at a page's end; a group over the whole history
    would not.
    """
    later = tickets.alias("later")
    same = (
        later.c.company_id == _t.company_id,
        later.c.contact_id == _t.contact_id,
        later.c.connection_id.is_not_distinct_from(_t.connection_id),
        later.c.id > _t.id,
    )
    return sa.exists().where(*same, ClauseAdapter(later).traverse(visible)).correlate(tickets)


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
    most = max(COUNTED, wanted.page * wanted.page_size + 1)  # enough to tell whether more follows
    counted = sa.select(sa.literal(1)).where(visible).limit(most).subquery()
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
    """Whether `viewer` may open this ticket of the own company; lists never show more.

    Admins may open every ticket and agents their own. Otherwise the ticket must be in one of the
    agent's departments (any with all_historic, none at all with all_ticket) and be waiting
    without an owner, or closed, or a group's (with allow_group), or anybody's with all_user_chat.
    """
    if viewer.is_admin or ticket.user_id == viewer.user_id:
        return True
    if ticket.is_group and not viewer.allow_group:
        return False
    if ticket.department_id is None:
        inside = viewer.all_ticket
    else:
        inside = ticket.department_id in viewer.department_ids
    if not (inside or viewer.all_historic):
        return False
    return viewer.all_user_chat or ticket.user_id is None or ticket.status in _SHARED


_SHARED: Final = ("closed", "group")
"""Statuses in which a department's agents may look into a colleague's ticket."""


def _may_see(viewer: Viewer) -> Iterator[Condition]:
    """`may_see` as conditions; a test holds the two together."""
    if viewer.is_admin:
        return
    own = _t.user_id == viewer.user_id
    inside = sa.true() if viewer.all_historic else _inside(viewer, viewer.department_ids)
    whose = sa.or_(_t.user_id.is_(None), one_of(_t.status, list(_SHARED), sa.Text))
    others = sa.and_(inside, sa.true() if viewer.all_user_chat else whose)
    if not viewer.allow_group:
        others = sa.and_(others, _t.is_group.is_(False))
    yield sa.or_(own, others)


def _inside(viewer: Viewer, department_ids: Sequence[DepartmentId]) -> Condition:
    """In one of these departments, or in none where that is the viewer's right."""
    inside = one_of(_t.department_id, list(department_ids), sa.BigInteger)
    if viewer.is_admin or viewer.all_ticket:
        return sa.or_(inside, _t.department_id.is_(None))
    return inside


def _visible(viewer: Viewer, wanted: TicketFilter) -> Iterator[Condition]:
    """What one list shows of the tickets that the viewer may see."""
    yield from _may_see(viewer)
    own = _t.user_id == viewer.user_id
    everyone = wanted.show_all and (viewer.is_admin or viewer.all_user_chat)
    yield from _column(viewer, wanted, own, everyone=everyone)
    asked = wanted.department_ids
    unlimited = viewer.all_historic and not viewer.is_admin and wanted.status == "pending"
    if asked is not None and wanted.status != "group" and not unlimited:
        without = sa.and_(own, _t.department_id.is_(None))
        yield sa.or_(_inside(viewer, asked), without)


def _column(
    viewer: Viewer, wanted: TicketFilter, own: Condition, *, everyone: bool
) -> Iterator[Condition]:
    """The column of the inbox that `status` names."""
    status = wanted.status
    if status == "pending":
        yield one_of(_t.status, ["pending", "lgpd"] if everyone else ["pending"], sa.Text)
        if not (everyone or viewer.is_admin):
            yield sa.or_(_t.user_id.is_(None), own)
    elif status == "search":
        if not (everyone or viewer.is_admin):
            yield sa.or_(own, one_of(_t.status, ["pending", *_SHARED], sa.Text))
    elif status == "":
        if not everyone:
            yield sa.or_(own, _t.status == "pending")
    else:
        yield _t.status == status
        if status == "group":
            if viewer.connection_id is not None and not viewer.is_admin:
                yield sa.or_(own, _t.connection_id == viewer.connection_id)
        elif not everyone and (viewer.is_admin or status != "closed"):
            yield own


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
