"""Logging in and out, and refreshing by the cookie."""

from datetime import UTC, datetime
from http.cookies import SimpleCookie

import msgspec

from api.auth import Revoked, Session
from api.endpoint import Ctx, Id, PublicCtx, Reply, Routes, Short, public, super_user, user
from api.errors import Unauthorized
from api.resources.companies import full_company
from storage.ids import CompanyId
from storage.views import UserView, user_view

routes = Routes("/auth", tag="auth", guard=public)
COOKIE = "jrt"


class Credentials(msgspec.Struct):
    """Who wants in."""

    email: Short
    password: Short


class LoggedIn(msgspec.Struct, frozen=True, kw_only=True):
    """An access token and whose it is; the refresh token is in the cookie."""

    token: str
    user: UserView


class Me(msgspec.Struct, frozen=True, kw_only=True):
    """The caller, briefly."""

    id: Id
    profile: str
    is_super: bool = msgspec.field(name="super")


@routes.post("/login")
async def login(ctx: PublicCtx, body: Credentials) -> Reply[LoggedIn]:
    """Open a session; the refresh token goes into the cookie `jrt`."""
    session = await ctx.parts.auth.login(
        body.email,
        body.password,
        address=ctx.request.client,
        agent=ctx.request.headers.get("user-agent", ""),
    )
    return await _logged_in(ctx, session)


@routes.post("/refresh_token")
async def refresh(ctx: PublicCtx) -> Reply[LoggedIn]:
    """Rotate the cookie and get a new access token; parallel calls get the same cookie."""
    token = ctx.request.cookie(COOKIE)
    origin = ctx.request.origin
    if token is None or (origin and origin.lower() not in _origins(ctx)):
        return _ended(ctx)
    try:
        session = await ctx.parts.auth.refresh(token)
    except Revoked:
        return _ended(ctx)
    return await _logged_in(ctx, session)


@routes.delete("/logout")
async def logout(ctx: PublicCtx) -> Reply[None]:
    """End the session of the cookie or token; empty answer, also when there is none."""
    auth = ctx.parts.auth
    cookie, token = ctx.request.cookie(COOKIE), ctx.request.bearer()
    try:
        if cookie is not None:
            principal = await auth.bearers.authenticate_cookie(cookie)
            await auth.logout(principal.company_id, principal.family)
        elif token is not None:
            principal = await auth.bearers.authenticate(token)
            await auth.logout(principal.company_id, principal.family)
    except Unauthorized:
        pass  # it had ended before
    return Reply(body=None, headers=(_cookie(ctx, "", datetime.fromtimestamp(0, UTC)),))


@routes.get("/me")
async def me(ctx: PublicCtx) -> Me:
    """Tell who the token, or else the cookie, speaks for."""
    if token := ctx.request.bearer():
        principal = await ctx.parts.auth.bearers.authenticate(token)
    elif cookie := ctx.request.cookie(COOKIE):
        principal = await ctx.parts.auth.bearers.authenticate_cookie(cookie)
    else:
        raise Unauthorized
    return Me(id=principal.user_id, profile=principal.profile, is_super=principal.is_super)


@routes.get(
    "/impersonate/{company_id}", guard=super_user, missing="ERR_NO_COMPANY_FOUND", audited=True
)
async def impersonate(ctx: Ctx, company_id: CompanyId) -> Reply[LoggedIn]:
    """Act as a company's first admin; the cookie becomes that session's."""
    session = await ctx.parts.auth.impersonate(
        ctx.principal,
        company_id,
        address=ctx.request.client,
        agent=ctx.request.headers.get("user-agent", ""),
    )
    async with ctx.parts.database.begin(company_id) as tx:  # before the session is handed out
        tx.note("impersonate", "users", session.user.id)
    return await _logged_in(ctx, session)


@routes.post("/impersonate/back", guard=user)
async def return_from(ctx: Ctx) -> Reply[LoggedIn]:
    """End acting as somebody else: the operator's own session goes on."""
    try:
        session = await ctx.parts.auth.return_from(ctx.principal)
    except Revoked:
        return _ended(ctx)
    return await _logged_in(ctx, session)


def _origins(ctx: PublicCtx) -> set[str]:
    """Pages that may refresh by cookie: the listed origins and whatever host was asked itself."""
    host = ctx.request.headers.get("host", "").lower()
    return {*ctx.parts.settings.origins, f"http://{host}", f"https://{host}"}


def _ended(ctx: PublicCtx) -> Reply[LoggedIn]:
    """401 that also takes the cookie away."""
    raise Unauthorized(headers=(_cookie(ctx, "", datetime.fromtimestamp(0, UTC)),))


async def _logged_in(ctx: PublicCtx, session: Session) -> Reply[LoggedIn]:
    person = session.user
    snapshot = await ctx.parts.snapshots.current(person.company_id)
    member = snapshot.users.get(person.id)
    if member is None:
        raise Revoked
    shown = user_view(
        person,
        member.department_ids,
        snapshot,
        company=await full_company(ctx.parts.database, person.company_id),
        token=session.access,
    )
    cookie = _cookie(ctx, session.refresh, session.expires_at)
    return Reply(body=LoggedIn(token=session.access, user=shown), headers=(cookie,))


def _cookie(ctx: PublicCtx, value: str, expires: datetime) -> tuple[str, str]:
    jar: SimpleCookie = SimpleCookie({COOKIE: value})
    morsel = jar[COOKIE]
    morsel["path"] = "/"
    morsel["httponly"] = True
    morsel["expires"] = expires.strftime("%a, %d %b %Y %H:%M:%S GMT")
    if ctx.parts.settings.secure:
        morsel["secure"] = True
        morsel["samesite"] = "None"
    else:
        morsel["samesite"] = "Lax"
    return ("set-cookie", morsel.OutputString())
