"""Plans: what companies can buy; operators write them."""

from collections.abc import Sequence
from typing import Any

from api.endpoint import Ctx, PublicCtx, Routes, crud, public, super_user
from api.endpoint.guards import Guard
from api.resources.money import amount
from storage import plans
from storage.database import Statements
from storage.plans import Plan
from storage.views import PlanView, plan_view


async def shown(_ctx: Ctx, _: Statements, found: Sequence[Plan]) -> list[PlanView]:
    """Plans with their amounts as text."""
    return [plan_view(plan) for plan in found]


def _amount(values: dict[str, Any]) -> None:
    if "amount" in values:
        values["amount"] = amount(str(values["amount"]), "$.amount")


def declared(prefix: str, *, read: Guard, write: Guard) -> Routes:
    """The plans' endpoints under a path: for operators, and for their programs."""
    return crud(
        prefix,
        plans.rows,
        noun="plan",
        missing="ERR_NO_PLAN_FOUND",
        plural="plans",
        only=("page", "show", "create", "change", "delete"),
        read=read,
        write=write,
        needs=("name",),
        check=_amount,
        view=PlanView,
        show=shown,
    )


routes = declared("/plans", read=super_user, write=super_user)


@routes.get("/all")
async def list_all(ctx: Ctx) -> list[PlanView]:
    """List every plan, for choosing one."""
    return [plan_view(plan) for plan in await plans.all_of(ctx.parts.database)]


@routes.get("/list", guard=public)
async def list_public(ctx: PublicCtx) -> list[PlanView]:
    """List the plans that are offered to everybody."""
    found = await plans.all_of(ctx.parts.database)
    return [plan_view(plan) for plan in found if plan.is_public]


@routes.get("/listpublic", guard=public)
async def list_public_there(ctx: PublicCtx) -> list[PlanView]:
    """The same under the path that other clients use."""
    return await list_public(ctx)
