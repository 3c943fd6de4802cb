"""WhatsApp Cloud API webhooks: one for the installation's app, one URL for each connection."""

from collections.abc import Awaitable, Callable

import msgspec

from actors.channels.base import AccountBatch
from actors.channels.whatsapp_cloud import WhatsAppCloud, challenge, verified
from api.endpoint import PublicCtx, Raw, Routes, Short, webhook
from api.errors import Forbidden
from api.webhooks.deliveries import accept
from api.webhooks.doors import Door

DoorOf = Callable[[AccountBatch], Awaitable[Door | None]]
CHANNEL = "whatsapp_cloud"
routes = Routes(tag="webhooks", guard=webhook)
_provider = WhatsAppCloud()


class Verification(msgspec.Struct):
    """The provider's question whether this URL is ours."""

    mode: Short = msgspec.field(name="hub.mode", default="")
    verify_token: Short = msgspec.field(name="hub.verify_token", default="")
    challenge: Short = msgspec.field(name="hub.challenge", default="")


class Received(msgspec.Struct, frozen=True):
    """Everything in the delivery is committed, or was before, or is kept raw."""

    status: str = "ok"


class BadSignature(Forbidden):
    """The body is not signed by the app's secret (403)."""

    code = "ERR_INVALID_SIGNATURE"


@routes.get("/webhook")
async def verify(ctx: PublicCtx, query: Verification) -> Raw:
    """Answer the verification request of the installation's app."""
    return _answer(query, ctx.parts.settings.verify_token)


@routes.post("/webhook")
async def receive(ctx: PublicCtx) -> Received:
    """Take a delivery for any connection of the installation, signed by the app's secret."""
    secret = ctx.parts.settings.app_secret or ""

    async def door_of(batch: AccountBatch) -> Door | None:
        return await ctx.parts.doors.by_account(CHANNEL, batch.account_id)

    await _take(ctx, secret, door_of)
    return Received()


@routes.get("/webhooks/whatsapp/{token}")
async def verify_connection(ctx: PublicCtx, token: str, query: Verification) -> Raw:
    """Answer the verification request for one connection."""
    door = await ctx.parts.doors.by_token(token)
    own = door.secrets.verify_token if door else ""
    return _answer(query, own or (ctx.parts.settings.verify_token if door else ""))


@routes.post("/webhooks/whatsapp/{token}")
async def receive_connection(ctx: PublicCtx, token: str) -> Received:
    """Take a delivery for the connection of this URL; other phone numbers have no effect."""
    door = await ctx.parts.doors.by_token(token)
    if door is None:
        raise BadSignature
    secret = door.secrets.app_secret or ctx.parts.settings.app_secret or ""

    async def door_of(batch: AccountBatch) -> Door | None:
        return door if batch.account_id in ("", door.account_id) else None

    await _take(ctx, secret, door_of)
    return Received()


async def _take(ctx: PublicCtx, secret: str, door_of: DoorOf) -> None:
    raw = ctx.request.body
    if not verified(secret, raw, ctx.request.headers.get("x-hub-signature-256")):
        raise BadSignature
    parts = ctx.parts
    parsed = _provider.parse(raw)
    await accept(parts.intake, parts.database, parsed, door_of, source=CHANNEL, raw=raw)


def _answer(query: Verification, verify_token: str) -> Raw:
    asked = {
        "hub.mode": query.mode,
        "hub.verify_token": query.verify_token,
        "hub.challenge": query.challenge,
    }
    text = challenge(asked, verify_token)
    if text is None:
        raise Forbidden
    return Raw(content=text.encode())
