"""Connections, on the wire `whatsapp`: numbers and pages, their secrets, their sessions."""

import secrets as random
from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType

from actors.events import ConnectionChanged, ConnectionRemoved
from actors.sessions import ConnectionRenewed, StartSession, StopSession
from actors.tickets.commands import CloseTickets
from api.endpoint import Ctx, Named, Routes, Short, Upload, admin, manages_connections
from api.endpoint.coverage import require
from api.endpoint.uploads import stored
from api.errors import Detail, Forbidden, Invalid
from storage import connections, tickets
from storage.connections import Connection, ConnectionPatch, ConnectionSecrets
from storage.ids import ConnectionId
from storage.plans import Feature
from storage.secrets import is_masked
from storage.tickets import ACTIVE_STATUSES
from storage.views import ConnectionView, connection_view

routes = Routes("/whatsapp", tag="whatsapp", missing="ERR_NO_WAPP_FOUND")
sessions = Routes(
    "/whatsappsession", tag="whatsapp", guard=manages_connections, missing="ERR_NO_WAPP_FOUND"
)

_SIMPLE = {"official": "whatsapp_cloud", "whatsapp_oficial": "whatsapp_cloud"}

FEATURES: dict[str, Feature] = {
    "whatsapp": "use_whatsapp",
    "facebook": "use_facebook",
    "instagram": "use_instagram",
}
"""The plan's switch for each network that has one."""


class ConnectionQuery(msgspec.Struct):
    """Clients ask with `session=0` for lists without session data; it is never shown."""

    session: Short = ""
    channel: Short = ""


class Change(ConnectionPatch, frozen=True, kw_only=True):
    """What may be set: configuration, and secrets in clear (they are stored sealed)."""

    channel_type: str | UnsetType = UNSET
    token: str | UnsetType = UNSET
    access_token: str | UnsetType = UNSET
    verify_token: str | UnsetType = UNSET
    app_secret: str | UnsetType = UNSET


HIDDEN = ("status", "qrcode")
Body = Annotated[Change, Named(ConnectionView, hidden=HIDDEN, department_ids="queueIds")]
_SECRETS = ("token", "access_token", "verify_token", "app_secret")


class Done(msgspec.Struct, frozen=True):
    """What was done."""

    message: str


