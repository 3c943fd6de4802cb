"""Campaigns and their settings; sending them is not built yet."""

from typing import Any

import msgspec

from actors.events import RecordChanged
from api.endpoint import Ctx, admin, crud
from api.endpoint.declaration import Routes
from api.errors import Detail, Invalid
from storage import campaigns
from storage.campaigns import CampaignSetting
from storage.setting_keys import CAMPAIGN, UNTYPED

STATUSES = ("INATIVA", "PROGRAMADA")


def _check(values: dict[str, Any]) -> None:
    """A campaign is a draft or planned; the others are states that sending brings about."""
    if values.get("status", "INATIVA") not in STATUSES:
        raise Invalid(Detail("$.status", "INATIVA or PROGRAMADA"))


routes = crud(
    "/campaigns",
    campaigns.rows,
    noun="campaign",
    missing="ERR_NO_CAMPAIGN_FOUND",
    needs=("name",),
    fixed=("completed_at",),
    check=_check,
    media=True,
    feature="use_campaigns",
)


@routes.post("/{campaign_id}/cancel", guard=admin, built=False)
async def cancel(ctx: Ctx, campaign_id: int) -> None:
    """Stop a campaign that is being sent."""


@routes.post("/{campaign_id}/restart", guard=admin, built=False)
async def restart(ctx: Ctx, campaign_id: int) -> None:
    """Go on with a stopped campaign."""


settings = Routes("/campaign-settings", tag="campaign-settings", feature="use_campaigns")


class Settings(msgspec.Struct):
    """Keys with their values; what is no text is kept as JSON text."""

    settings: dict[str, Any] = {}


@settings.get()
async def list_settings(ctx: Ctx) -> list[CampaignSetting]:
    """List the pace of the company's campaigns."""
    return await campaigns.settings.all_of(ctx.parts.database, ctx.company_id)


@settings.post(guard=admin)
async def save_settings(ctx: Ctx, body: Settings) -> list[CampaignSetting]:
    """Set the pace of the company's campaigns."""
    if len(body.settings) > 50 or any(len(key) > 255 for key in body.settings):
        raise Invalid(Detail("$.settings", "too many or too long keys"))
    async with ctx.parts.database.begin(ctx.company_id) as tx:
        for key, value in body.settings.items():
            await campaigns.set_setting(tx, ctx.company_id, key, _text(key, value))
        saved = await campaigns.settings.all_of(tx, ctx.company_id)
        for row in saved:
            if row.key in body.settings:
                event = RecordChanged(
                    company_id=ctx.company_id,
                    noun="campaign_settings",
                    action="update",
                    record_id=row.id,
                    record=row,
                )
                tx.publish(event)
    return saved


def _text(key: str, value: Any) -> str:
    """What is stored of a campaign setting. Raises Invalid for a value of another type."""
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    try:
        return CAMPAIGN.get(key, UNTYPED).kind.normal(text)
    except ValueError as error:
        raise Invalid(Detail(f"$.settings.{key}", str(error))) from error
