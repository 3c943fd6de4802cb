"""Connections of any company for operators, and starting every session of a company again.

An operator's act is done as the company's first admin, with the operator named behind it.
"""

import logging
from typing import Annotated

import msgspec

from api.endpoint import Ctx, Done, Named, Routes, admin, super_user
from api.resources import connections as own
from engine import Refusal
from storage import connections, users
from storage.ids import ConnectionId
from storage.views import ConnectionView

log = logging.getLogger("api.resources.operator_connections")
routes = Routes(tag="whatsapp", guard=super_user, missing="ERR_NO_WAPP_FOUND")
Body = Annotated[own.Change, Named(ConnectionView, hidden=own.HIDDEN, department_ids="queueIds")]


@routes.get("/whatsapp-admin/{connection_id}")
async def show_any(ctx: Ctx, connection_id: ConnectionId) -> ConnectionView:
    """Show any company's connection."""
    return await own.show(await _within(ctx, connection_id), connection_id, own.ConnectionQuery())


@routes.put("/whatsapp-admin/{connection_id}")
async def update_any(ctx: Ctx, connection_id: ConnectionId, body: Body) -> ConnectionView:
    """Change any company's connection."""
    return await own.update(await _within(ctx, connection_id), connection_id, body)


@routes.delete("/whatsapp-admin/{connection_id}")
async def remove_any(ctx: Ctx, connection_id: ConnectionId) -> own.Done:
    """Delete any company's connection: its session stops, its tickets close, history stays."""
    return await own.remove(await _within(ctx, connection_id), connection_id)


@routes.delete("/whatsappsession/admin/{connection_id}")
async def stop_any(ctx: Ctx, connection_id: ConnectionId) -> own.Done:
    """Stop the session of any company's connection."""
    return await own.stop(await _within(ctx, connection_id), connection_id)


@routes.post("/whatsapp-restart", guard=admin)
async def restart_all(ctx: Ctx) -> Done:
    """Stop and start every session of the caller's company.

    One that its provider refuses stays down, with the reason in its status, and delays no other.
    """
    for found in await connections.all_of(ctx.parts.database, ctx.company_id):
        try:
            await own.restart(ctx, found.id)
        except Refusal as refused:
            log.warning("connection %s was not started again: %s", found.id, refused)
    return Done("Whatsapp restart.")


async def _within(ctx: Ctx, connection_id: ConnectionId) -> Ctx:
    """The context of the company that has this connection. Raises NotFound."""
    company_id = await connections.company_of(ctx.parts.database, connection_id)
    acting = msgspec.structs.replace(
        ctx.principal,
        company_id=company_id,
        user_id=await users.first_admin(ctx.parts.database, company_id),
        profile="admin",
        is_super=False,
        impersonator_id=ctx.user_id,
        impersonator_company_id=ctx.company_id,
    )
    return Ctx(ctx.request, ctx.parts, acting)
