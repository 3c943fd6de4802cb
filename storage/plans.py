"""Plans: what a company pays for, with its limits and features."""

from datetime import datetime
from decimal import Decimal
from typing import Final, Literal

import msgspec
import sqlalchemy as sa

from storage.companies import companies
from storage.database import Statements, Tx
from storage.errors import PlanLimit
from storage.ids import CompanyId, PlanId
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


class Plan(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Limits and features that a company bought; `amount` in the installation's currency."""

    id: PlanId
    name: str
    users: int
    connections: int
    departments: int = msgspec.field(name="queues")
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


Limit = Literal["users", "connections", "departments"]
"""What a plan counts; each is the name of its table too."""

Feature = Literal[
    "use_whatsapp",
    "use_facebook",
    "use_instagram",
    "use_campaigns",
    "use_schedules",
    "use_internal_chat",
    "use_external_api",
    "use_kanban",
    "use_open_ai",
    "use_integrations",
]
"""What a plan switches."""


class Features(msgspec.Struct, frozen=True, kw_only=True):
    """What a company may use: its plan's switches; without a plan, everything."""

    use_whatsapp: bool = True
    use_facebook: bool = True
    use_instagram: bool = True
    use_campaigns: bool = True
    use_schedules: bool = True
    use_internal_chat: bool = True
    use_external_api: bool = True
    use_kanban: bool = True
    use_open_ai: bool = True
    use_integrations: bool = True


rows: Final = Repo(plans, Plan, plans.c.name, search=("name",))
_ALL: Final = prepared(sa.select(plans).order_by(plans.c.name))
# NO KEY UPDATE: rows that only refer to the company go on being written meanwhile.
_LIMITS: Final = prepared(
    sa.select(plans.c.id, plans.c.users, plans.c.connections, plans.c.departments)
    .select_from(companies.outerjoin(plans, plans.c.id == companies.c.plan_id))
    .where(companies.c.id == sa.bindparam("company", type_=sa.BigInteger))
    .with_for_update(key_share=True, of=companies)
)


async def all_of(database: Statements) -> list[Plan]:
    """Installation-wide: every plan, by name."""
    return await database.all(_ALL, into=Plan)


async def make_room(
    tx: Tx, company_id: CompanyId, limit: Limit, *conditions: sa.ColumnElement[bool]
) -> None:
    """Make sure that one more row fits the company's plan, before it is inserted in `tx`.

    Whoever else adds to the same company waits here for this transaction's end, so of two at the
    limit one gets in. `conditions` narrow what is counted. A company without a plan has no limit.

    Raises:
        PlanLimit: there is no room.
    """
    (row,) = await tx.rows(_LIMITS, company=company_id) or [None]
    if row is None or row["id"] is None:
        return
    table = metadata.tables[limit]
    counted = sa.select(sa.func.count()).where(table.c.company_id == company_id, *conditions)
    if await tx.value(counted) >= row[limit]:
        raise PlanLimit(limit, row[limit])
