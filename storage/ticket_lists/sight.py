"""Which tickets a list shows: what its viewer may see, its column, and what it is narrowed by."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final, Protocol

import msgspec
import sqlalchemy as sa

from storage.contacts import contacts
from storage.ids import CompanyId, ConnectionId, ContactId, DepartmentId, TagId, UserId
from storage.messages import BEGINNING, messages
from storage.search import digits_of, is_in, newest, one_of, pattern, resembles
from storage.tags import ticket_tags
from storage.tickets import tickets

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
    owned: bool = False
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


def _id(name: str) -> sa.BindParameter[int]:
    return sa.bindparam(name, type_=sa.BigInteger)


def _ids(name: str) -> sa.BindParameter[Any]:
    return sa.bindparam(name, type_=sa.ARRAY(sa.BigInteger))


def _any_id(column: sa.ColumnElement[Any], name: str) -> Condition:
    return column == sa.any_(_ids(name))


COMPANY: Final = _id("company")
_VIEWER: Final = _id("viewer")
_DEPARTMENTS: Final = _ids("viewer_departments")


def values_of(company_id: CompanyId, viewer: Viewer, wanted: TicketFilter) -> dict[str, object]:
    """Every value of the question that is given; none of them is ever part of the SQL."""
    text = wanted.search.strip()
    digits = digits_of(text)
    departments = wanted.department_ids
    values: dict[str, object | None] = {
        "company": company_id,
        "viewer": viewer.user_id,
        "viewer_departments": list(viewer.department_ids),
        "viewer_connection": viewer.connection_id,
        "departments": None if departments is None else list(departments),
        "contact": wanted.contact_id,
        "tags": list(dict.fromkeys(wanted.tag_ids)) or None,
        "users": list(wanted.user_ids) or None,
        "connections": list(wanted.connection_ids) or None,
        "statuses": list(wanted.statuses) or None,
        "text": pattern(text) if text else None,
        "digits": pattern(digits) if digits else None,
        "created_from": wanted.created_from,
        "created_until": wanted.created_until,
        "updated_from": wanted.updated_from,
        "updated_until": wanted.updated_until,
        "before": (wanted.page - 1) * wanted.page_size or None,
    }
    return {name: value for name, value in values.items() if value is not None}


def shape_of(viewer: Viewer, wanted: TicketFilter) -> tuple[Viewer, TicketFilter]:
    """The question without its values: what alone decides the SQL."""
    nobody = msgspec.structs.replace(
        viewer, user_id=UserId(0), department_ids=(), connection_id=None
    )
    nothing = TicketFilter(
        status=wanted.status,
        show_all=wanted.show_all,
        unread_only=wanted.unread_only,
        not_closed=wanted.not_closed,
        owned=wanted.owned,
        search_messages=wanted.search_messages,
        oldest_first=wanted.oldest_first,
        page_size=wanted.page_size,
    )
    return nobody, nothing


class Placed(Protocol):
    """A ticket, as far as it matters for who may see it."""

    @property
    def status(self) -> str:
        """Its column."""
        ...

    @property
    def department_id(self) -> DepartmentId | None:
        """Its department."""
        ...

    @property
    def user_id(self) -> UserId | None:
        """Its owner."""
        ...

    @property
    def is_group(self) -> bool:
        """Is it the conversation of a group?"""
        ...


def may_see(viewer: Viewer, ticket: Placed) -> bool:
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
    return viewer.all_user_chat or ticket.user_id is None or ticket.status in SHARED


SHARED: Final = ("closed", "group")
"""Statuses in which a department's agents may look into a colleague's ticket."""


def _may_see(
    viewer: Viewer,
    who: sa.ColumnElement[Any] = _VIEWER,
    where: sa.ColumnElement[Any] = _DEPARTMENTS,
) -> Iterator[Condition]:
    """`may_see` as conditions; a test holds the two together."""
    if viewer.is_admin:
        return
    own = _t.user_id == who
    inside = sa.true() if viewer.all_historic else _inside(viewer, where)
    whose = sa.or_(_t.user_id.is_(None), one_of(_t.status, list(SHARED), sa.Text))
    others = sa.and_(inside, sa.true() if viewer.all_user_chat else whose)
    if not viewer.allow_group:
        others = sa.and_(others, _t.is_group.is_(False))
    yield sa.or_(own, others)


def hangs_on_visible(viewer: Viewer, table: sa.Table) -> Condition:
    """Condition: a row of another noun hangs, by its `ticket_id`, on a ticket that `may_see` allows."""
    there = (_t.company_id == table.c.company_id, _t.id == table.c.ticket_id)
    who = sa.literal(viewer.user_id, sa.BigInteger)
    where = sa.literal(list(viewer.department_ids), sa.ARRAY(sa.BigInteger))
    return sa.exists().where(*there, *_may_see(viewer, who, where))


def _inside(viewer: Viewer, departments: sa.ColumnElement[Any]) -> Condition:
    """In one of these departments, or in none where that is the viewer's right."""
    inside = _t.department_id == sa.any_(departments)
    if viewer.is_admin or viewer.all_ticket:
        return sa.or_(inside, _t.department_id.is_(None))
    return inside


