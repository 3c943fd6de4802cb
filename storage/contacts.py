"""Contacts: the end customers of a company, with every name a channel knows them by."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec
import sqlalchemy as sa
from msgspec import UNSET, UnsetType

from storage.database import Statements, Tx
from storage.ids import CompanyId, ConnectionId, ContactId, CustomFieldId, UserId
from storage.metadata import (
    at,
    belongs_to,
    columns_of,
    company,
    flag,
    metadata,
    moment,
    of_company,
    optional,
    owner,
    reference,
    refers_to,
    row_id,
    string,
    version,
)
from storage.repo import Links, Repo
from storage.search import one_of
from storage.sql import prepared

contacts = sa.Table(
    "contacts",
    metadata,
    company(),
    row_id(),
    string("name"),
    sa.Column("number", sa.Text, nullable=False),
    string("email"),
    string("channel", "whatsapp"),
    optional("remote_jid"),
    string("profile_pic_url"),
    optional("picture_path"),
    flag("picture_updated"),
    flag("is_group"),
    flag("disable_bot"),
    flag("accept_audio", default=True),
    flag("active", default=True),
    moment("lgpd_accepted_at"),
    reference("connection_id"),
    at("created_at"),
    at("updated_at"),
    version(),
    of_company(),
    refers_to("connection_id", "connections"),
    sa.UniqueConstraint("company_id", "number"),
    sa.Index("ix_contacts_name", "company_id", sa.text("searchable(name)"), "id"),
    sa.Index("ix_contacts_created", "company_id", "created_at", "id"),
    sa.Index(
        "ix_contacts_text",
        "company_id",
        sa.text("searchable(name) gin_trgm_ops"),
        sa.text("number gin_trgm_ops"),
        postgresql_using="gin",
    ),
)

contact_aliases = sa.Table(
    "contact_aliases",
    metadata,
    company(),
    sa.Column("channel", sa.Text, primary_key=True),
    sa.Column("alias", sa.Text, primary_key=True),
    owner("contact_id"),
    at("created_at"),
    belongs_to("contact_id", "contacts"),
    sa.Index(None, "company_id", "contact_id"),
)

contact_custom_fields = sa.Table(
    "contact_custom_fields",
    metadata,
    company(),
    row_id(),
    owner("contact_id"),
    string("name"),
    string("value"),
    at("created_at"),
    at("updated_at"),
    belongs_to("contact_id", "contacts"),
    sa.Index(None, "company_id", "contact_id"),
)

contact_wallets = sa.Table(
    "contact_wallets",
    metadata,
    company(),
    sa.Column("contact_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("user_id", sa.BigInteger, primary_key=True, autoincrement=False),
    at("created_at"),
    belongs_to("contact_id", "contacts"),
    belongs_to("user_id", "users"),
    sa.Index(None, "company_id", "user_id"),
)


class Contact(msgspec.Struct, frozen=True, kw_only=True):
    """An end customer or group. `number` is unique in the company; `version` guards updates.

    `channel` is the network (see `storage.connections.network`), `profile_pic_url` the address
    the provider gave, `picture_path` our stored copy under the company's public folder.
    """

    company_id: CompanyId
    id: ContactId
    name: str
    number: str
    email: str = ""
    channel: str = "whatsapp"
    remote_jid: str | None = None
    profile_pic_url: str = ""
    picture_path: str | None = None
    picture_updated: bool = False
    is_group: bool = False
    disable_bot: bool = False
    accept_audio: bool = True
    active: bool = True
    lgpd_accepted_at: datetime | None = None
    connection_id: ConnectionId | None = None
    created_at: datetime
    updated_at: datetime
    version: int = 1


class CustomField(msgspec.Struct, frozen=True, kw_only=True):
    """A free name and value on a contact."""

    company_id: CompanyId
    id: CustomFieldId
    contact_id: ContactId
    name: str
    value: str
    created_at: datetime
    updated_at: datetime


class ContactPatch(msgspec.Struct, frozen=True, kw_only=True):
    """The fields a person may change; UNSET leaves a column alone."""

    name: str | UnsetType = UNSET
    number: str | UnsetType = UNSET
    email: str | UnsetType = UNSET
    remote_jid: str | UnsetType | None = UNSET
    profile_pic_url: str | UnsetType = UNSET
    picture_path: str | UnsetType | None = UNSET
    picture_updated: bool | UnsetType = UNSET
    disable_bot: bool | UnsetType = UNSET
    accept_audio: bool | UnsetType = UNSET
    active: bool | UnsetType = UNSET
    lgpd_accepted_at: datetime | UnsetType | None = UNSET
    connection_id: ConnectionId | UnsetType | None = UNSET


_repo: Final = Repo(contacts, Contact)


async def get(source: Statements, company_id: CompanyId, contact_id: ContactId) -> Contact:
    """One contact. Raises NotFound."""
    return await _repo.get(source, company_id, contact_id)


async def names_of(
    source: Statements, company_id: CompanyId, contact_ids: Sequence[ContactId]
) -> dict[ContactId, str]:
    """The names of these contacts; those that are not there are left out."""
    wanted = one_of(contacts.c.id, list(contact_ids), sa.BigInteger)
    rows = await source.rows(
        sa.select(contacts.c.id, contacts.c.name).where(contacts.c.company_id == company_id, wanted)
    )
    return {row[0]: row[1] for row in rows}


_AFTER: Final = prepared(
    sa.select(*columns_of(contacts, Contact))
    .where(
        contacts.c.company_id == sa.bindparam("company", type_=sa.BigInteger),
        contacts.c.id > sa.bindparam("after", type_=sa.BigInteger),
        contacts.c.is_group.is_(False),
    )
    .order_by(contacts.c.id)
    .limit(sa.bindparam("most", type_=sa.BigInteger))
)


async def people_after(
    source: Statements, company_id: CompanyId, contact_id: int, *, most: int
) -> list[Contact]:
    """The next contacts who are no groups, by id, behind `contact_id`."""
    return await source.all(_AFTER, into=Contact, company=company_id, after=contact_id, most=most)


_wallets: Final = Links(contact_wallets, "contact_id", "user_id")


async def set_wallets(
    tx: Tx, company_id: CompanyId, contact_id: ContactId, users: Sequence[UserId]
) -> None:
    """Make these users the ones whose customer a contact is.

    Raises Conflict for a user that is not there.
    """
    await _wallets.replace(tx, company_id, contact_id, users)
