"""Signing a company up: open only while the installation says so, and on a plan that is public.

What decides money and rights (due date, status, profile) is the installation's; bodies that carry
it, as older clients' do, change nothing.
"""

from datetime import UTC, datetime, timedelta

import msgspec
from msgspec import field

from api.endpoint import Id, PublicCtx, Routes, Short, public
from api.errors import Detail, Forbidden, Invalid, Missing
from api.resources.users import check_email, check_password
from storage import founding, plans, settings
from storage.acts import acting
from storage.founding import Founded, NewCompany
from storage.ids import PlanId
from storage.plans import Plan
from storage.settings import INSTALLATION
from storage.time_zones import zone
from storage.users import NewUser
from storage.views import UserView, user_view

routes = Routes(tag="auth", guard=public)


class SignUp(msgspec.Struct, kw_only=True, rename="camel"):
    """A company and its first admin."""

    company_name: Short = ""
    name: Short
    email: Short
    password: Short
    phone: Short = ""
    document: Short = ""
    plan_id: Id


class OlderSignUp(msgspec.Struct, kw_only=True, rename="camel"):
    """The same as older clients send it: `name` is the company's."""

    name: Short
    user_name: Short = field(name="userName", default="Admin")
    email: Short
    password: Short
    phone: Short = ""
    plan_id: Id


@routes.post("/auth/signup")
async def sign_up(ctx: PublicCtx, body: SignUp) -> UserView:
    """Found a company on trial, with its first admin."""
    await _check_open(ctx, "userCreation")
    founded = await _found(ctx, body)
    snapshot = await ctx.parts.snapshots.current(founded.company.id)
    return user_view(founded.admin, (), snapshot)


@routes.post("/companies/cadastro")
async def sign_up_there(ctx: PublicCtx, body: OlderSignUp) -> str:
    """Found a company on trial, under the path that older clients use."""
    await _check_open(ctx, "allowSignup")
    new = SignUp(
        company_name=body.name,
        name=body.user_name,
        email=body.email,
        password=body.password,
        phone=body.phone,
        plan_id=body.plan_id,
    )
    await _found(ctx, new)
    return "Cadastro realizado com sucesso"


async def _check_open(ctx: PublicCtx, key: str) -> None:
    """Raises Forbidden unless the installation lets strangers in by this door."""
    if await settings.value_of(ctx.parts.database, INSTALLATION, key) != "enabled":
        raise Forbidden(code="ERR_USER_CREATION_DISABLED")


async def _found(ctx: PublicCtx, body: SignUp) -> Founded:
    """Raises Invalid, Missing for a plan that is not offered, TooManyRequests, UniqueViolation."""
    company_name = body.company_name.strip() or body.name.strip()
    if not company_name:
        raise Invalid(Detail("$.companyName", "missing"))
    check_email(body.email)
    check_password(body.password)
    plan = await _offered(ctx, PlanId(body.plan_id))
    ctx.parts.limits.sign_up(ctx.request.client)
    new = NewCompany(
        name=company_name,
        email=body.email.strip().lower(),
        phone=body.phone,
        document=body.document,
        plan_id=plan.id,
    )
    days = await _trial_days(ctx, plan)
    today = datetime.now(zone(new.timezone)).date() + timedelta(days=days)
    due = datetime(today.year, today.month, today.day, tzinfo=UTC)
    hashed = await ctx.parts.auth.passwords.hash(body.password, ctx.request.client)
    admin = NewUser(name=body.name.strip() or company_name, email=new.email, password_hash=hashed)
    new = msgspec.structs.replace(new, due_date=due)
    with acting(ctx.parts.audit.person(None, None, "sign_ups", "sign_up", ctx.request.client)):
        return await founding.create_company(ctx.parts.database, new, admin)


async def _offered(ctx: PublicCtx, plan_id: PlanId) -> Plan:
    for plan in await plans.all_of(ctx.parts.database):
        if plan.id == plan_id and plan.is_public:
            return plan
    raise Missing(code="ERR_NO_PLAN_FOUND")


async def _trial_days(ctx: PublicCtx, plan: Plan) -> int:
    """The plan's trial, else the installation's."""
    if plan.trial and plan.trial_days > 0:
        return plan.trial_days
    return int(await settings.value_of(ctx.parts.database, INSTALLATION, "trialExpiration") or 0)
