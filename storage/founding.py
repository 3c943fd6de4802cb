"""The two ends of a company: founded with all it needs at once, deleted with all it has."""

from collections.abc import Mapping
from datetime import datetime
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
from storage.early_statuses import early_statuses
from storage.errors import NotFound
from storage.events import events
from storage.ids import CompanyId, PlanId
from storage.inbound_receipts import inbound_receipts
from storage.outbox import outbox
from storage.setting_keys import seeds
from storage.settings import INSTALLATION, settings
from storage.sql import prepared
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


# Tables on the hot path carry no foreign key to companies, so that a batch locks no company row.
_UNTIED: Final = (events, audit_log, outbox, inbound_receipts, early_statuses)


async def delete_company(database: Database, company_id: CompanyId) -> None:
    """Delete a company with everything it has. Raises NotFound.

    Its actors must be stopped before: rows written meanwhile would be lost. Its audit log goes with
    it; that it was ended stays in the log of the company of whoever did it.
    """
    act = current()
    log = company_id if act is None or act.company_id is None else act.company_id
    async with database.begin(log) as tx:
        for table in _UNTIED:
            await tx.execute(sa.delete(table).where(table.c.company_id == company_id))
        if not await tx.execute(sa.delete(companies).where(companies.c.id == company_id)):
            raise NotFound
        tx.note("end", "companies", company_id)


def _defaults(company_id: CompanyId, chosen: Mapping[str, str]) -> list[dict[str, object]]:
    values = seeds(installation=company_id == INSTALLATION) | dict(chosen)
    return [{"company_id": company_id, "key": key, "value": values[key]} for key in sorted(values)]
