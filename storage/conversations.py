"""What the owner of a contact's tickets remembers, in one round trip; and the rows it looks up."""

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on

from storage.contacts import (
    Contact,
    CustomField,
    contact_custom_fields,
    contact_wallets,
    contacts,
)
from storage.database import Database, Tx
from storage.ids import CompanyId, ConnectionId, ContactId, MessageId, TagId, TicketId, UserId
from storage.json_rows import document, row_of, rows_of
from storage.messages import Message, messages
from storage.outbox import outbox
from storage.sql import prepared
from storage.tags import contact_tags, ticket_tags
from storage.ticket_trackings import TicketTracking, ticket_trackings
from storage.tickets import Ticket, tickets

RECENT = 128


class TicketTag(msgspec.Struct, frozen=True):
    """One tag of one ticket."""

    ticket_id: TicketId
    tag_id: TagId


class ContactTag(msgspec.Struct, frozen=True):
    """One tag of the contact."""

    tag_id: TagId


class WalletOf(msgspec.Struct, frozen=True):
    """One user whose customer the contact is."""

    user_id: UserId


class RecentInput(msgspec.Struct, frozen=True):
    """The provider id of one of the newest messages, and whether it is ours."""

    connection_id: ConnectionId | None
    provider_id: str | None
    from_me: bool


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """The rows of one contact, as far as decisions need them.

    `tickets`: every active one and the newest of each connection; `trackings`: the running ones;
    `recent`: the provider ids of the newest messages, oldest first.
    """

    contact: Contact | None
    tickets: tuple[Ticket, ...]
    trackings: tuple[TicketTracking, ...]
    tags: tuple[TicketTag, ...]
    contact_tags: tuple[ContactTag, ...]
    wallets: tuple[WalletOf, ...]
    fields: tuple[CustomField, ...]
    recent: tuple[RecentInput, ...]


_COMPANY = sa.bindparam("company_id", type_=sa.BigInteger)
_CONTACT = sa.bindparam("contact_id", type_=sa.BigInteger)


def _of_contact(table: sa.Table) -> sa.ColumnElement[bool]:
    return sa.and_(table.c.company_id == _COMPANY, table.c.contact_id == _CONTACT)


_own = tickets.alias("own")
_newest = (
    sa.select(_own.c.id)
    .where(_own.c.company_id == _COMPANY, _own.c.contact_id == _CONTACT)
    .ext(distinct_on(_own.c.connection_id))
    .order_by(_own.c.connection_id, _own.c.updated_at.desc(), _own.c.id.desc())
)
_needed = sa.and_(
    _of_contact(tickets), sa.or_(tickets.c.status != "closed", tickets.c.id.in_(_newest))
)
_ids_of_contact = sa.select(tickets.c.id).where(_of_contact(tickets))
_latest = (
    # Narrowed after the limit: asked for at once, the planner may read every provider id there is.
    sa.select(messages.c.id, messages.c.connection_id, messages.c.provider_id, messages.c.from_me)
    .where(_of_contact(messages))
    .order_by(messages.c.id.desc())
    .limit(RECENT)
    .subquery("latest")
)

LOAD = prepared(
    document(
        contact=row_of(
            sa.select(contacts).where(contacts.c.company_id == _COMPANY, contacts.c.id == _CONTACT)
        ),
        tickets=rows_of(sa.select(tickets).where(_needed)),
        trackings=rows_of(
            sa.select(ticket_trackings).where(
                ticket_trackings.c.company_id == _COMPANY,
                ticket_trackings.c.ticket_id.in_(_ids_of_contact),
                ticket_trackings.c.finished_at.is_(None),
            )
        ),
        tags=rows_of(
            sa.select(ticket_tags.c.ticket_id, ticket_tags.c.tag_id).where(
                ticket_tags.c.company_id == _COMPANY, ticket_tags.c.ticket_id.in_(_ids_of_contact)
            )
        ),
        contact_tags=rows_of(sa.select(contact_tags.c.tag_id).where(_of_contact(contact_tags))),
        wallets=rows_of(sa.select(contact_wallets.c.user_id).where(_of_contact(contact_wallets))),
        fields=rows_of(sa.select(contact_custom_fields).where(_of_contact(contact_custom_fields))),
        recent=rows_of(
            sa.select(_latest.c.connection_id, _latest.c.provider_id, _latest.c.from_me)
            .where(_latest.c.provider_id.is_not(None), _latest.c.connection_id.is_not(None))
            .order_by(_latest.c.id)
        ),
    )
)
_DECODER = msgspec.json.Decoder(Loaded)

