"""Company settings: one typed row per company that decides how its tickets are handled."""

from datetime import datetime
from typing import Final, Literal

import msgspec
import sqlalchemy as sa
from msgspec import UNSET, UnsetType

from storage.database import Database, Tx
from storage.ids import CompanyId
from storage.metadata import at, company, flag, metadata, of_company, string, version
from storage.sql import prepared

MenuStyle = Literal["text", "list", "button"]
HoursScope = Literal["disabled", "company", "connection", "queue"]

company_settings = sa.Table(
    "company_settings",
    metadata,
    company(),
    string("close_after_hours", "9999999999"),
    string("menu_style", "text"),
    flag("accept_calls", default=True),
    string("calls_message"),
    flag("random_user", default=True),
    flag("greet_single_department", default=True),
    flag("sign_messages", default=True),
    flag("farewell_waiting"),
    flag("rate_agents"),
    flag("greet_accepted", default=True),
    string("accepted_message"),
    flag("ignore_groups", default=True),
    flag("tell_position"),
    string("position_message"),
    string("hours_scope", "disabled"),
    flag("accept_audio", default=True),
    flag("tell_transfer"),
    string("transfer_message"),
    flag("close_on_transfer"),
    flag("wallets_own_tickets"),
    flag("notify_pending"),
    flag("require_tag"),
    flag("lgpd_enabled"),
    flag("lgpd_hide_deleted"),
    flag("lgpd_hide_number"),
    flag("lgpd_ask_always"),
    string("lgpd_link"),
    string("lgpd_message"),
    at("created_at"),
    at("updated_at"),
    version(),
    of_company(),
    sa.CheckConstraint("menu_style in ('text', 'list', 'button')", name="menu_style"),
    sa.CheckConstraint(
        "hours_scope in ('disabled', 'company', 'connection', 'queue')", name="hours_scope"
    ),
)


class CompanySettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a company handles its tickets; `version` counts the changes."""

    company_id: CompanyId
    close_after_hours: str = "9999999999"
    menu_style: MenuStyle = "text"
    accept_calls: bool = True
    calls_message: str = ""
    random_user: bool = True
    greet_single_department: bool = True
    sign_messages: bool = True
    farewell_waiting: bool = False
    rate_agents: bool = False
    greet_accepted: bool = True
    accepted_message: str = ""
    ignore_groups: bool = True
    tell_position: bool = False
    position_message: str = ""
    hours_scope: HoursScope = "disabled"
    accept_audio: bool = True
    tell_transfer: bool = False
    transfer_message: str = ""
    close_on_transfer: bool = False
    wallets_own_tickets: bool = False
    notify_pending: bool = False
    require_tag: bool = False
    lgpd_enabled: bool = False
    lgpd_hide_deleted: bool = False
    lgpd_hide_number: bool = False
    lgpd_ask_always: bool = False
    lgpd_link: str = ""
    lgpd_message: str = ""
    created_at: datetime
    updated_at: datetime
    version: int = 1


class CompanySettingsPatch(msgspec.Struct, frozen=True, kw_only=True):
    """The fields a person may change; UNSET leaves a column alone."""

    close_after_hours: str | UnsetType = UNSET
    menu_style: MenuStyle | UnsetType = UNSET
    accept_calls: bool | UnsetType = UNSET
    calls_message: str | UnsetType = UNSET
    random_user: bool | UnsetType = UNSET
    greet_single_department: bool | UnsetType = UNSET
    sign_messages: bool | UnsetType = UNSET
    farewell_waiting: bool | UnsetType = UNSET
    rate_agents: bool | UnsetType = UNSET
    greet_accepted: bool | UnsetType = UNSET
    accepted_message: str | UnsetType = UNSET
    ignore_groups: bool | UnsetType = UNSET
    tell_position: bool | UnsetType = UNSET
    position_message: str | UnsetType = UNSET
    hours_scope: HoursScope | UnsetType = UNSET
    accept_audio: bool | UnsetType = UNSET
    tell_transfer: bool | UnsetType = UNSET
    transfer_message: str | UnsetType = UNSET
    close_on_transfer: bool | UnsetType = UNSET
    wallets_own_tickets: bool | UnsetType = UNSET
    notify_pending: bool | UnsetType = UNSET
    require_tag: bool | UnsetType = UNSET
    lgpd_enabled: bool | UnsetType = UNSET
    lgpd_hide_deleted: bool | UnsetType = UNSET
    lgpd_hide_number: bool | UnsetType = UNSET
    lgpd_ask_always: bool | UnsetType = UNSET
    lgpd_link: str | UnsetType = UNSET
    lgpd_message: str | UnsetType = UNSET


_MINE: Final = company_settings.c.company_id == sa.bindparam("company", type_=sa.BigInteger)
_GET: Final = prepared(sa.select(company_settings).where(_MINE))


async def get(database: Database, company_id: CompanyId) -> CompanySettings:
    """The settings of a company. Raises NotFound for an unknown one."""
    return await database.one(_GET, into=CompanySettings, company=company_id)


async def change(tx: Tx, company_id: CompanyId, patch: CompanySettingsPatch) -> CompanySettings:
    """Set what the patch sets; counts the version up."""
    values = {
        name: value for name, value in msgspec.structs.asdict(patch).items() if value is not UNSET
    }
    statement = (
        sa.update(company_settings)
        .where(company_settings.c.company_id == company_id)
        .values(**values, updated_at=sa.func.now(), version=company_settings.c.version + 1)
        .returning(company_settings)
    )
    return await tx.one(statement, into=CompanySettings)
