"""How much of the external API a company used, per day."""

from datetime import date
from functools import cache
from typing import Final

import sqlalchemy as sa
from msgspec import field
from sqlalchemy.dialects.postgresql import insert

from storage.database import Statements
from storage.ids import CompanyId
from storage.metadata import number
from storage.plain_rows import TenantRow, tenant_table
from storage.repo import Repo
from storage.sql import Query, prepared

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

_KINDS: Final = {
    "text": "used_text",
    "application/pdf": "used_pdf",
    "image": "used_image",
    "video": "used_video",
    "check": "used_check_number",
}


@cache
def _count(column: str) -> Query:
    """Add to one counter of today; the first use of a day makes its row."""
    total = api_usages.c.used_total
    counter = api_usages.c[column]
    new = insert(api_usages).values(
        company_id=sa.bindparam("company", type_=sa.BigInteger), **{column: 1, total.name: 1}
    )
    return prepared(
        new.on_conflict_do_update(
            index_elements=[api_usages.c.company_id, api_usages.c.used_on],
            set_={column: counter + 1, total.name: total + 1},
        )
    )


async def count(source: Statements, company_id: CompanyId, kind: str) -> None:
    """Count one use today: `text`, `check`, or the content type of a file."""
    column = _KINDS.get(kind) or _KINDS.get(kind.partition("/")[0]) or "used_other"
    await source.execute(_count(column), company=company_id)
