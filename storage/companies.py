"""Companies: the tenants of the installation."""

from datetime import datetime
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from storage.database import Statements, Tx
from storage.errors import NotFound
from storage.ids import CompanyId, PlanId
from storage.metadata import at, document, flag, metadata, moment, string
from storage.search import by_name, contains
from storage.sql import prepared

companies = sa.Table(
    "companies",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    string("name"),
    string("phone"),
    string("email"),
    string("document"),
    string("payment_method"),
    moment("last_login"),
    flag("status", default=True),
    moment("due_date"),
    string("recurrence", "MENSAL"),
    string("timezone", "America/Sao_Paulo"),
    document("schedules"),
    sa.Column("plan_id", sa.BigInteger, sa.ForeignKey("plans.id", ondelete="RESTRICT")),
    string("folder_size", "0"),
    string("folder_files", "0"),
    moment("folder_measured_at"),
    at("created_at"),
    at("updated_at"),
    sa.Index(None, "plan_id"),
)


class Company(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant. `status` false or a `due_date` in the past locks its users out."""

    id: CompanyId
    name: str
    phone: str
    email: str
    document: str
    payment_method: str
    last_login: datetime | None
    status: bool
    due_date: datetime | None
    recurrence: str
    timezone: str
    schedules: list[dict[str, object]] | None
    plan_id: PlanId | None
    folder_size: str
    folder_files: str
    folder_measured_at: datetime | None
    created_at: datetime
    updated_at: datetime


_COMPANY: Final = companies.c.id == sa.bindparam("company", type_=sa.BigInteger)
_GET: Final = prepared(sa.select(companies).where(_COMPANY))
_ALL: Final = prepared(sa.select(companies).order_by(companies.c.id))
_LOGGED_IN: Final = prepared(
    sa.update(companies).where(_COMPANY, companies.c.status).values(last_login=sa.func.now())
)


async def get(source: Statements, company_id: CompanyId) -> Company:
    """One company. Raises NotFound."""
    return await source.one(_GET, into=Company, company=company_id)


async def all_of(source: Statements) -> list[Company]:
    """Installation-wide: every company, oldest first."""
    return await source.all(_ALL, into=Company)


async def by_email(source: Statements, email: str) -> Company:
    """Installation-wide: the oldest company with this address, case aside. Raises NotFound."""
    mine = sa.func.lower(companies.c.email) == email.lower()
    found = sa.select(companies).where(mine).order_by(companies.c.id).limit(1)
    return await source.one(found, into=Company)


async def touch_login(tx: Tx, company_id: CompanyId) -> None:
    """Note that somebody of the company logs in now. Raises NotFound for one that is switched off."""
    if not await tx.execute(_LOGGED_IN, company=company_id):
        raise NotFound


async def page(
    source: Statements, *, search: str = "", number: int = 1, size: int = 20
) -> tuple[list[Company], int]:
    """Installation-wide: one page by name of the companies whose name contains `search`."""
    wanted = contains(companies.c.name, search) if search else sa.true()
    found = sa.select(companies).where(wanted)
    ordered = found.order_by(by_name(companies.c.name), companies.c.id)
    rows = await source.all(ordered.limit(size).offset((number - 1) * size), into=Company)
    counted = sa.select(sa.func.count()).select_from(companies).where(wanted)
    count: int = await source.value(counted)
    return rows, count


async def change(tx: Tx, company_id: CompanyId, values: dict[str, Any]) -> Company:
    """Set these columns. Raises NotFound, and Conflict for a plan that is not there."""
    mine = companies.c.id == company_id
    statement = sa.update(companies).where(mine).values(**values, updated_at=sa.func.now())
    return await tx.one(statement.returning(companies), into=Company)
