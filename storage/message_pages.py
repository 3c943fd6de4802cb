"""Pages of a conversation: newest first inside, oldest first on the page, in one round trip."""

from functools import lru_cache
from typing import Final

import msgspec
import sqlalchemy as sa

from storage.bookmarks import Bookmarks
from storage.contacts import Contact, contacts
from storage.database import Database
from storage.ids import CompanyId, TagId
from storage.json_rows import document, row_of, rows_of
from storage.messages import Message, messages
from storage.metadata import columns_of
from storage.repo import COUNTED
from storage.sql import Query, prepared
from storage.tags import ticket_tags
from storage.ticket_lists import Viewer
from storage.tickets import Ticket, tickets

PAGE: Final = 20


class MessageRows(msgspec.Struct, frozen=True, kw_only=True):
    """A page, oldest first; the messages it quotes; the contact; the ticket's tags; the whole's size.

    `more` tells whether older messages follow.
    """

    messages: list[Message]
    quoted: list[Message]
    contact: Contact | None
    tags: list[TagId]
    count: int
    more: bool = False


_DECODER: Final = msgspec.json.Decoder(MessageRows)


async def page(
    database: Database,
    company_id: CompanyId,
    viewer: Viewer,
    ticket: Ticket,
    *,
    number: int = 1,
    size: int = PAGE,
    marks: Bookmarks | None = None,
) -> MessageRows:
    """One page of the conversation that `ticket` belongs to, this ticket and earlier ones.

    Earlier tickets of the same contact and connection are shown as far as their department is
    the viewer's; all of them to admins and to users who may see all history. `marks` remember
    where the page before ended.
    """
    everything = viewer.is_admin or viewer.all_historic
    marks = marks or Bookmarks()
    question = ("messages", company_id, viewer, ticket.id, size)
    last = None if number == 1 else marks.before(question, number)
    place = "first" if number == 1 else "counted" if last is None else "behind"
    query = _page(everything, viewer.all_ticket or ticket.is_group, size, place)
    values = {
        "company": company_id,
        "contact": ticket.contact_id,
        "connection": ticket.connection_id,
        "ticket": ticket.id,
        "departments": list(viewer.department_ids),
        "before": (number - 1) * size,
        "after": None if last is None else last[0],
        "most": max(COUNTED, number * size + 1),
    }
    rows = _DECODER.decode(await database.value(query, **query.chosen(values)))
    more = len(rows.messages) > size
    shown = rows.messages[1:] if more else rows.messages  # the oldest only tells that more follow
    if shown:
        marks.keep(question, number, (shown[0].id,))
    return msgspec.structs.replace(rows, messages=shown, more=more)


def _id(name: str) -> sa.BindParameter[int]:
    return sa.bindparam(name, type_=sa.BigInteger)


def _number(value: int) -> sa.ColumnElement[int]:
    return sa.literal_column(str(value))


@lru_cache(64)
def _page(everything: bool, without_department: bool, size: int, place: str) -> Query:
    """The statement for one kind of viewer, compiled once; one row more than is shown.

    The first page, which is asked for most, has no number in it that Postgres would have to guess:
    it plans that statement once, and a plan costs more than the page.
    """
    here = sa.and_(
        messages.c.company_id == _id("company"),
        messages.c.contact_id == _id("contact"),
        messages.c.ticket_id.in_(_tickets(everything, without_department)),
    )
    chosen = sa.select(*columns_of(messages, Message)).where(here)
    if place == "behind":
        chosen = chosen.where(messages.c.id < _id("after"))
    listed = chosen.order_by(messages.c.id.desc()).limit(_number(size + 1))
    newest = (listed.offset(_id("before")) if place == "counted" else listed).cte("newest")
    most = _number(COUNTED) if place == "first" else _id("most")
    counted = sa.select(sa.literal(1)).where(here).limit(most).subquery()
    return prepared(
        document(
            messages=rows_of(sa.select(newest).order_by(newest.c.id)),
            quoted=rows_of(
                sa.select(*columns_of(messages, Message)).where(
                    messages.c.company_id == _id("company"),
                    messages.c.id.in_(sa.select(newest.c.quoted_id)),
                )
            ),
            contact=row_of(
                sa.select(*columns_of(contacts, Contact)).where(
                    contacts.c.company_id == _id("company"), contacts.c.id == _id("contact")
                )
            ),
            tags=sa.func.array(
                sa.select(ticket_tags.c.tag_id)
                .where(
                    ticket_tags.c.company_id == _id("company"),
                    ticket_tags.c.ticket_id == _id("ticket"),
                )
                .order_by(ticket_tags.c.tag_id)
                .scalar_subquery()
            ),
            count=sa.select(sa.func.count()).select_from(counted).scalar_subquery(),
        )
    )


def _tickets(everything: bool, without_department: bool) -> sa.Select[tuple[int]]:
    """The tickets whose messages are shown: this one and the viewer's earlier ones."""
    found = sa.select(tickets.c.id).where(
        tickets.c.company_id == _id("company"),
        tickets.c.contact_id == _id("contact"),
        tickets.c.connection_id.is_not_distinct_from(_id("connection")),
        tickets.c.id <= _id("ticket"),
    )
    if everything:
        return found
    departments = sa.bindparam("departments", type_=sa.ARRAY(sa.BigInteger))
    inside: sa.ColumnElement[bool] = tickets.c.department_id == sa.any_(departments)
    if without_department:
        inside = sa.or_(inside, tickets.c.department_id.is_(None))
    return found.where(sa.or_(inside, tickets.c.id == _id("ticket")))