class Webhook(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What to enter at the provider so that it delivers here."""

    url: str
    verify_token: str


@routes.get()
async def list_connections(ctx: Ctx, query: ConnectionQuery) -> list[ConnectionView]:
    """List the company's connections."""
    return await _listed(ctx, query.channel)


@routes.get("/all")
async def list_all(ctx: Ctx, query: ConnectionQuery) -> list[ConnectionView]:
    """The same list, under the path that other pages ask."""
    return await _listed(ctx, query.channel)


@routes.get("/filter")
async def list_filtered(ctx: Ctx, query: ConnectionQuery) -> list[ConnectionView]:
    """List the connections of one channel."""
    return await _listed(ctx, query.channel)


@routes.get("/{connection_id}")
async def show(ctx: Ctx, connection_id: ConnectionId, query: ConnectionQuery) -> ConnectionView:
    """Show a connection; admins also see its QR code and masked secrets."""
    found = await connections.get(ctx.parts.database, ctx.company_id, connection_id)
    return await _shown(ctx, found)


@routes.get("/{connection_id}/webhook", guard=admin)
async def show_webhook(ctx: Ctx, connection_id: ConnectionId) -> Webhook:
    """Show the webhook address and verify token of a Cloud API connection."""
    kept = await _secrets(ctx, connection_id)
    base = ctx.parts.settings.public_url
    return Webhook(
        url=f"{base}/webhooks/whatsapp/{kept.webhook_token}",
        verify_token=kept.verify_token or ctx.parts.settings.verify_token,
    )


@routes.post(guard=manages_connections, limit="connections")
async def create(ctx: Ctx, body: Body) -> ConnectionView:
    """Add a connection; its own webhook address is made with it."""
    if body.name is UNSET or not body.name.strip():
        raise Invalid(Detail("$.name", "missing"))
    patch, given = _split(ctx, body)
    if patch.channel is UNSET:
        patch = msgspec.structs.replace(patch, channel="whatsapp")
    kept = _merged(ConnectionSecrets(webhook_token=random.token_urlsafe(24)), given)
    snapshot = await ctx.snapshot()
    if feature := FEATURES.get(connections.network(str(patch.channel))):
        require(snapshot, feature)
    async with ctx.parts.database.begin(ctx.company_id) as tx:
        made = await connections.create(tx, ctx.company_id, patch)
        await connections.write_secrets(tx, ctx.company_id, made.id, kept, box=ctx.parts.box)
        members = await connections.department_ids(tx, ctx.company_id, made.id)
        shown = connection_view(made, snapshot, department_ids=members)
        tx.publish(ConnectionChanged(company_id=ctx.company_id, connection=shown, created=True))
    return await _shown(ctx, made)


@routes.put("/{connection_id}", guard=manages_connections)
async def update(ctx: Ctx, connection_id: ConnectionId, body: Body) -> ConnectionView:
    """Change a connection; masked secrets that come back are left as they are."""
    patch, given = _split(ctx, body)
    patch = msgspec.structs.replace(patch, channel=UNSET)  # views show the network in its place
    return await _change(ctx, connection_id, patch, given)


async def _change(
    ctx: Ctx,
    connection_id: ConnectionId,
    patch: ConnectionPatch,
    given: dict[str, str] | None = None,
) -> ConnectionView:
    snapshot = await ctx.snapshot()
    async with ctx.parts.database.begin(ctx.company_id) as tx:
        changed = await connections.change(tx, ctx.company_id, connection_id, patch)
        if given:
            kept = await connections.read_secrets(
                tx, ctx.company_id, connection_id, box=ctx.parts.box
            )
            await connections.write_secrets(
                tx, ctx.company_id, connection_id, _merged(kept, given), box=ctx.parts.box
            )
        members = await connections.department_ids(tx, ctx.company_id, connection_id)
        shown = connection_view(changed, snapshot, department_ids=members)
        tx.publish(ConnectionChanged(company_id=ctx.company_id, connection=shown))
    renewed = ConnectionRenewed(company_id=ctx.company_id, connection_id=connection_id)
    await ctx.parts.system.ask(renewed)
    return await _shown(ctx, changed)


@routes.delete("/{connection_id}", guard=admin)
async def remove(ctx: Ctx, connection_id: ConnectionId) -> Done:
    """Delete a connection: its session stops, its active tickets close, history stays."""
    company_id = ctx.company_id
    found = await connections.get(ctx.parts.database, company_id, connection_id)
    stop = StopSession(company_id=company_id, connection_id=found.id, reason="deleted")
    await ctx.parts.system.ask(stop)
    for status in ACTIVE_STATUSES:
        for contact_id in await tickets.contacts_with(
            ctx.parts.database, company_id, status, connection_id=found.id
        ):
            close = CloseTickets(
                company_id=company_id,
                contact_id=contact_id,
                by=ctx.user_id,
                status=status,
                connection_id=found.id,
            )
            await ctx.parts.system.ask(close)
    async with ctx.parts.database.begin(company_id) as tx:
        await connections.delete(tx, company_id, found.id)
        tx.publish(ConnectionRemoved(company_id=company_id, connection_id=found.id))
    return Done("Whatsapp deleted.")


@routes.post("/{connection_id}/media-upload", guard=admin, files=1, repeatable=True)
async def attach(ctx: Ctx, connection_id: ConnectionId, uploads: tuple[Upload, ...]) -> Done:
    """Attach a file to the greeting of a connection."""
    await connections.get(ctx.parts.database, ctx.company_id, connection_id)
    kept = await stored(ctx, uploads)
    await _change(ctx, connection_id, ConnectionPatch(greeting_media=kept["media_path"]))
    return Done("File attached")


@routes.delete("/{connection_id}/media-upload", guard=admin)
async def detach(ctx: Ctx, connection_id: ConnectionId) -> Done:
    """Take the file off the greeting of a connection."""
    await _change(ctx, connection_id, ConnectionPatch(greeting_media=None))
    return Done("File deleted")


@sessions.post("/{connection_id}")
async def start(ctx: Ctx, connection_id: ConnectionId) -> Done:
    """Start the session of a connection."""
    found = await connections.get(ctx.parts.database, ctx.company_id, connection_id)
    await ctx.parts.system.ask(StartSession(company_id=ctx.company_id, connection_id=found.id))
    return Done("Starting session.")


@sessions.put("/{connection_id}")
async def restart(ctx: Ctx, connection_id: ConnectionId) -> Done:
    """Stop and start the session of a connection."""
    found = await connections.get(ctx.parts.database, ctx.company_id, connection_id)
    stop = StopSession(company_id=ctx.company_id, connection_id=found.id, reason="restart")
    await ctx.parts.system.ask(stop)
    await ctx.parts.system.ask(StartSession(company_id=ctx.company_id, connection_id=found.id))
    return Done("Starting session.")


@sessions.delete("/{connection_id}")
async def stop(ctx: Ctx, connection_id: ConnectionId) -> Done:
    """Stop the session; orders already stored wait until it is started again."""
    found = await connections.get(ctx.parts.database, ctx.company_id, connection_id)
    command = StopSession(
        company_id=ctx.company_id, connection_id=found.id, reason="stopped by an agent"
    )
    await ctx.parts.system.ask(command)
    return Done("Session disconnected.")


async def _listed(ctx: Ctx, channel: str) -> list[ConnectionView]:
    snapshot = await ctx.parts.snapshots.current(ctx.company_id)
    shown = [
        connection_view(connection, snapshot, manager=manages_connections.allows(ctx.principal))
        for connection in snapshot.connections.values()
    ]
    return [view for view in shown if not channel or view.channel == channel]


async def _shown(ctx: Ctx, connection: Connection) -> ConnectionView:
    snapshot = await ctx.parts.snapshots.current(ctx.company_id)
    if not manages_connections.allows(ctx.principal):
        return connection_view(connection, snapshot)
    kept = await _secrets(ctx, connection.id)
    return connection_view(connection, snapshot, manager=True, secrets=kept)


async def _secrets(ctx: Ctx, connection_id: ConnectionId) -> ConnectionSecrets:
    await connections.get(ctx.parts.database, ctx.company_id, connection_id)
    return await connections.read_secrets(
        ctx.parts.database, ctx.company_id, connection_id, box=ctx.parts.box
    )


def _split(ctx: Ctx, body: Change) -> tuple[ConnectionPatch, dict[str, str]]:
    """Configuration and secrets apart; a secret that is masked or empty was not changed.

    Raises Forbidden for an agent who sets the token: with it programs act as any agent.
    """
    values = msgspec.structs.asdict(body)
    given = {name: values.pop(name) for name in _SECRETS}
    secrets = {n: v for n, v in given.items() if isinstance(v, str) and v and not is_masked(v)}
    if "token" in secrets:
        if not ctx.principal.is_admin:
            raise Forbidden
        ctx.parts.api_tokens.choose(ctx.company_id, secrets["token"])
    kind = values.pop("channel_type")
    for name in (kind, values["channel"]):
        if isinstance(name, str) and name in _SIMPLE:
            values["channel"] = _SIMPLE[name]
    if values["channel"] is not UNSET and values["channel"] not in connections.CHANNELS:
        raise Invalid(Detail("$.channel", "no such channel"))
    if values["external_account_id"] == "":
        values["external_account_id"] = None
    return ConnectionPatch(**values), secrets


def _merged(kept: ConnectionSecrets, given: dict[str, str]) -> ConnectionSecrets:
    return msgspec.structs.replace(kept, **given)