TICKET = prepared(
    sa.select(tickets).where(
        _of_contact(tickets), tickets.c.id == sa.bindparam("ticket_id", type_=sa.BigInteger)
    )
)
MESSAGE = prepared(
    sa.select(messages).where(
        _of_contact(messages), messages.c.id == sa.bindparam("message_id", type_=sa.BigInteger)
    )
)
_TEXTS = sa.bindparam("provider_ids", type_=sa.ARRAY(sa.Text))
BY_PROVIDER = prepared(
    sa.select(messages).where(
        messages.c.company_id == _COMPANY,
        messages.c.connection_id == sa.bindparam("connection_id", type_=sa.BigInteger),
        messages.c.provider_id == sa.any_(_TEXTS),
    )
)
BY_KEY = prepared(
    sa.select(messages)
    .join(
        outbox,
        sa.and_(outbox.c.company_id == messages.c.company_id, outbox.c.message_id == messages.c.id),
    )
    .where(
        outbox.c.company_id == _COMPANY,
        outbox.c.idempotency_key == sa.bindparam("key", type_=sa.Text),
    )
)


async def load_conversations(
    database: Database | Tx, company_id: CompanyId, contact_id: ContactId
) -> Loaded:
    """Everything the ticket actor of a contact starts from; its contact is None if unknown."""
    text = await database.value(LOAD, company_id=company_id, contact_id=contact_id)
    return _DECODER.decode(text)


async def find_ticket(
    database: Database | Tx, company_id: CompanyId, contact_id: ContactId, ticket_id: TicketId
) -> Ticket | None:
    """A ticket of this contact, or None."""
    return await database.first(
        TICKET, company_id=company_id, contact_id=contact_id, ticket_id=ticket_id, into=Ticket
    )


async def find_message(
    database: Database | Tx, company_id: CompanyId, contact_id: ContactId, message_id: MessageId
) -> Message | None:
    """A message of this contact's conversations, or None."""
    return await database.first(
        MESSAGE, company_id=company_id, contact_id=contact_id, message_id=message_id, into=Message
    )


_TICKET_ID = sa.bindparam("ticket_id", type_=sa.BigInteger)
WITH_CONTACT = prepared(
    document(
        ticket=row_of(
            sa.select(tickets).where(tickets.c.company_id == _COMPANY, tickets.c.id == _TICKET_ID)
        ),
        contact=row_of(
            sa.select(contacts)
            .join(
                tickets,
                sa.and_(
                    tickets.c.company_id == contacts.c.company_id,
                    tickets.c.contact_id == contacts.c.id,
                ),
            )
            .where(tickets.c.company_id == _COMPANY, tickets.c.id == _TICKET_ID)
        ),
    )
)


class _TicketAndContact(msgspec.Struct):
    ticket: Ticket | None
    contact: Contact | None


_PAIR = msgspec.json.Decoder(_TicketAndContact)


async def ticket_with_contact(
    database: Database | Tx, company_id: CompanyId, ticket_id: TicketId
) -> tuple[Ticket, Contact] | None:
    """A ticket with its contact, or None where it is not this company's."""
    text = await database.value(WITH_CONTACT, company_id=company_id, ticket_id=ticket_id)
    found = _PAIR.decode(text)
    if found.ticket is None or found.contact is None:
        return None
    return found.ticket, found.contact


async def messages_by_provider_id(
    database: Database | Tx,
    company_id: CompanyId,
    connection_id: ConnectionId,
    provider_ids: list[str],
) -> list[Message]:
    """The stored messages among these provider ids of one connection."""
    return await database.all(
        BY_PROVIDER,
        company_id=company_id,
        connection_id=connection_id,
        provider_ids=provider_ids,
        into=Message,
    )


async def message_by_key(
    database: Database | Tx, company_id: CompanyId, key: str
) -> Message | None:
    """The message that was sent under an idempotency key, or None."""
    return await database.first(BY_KEY, company_id=company_id, key=key, into=Message)
