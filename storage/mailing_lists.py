"""Contact lists: whom a campaign is sent to, apart from the company's contacts."""

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa
from msgspec import field
from sqlalchemy.dialects.postgresql import insert

from storage.database import Statements, Tx
from storage.ids import CompanyId
from storage.metadata import belongs_to, columns_of, flag, owner, string
from storage.plain_rows import TenantRow, tenant_table
from storage.repo import Repo
from storage.search import by_name, one_of

contact_lists = tenant_table(
    "contact_lists", string("name"), sa.UniqueConstraint("company_id", "name")
)

contact_list_items = tenant_table(
    "contact_list_items",
    string("name"),
    string("number"),
    string("email"),
    sa.Column("is_valid", sa.Boolean),
    flag("is_group"),
    owner("list_id"),
    belongs_to("list_id", "contact_lists"),
    sa.UniqueConstraint("company_id", "list_id", "number"),
)


class MailingList(TenantRow, frozen=True, kw_only=True, rename="camel"):
    """A named list."""

    name: str


class MailingItem(TenantRow, frozen=True, kw_only=True, rename="camel"):
    """One address of a list; `is_valid` is None until it was looked up at the provider."""

    name: str
    number: str
    email: str
    is_valid: bool | None = field(name="isWhatsappValid")
    is_group: bool
    list_id: int = field(name="contactListId")


lists: Final = Repo(contact_lists, MailingList, by_name(contact_lists.c.name), search=("name",))
items: Final = Repo(
    contact_list_items,
    MailingItem,
    by_name(contact_list_items.c.name),
    search=("name", "number"),
)


async def sizes(
    source: Statements, company_id: CompanyId, list_ids: Sequence[int]
) -> dict[int, int]:
    """How many items each of these lists has; lists without any are left out."""
    column = contact_list_items.c.list_id
    counted = (
        sa.select(column, sa.func.count())
        .where(
            contact_list_items.c.company_id == company_id,
            one_of(column, list(list_ids), sa.BigInteger),
        )
        .group_by(column)
    )
    return {row[0]: row[1] for row in await source.rows(counted)}


async def items_after(
    source: Statements, company_id: CompanyId, list_id: int, item_id: int, *, most: int
) -> list[MailingItem]:
    """The next items of a list, by id, behind `item_id`."""
    column = contact_list_items.c
    wanted = sa.select(*columns_of(contact_list_items, MailingItem)).where(
        column.company_id == company_id, column.list_id == list_id, column.id > item_id
    )
    return await source.all(wanted.order_by(column.id).limit(most), into=MailingItem)


async def fill(
    tx: Tx, company_id: CompanyId, list_id: int, entries: Sequence[dict[str, str]]
) -> list[int]:
    """Add entries to a list; returns the ids of those whose numbers were new to it."""
    fixed = {"company_id": company_id, "list_id": list_id}
    rows = [fixed | entry for entry in entries]
    added = insert(contact_list_items).values(rows).on_conflict_do_nothing()
    return [row[0] for row in await tx.rows(added.returning(contact_list_items.c.id))]