def shown(viewer: Viewer, wanted: TicketFilter, given: frozenset[str]) -> Iterator[Condition]:
    """What one list shows of the company's tickets, its `statuses` aside.

    `given` names the values that the question has; they are parameters of these names.
    """
    own = _t.user_id == _VIEWER
    yield _t.company_id == COMPANY
    if _only_own(viewer, wanted):
        yield own  # which may be seen; saying so again would only mislead the planner
    else:
        yield from _may_see(viewer)
        yield from _column(viewer, wanted, own, at_home="viewer_connection" in given)
    yield from _filters(wanted, given)
    unlimited = viewer.all_historic and not viewer.is_admin and wanted.status == "pending"
    if "departments" in given and wanted.status != "group" and not unlimited:
        without = sa.and_(own, _t.department_id.is_(None))
        yield sa.or_(_inside(viewer, _ids("departments")), without)


def _column(
    viewer: Viewer, wanted: TicketFilter, own: Condition, *, at_home: bool
) -> Iterator[Condition]:
    """The column of the inbox that `status` names, where it is not `_only_own`.

    `at_home` viewers have one connection.
    """
    everyone = _everyone(viewer, wanted)
    status = wanted.status
    if status == "pending":
        if not (everyone or viewer.is_admin):
            yield sa.or_(_t.user_id.is_(None), own)
    elif status == "search":
        if not (everyone or viewer.is_admin):
            yield sa.or_(own, one_of(_t.status, ["pending", *SHARED], sa.Text))
    elif status == "":
        if not everyone:
            yield sa.or_(own, _t.status == "pending")
    elif status == "group" and at_home and not viewer.is_admin:
        yield sa.or_(own, _t.connection_id == _id("viewer_connection"))


def _only_own(viewer: Viewer, wanted: TicketFilter) -> bool:
    """Whether the column shows the viewer's own tickets alone."""
    if wanted.status in ("", "pending", "search", "group") or _everyone(viewer, wanted):
        return False
    return viewer.is_admin or wanted.status != "closed"


def _everyone(viewer: Viewer, wanted: TicketFilter) -> bool:
    return wanted.show_all and (viewer.is_admin or viewer.all_user_chat)


def statuses(viewer: Viewer, wanted: TicketFilter) -> tuple[str, ...]:
    """The statuses of the column; none when it is not by status that it chooses."""
    if wanted.status == "pending" and _everyone(viewer, wanted):
        return ("pending", "lgpd")
    return () if wanted.status in ("", "search") else (wanted.status,)


def _filters(wanted: TicketFilter, given: frozenset[str]) -> Iterator[Condition]:
    if wanted.unread_only:
        yield _t.unread_messages > 0
    if wanted.not_closed:
        yield _t.status != "closed"
    if wanted.owned:
        yield _t.user_id.is_not(None)
    yield from (condition for name, condition in _GIVEN.items() if name in given)
    if "text" in given:
        yield _matches(wanted, given)


def _moment(name: str) -> sa.BindParameter[datetime]:
    return sa.bindparam(name, type_=sa.DateTime(timezone=True))


_GIVEN: Final[dict[str, Condition]] = {
    "contact": _t.contact_id == _id("contact"),
    "users": _any_id(_t.user_id, "users"),
    "connections": _any_id(_t.connection_id, "connections"),
    "statuses": _t.status == sa.any_(sa.bindparam("statuses", type_=sa.ARRAY(sa.Text))),
    "created_from": _t.created_at >= _moment("created_from"),
    "created_until": _t.created_at < _moment("created_until"),
    "updated_from": _t.updated_at >= _moment("updated_from"),
    "updated_until": _t.updated_at < _moment("updated_until"),
    "tags": _t.id.in_(
        sa.select(ticket_tags.c.ticket_id)
        .where(ticket_tags.c.company_id == COMPANY, _any_id(ticket_tags.c.tag_id, "tags"))
        .group_by(ticket_tags.c.ticket_id)
        .having(sa.func.count() == sa.func.cardinality(_ids("tags")))
    ),
}
"""What a list is narrowed by, each where its value is given."""


def _matches(wanted: TicketFilter, given: frozenset[str]) -> Condition:
    """The text is in the contact's name or number or, where that is asked, in a message.

    Both are sets found beforehand by index, whatever the list is. What more than FOUND contacts or
    messages contain is looked for in the newest of them.
    """
    text: sa.BindParameter[str] = sa.bindparam("text", type_=sa.Text)
    named = resembles(contacts.c.name, text)
    if "digits" in given:
        named = sa.or_(named, contacts.c.number.like(sa.bindparam("digits", type_=sa.Text)))
    named = sa.and_(contacts.c.company_id == COMPANY, named)
    people = newest(contacts.c.id, contacts.c.id, named).cte("people")
    if not wanted.search_messages:
        return is_in(_t.contact_id, people)
    said = sa.and_(messages.c.company_id == COMPANY, resembles(BEGINNING, text))
    talks = newest(messages.c.ticket_id, messages.c.id, said).cte("talks")
    return sa.or_(is_in(_t.contact_id, people), is_in(_t.id, talks))
