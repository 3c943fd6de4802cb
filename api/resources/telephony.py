"""The account of a voice provider that a connection's calls go through, on the wire `wavoip`."""

import msgspec

from actors.events import ConnectionChanged
from api.endpoint import Ctx, Done, Routes, Short, admin
from api.errors import Detail, Invalid
from storage import connections
from storage.ids import ConnectionId
from storage.secrets import is_masked, mask
from storage.views import connection_view

routes = Routes("/wavoip", tag="whatsapp", guard=admin, missing="ERR_NO_WAPP_FOUND")


class Token(msgspec.Struct):
    """What opens the account."""

    token: Short = ""


class TelephonyView(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a connection has such an account; its token is masked, and empty without one."""

    connection_id: ConnectionId = msgspec.field(name="whatsappId")
    token: str


@routes.get("/{connection_id}")
async def show(ctx: Ctx, connection_id: ConnectionId) -> TelephonyView:
    """Show a connection's telephony token, masked."""
    database = ctx.parts.database
    found = await connections.get(database, ctx.company_id, connection_id)
    kept = await connections.read_secrets(database, ctx.company_id, found.id, box=ctx.parts.box)
    return TelephonyView(connection_id=found.id, token=mask(kept.telephony_token))


@routes.post("/{connection_id}")
async def keep(ctx: Ctx, connection_id: ConnectionId, body: Token) -> TelephonyView:
    """Set a connection's telephony token."""
    await connections.get(ctx.parts.database, ctx.company_id, connection_id)
    if not body.token.strip():
        raise Invalid(Detail("$.token", "missing"))
    if is_masked(body.token):
        return await show(ctx, connection_id)
    await _write(ctx, connection_id, body.token.strip())
    return await show(ctx, connection_id)


@routes.delete("/{connection_id}")
async def remove(ctx: Ctx, connection_id: ConnectionId) -> Done:
    """Delete a connection's telephony token."""
    await _write(ctx, connection_id, "")
    return Done("Wavoip deleted")


async def _write(ctx: Ctx, connection_id: ConnectionId, token: str) -> None:
    snapshot, box, company_id = await ctx.snapshot(), ctx.parts.box, ctx.company_id
    async with ctx.parts.database.begin(company_id) as tx:
        found = await connections.get(tx, company_id, connection_id)
        kept = await connections.read_secrets(tx, company_id, found.id, box=box)
        changed = msgspec.structs.replace(kept, telephony_token=token)
        await connections.write_secrets(tx, company_id, found.id, changed, box=box)
        shown = connection_view(found, snapshot)
        tx.publish(ConnectionChanged(company_id=company_id, connection=shown))
