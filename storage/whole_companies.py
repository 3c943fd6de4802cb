"""Companies with their plans and settings, as clients keep their own after a login."""

from collections.abc import Sequence
from typing import Final

import msgspec
import sqlalchemy as sa

from storage.companies import Company, companies
from storage.company_settings import CompanySettings, company_settings
from storage.database import Statements
from storage.errors import NotFound
from storage.ids import CompanyId
from storage.json_rows import document, rows_of
from storage.metadata import columns_of, wire_columns_of
from storage.plans import Plan, plans
from storage.settings import Setting, settings
from storage.sql import prepared


class WholeCompany(msgspec.Struct, frozen=True, kw_only=True):
    """A company, its plan if it has one, its settings by key, and those in columns of their own."""

    company: Company
    plan: Plan | None
    settings: list[Setting]
    company_settings: CompanySettings


class _Loaded(msgspec.Struct):
    companies: list[Company]
    plans: list[Plan]
    settings: list[Setting]
    company_settings: list[CompanySettings]


_DECODER: Final = msgspec.json.Decoder(_Loaded)
_WANTED: Final = sa.any_(sa.bindparam("companies", type_=sa.ARRAY(sa.BigInteger)))
_their_plans = sa.select(companies.c.plan_id).where(companies.c.id == _WANTED)
_LOAD: Final = prepared(
    document(
        companies=rows_of(
            sa.select(*columns_of(companies, Company)).where(companies.c.id == _WANTED)
        ),
        plans=rows_of(sa.select(*wire_columns_of(plans, Plan)).where(plans.c.id.in_(_their_plans))),
        settings=rows_of(
            sa.select(*columns_of(settings, Setting))
            .where(settings.c.company_id == _WANTED)
            .order_by(settings.c.key)
        ),
        company_settings=rows_of(
            sa.select(*columns_of(company_settings, CompanySettings)).where(
                company_settings.c.company_id == _WANTED
            )
        ),
    )
)


async def get(source: Statements, company_id: CompanyId) -> WholeCompany:
    """One company, whole. Raises NotFound."""
    found = await of(source, [company_id])
    if not found:
        raise NotFound
    return found[0]


async def of(source: Statements, company_ids: Sequence[CompanyId]) -> list[WholeCompany]:
    """Installation-wide: these companies in this order, less those that are gone; one statement."""
    loaded = _DECODER.decode(await source.value(_LOAD, companies=list(company_ids)))
    found = {company.id: company for company in loaded.companies}
    plan_of = {plan.id: plan for plan in loaded.plans}
    columns_by = {columns.company_id: columns for columns in loaded.company_settings}
    settings_by: dict[CompanyId, list[Setting]] = {}
    for setting in loaded.settings:
        settings_by.setdefault(setting.company_id, []).append(setting)
    return [
        WholeCompany(
            company=company,
            plan=None if company.plan_id is None else plan_of.get(company.plan_id),
            settings=settings_by.get(company.id, []),
            company_settings=columns_by[company.id],
        )
        for company_id in company_ids
        if (company := found.get(company_id)) is not None
    ]
