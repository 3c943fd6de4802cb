"""How much of the external API a company used, per day."""

from datetime import date
from typing import Final

import sqlalchemy as sa
from msgspec import field

from storage.metadata import number
from storage.plain_rows import TenantRow, tenant_table
from storage.repo import Repo

api_usages = tenant_table(
    "api_usages",
    sa.Column("used_on", sa.Date, nullable=False, server_default=sa.text("CURRENT_DATE")),
    number("used_total"),
    number("used_text"),
    number("used_pdf"),
    number("used_image"),
    number("used_video"),
    number("used_other"),
    number("used_check_number"),
    sa.UniqueConstraint("company_id", "used_on"),
)


class ApiUsage(TenantRow, frozen=True, kw_only=True, rename="camel"):
    """The counts of one day."""

    used_on: date = field(name="dateUsed")
    used_total: int = field(name="UsedOnDay")
    used_text: int
    used_pdf: int = field(name="usedPDF")
    used_image: int
    used_video: int
    used_other: int
    used_check_number: int


rows: Final = Repo(api_usages, ApiUsage, api_usages.c.used_on.desc())
