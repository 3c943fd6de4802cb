"""The root path: its version for browsers, and a second door for the Meta webhook."""

import msgspec

from api.endpoint import Ctx, PublicCtx, Raw, Routes, Short, public, super_user, webhook
from api.resources.companies import Version, current_version
from api.webhooks import whatsapp
from api.webhooks.whatsapp import Received, Verification
from storage import versions

routes = Routes(tag="webhooks", guard=public)


class Announced(msgspec.Struct):
    """The version of the frontend that is installed."""

    version: Short


@routes.get("/")
async def show_root(ctx: PublicCtx, query: Verification) -> Raw:
    """Tell the version, or answer the verification request of the installation's app."""
    if query.mode:
        return await whatsapp.verify(ctx, query)
    shown = Version(await current_version(ctx.parts.database))
    return Raw(content=msgspec.json.encode(shown), content_type="application/json; charset=utf-8")


@routes.post("/", guard=webhook)
async def receive_at_root(ctx: PublicCtx) -> Received:
    """Take a delivery as the webhook path does, signed by the app's secret."""
    return await whatsapp.receive(ctx)


@routes.post("/version", guard=super_user)
async def announce_version(ctx: Ctx, body: Announced) -> Version:
    """Set the version that browsers compare theirs with."""
    async with ctx.parts.database.begin(ctx.company_id) as tx:
        found = await versions.rows.all_of(tx, ctx.company_id)
        values = {"version_frontend": body.version}
        if found:
            await versions.rows.change(tx, ctx.company_id, found[0].id, values)
        else:
            await versions.rows.insert(tx, ctx.company_id, **values)
    return Version(body.version)
