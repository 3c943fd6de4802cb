"""Login sessions: where somebody is logged in, and logging out from afar."""

from datetime import datetime

import msgspec

from api.endpoint import Ctx, Done, Id, Routes
from api.errors import Forbidden, Missing
from api.resources.users import check_rank
from storage import refresh_families
from storage.ids import UserId
from storage.refresh_families import RefreshFamily

routes = Routes("/auth/sessions", tag="auth", strict=True, missing="ERR_NO_SESSION_FOUND")


class SessionQuery(msgspec.Struct, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Whose sessions: the caller's own, or as an admin those of a user of the company."""

    user_id: Id | None = None


class SessionView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A login session. `lastUsedAt` is when its tokens were renewed, at most 15 minutes ago while
    it is in use; `impersonated`, that an operator of the installation acts in it.
    """

    id: str
    device: str
    address: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    current: bool
    impersonated: bool


@routes.get()
async def list_sessions(ctx: Ctx, query: SessionQuery) -> list[SessionView]:
    """List where a user is logged in, the session used last first."""
    user_id = await _whose(ctx, query)
    found = await refresh_families.of_user(ctx.parts.database, ctx.company_id, user_id)
    return [_shown(ctx, family) for family in found]


@routes.delete()
async def end_others(ctx: Ctx, query: SessionQuery) -> Done:
    """Log a user out everywhere but here."""
    user_id = await _whose(ctx, query)
    await _note(ctx, user_id)
    await ctx.parts.auth.bearers.end_all(
        ctx.company_id, user_id, "remote logout", keep=ctx.principal.family
    )
    return Done("Sessions ended")


@routes.delete("/{session_id}")
async def end(ctx: Ctx, session_id: str) -> Done:
    """Log out from afar: the session's tokens and sockets end at once."""
    found = await refresh_families.find(ctx.parts.database, ctx.company_id, session_id)
    if found is None or not (found.user_id == ctx.user_id or ctx.principal.is_admin):
        raise Missing(code="ERR_NO_SESSION_FOUND")
    if found.user_id != ctx.user_id:
        await check_rank(ctx, found.user_id)
    await _note(ctx, found.user_id)
    await ctx.parts.auth.bearers.end(ctx.company_id, session_id, "remote logout")
    return Done("Session ended")


async def _note(ctx: Ctx, user_id: UserId) -> None:
    """Have the audit log tell whose sessions are ended from afar."""
    async with ctx.parts.database.begin(ctx.company_id) as tx:
        tx.note("log out", "users", user_id)


async def _whose(ctx: Ctx, query: SessionQuery) -> UserId:
    if query.user_id is None or query.user_id == ctx.user_id:
        return ctx.user_id
    if not ctx.principal.is_admin:
        raise Forbidden
    user_id = UserId(query.user_id)
    await check_rank(ctx, user_id)
    return user_id


def _shown(ctx: Ctx, family: RefreshFamily) -> SessionView:
    return SessionView(
        id=family.id,
        device=family.user_agent,
        address=family.address,
        created_at=family.created_at,
        last_used_at=family.last_used_at,
        expires_at=family.expires_at,
        current=family.id == ctx.principal.family,
        impersonated=family.origin_family is not None,
    )
