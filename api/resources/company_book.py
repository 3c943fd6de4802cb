"""The companies of the installation, for operators: found, change, end."""

import secrets
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from actors.events import RecordChanged
from api.endpoint import Ctx, Done, Id, Page, Routes, Short, admin, super_user
from api.endpoint.crud import SIZE
from api.endpoint.times import moment
from api.errors import Detail, Forbidden, Invalid, Missing
from api.resources.companies import full_company, whole_view
from api.resources.users import check_email, check_password, tell_changed
from storage import (
    companies,
    credentials,
    founding,
    refresh_families,
    settings,
    time_zones,
    users,
    whole_companies,
)
from storage.companies import Company
from storage.database import Tx
from storage.founding import NewCompany
from storage.ids import CompanyId, UserId
from storage.users import NewUser, UserPatch
from storage.views import CompanyView, company_view

routes = Routes(tag="companies", guard=super_user, missing="ERR_NO_COMPANY_FOUND")


ENDING = 300.0
"""Seconds that ending a company may take."""


class CompanyQuery(msgspec.Struct, kw_only=True, rename="camel"):
    """Part of a name, and which page."""

    search_param: Short = ""
    page_number: Page = 1


class CompanyPage(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A page of companies by name."""

    companies: list[CompanyView]
    count: int
    has_more: bool


class CompanyList(msgspec.Struct, frozen=True):
    """Every company with its plan."""

    companies: list[CompanyView]


class CompanyBody(msgspec.Struct, kw_only=True, rename="camel"):
    """A company as an operator writes it.

    `email` is also the login of its first admin, whose `password` this is; `campaignsEnabled` is
    one of its settings.
    """

    name: Short | UnsetType = UNSET
    phone: Short | UnsetType = UNSET
    email: Short | UnsetType = UNSET
    password: Short = ""
    document: Short | UnsetType = UNSET
    payment_method: Short | UnsetType = UNSET
    status: bool | UnsetType = UNSET
    plan_id: Id | UnsetType | None = UNSET
    due_date: Short | UnsetType | None = UNSET
    recurrence: Short | UnsetType = UNSET
    timezone: Short | UnsetType = UNSET
    campaigns_enabled: bool | UnsetType = UNSET


class Schedules(msgspec.Struct):
    """A week's opening hours."""

    schedules: list[dict[str, Any]]


@routes.get("/companies")
async def list_page(ctx: Ctx, query: CompanyQuery) -> CompanyPage:
    """List companies by name."""
    number = query.page_number
    found, count = await companies.page(
        ctx.parts.database, search=query.search_param.strip(), number=number, size=SIZE
    )
    more = count > (number - 1) * SIZE + len(found)
    return CompanyPage(companies=await _whole(ctx, found), count=count, has_more=more)


@routes.get("/companiesPlan")
async def list_with_plans(ctx: Ctx) -> CompanyList:
    """List every company with its plan."""
    return CompanyList(await _whole(ctx, await companies.all_of(ctx.parts.database)))


async def _whole(ctx: Ctx, found: Sequence[Company]) -> list[CompanyView]:
    ids = [company.id for company in found]
    return [whole_view(whole) for whole in await whole_companies.of(ctx.parts.database, ids)]


@routes.post("/companies")
async def create(ctx: Ctx, body: CompanyBody) -> CompanyView:
    """Found a company with its first admin.

    Without a password the admin has none that anybody knows and asks for a new one.
    """
    if body.name is UNSET or not body.name.strip():
        raise Invalid(Detail("$.name", "missing"))
    check_email("" if body.email is UNSET else body.email)
    if body.password:
        check_password(body.password)
    values: dict[str, Any] = _values(body) | {"name": body.name.strip()}
    new = NewCompany(**values)
    password = body.password or secrets.token_urlsafe(24)
    hashed = await ctx.parts.auth.passwords.hash(password, ctx.request.client)
    first = NewUser(name="Admin", email=new.email, password_hash=hashed, profile="admin")
    chosen = {} if body.campaigns_enabled is UNSET else _campaigns(enabled=body.campaigns_enabled)
    founded = await founding.create_company(ctx.parts.database, new, first, chosen)
    return await full_company(ctx.parts.database, founded.company.id)


@routes.put("/companies/{company_id}")
async def update(ctx: Ctx, company_id: CompanyId, body: CompanyBody) -> CompanyView:
    """Change any company: its plan, its due date, whether it may work.

    The admin who logs in by the company's address gets the new one, and the password if there is
    one. Whoever is logged in to a company that is switched off is logged out.
    """
    if body.status is False and company_id == ctx.company_id:
        raise Invalid(Detail("$.status", "nobody switches the own company off"))
    await _changed(ctx, company_id, _values(body), body)
    return await full_company(ctx.parts.database, company_id)


@routes.put("/companies/{company_id}/schedules", guard=admin)
async def set_schedules(ctx: Ctx, company_id: CompanyId, body: Schedules) -> CompanyView:
    """Set a company's opening hours: its admins, and operators."""
    if company_id != ctx.company_id and not ctx.principal.is_super:
        raise Missing(code="ERR_NO_COMPANY_FOUND")
    await _changed(ctx, company_id, {"schedules": body.schedules})
    return await full_company(ctx.parts.database, company_id)


@routes.delete("/companies/{company_id}", deadline=ENDING)
async def remove(ctx: Ctx, company_id: CompanyId) -> Done:
    """End a company with everything it has; not one's own.

    A big one takes minutes. What time or an outage cut short goes on when it is asked for again.
    """
    if company_id == ctx.company_id:
        raise Invalid(Detail("$", "nobody ends the own company"))
    await _changed(ctx, company_id, {"status": False})
    system = ctx.parts.system
    for kind in ("session", "router", "ticket"):
        for address in system.addresses(kind):
            key = address.key
            if key == company_id or (isinstance(key, tuple) and key[0] == company_id):
                await system.stop(address)
    await ctx.parts.media.delete_all(company_id)  # before the rows: what breaks off is repeated
    await founding.delete_company(ctx.parts.database, company_id)
    ctx.parts.snapshots.invalidate(company_id)
    for known in (ctx.parts.doors, ctx.parts.api_tokens):
        known.forget()  # no event tells of what went with the company
    return Done("Company deleted")


async def _changed(
    ctx: Ctx, company_id: CompanyId, values: dict[str, Any], body: CompanyBody | None = None
) -> None:
    login = None if body is None else await _login(ctx, company_id, body)
    there = await ctx.of(company_id)
    await there.snapshot()  # before the transaction: the view then needs no second connection
    async with ctx.parts.database.begin(company_id) as tx:
        company = await companies.change(tx, company_id, values)
        ended: list[str] = []
        if login is not None:
            ended += await _set_login(tx, there, *login)
        if not company.status:
            ended += await refresh_families.revoke_company(tx, company_id, "switched off")
        if body is not None and body.campaigns_enabled is not UNSET:
            for key, text in _campaigns(enabled=body.campaigns_enabled).items():
                await settings.put(tx, company_id, key, text, ctx.parts.box)
        event = RecordChanged(
            company_id=company_id,
            noun="company",
            action="update",
            record_id=company_id,
            record=company_view(company),
        )
        tx.publish(event)
    ctx.parts.auth.bearers.ended(ended)


def _campaigns(*, enabled: bool) -> dict[str, str]:
    """The setting that a form shows as a field of the company."""
    return {"campaignsEnabled": "true" if enabled else "false"}


async def _login(
    ctx: Ctx, company_id: CompanyId, body: CompanyBody
) -> tuple[UserId, UserPatch] | None:
    """What changes for the admin who logs in by the company's address; None when nothing does.

    Raises Invalid, and Missing for a password when nobody does.
    """
    if body.email is not UNSET:
        check_email(body.email)
    if body.password:
        check_password(body.password)
    old = (await companies.get(ctx.parts.database, company_id)).email
    found = await users.login_by_email(ctx.parts.database, old) if old else None
    if found is None or found.company_id != company_id:
        if body.password:
            raise Missing(code="ERR_NO_USER_FOUND")
        return None
    email = UNSET if body.email is UNSET else body.email.strip().lower()
    if email == found.email:
        email = UNSET  # forms send everything back
    if email is UNSET and not body.password:
        return None
    passwords = ctx.parts.auth.passwords
    hashed: str | UnsetType = UNSET
    if body.password:
        hashed = await passwords.hash(body.password, ctx.request.client)
    return found.id, UserPatch(email=email, password_hash=hashed)


async def _set_login(tx: Tx, there: Ctx, user_id: UserId, patch: UserPatch) -> tuple[str, ...]:
    """Change how the company's admin logs in; returns the sessions that end by it.

    Raises Forbidden where a program's token would come to an operator's rights, or reach anybody
    but an admin: companies are what it was made for, not their people.
    """
    changed = await credentials.change(tx, there.company_id, user_id, patch)
    reached = changed.user
    if there.principal.program and (reached.is_super or reached.profile != "admin"):
        raise Forbidden
    await tell_changed(tx, there, reached)
    return changed.ended


_NO_COLUMNS = ("password", "campaigns_enabled")


def _values(body: CompanyBody) -> dict[str, Any]:
    given = msgspec.structs.asdict(body)
    values = {n: v for n, v in given.items() if v is not UNSET and n not in _NO_COLUMNS}
    if "email" in values:
        values["email"] = values["email"].strip().lower()
    if "timezone" in values and time_zones.found(values["timezone"]) is None:
        raise Invalid(Detail("$.timezone", "no such time zone"))
    if "due_date" in values:
        values["due_date"] = moment(values["due_date"], "UTC", "$.dueDate")
    return values
