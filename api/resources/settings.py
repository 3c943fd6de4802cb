"""Settings in their three stores: key and value rows, the installation's, the company's columns."""

import msgspec

from actors.events import RecordChanged
from api.endpoint import Ctx, PublicCtx, Routes, Short, Text, admin, public, super_user
from api.errors import Detail, Forbidden, Invalid, Missing
from storage import company_settings, settings
from storage.company_settings import CompanySettingsPatch
from storage.ids import CompanyId
from storage.secrets import is_masked
from storage.setting_keys import KEYS, Visible, known
from storage.settings import INSTALLATION
from storage.views import (
    COMPANY_SETTING_FIELDS,
    CompanySettingsView,
    SettingView,
    company_settings_view,
    setting_view,
)

routes = Routes(tag="settings", missing="ERR_NO_SETTING_FOUND")

_PUBLIC = {key.lower(): key for key, spec in KEYS.items() if spec.visible == "public"}
_RANKS: dict[Visible, int] = {"public": 0, "user": 1, "admin": 2, "super": 3}


class PublicQuery(msgspec.Struct):
    """Some clients send the installation's public token; nothing depends on it."""

    token: Short = ""


class NewValue(msgspec.Struct):
    """A setting's text."""

    value: Text = ""


class ColumnQuery(msgspec.Struct):
    """Which company setting to read."""

    column: Short = ""


class ColumnValue(msgspec.Struct):
    """A company setting by its wire name, and its new value as text."""

    column: Short
    data: Text = ""


class ColumnWritten(msgspec.Struct, frozen=True, kw_only=True):
    """What clients expect of a written company setting."""

    response: bool = True
    result: CompanySettingsView


@routes.get("/public-settings/{key}", guard=public)
async def show_public(ctx: PublicCtx, key: str, query: PublicQuery) -> str | None:
    """Read one installation setting of the login page: a bare JSON string."""
    name = _PUBLIC.get(key.lower())
    return None if name is None else await settings.value_of(ctx.parts.database, INSTALLATION, name)


@routes.get("/settings")
async def list_settings(ctx: Ctx) -> list[SettingView]:
    """List the company's settings that the caller may see; of secrets, only that they are set."""
    found = await settings.all_of(ctx.parts.database, ctx.company_id)
    return [setting_view(item) for item in found if _may_see(ctx, item.key)]


@routes.get("/settings/{key}")
async def show_setting(ctx: Ctx, key: str) -> SettingView | None:
    """Read one setting of the company; null while it is not set."""
    found = await settings.find(ctx.parts.database, ctx.company_id, key)
    return None if found is None or not _may_see(ctx, key) else setting_view(found)


@routes.put("/settings/{key}", guard=admin)
async def write_setting(ctx: Ctx, key: str, body: NewValue) -> SettingView:
    """Write one setting of the company; operators write the installation's under its keys."""
    if not known(key).installation:
        return await _write(ctx, ctx.company_id, key, body.value)
    if not ctx.principal.is_super:
        raise Forbidden
    return await _write(ctx, INSTALLATION, key, body.value)


@routes.get("/setting/{key}")
async def show_installation(ctx: Ctx, key: str) -> SettingView | None:
    """Read one setting of the installation; what is not for everybody is for operators.

    So are the operator's own company's settings, which lie in the same rows.
    """
    spec = known(key)
    shared = spec.installation and spec.visible in ("public", "user")
    if not shared and not ctx.principal.is_super:
        raise Forbidden
    found = await settings.find(ctx.parts.database, INSTALLATION, key)
    return None if found is None else setting_view(found)


@routes.put("/setting/{key}", guard=super_user)
async def write_installation(ctx: Ctx, key: str, body: NewValue) -> SettingView:
    """Write one setting of the installation."""
    return await _write(ctx, INSTALLATION, key, body.value)


@routes.get("/companySettings/{company_id}")
async def show_company(ctx: Ctx, company_id: CompanyId) -> CompanySettingsView:
    """Read the caller's company settings; the path's id decides nothing."""
    found = await company_settings.get(ctx.parts.database, ctx.company_id)
    return company_settings_view(found)


@routes.get("/companySettingOne")
async def show_column(ctx: Ctx, query: ColumnQuery) -> dict[str, str | bool]:
    """Read one company setting under its wire name."""
    if query.column not in COMPANY_SETTING_FIELDS:
        raise Invalid(Detail("$.column", "no such company setting"))
    found = await company_settings.get(ctx.parts.database, ctx.company_id)
    shown = company_settings_view(found)
    return {query.column: getattr(shown, COMPANY_SETTING_FIELDS[query.column])}


@routes.get("/companySettingOnePayment")
async def show_column_there(ctx: Ctx, query: ColumnQuery) -> dict[str, str | bool]:
    """The same under the path that the payment page asks."""
    return await show_column(ctx, query)


@routes.put("/companySettings", guard=admin)
async def write_column(ctx: Ctx, body: ColumnValue) -> ColumnWritten:
    """Write one company setting under its wire name."""
    field = COMPANY_SETTING_FIELDS.get(body.column)
    if field is None:
        raise Invalid(Detail("$.column", "no such company setting"))
    patch = _patch(field, body.data)
    async with ctx.parts.database.begin(ctx.company_id) as tx:
        written = await company_settings.change(tx, ctx.company_id, patch)
        shown = company_settings_view(written)
        tx.publish(
            RecordChanged(
                company_id=ctx.company_id,
                noun="company_settings",
                action="update",
                record_id=ctx.company_id,
                record=shown,
            )
        )
    return ColumnWritten(result=shown)


async def _write(ctx: Ctx, company_id: CompanyId, key: str, value: str) -> SettingView:
    """Store what the key's type makes of `value`. Raises Invalid."""
    if not key or len(key) > 100:
        raise Invalid(Detail("$.key", "1 to 100 characters"))
    spec = known(key)
    if spec.secret and is_masked(value):  # a form that sends back what it was shown
        kept = await settings.find(ctx.parts.database, company_id, key)
        if kept is None:
            raise Missing(code="ERR_NO_SETTING_FOUND")
        return setting_view(kept)
    try:
        text = spec.kind.normal(value)
    except ValueError as error:
        raise Invalid(Detail("$.value", str(error))) from error
    async with ctx.parts.database.begin(company_id) as tx:
        shown = setting_view(await settings.put(tx, company_id, key, text, ctx.parts.box))
        event = RecordChanged(
            company_id=company_id, noun="setting", action="update", record_id=key, record=shown
        )
        tx.publish(event)
    return shown


def _may_see(ctx: Ctx, key: str) -> bool:
    rank = 3 if ctx.principal.is_super else 2 if ctx.principal.is_admin else 1
    return _RANKS[known(key).visible] <= rank


_YES = frozenset({"enabled", "true", "1", "enable", "on"})


def _patch(field: str, text: str) -> CompanySettingsPatch:
    """One changed field, its text understood as the column's type."""
    try:
        return msgspec.convert({field: text}, CompanySettingsPatch)
    except msgspec.ValidationError:
        pass
    try:
        return msgspec.convert({field: text.lower() in _YES}, CompanySettingsPatch)
    except msgspec.ValidationError as error:
        raise Invalid(Detail("$.data", str(error).partition(" - at")[0])) from error
