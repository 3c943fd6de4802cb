"""The flow builder's rows: flows, what starts them, and their files; running them comes later."""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType, field

from api.endpoint import Ctx, Done, Id, Reply, Routes, Short, Upload, admin
from api.endpoint.uploads import stored
from api.errors import Detail, Invalid
from storage import flows
from storage.errors import UniqueViolation
from storage.flows import Flow, FlowCampaign, FlowDefault

routes = Routes(tag="flowbuilder", missing="ERR_NO_FLOW_FOUND")


class FlowBody(msgspec.Struct, kw_only=True):
    """A flow's name; on a change also which flow."""

    flow_id: Id | None = field(name="flowId", default=None)
    name: Short = ""


class Drawing(msgspec.Struct, kw_only=True):
    """A flow's nodes and edges, and its variables."""

    flow_id: Id = field(name="idFlow")
    nodes: list[dict[str, Any]] = []
    connections: list[dict[str, Any]] = []
    variables: list[Any] | dict[str, Any] | None = None


class FlowList(msgspec.Struct, frozen=True):
    """Every flow of the company."""

    flows: list[Flow]


class FlowReply(msgspec.Struct, frozen=True):
    """One flow."""

    flow: Flow


class StartBody(msgspec.Struct, kw_only=True, rename="camel"):
    """A phrase that starts a flow; on a change `id` says which."""

    id: Id | None = None
    name: Short | UnsetType = UNSET
    flow_id: Id | UnsetType = UNSET
    phrase: Short | UnsetType = UNSET
    connection_id: Id | UnsetType | None = field(name="whatsappId", default=UNSET)
    status: bool | UnsetType = UNSET


class StartList(msgspec.Struct, frozen=True):
    """Every phrase of the company."""

    flow: list[FlowCampaign]


class DefaultBody(msgspec.Struct, kw_only=True):
    """Which flows start by themselves."""

    welcome_flow_id: Id | UnsetType | None = field(name="flowIdWelcome", default=UNSET)
    phrase_flow_id: Id | UnsetType | None = field(name="flowIdPhrase", default=UNSET)


_TAKEN = ((402, "exist"),)


@routes.get("/flowbuilder")
async def list_flows(ctx: Ctx) -> FlowList:
    """List the company's flows."""
    return FlowList(await flows.rows.all_of(ctx.parts.database, ctx.company_id))


@routes.post("/flowbuilder", guard=admin, says=_TAKEN)
async def create(ctx: Ctx, body: FlowBody) -> Reply[Flow]:
    """Add an empty flow; a taken name answers 402 `exist`, as builders expect."""
    values = {"name": _name(body.name), "user_id": ctx.user_id}
    try:
        async with ctx.parts.database.begin(ctx.company_id) as tx:
            return Reply(body=await flows.rows.insert(tx, ctx.company_id, **values))
    except UniqueViolation:
        return Reply(body="exist", status=402)  # type: ignore[arg-type]


@routes.put("/flowbuilder", guard=admin, says=_TAKEN)
async def rename(ctx: Ctx, body: FlowBody) -> Reply[Flow]:
    """Rename a flow; a taken name answers 402 `exist`."""
    if body.flow_id is None:
        raise Invalid(Detail("$.flowId", "missing"))
    try:
        async with ctx.parts.database.begin(ctx.company_id) as tx:
            values = {"name": _name(body.name)}
            return Reply(body=await flows.rows.change(tx, ctx.company_id, body.flow_id, values))
    except UniqueViolation:
        return Reply(body="exist", status=402)  # type: ignore[arg-type]


@routes.get("/flowbuilder/{flow_id}")
async def show(ctx: Ctx, flow_id: int) -> FlowReply:
    """Show a flow."""
    return FlowReply(await flows.rows.get(ctx.parts.database, ctx.company_id, flow_id))


@routes.delete("/flowbuilder/{flow_id}", guard=admin)
async def remove(ctx: Ctx, flow_id: int) -> Done:
    """Delete a flow with the phrases that start it."""
    async with ctx.parts.database.begin(ctx.company_id) as tx:
        await flows.rows.delete(tx, ctx.company_id, flow_id)
    return Done("Flow deleted")


@routes.post("/flowbuilder/duplicate", guard=admin)
async def duplicate(ctx: Ctx, body: FlowBody) -> Flow:
    """Copy a flow under another name."""
    if body.flow_id is None:
        raise Invalid(Detail("$.flowId", "missing"))
    async with ctx.parts.database.begin(ctx.company_id) as tx:
        found = await flows.rows.get(tx, ctx.company_id, body.flow_id)
        taken = {flow.name for flow in await flows.rows.all_of(tx, ctx.company_id)}
        name = next(n for i in range(1, 10_000) if (n := f"{found.name} - copy {i}") not in taken)
        return await flows.rows.insert(
            tx,
            ctx.company_id,
            name=name,
            user_id=ctx.user_id,
            flow=found.flow,
            variables=found.variables,
        )


@routes.get("/flowbuilder/flow/{flow_id}")
async def show_drawing(ctx: Ctx, flow_id: int) -> FlowReply:
    """Show a flow with its nodes and edges."""
    return await show(ctx, flow_id)


