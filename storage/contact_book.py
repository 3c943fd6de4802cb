"""Who is meant: contacts by the names that channels give them, one statement for many names."""

import msgspec
import sqlalchemy as sa

from storage.contacts import Contact, CustomField, contact_aliases, contact_custom_fields, contacts
from storage.database import Database, Tx
from storage.ids import CompanyId, ContactId
from storage.metadata import columns_of
from storage.sql import prepared

_COMPANY = sa.bindparam("company_id", type_=sa.BigInteger)
_CONTACT = sa.bindparam("contact_id", type_=sa.BigInteger)

BY_ALIAS = prepared(
    sa.select(
        contact_aliases.c.channel,
        contact_aliases.c.alias,
        contacts.c.id,
        contacts.c.name,
        contacts.c.number,
    )
    .join(
        contacts,
        sa.and_(
            contacts.c.company_id == contact_aliases.c.company_id,
            contacts.c.id == contact_aliases.c.contact_id,
        ),
    )
    .where(
        contact_aliases.c.company_id == _COMPANY,
        contact_aliases.c.alias == sa.any_(sa.bindparam("aliases", type_=sa.ARRAY(sa.Text))),
    )
)
BY_NUMBER = prepared(
    sa.select(*columns_of(contacts, Contact)).where(
        contacts.c.company_id == _COMPANY,
        contacts.c.number == sa.bindparam("number", type_=sa.Text),
    )
)
BY_NUMBERS = prepared(
    sa.select(contacts.c.number, contacts.c.id).where(
        contacts.c.company_id == _COMPANY,
        contacts.c.number == sa.any_(sa.bindparam("numbers", type_=sa.ARRAY(sa.Text))),
    )
)
AUTHORS = prepared(
    sa.select(contact_aliases.c.alias, *columns_of(contacts, Contact))
    .join(
        contacts,
        sa.and_(
            contacts.c.company_id == contact_aliases.c.company_id,
            contacts.c.id == contact_aliases.c.contact_id,
        ),
    )
    .where(
        contact_aliases.c.company_id == _COMPANY,
        contact_aliases.c.channel == sa.bindparam("channel", type_=sa.Text),
        contact_aliases.c.alias == sa.any_(sa.bindparam("aliases", type_=sa.ARRAY(sa.Text))),
    )
)
BY_ID = prepared(
    sa.select(*columns_of(contacts, Contact)).where(
        contacts.c.company_id == _COMPANY, contacts.c.id == _CONTACT
    )
)
FIELDS = prepared(
    sa.select(*columns_of(contact_custom_fields, CustomField))
    .where(
        contact_custom_fields.c.company_id == _COMPANY,
        contact_custom_fields.c.contact_id == _CONTACT,
    )
    .order_by(contact_custom_fields.c.id)
)


class Named(msgspec.Struct, frozen=True):
    """The contact behind one name of one network."""

    channel: str
    alias: str
    id: ContactId
    name: str
    number: str


async def contacts_by_alias(
    database: Database | Tx, company_id: CompanyId, aliases: list[str]
) -> list[Named]:
    """The contacts known under these names, on any network."""
    return await database.all(BY_ALIAS, company_id=company_id, aliases=aliases, into=Named)


async def contact_by_number(
    database: Database | Tx, company_id: CompanyId, number: str
) -> Contact | None:
    """The contact with this number, or None."""
    return await database.first(BY_NUMBER, company_id=company_id, number=number, into=Contact)


async def contacts_by_numbers(
    database: Database | Tx, company_id: CompanyId, numbers: list[str]
) -> dict[str, ContactId]:
    """The contacts that have one of these numbers."""
    rows = await database.rows(BY_NUMBERS, company_id=company_id, numbers=numbers)
    return {row[0]: ContactId(row[1]) for row in rows}


KINDS = ("phone", "bsuid", "parent_bsuid", "lid", "scoped_id")
"""Kinds of names by which a channel tells who wrote, the surest first."""


class _Author(Contact, frozen=True, kw_only=True):
    alias: str


async def authors_of(
    database: Database | Tx, company_id: CompanyId, channel: str, participants: list[str]
) -> dict[str, Contact]:
    """The contacts who wrote into a group, by the name that messages hold of each."""
    aliases = [f"{kind}:{name}" for kind in KINDS for name in participants]
    found = await database.all(
        AUTHORS, company_id=company_id, channel=channel, aliases=aliases, into=_Author
    )
    by_alias: dict[str, Contact] = {author.alias: author for author in found}
    named = {
        name: next((by_alias[a] for kind in KINDS if (a := f"{kind}:{name}") in by_alias), None)
        for name in participants
    }
    return {name: contact for name, contact in named.items() if contact is not None}


async def contact_by_id(
    database: Database | Tx, company_id: CompanyId, contact_id: ContactId
) -> Contact | None:
    """The contact, or None where it is not this company's."""
    return await database.first(BY_ID, company_id=company_id, contact_id=contact_id, into=Contact)


async def custom_fields_of(
    database: Database | Tx, company_id: CompanyId, contact_id: ContactId
) -> list[CustomField]:
    """The free fields of a contact."""
    return await database.all(
        FIELDS, company_id=company_id, contact_id=contact_id, into=CustomField
    )
