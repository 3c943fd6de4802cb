"""The two ends of a company: founded with all it needs at once, deleted with all it has."""

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Final

import msgspec
import sqlalchemy as sa

from storage import users
from storage.acts import current
from storage.audit_log import audit_log
from storage.commit_tables import company_stream
from storage.companies import Company, companies
from storage.company_settings import company_settings
from storage.database import Database
from storage.errors import NotFound
from storage.ids import CompanyId, PlanId
from storage.metadata import metadata
from storage.setting_keys import seeds
from storage.settings import INSTALLATION, settings
from storage.sql import Query, prepared
from storage.tables import ALL
from storage.users import NewUser, User


class NewCompany(msgspec.Struct, frozen=True, kw_only=True):
    """A company to found."""

    name: str
    email: str = ""
    phone: str = ""
    document: str = ""
    plan_id: PlanId | None = None
    due_date: datetime | None = None
    timezone: str = "America/Sao_Paulo"
    payment_method: str = ""
    recurrence: str = "MENSAL"
    status: bool = True


class Founded(msgspec.Struct, frozen=True):
    """A new company and its first admin."""

    company: Company
    admin: User


_NEXT: Final = prepared(sa.select(sa.func.nextval("companies_id_seq")))


async def create_company(
    database: Database, new: NewCompany, admin: NewUser, chosen: Mapping[str, str] = {}
) -> Founded:
    """Installation-wide: found a company in one transaction.

    `chosen` are seeded settings that it starts with otherwise; none that is a secret.

    Raises UniqueViolation when the admin's address is known.
    """
    company_id = CompanyId(await database.value(_NEXT))
    async with database.begin(company_id) as tx:
        row = {"id": company_id, **msgspec.structs.asdict(new)}
        company = await tx.one(sa.insert(companies).values(row).returning(companies), into=Company)
        await tx.execute(sa.insert(company_settings).values(company_id=company_id))
        await tx.execute(sa.insert(settings).values(_defaults(company_id, chosen)))
        created = await users.create_first(
            tx, company_id, msgspec.structs.replace(admin, profile="admin")
        )
        # The event stream's row is locked by whoever publishes: it is written last.
        await tx.execute(sa.insert(company_stream).values(company_id=company_id, last_seq=0))
    return Founded(company, created)


_AT_ONCE: Final = 5_000
_TO_THE_END: Final = (company_settings, company_stream)
"""Without these a company is none, and could not be asked to be deleted again."""


def _portion(table: sa.Table) -> Query:
    """Delete some of a company's rows."""
    keys = list(table.primary_key.columns)
    mine = sa.bindparam("company", type_=sa.BigInteger)
    some = sa.select(*keys).where(table.c.company_id == mine)
    found = some.limit(sa.literal_column(str(_AT_ONCE)))
    return prepared(sa.delete(table).where(sa.tuple_(*keys).in_(found)))


@cache
def _portions() -> tuple[Query, ...]:
    """One of each table that has rows of companies, what refers to others before what is referred to.

    The audit log is the last: what is asked for again is noted in it, and it must be whole for that.
    """
    theirs = {table for table in ALL if "company_id" in table.c} - set(_TO_THE_END)
    ordered = [table for table in reversed(metadata.sorted_tables) if table in theirs]
    ordered.sort(key=lambda table: table is audit_log)
    return tuple(_portion(table) for table in ordered)


async def delete_company(database: Database, company_id: CompanyId) -> None:
    """Delete a company with everything it has. Raises NotFound.

    Its actors must be stopped before: rows written meanwhile would be lost. It goes in portions, for
    millions of rows in one transaction are more than a statement may take; what is broken off is gone
    on with when it is asked for again. Its audit log goes with it; that it was ended stays in the log
    of the company of whoever did it.
    """
    for portion in _portions():
        while await database.execute(portion, company=company_id) == _AT_ONCE:
            pass
    act = current()
    log = company_id if act is None or act.company_id is None else act.company_id
    async with database.begin(log) as tx:
        if not await tx.execute(sa.delete(companies).where(companies.c.id == company_id)):
            raise NotFound
        tx.note("end", "companies", company_id)


def _defaults(company_id: CompanyId, chosen: Mapping[str, str]) -> list[dict[str, object]]:
    values = seeds(installation=company_id == INSTALLATION) | dict(chosen)
    return [{"company_id": company_id, "key": key, "value": values[key]} for key in sorted(values)]
