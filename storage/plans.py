"""Plans: what a company pays for, with its limits and features."""

from datetime import datetime
from decimal import Decimal
from typing import Final

import msgspec
import sqlalchemy as sa

from storage.database import Statements
from storage.ids import PlanId
from storage.metadata import at, flag, metadata, number, string
from storage.repo import Repo
from storage.sql import prepared

plans = sa.Table(
    "plans",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    number("users"),
    number("connections"),
    number("departments"),
    sa.Column("amount", sa.Numeric(12, 2), nullable=False, server_default=sa.text("0")),
    flag("use_whatsapp", default=True),
    flag("use_facebook", default=True),
    flag("use_instagram", default=True),
    flag("use_campaigns", default=True),
    flag("use_schedules", default=True),
    flag("use_internal_chat", default=True),
    flag("use_external_api", default=True),
    flag("use_kanban", default=True),
    flag("use_open_ai", default=True),
    flag("use_integrations", default=True),
    flag("trial"),
    number("trial_days"),
    string("recurrence", "MENSAL"),
    flag("is_public", default=True),
    at("created_at"),
    at("updated_at"),
)


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Limits and features that a company bought; `amount` in the installation's currency."""

    id: PlanId
    name: str
    users: int
    connections: int
    departments: int
    amount: Decimal
    use_whatsapp: bool
    use_facebook: bool
    use_instagram: bool
    use_campaigns: bool
    use_schedules: bool
    use_internal_chat: bool
    use_external_api: bool
    use_kanban: bool
    use_open_ai: bool
    use_integrations: bool
    trial: bool
    trial_days: int
    recurrence: str
    is_public: bool
    created_at: datetime
    updated_at: datetime


rows: Final = Repo(plans, Plan, plans.c.name, search=("name",))
_GET: Final = prepared(
    sa.select(plans).where(plans.c.id == sa.bindparam("plan", type_=sa.BigInteger))
)
_ALL: Final = prepared(sa.select(plans).order_by(plans.c.name))


async def get(database: Statements, plan_id: PlanId) -> Plan:
    """Installation-wide: one plan. Raises NotFound."""
    return await database.one(_GET, into=Plan, plan=plan_id)


async def all_of(database: Statements) -> list[Plan]:
    """Installation-wide: every plan, by name."""
    return await database.all(_ALL, into=Plan)


async def create(database: Statements, name: str, *, users: int, connections: int) -> Plan:
    """Installation-wide: add a plan with every feature. Raises UniqueViolation for a known name."""
    statement = sa.insert(plans).values(
        name=name, users=users, connections=connections, departments=connections
    )
    return await database.one(statement.returning(plans), into=Plan)
