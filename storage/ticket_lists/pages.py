"""Pages of tickets: which ones in one round trip, and the rows of those that are not known yet."""

from collections.abc import Collection
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy.sql.util import ClauseAdapter

from storage.bookmarks import Bookmarks
from storage.commit_tables import company_stream
from storage.contacts import Contact, contacts
from storage.database import Database, Statements
from storage.ids import CompanyId, TagId, TicketId
from storage.json_rows import AnySelect, document, rows_of
from storage.metadata import columns_of
from storage.repo import COUNTED
from storage.sql import Query, prepared
from storage.tags import ticket_tags
from storage.ticket_lists.counts import Counts
from storage.ticket_lists.sight import (
    COMPANY,
    Condition,
    TicketFilter,
    Viewer,
    may_see,
    shape_of,
    shown,
    statuses,
    values_of,
)
from storage.tickets import Ticket, tickets

_t = tickets.c


class TicketKey(msgspec.Struct, frozen=True, kw_only=True):
    """A ticket at one moment: everything that it and its contact say is the same for equal keys.

    `written` and `contact_written` are the transactions that wrote the rows.
    """

    id: TicketId
    updated_at: datetime
    written: str
    contact_written: str
    tags: tuple[TagId, ...]


class TicketRows(msgspec.Struct, frozen=True, kw_only=True):
    """Tickets, their contacts, and the key of each."""

    keys: list[TicketKey]
    tickets: list[Ticket]
    contacts: list[Contact]


class TicketPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page: the keys of its tickets in order, the rows of those not known, the whole's size.

    `more` tells whether others follow.
    """

    keys: list[TicketKey]
    rows: TicketRows
    count: int
    more: bool


class _Keys(msgspec.Struct):
    keys: list[TicketKey]
    seq: int
    count: int | None


_KEYS: Final = msgspec.json.Decoder(_Keys)
_ROWS: Final = msgspec.json.Decoder(TicketRows)
_NOTHING: Final = TicketRows(keys=[], tickets=[], contacts=[])


async def page(
    database: Database,
    company_id: CompanyId,
    viewer: Viewer,
    wanted: TicketFilter,
    *,
    known: Collection[TicketKey] = (),
    counts: Counts | None = None,
    marks: Bookmarks | None = None,
) -> TicketPage:
    """One page of what `viewer` may see, newest change first.

    Args:
        known: keys of tickets whose rows the caller need not be told; when it knows all of them,
            the page takes one round trip, else two.
        counts: remembers how long the list is; without it every page counts.
        marks: remember where the page before ended.
    """
    counts = counts or Counts()
    most = max(COUNTED, wanted.page * wanted.page_size + 1)  # enough to tell whether more follows
    question = (company_id, viewer, msgspec.structs.replace(wanted, page=1))
    values = values_of(company_id, viewer, wanted)
    marks = marks or Bookmarks()
    last = marks.before(question, wanted.page)
    if last is not None:
        del values["before"]
        values |= {"after_at": last[0], "after_id": last[1]}
    query = _page(*shape_of(viewer, wanted), frozenset(values))
    seen, count = counts.kept((*question, most))
    values |= {"most": most, "seen": seen}
    found = _KEYS.decode(await database.value(query, **query.chosen(values)))
    if found.count is not None:
        count = found.count
        counts.keep((*question, most), found.seq, count)
    listed = found.keys[: wanted.page_size]
    if listed:
        marks.keep(question, wanted.page, (listed[-1].updated_at, listed[-1].id))
    missing = [key.id for key in listed if key not in known]
    rows = await _some(database, company_id, missing) if missing else _NOTHING
    hidden = {ticket.id for ticket in rows.tickets if not may_see(viewer, ticket)}
    now = {key.id: key for key in rows.keys if key.id not in hidden}
    keys = [key if key in known else now.get(key.id) for key in listed]
    return TicketPage(
        keys=[key for key in keys if key is not None],
        rows=rows,
        count=count,
        more=len(found.keys) > len(listed),
    )


async def one(source: Statements, company_id: CompanyId, ticket_id: TicketId) -> TicketRows:
    """One ticket of the company with its contact and tags, whoever may see it."""
    return await _some(source, company_id, [ticket_id])


async def _some(source: Statements, company_id: CompanyId, ids: list[TicketId]) -> TicketRows:
    return _ROWS.decode(await source.value(_SOME, company=company_id, tickets=ids))


def _id(name: str) -> sa.BindParameter[int]:
    return sa.bindparam(name, type_=sa.BigInteger)


@lru_cache(256)
def _page(viewer: Viewer, wanted: TicketFilter, given: frozenset[str]) -> Query:
    """The statement for one shape of question; building one costs Core milliseconds."""
    columns = statuses(viewer, wanted)
    visible = sa.and_(*shown(viewer, wanted, given))
    whole = (
        sa.and_(visible, sa.or_(*(_t.status == status for status in columns)))
        if columns
        else visible
    )
    if wanted.status in ("closed", "search"):
        newest = ~_newer(whole)
        visible, whole = sa.and_(visible, newest), sa.and_(whole, newest)
    if "after_id" in given:
        visible = sa.and_(visible, _behind(wanted))
    listed = _listed(visible, columns, wanted, "before" in given).cte("listed")
    counted = sa.select(sa.literal(1)).where(whole).limit(_id("most")).subquery()
    count = sa.select(sa.func.count()).select_from(counted).scalar_subquery()
    seq = sa.select(company_stream.c.last_seq).where(company_stream.c.company_id == COMPANY)
    now = sa.func.coalesce(seq.scalar_subquery(), 0)
    return prepared(
        document(
            keys=rows_of(_keys(listed).order_by(*_order(listed.c, wanted))),
            seq=now,
            count=sa.case((now != _id("seen"), count)),
        ),
        fresh="text" in given,
    )


def _listed(
    visible: Condition, columns: tuple[str, ...], wanted: TicketFilter, later: bool
) -> AnySelect:
    """The tickets of a page and one more. Each status is read in list order, then merged."""
    size: sa.ColumnElement[int] = sa.literal_column(str(wanted.page_size + 1))
    enough = size + _id("before") if later else size
    parts = [
        sa.select(_t.id, _t.contact_id, _t.updated_at, _WRITTEN)
        .where(visible, *([_t.status == status] if status else []))
        .order_by(*_order(_t, wanted))
        .limit(enough)
        for status in columns or ("",)
    ]
    merged = (
        sa.union_all(*parts).subquery("merged") if len(parts) > 1 else parts[0].subquery("merged")
    )
    page = sa.select(merged).order_by(*_order(merged.c, wanted)).limit(size)
    return page.offset(_id("before")) if later else page


def _behind(wanted: TicketFilter) -> Condition:
    """Behind the last ticket of the page before, in list order."""
    here = sa.tuple_(_t.updated_at, _t.id)
    at = sa.bindparam("after_at", type_=sa.DateTime(timezone=True))
    last = sa.tuple_(at, _id("after_id"))
    return here > last if wanted.oldest_first else here < last


_WRITTEN: Final[sa.ColumnElement[str]] = sa.literal_column("tickets.xmin::text").label("written")


def _keys(listed: sa.CTE) -> AnySelect:
    tagged = (
        sa.select(ticket_tags.c.tag_id)
        .where(ticket_tags.c.company_id == COMPANY, ticket_tags.c.ticket_id == listed.c.id)
        .order_by(ticket_tags.c.tag_id)
    )
    return sa.select(
        listed.c.id,
        listed.c.updated_at,
        listed.c.written,
        sa.literal_column("contacts.xmin::text").label("contact_written"),
        sa.func.array(tagged.scalar_subquery()).label("tags"),
    ).where(contacts.c.company_id == COMPANY, contacts.c.id == listed.c.contact_id)


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


def _order(columns: Any, wanted: TicketFilter) -> tuple[sa.ColumnElement[Any], ...]:
    if wanted.oldest_first:
        return columns.updated_at, columns.id
    return columns.updated_at.desc(), columns.id.desc()


def _rows() -> Query:
    """Some tickets of one company, with what is shown beside each and its key."""
    wanted = sa.bindparam("tickets", type_=sa.ARRAY(sa.BigInteger))
    mine = sa.and_(_t.company_id == COMPANY, _t.id == sa.any_(wanted))
    found = sa.select(*columns_of(tickets, Ticket), _WRITTEN).where(mine).cte("found")
    return prepared(
        document(
            keys=rows_of(_keys(found)),
            tickets=rows_of(sa.select(found)),
            contacts=rows_of(
                sa.select(*columns_of(contacts, Contact)).where(
                    contacts.c.company_id == COMPANY,
                    contacts.c.id.in_(sa.select(found.c.contact_id)),
                )
            ),
        )
    )


_SOME: Final = _rows()
