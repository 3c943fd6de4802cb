"""The caller's company with its plan, and the list for operators."""

import msgspec

from api.endpoint import Ctx, PublicCtx, Routes, public, super_user
from api.errors import Missing
from storage import companies, versions, whole_companies
from storage.database import Database
from storage.ids import CompanyId
from storage.setting_keys import known
from storage.settings import INSTALLATION
from storage.views import CompanyView, company_view
from storage.whole_companies import WholeCompany

routes = Routes(tag="companies", missing="ERR_NO_COMPANY_FOUND")


class Version(msgspec.Struct, frozen=True):
    """The version of this server."""

    version: str


VERSION = "2.2.2v-26"
"""The version string of the frontends this API serves."""


@routes.get("/version", guard=public)
async def show_version(ctx: PublicCtx) -> Version:
    """Tell which frontends this server speaks to."""
    return Version(await current_version(ctx.parts.database))


async def current_version(database: Database) -> str:
    """The version that operators announced, else the one this API was built for."""
    announced = await versions.rows.all_of(database, INSTALLATION)
    return announced[0].version_frontend if announced else VERSION


@routes.get("/companies/listPlan/{company_id}")
async def show_plan(ctx: Ctx, company_id: CompanyId) -> CompanyView:
    """Show the caller's company with its plan."""
    return await _own(ctx, company_id)


@routes.get("/companies/list", guard=super_user)
async def list_companies(ctx: Ctx) -> list[CompanyView]:
    """List every company of the installation."""
    return [company_view(company) for company in await companies.all_of(ctx.parts.database)]


@routes.get("/companies/{company_id}")
async def show(ctx: Ctx, company_id: CompanyId) -> CompanyView:
    """Show the caller's company; operators may ask for any."""
    return await _own(ctx, company_id)


async def _own(ctx: Ctx, company_id: CompanyId) -> CompanyView:
    if company_id != ctx.company_id and not ctx.principal.is_super:
        raise Missing(code="ERR_NO_COMPANY_FOUND")
    return await full_company(ctx.parts.database, company_id)


async def full_company(database: Database, company_id: CompanyId) -> CompanyView:
    """A company with plan and settings, as clients keep it after login. Raises NotFound."""
    return whole_view(await whole_companies.get(database, company_id))


def whole_view(whole: WholeCompany) -> CompanyView:
    """Show a company with its plan, and of its settings what every user of it may see."""
    return company_view(
        whole.company,
        plan=whole.plan,
        settings=[item for item in whole.settings if known(item.key).visible in ("public", "user")],
        company_settings=whole.company_settings,
    )