@routes.post("/flowbuilder/flow", guard=admin)
async def draw(ctx: Ctx, body: Drawing) -> FlowReply:
    """Store a flow's nodes and edges."""
    drawing: dict[str, Any] = {"nodes": body.nodes, "connections": body.connections}
    values: dict[str, Any] = {"flow": drawing}
    if body.variables is not None:
        values["variables"] = {"variables": body.variables}
    async with ctx.parts.database.begin(ctx.company_id) as tx:
        return FlowReply(await flows.rows.change(tx, ctx.company_id, body.flow_id, values))


@routes.post("/flowbuilder/img", guard=admin)
async def keep_image(ctx: Ctx, uploads: tuple[Upload, ...]) -> list[str]:
    """Keep pictures that flows send; answers their places."""
    return await _kept(ctx, uploads, flows.images)


@routes.post("/flowbuilder/audio", guard=admin)
async def keep_audio(ctx: Ctx, uploads: tuple[Upload, ...]) -> list[str]:
    """Keep sounds that flows send; answers their places."""
    return await _kept(ctx, uploads, flows.audios)


@routes.post("/flowbuilder/content", guard=admin)
async def keep_content(ctx: Ctx, uploads: tuple[Upload, ...]) -> list[str]:
    """Keep other files that flows send; answers their places."""
    return await _kept(ctx, uploads, flows.images)


@routes.get("/flowcampaign")
async def list_starts(ctx: Ctx) -> StartList:
    """List the phrases that start a flow."""
    return StartList(await flows.starts.all_of(ctx.parts.database, ctx.company_id))


@routes.get("/flowcampaign/{flow_campaign_id}")
async def show_start(ctx: Ctx, flow_campaign_id: int) -> FlowCampaign:
    """Show a phrase."""
    return await flows.starts.get(ctx.parts.database, ctx.company_id, flow_campaign_id)


@routes.post("/flowcampaign", guard=admin)
async def add_start(ctx: Ctx, body: StartBody) -> FlowCampaign:
    """Add a phrase that starts a flow."""
    if body.flow_id is UNSET or body.phrase is UNSET or not body.phrase.strip():
        raise Invalid(Detail("$.phrase", "a phrase and its flow"))
    values = _given(body) | {"user_id": ctx.user_id}
    async with ctx.parts.database.begin(ctx.company_id) as tx:
        return await flows.starts.insert(tx, ctx.company_id, **values)


@routes.put("/flowcampaign", guard=admin)
async def change_start(ctx: Ctx, body: StartBody) -> FlowCampaign:
    """Change a phrase."""
    if body.id is None:
        raise Invalid(Detail("$.id", "missing"))
    async with ctx.parts.database.begin(ctx.company_id) as tx:
        return await flows.starts.change(tx, ctx.company_id, body.id, _given(body))


@routes.delete("/flowcampaign/{flow_campaign_id}", guard=admin)
async def remove_start(ctx: Ctx, flow_campaign_id: int) -> Done:
    """Delete a phrase."""
    async with ctx.parts.database.begin(ctx.company_id) as tx:
        await flows.starts.delete(tx, ctx.company_id, flow_campaign_id)
    return Done("Flow campaign deleted")


@routes.get("/flowdefault")
async def show_default(ctx: Ctx) -> FlowDefault | None:
    """Show which flows start by themselves; nothing is set at first."""
    found = await flows.defaults.all_of(ctx.parts.database, ctx.company_id)
    return found[0] if found else None


@routes.post("/flowdefault", guard=admin)
async def set_default(ctx: Ctx, body: DefaultBody) -> FlowDefault:
    """Set which flows start by themselves."""
    values = {n: v for n, v in msgspec.structs.asdict(body).items() if v is not UNSET}
    async with ctx.parts.database.begin(ctx.company_id) as tx:
        found = await flows.defaults.all_of(tx, ctx.company_id)
        if found:
            return await flows.defaults.change(tx, ctx.company_id, found[0].id, values)
        return await flows.defaults.insert(tx, ctx.company_id, user_id=ctx.user_id, **values)


@routes.put("/flowdefault", guard=admin)
async def change_default(ctx: Ctx, body: DefaultBody) -> FlowDefault:
    """Change which flows start by themselves."""
    return await set_default(ctx, body)


def _name(text: str) -> str:
    if not text.strip():
        raise Invalid(Detail("$.name", "missing"))
    return text.strip()


def _given(body: StartBody) -> dict[str, Any]:
    values = msgspec.structs.asdict(body)
    return {name: v for name, v in values.items() if v is not UNSET and name != "id"}


async def _kept(ctx: Ctx, uploads: tuple[Upload, ...], rows: Any) -> list[str]:
    kept = [await stored(ctx, (item,)) for item in uploads]
    if not kept:
        raise Invalid(Detail("$.medias", "missing"))
    async with ctx.parts.database.begin(ctx.company_id) as tx:
        for file in kept:
            values = {"name": file["media_name"], "path": file["media_path"]}
            await rows.insert(tx, ctx.company_id, user_id=ctx.user_id, **values)
    return [file["media_path"] for file in kept]
