"""Lists of contacts for people, with what is shown beside each, in one round trip."""

from datetime import datetime
from functools import lru_cache
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from storage.bookmarks import Bookmarks
from storage.contacts import (
    Contact,
    CustomField,
    contact_custom_fields,
    contact_wallets,
    contacts,
)
from storage.database import Statements
from storage.ids import CompanyId, ContactId, TagId, UserId
from storage.json_rows import document, rows_of
from storage.metadata import columns_of
from storage.repo import COUNTED
from storage.search import by_name, digits_of, pattern, resembles
from storage.sql import Query, prepared
from storage.tags import contact_tags

PAGE: Final = 100


class ContactFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What a list is narrowed by: all of the tags, one of the wallets, one of the prefixes.

    `prefixes` are the first four digits of numbers (country and area); `created_until` is not
    included.
    """

    search: str = ""
    is_group: bool | None = None
    tag_ids: tuple[TagId, ...] = ()
    contact_id: ContactId | None = None
    number: str | None = None
    wallets: tuple[UserId, ...] = ()
    prefixes: tuple[str, ...] = ()
    created_from: datetime | None = None
    created_until: datetime | None = None
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
    """A page by name, what hangs on its contacts, the size of the whole list, and whether more follow."""

    contacts: list[Contact]
    fields: list[CustomField]
    tags: list[TagOfContact]
    wallets: list[WalletOfContact]
    count: int
    more: bool = False


_DECODER: Final = msgspec.json.Decoder(ContactRows)
_TIME: Final = sa.DateTime(timezone=True)
_c = contacts.c


async def page(
    source: Statements,
    company_id: CompanyId,
    wanted: ContactFilter,
    *,
    marks: Bookmarks | None = None,
) -> ContactRows:
    """One page of the company's contacts by name; `marks` remember where the one before ended."""
    marks = marks or Bookmarks()
    question = ("contacts", company_id, msgspec.structs.replace(wanted, page=1))
    values = _values(company_id, wanted)
    last = marks.before(question, wanted.page)
    if last is not None:
        del values["before"]
        values |= {"after_name": last[0], "after_id": last[1]}
    query = _page(frozenset(values))
    rows = _DECODER.decode(await source.value(query, **query.chosen(values)))
    shown = rows.contacts[: wanted.page_size]
    if shown:
        marks.keep(question, wanted.page, (shown[-1].name, shown[-1].id))
    more = len(rows.contacts) > len(shown)
    return msgspec.structs.replace(rows, contacts=shown, more=more)


def _values(company_id: CompanyId, wanted: ContactFilter) -> dict[str, object]:
    """Every value of the question that is given; none of them is ever part of the SQL."""
    text = wanted.search.strip()
    digits = digits_of(text)
    values: dict[str, object | None] = {
        "company": company_id,
        "contact": wanted.contact_id,
        "number": wanted.number,
        "is_group": wanted.is_group,
        "tags": list(dict.fromkeys(wanted.tag_ids)) or None,
        "wallets": list(wanted.wallets) or None,
        "prefixes": list(wanted.prefixes) or None,
        "created_from": wanted.created_from,
        "created_until": wanted.created_until,
        "text": pattern(text) if text else None,
        "digits": pattern(digits) if digits else None,
        "size": wanted.page_size + 1,
        "before": (wanted.page - 1) * wanted.page_size,
        "most": max(COUNTED, wanted.page * wanted.page_size + 1),  # tells whether more follows
    }
    return {name: value for name, value in values.items() if value is not None}


def _id(name: str) -> sa.BindParameter[int]:
    return sa.bindparam(name, type_=sa.BigInteger)


def _text(name: str) -> sa.BindParameter[str]:
    return sa.bindparam(name, type_=sa.Text)


@lru_cache(64)
def _page(given: frozenset[str]) -> Query:
    """The statement for one shape of question; building one costs Core milliseconds."""
    found = sa.and_(_c.company_id == _id("company"), *_conditions(given))
    rows = sa.select(*columns_of(contacts, Contact)).where(found)
    if "after_id" in given:
        last = sa.tuple_(by_name(_text("after_name")), _id("after_id"))
        rows = rows.where(sa.tuple_(by_name(_c.name), _c.id) > last)
    else:
        rows = rows.offset(_id("before"))
    listed = rows.order_by(by_name(_c.name), _c.id).limit(_id("size")).cte("listed")
    counted = sa.select(sa.literal(1)).where(found).limit(_id("most")).subquery()
    return prepared(
        document(
            contacts=rows_of(sa.select(listed).order_by(by_name(listed.c.name), listed.c.id)),
            **_beside(sa.select(listed.c.id)),
            count=sa.select(sa.func.count()).select_from(counted).scalar_subquery(),
        ),
        fresh="text" in given,
    )


def _beside(ids: sa.Select[tuple[int]]) -> dict[str, sa.ScalarSelect[Any]]:
    """What hangs on the listed contacts."""
    fields, tags, wallets = contact_custom_fields.c, contact_tags.c, contact_wallets.c
    company_id = _id("company")
    return {
        "fields": rows_of(
            sa.select(*columns_of(contact_custom_fields, CustomField))
            .where(fields.company_id == company_id, fields.contact_id.in_(ids))
            .order_by(fields.id)
        ),
        "tags": rows_of(
            sa.select(tags.contact_id, tags.tag_id).where(
                tags.company_id == company_id, tags.contact_id.in_(ids)
            )
        ),
        "wallets": rows_of(
            sa.select(wallets.contact_id, wallets.user_id).where(
                wallets.company_id == company_id, wallets.contact_id.in_(ids)
            )
        ),
    }


def _conditions(given: frozenset[str]) -> list[sa.ColumnElement[bool]]:
    """What a list is narrowed by, each where its value is given."""
    marked: sa.BindParameter[Any] = sa.bindparam("tags", type_=sa.ARRAY(sa.BigInteger))
    prefixes: sa.BindParameter[Any] = sa.bindparam("prefixes", type_=sa.ARRAY(sa.Text))
    named = resembles(_c.name, _text("text"))
    if "digits" in given:
        named = sa.or_(named, _c.number.like(_text("digits")))
    conditions: dict[str, sa.ColumnElement[bool]] = {
        "contact": _c.id == _id("contact"),
        "number": _c.number == _text("number"),
        "is_group": _c.is_group == sa.bindparam("is_group", type_=sa.Boolean),
        "tags": _c.id.in_(
            sa.select(contact_tags.c.contact_id)
            .where(
                contact_tags.c.company_id == _id("company"),
                contact_tags.c.tag_id == sa.any_(marked),
            )
            .group_by(contact_tags.c.contact_id)
            .having(sa.func.count() == sa.func.cardinality(marked))
        ),
        "wallets": _c.id.in_(
            sa.select(contact_wallets.c.contact_id).where(
                contact_wallets.c.company_id == _id("company"),
                contact_wallets.c.user_id
                == sa.any_(sa.bindparam("wallets", type_=sa.ARRAY(sa.BigInteger))),
            )
        ),
        "prefixes": sa.func.left(_c.number, sa.literal_column("4")) == sa.any_(prefixes),
        "created_from": _c.created_at >= sa.bindparam("created_from", type_=_TIME),
        "created_until": _c.created_at < sa.bindparam("created_until", type_=_TIME),
        "text": named,
    }
    return [condition for name, condition in conditions.items() if name in given]
