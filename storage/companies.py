"""Companies: the tenants of the installation."""

from datetime import datetime
from typing import Final

import msgspec
import sqlalchemy as sa

from storage.database import Statements
from storage.ids import CompanyId, PlanId
from storage.metadata import at, document, flag, metadata, moment, string
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
_LOGGED_IN: Final = prepared(sa.update(companies).where(_COMPANY).values(last_login=sa.func.now()))


async def get(source: Statements, company_id: CompanyId) -> Company:
    """One company. Raises NotFound."""
    return await source.one(_GET, into=Company, company=company_id)


async def all_of(source: Statements) -> list[Company]:
    """Installation-wide: every company, oldest first."""
    return await source.all(_ALL, into=Company)


async def touch_login(source: Statements, company_id: CompanyId) -> None:
    """Note that somebody of the company logged in now."""
    await source.execute(_LOGGED_IN, company=company_id)
