"""Lists of contacts for people, with what is shown beside each, in one round trip."""

from typing import Final

import msgspec
import sqlalchemy as sa

from storage.contacts import (
    Contact,
    CustomField,
    contact_custom_fields,
    contact_wallets,
    contacts,
)
from storage.database import Database
from storage.ids import CompanyId, ContactId, TagId, UserId
from storage.json_rows import document, rows_of
from storage.metadata import columns_of
from storage.repo import COUNTED
from storage.search import by_name, contains, digits_contain
from storage.tags import contact_tags

PAGE: Final = 100


class ContactFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What a list is narrowed by."""

    search: str = ""
    is_group: bool | None = None
    tag_ids: tuple[TagId, ...] = ()
    contact_id: ContactId | None = None
    number: str | None = None
    page: int = 1
    page_size: int = PAGE


class TagOfContact(msgspec.Struct, frozen=True):
    """One tag of one listed contact."""

    contact_id: ContactId
    tag_id: TagId


class WalletOfContact(msgspec.Struct, frozen=True):
    """One user whose customer a listed contact is."""

    contact_id: ContactId
    user_id: UserId


class ContactRows(msgspec.Struct, frozen=True, kw_only=True):
    """A page by name, what hangs on its contacts, and the size of the whole list."""

    contacts: list[Contact]
    fields: list[CustomField]
    tags: list[TagOfContact]
    wallets: list[WalletOfContact]
    count: int


_DECODER: Final = msgspec.json.Decoder(ContactRows)
_c = contacts.c


async def page(database: Database, company_id: CompanyId, wanted: ContactFilter) -> ContactRows:
    """One page of the company's contacts by name."""
    found = _found(company_id, wanted)
    listed = (
        sa.select(*columns_of(contacts, Contact))
        .where(found)
        .order_by(by_name(_c.name), _c.id)
        .limit(wanted.page_size)
        .offset((wanted.page - 1) * wanted.page_size)
        .cte("listed")
    )
    ids = sa.select(listed.c.id)
    most = max(COUNTED, wanted.page * wanted.page_size + 1)
    counted = sa.select(sa.literal(1)).where(found).limit(most).subquery()
    text = await database.value(
        document(
            contacts=rows_of(sa.select(listed).order_by(by_name(listed.c.name), listed.c.id)),
            fields=rows_of(
                sa.select(*columns_of(contact_custom_fields, CustomField))
                .where(
                    contact_custom_fields.c.company_id == company_id,
                    contact_custom_fields.c.contact_id.in_(ids),
                )
                .order_by(contact_custom_fields.c.id)
            ),
            tags=rows_of(
                sa.select(contact_tags.c.contact_id, contact_tags.c.tag_id).where(
                    contact_tags.c.company_id == company_id, contact_tags.c.contact_id.in_(ids)
                )
            ),
            wallets=rows_of(
                sa.select(contact_wallets.c.contact_id, contact_wallets.c.user_id).where(
                    contact_wallets.c.company_id == company_id,
                    contact_wallets.c.contact_id.in_(ids),
                )
            ),
            count=sa.select(sa.func.count()).select_from(counted).scalar_subquery(),
        )
    )
    return _DECODER.decode(text)


def _found(company_id: CompanyId, wanted: ContactFilter) -> sa.ColumnElement[bool]:
    conditions = [_c.company_id == company_id]
    if wanted.contact_id is not None:
        conditions.append(_c.id == wanted.contact_id)
    if wanted.number is not None:
        conditions.append(_c.number == wanted.number)
    if wanted.is_group is not None:
        conditions.append(_c.is_group.is_(wanted.is_group))
    conditions += [
        sa.exists().where(
            contact_tags.c.company_id == _c.company_id,
            contact_tags.c.contact_id == _c.id,
            contact_tags.c.tag_id == tag_id,
        )
        for tag_id in wanted.tag_ids
    ]
    if text := wanted.search.strip():
        conditions.append(sa.or_(contains(_c.name, text), digits_contain(_c.number, text)))
    return sa.and_(*conditions)
