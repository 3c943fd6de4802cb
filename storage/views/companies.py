"""The wire nouns `company` and `plan`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import field

from storage.companies import Company
from storage.company_settings import CompanySettings
from storage.ids import CompanyId, PlanId
from storage.plans import Plan
from storage.settings import Setting
from storage.views.settings import (
    CompanySettingsView,
    SettingView,
    company_settings_view,
    setting_view,
)


class PlanView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A plan, whole."""

    id: PlanId
    name: str
    users: int
    connections: int
    departments: int = field(name="queues")
    amount: str
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


class CompanyView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A company, with both spellings of its settings that frontends read after login."""

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
    schedules: list[dict[str, object]]
    plan_id: PlanId | None
    folder_size: str
    folder_files: str = field(name="numberFileFolder")
    folder_measured_at: datetime | None = field(name="updatedAtFolder")
    created_at: datetime
    updated_at: datetime
    plan: PlanView | None = None
    settings: tuple[SettingView, ...] = ()
    company_settings: tuple[CompanySettingsView, ...] = field(name="companieSettings", default=())


def plan_view(plan: Plan) -> PlanView:
    """Show a plan; the amount as text, as the family keeps it."""
    values: dict[str, Any] = msgspec.structs.asdict(plan)
    values["amount"] = str(plan.amount)
    return PlanView(**values)


def company_view(
    company: Company,
    *,
    plan: Plan | None = None,
    settings: Sequence[Setting] = (),
    company_settings: CompanySettings | None = None,
) -> CompanyView:
    """Show a company with what the caller knows of its plan and settings."""
    values: dict[str, Any] = msgspec.structs.asdict(company)
    values["schedules"] = company.schedules or []
    shown = () if company_settings is None else (company_settings_view(company_settings),)
    return CompanyView(
        **values,
        plan=None if plan is None else plan_view(plan),
        settings=tuple(setting_view(setting) for setting in settings),
        company_settings=shown,
    )
