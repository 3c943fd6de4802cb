"""Billing: a company's invoices and its subscription."""

from datetime import datetime
from decimal import Decimal
from typing import Final

import sqlalchemy as sa
from msgspec import field

from storage.database import Statements
from storage.errors import NotFound
from storage.ids import CompanyId
from storage.metadata import columns_of, flag, moment, number, optional, string
from storage.plain_rows import TenantRow, tenant_table
from storage.repo import Repo
from storage.search import contains

invoices = tenant_table(
    "invoices",
    moment("due_date"),
    string("detail"),
    string("status", "open"),
    sa.Column("value", sa.Numeric(12, 2), nullable=False, server_default=sa.text("0")),
    number("users"),
    number("connections"),
    number("departments"),
    flag("use_whatsapp"),
    flag("use_facebook"),
    flag("use_instagram"),
    flag("use_campaigns"),
    flag("use_schedules"),
    flag("use_internal_chat"),
    flag("use_external_api"),
    string("link"),
    sa.CheckConstraint("status in ('open', 'paid')", name="status"),
)

subscriptions = tenant_table(
    "subscriptions",
    flag("is_active"),
    sa.Column("user_price_cents", sa.Integer),
    sa.Column("connection_price_cents", sa.Integer),
    optional("last_invoice_url"),
    moment("last_plan_change"),
    moment("expires_at"),
    optional("provider_subscription_id"),
)


class Invoice(TenantRow, frozen=True, kw_only=True, rename="camel"):
    """What a company owes for a period; `open` or `paid`."""

    due_date: datetime | None
    detail: str
    status: str
    value: Decimal
    users: int
    connections: int
    departments: int = field(name="queues")
    use_whatsapp: bool
    use_facebook: bool
    use_instagram: bool
    use_campaigns: bool
    use_schedules: bool
    use_internal_chat: bool
    use_external_api: bool
    link: str = field(name="linkInvoice")


rows: Final = Repo(invoices, Invoice, invoices.c.due_date.desc(), search=("detail",))


async def company_of(database: Statements, invoice_id: int) -> CompanyId:
    """Installation-wide: whose invoice it is, for operators. Raises NotFound."""
    wanted = sa.select(invoices.c.company_id).where(invoices.c.id == invoice_id)
    found = await database.value(wanted)
    if found is None:
        raise NotFound
    return CompanyId(found)


async def page(
    source: Statements, *, search: str = "", number: int = 1, size: int = 20
) -> tuple[list[Invoice], int]:
    """Installation-wide: one page of every company's invoices for operators, the latest first."""
    wanted = contains(invoices.c.detail, search) if search else sa.true()
    found = sa.select(*columns_of(invoices, Invoice)).where(wanted)
    ordered = found.order_by(invoices.c.due_date.desc(), invoices.c.id)
    rows = await source.all(ordered.limit(size).offset((number - 1) * size), into=Invoice)
    counted = sa.select(sa.func.count()).select_from(invoices).where(wanted)
    count: int = await source.value(counted)
    return rows, count
