"""Partners: who brings companies to the installation, and their commission."""

from decimal import Decimal
from typing import Final

import sqlalchemy as sa
from msgspec import field

from storage.metadata import string
from storage.plain_rows import SharedRow, shared_table
from storage.repo import Repo

partners = shared_table(
    "partners",
    string("name"),
    string("phone"),
    string("email"),
    string("document"),
    sa.Column("commission", sa.Numeric(12, 2), nullable=False, server_default=sa.text("0")),
    string("commission_kind"),
    string("wallet_id"),
)


class Partner(SharedRow, frozen=True, kw_only=True, rename="camel"):
    """A partner; the commission is a percentage or an amount, as its kind says."""

    name: str
    phone: str
    email: str
    document: str
    commission: Decimal
    commission_kind: str = field(name="typeCommission")
    wallet_id: str


rows: Final = Repo(partners, Partner, partners.c.name, search=("name", "email"))
