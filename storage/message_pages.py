"""Pages of a conversation: newest first inside, oldest first on the page, in one round trip."""

from typing import Final

import msgspec
import sqlalchemy as sa

from storage.contacts import Contact, contacts
from storage.database import Database
from storage.ids import CompanyId
from storage.json_rows import document, row_of, rows_of
from storage.messages import Message, messages
from storage.metadata import columns_of
from storage.repo import COUNTED
from storage.search import one_of
from storage.ticket_lists import Viewer
from storage.tickets import Ticket, tickets

PAGE: Final = 20


class MessageRows(msgspec.Struct, frozen=True, kw_only=True):
    """A page, oldest first; the messages it quotes; the contact; the size of the whole."""

    messages: list[Message]
    quoted: list[Message]
    contact: Contact | None
    count: int


_DECODER: Final = msgspec.json.Decoder(MessageRows)


async def page(
    database: Database,
    company_id: CompanyId,
    viewer: Viewer,
    ticket: Ticket,
    *,
    number: int = 1,
    size: int = PAGE,
) -> MessageRows:
    """One page of the conversation that `ticket` belongs to, this ticket and earlier ones.

    Earlier tickets of the same contact and connection are shown as far as their department is
    the viewer's; all of them to admins and to users who may see all history.
    """
    shown = _tickets(company_id, viewer, ticket)
    here = sa.and_(
        messages.c.company_id == company_id,
        messages.c.contact_id == ticket.contact_id,
        messages.c.ticket_id.in_(shown),
    )
    newest = (
        sa.select(*columns_of(messages, Message))
        .where(here)
        .order_by(messages.c.id.desc())
        .limit(size)
        .offset((number - 1) * size)
        .cte("newest")
    )
    counted = sa.select(sa.literal(1)).where(here).limit(max(COUNTED, number * size + 1)).subquery()
    text = await database.value(
        document(
            messages=rows_of(sa.select(newest).order_by(newest.c.id)),
            quoted=rows_of(
                sa.select(*columns_of(messages, Message)).where(
                    messages.c.company_id == company_id,
                    messages.c.id.in_(sa.select(newest.c.quoted_id)),
                )
            ),
            contact=row_of(
                sa.select(*columns_of(contacts, Contact)).where(
                    contacts.c.company_id == company_id, contacts.c.id == ticket.contact_id
                )
            ),
            count=sa.select(sa.func.count()).select_from(counted).scalar_subquery(),
        )
    )
    return _DECODER.decode(text)


def _tickets(company_id: CompanyId, viewer: Viewer, ticket: Ticket) -> sa.Select[tuple[int]]:
    found = sa.select(tickets.c.id).where(
        tickets.c.company_id == company_id,
        tickets.c.contact_id == ticket.contact_id,
        tickets.c.connection_id.is_not_distinct_from(ticket.connection_id),
        tickets.c.id <= ticket.id,
    )
    if viewer.is_admin or viewer.all_historic:
        return found
    inside = one_of(tickets.c.department_id, list(viewer.department_ids), sa.BigInteger)
    if viewer.all_ticket or ticket.is_group:
        inside = sa.or_(inside, tickets.c.department_id.is_(None))
    return found.where(sa.or_(inside, tickets.c.id == ticket.id))
