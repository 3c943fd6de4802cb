"""For operators: is it well, what does it count, what do its actors do."""

import msgspec

from api.endpoint import Ctx, Int, PublicCtx, Raw, Reply, Routes, Short, public, super_user
from engine import Snapshot
from storage import health
from storage.errors import StorageError

routes = Routes(tag="operations", guard=public)


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """`ok`, or what is wrong; `weakened` names durability settings that are switched off."""

    status: str
    weakened: tuple[str, ...] = ()


class SnapshotQuery(msgspec.Struct, kw_only=True, rename="camel"):
    """Which actors to list: one kind, and a page of them."""

    kind: Short = ""
    limit: Int = 200
    offset: Int = 0


@routes.get("/health")
async def show_health(ctx: PublicCtx) -> Reply[Health]:
    """Tell whether writes are accepted and kept; 503 when they are not."""
    try:
        weak = await health.weakened(ctx.parts.database)
    except StorageError:
        return Reply(body=Health(status="database unavailable"), status=503)
    if weak:
        return Reply(body=Health(status="not durable", weakened=weak), status=503)
    return Reply(body=Health(status="ok"))


@routes.get("/metrics")
async def show_metrics(ctx: PublicCtx) -> Raw:
    """Counters and gauges in the Prometheus text format."""
    text = ctx.parts.metrics.text()
    return Raw(content=text.encode(), content_type="text/plain; version=0.0.4; charset=utf-8")


@routes.get("/supervisor", guard=super_user)
async def show_tree(ctx: Ctx, query: SnapshotQuery) -> Snapshot:
    """Show the live supervision tree and a page of its actors."""
    return await ctx.parts.system.snapshot(
        kind=query.kind or None, limit=min(max(query.limit, 0), 1000), offset=max(query.offset, 0)
    )
