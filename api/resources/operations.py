"""For operators: is it well, what does it count, what do its actors do."""

import hmac
from ipaddress import ip_address

import msgspec

from api.endpoint import Ctx, Int, PublicCtx, Raw, Reply, Routes, Short, public, signed, super_user
from api.errors import Forbidden, Unauthorized
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


@routes.get("/metrics", guard=signed)
async def show_metrics(ctx: PublicCtx) -> Raw:
    """Counters and gauges in the Prometheus text format, for operators and their collector.

    Answers a bearer `METRICS_TOKEN`, a super user's access token, or a caller on this machine
    that no proxy speaks for.
    """
    await _admit_collector(ctx)
    text = ctx.parts.metrics.text()
    return Raw(content=text.encode(), content_type="text/plain; version=0.0.4; charset=utf-8")


@routes.get("/supervisor", guard=super_user)
async def show_tree(ctx: Ctx, query: SnapshotQuery) -> Snapshot:
    """Show the live supervision tree and a page of its actors."""
    return await ctx.parts.system.snapshot(
        kind=query.kind or None, limit=min(max(query.limit, 0), 1000), offset=max(query.offset, 0)
    )


async def _admit_collector(ctx: PublicCtx) -> None:
    """Raises Unauthorized or Forbidden for who may not read what the installation counts."""
    token = ctx.request.bearer()
    if token is None:
        if not _on_this_machine(ctx):
            raise Unauthorized
        return
    expected = ctx.parts.settings.metrics_token
    if expected and hmac.compare_digest(expected.encode(), token.encode()):
        return
    if not (await ctx.parts.auth.bearers.authenticate(token)).is_super:
        raise Forbidden


def _on_this_machine(ctx: PublicCtx) -> bool:
    """A loopback peer; one that forwards for somebody else is a proxy and does not count."""
    if {"x-forwarded-for", "forwarded", "x-real-ip"} & ctx.request.headers.keys():
        return False
    try:
        return ip_address(ctx.request.client).is_loopback
    except ValueError:
        return False
