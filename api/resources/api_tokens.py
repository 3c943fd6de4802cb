"""Tokens of the external API: made and shown once, listed, changed, taken back."""

import secrets
from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from actors.events import RecordChanged
from api.api_tokens import NOUN
from api.endpoint import Ctx, Done, Id, Routes, Short, admin
from api.endpoint.guards import COMPANY_SCOPES, INSTALLATION_SCOPES
from api.errors import Detail, Forbidden, Invalid
from storage import api_tokens
from storage.api_tokens import PREFIX, ApiToken
from storage.database import Tx

routes = Routes(
    "/api-tokens", tag="external", guard=admin, strict=True, missing="ERR_NO_API_TOKEN_FOUND"
)
Moment = Annotated[datetime, Meta(tz=True)]


class NewToken(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """What a program is to be let in for. `installation`: for every company; operators only."""

    name: Short
    scopes: list[Short]
    connection_id: Id | None = None
    expires_at: Moment | None = None
    installation: bool = False


class TokenChange(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """Another name, other scopes, another end."""

    name: Short | UnsetType = UNSET
    scopes: list[Short] | UnsetType = UNSET
    expires_at: Moment | UnsetType | None = UNSET


class Made(ApiToken, frozen=True, kw_only=True, rename="camel"):
    """A new token: `token` is shown this once and stored nowhere."""

    token: str


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a program can be let in for."""

    name: str
    allows: str
    installation: bool


@routes.get()
async def list_tokens(ctx: Ctx) -> list[ApiToken]:
    """List the company's tokens, as far as they are shown again."""
    return await api_tokens.rows.all_of(ctx.parts.database, ctx.company_id)


@routes.get("/scopes")
async def list_scopes(ctx: Ctx) -> list[Scope]:
    """List what the caller can let a program in for."""
    company = [Scope(name=n, allows=t, installation=False) for n, t in COMPANY_SCOPES.items()]
    if not ctx.principal.is_super:
        return company
    return company + [
        Scope(name=n, allows=t, installation=True) for n, t in INSTALLATION_SCOPES.items()
    ]


@routes.post()
async def create(ctx: Ctx, body: NewToken) -> Made:
    """Make a token."""
    if body.installation and not ctx.principal.is_super:
        raise Forbidden
    name, scopes = _name(body.name), _scopes(body.scopes, installation=body.installation)
    token = PREFIX + secrets.token_urlsafe(32)
    async with ctx.parts.database.begin(ctx.company_id) as tx:
        made = await api_tokens.create(
            tx,
            ctx.company_id,
            token,
            name=name,
            scopes=scopes,
            installation=body.installation,
            connection_id=body.connection_id,
            user_id=ctx.user_id,
            expires_at=body.expires_at,
        )
        tell(tx, "create", made.id)
        shown = Made(**msgspec.structs.asdict(made), token=token)
        ctx.settle(tx, shown)
    return shown


@routes.put("/{api_token_id}")
async def update(ctx: Ctx, api_token_id: int, body: TokenChange) -> ApiToken:
    """Change what a token is good for, from now on."""
    kept = await _own(ctx, api_token_id)
    values: dict[str, Any] = {}
    if body.name is not UNSET:
        values["name"] = _name(body.name)
    if body.scopes is not UNSET:
        values["scopes"] = _scopes(body.scopes, installation=kept.installation)
    if body.expires_at is not UNSET:
        values["expires_at"] = body.expires_at
    async with ctx.parts.database.begin(ctx.company_id) as tx:
        changed = await api_tokens.rows.change(tx, ctx.company_id, api_token_id, values)
        tell(tx, "update", api_token_id)
    return changed


@routes.delete("/{api_token_id}")
async def remove(ctx: Ctx, api_token_id: int) -> Done:
    """Take a token back: it opens nothing any more."""
    await _own(ctx, api_token_id)
    async with ctx.parts.database.begin(ctx.company_id) as tx:
        await api_tokens.rows.delete(tx, ctx.company_id, api_token_id)
        tell(tx, "delete", api_token_id)
    return Done("Token deleted")


async def _own(ctx: Ctx, token_id: int) -> ApiToken:
    """The company's token. Raises NotFound; Forbidden for an operator's to anybody else."""
    found = await api_tokens.rows.get(ctx.parts.database, ctx.company_id, token_id)
    if found.installation and not ctx.principal.is_super:
        raise Forbidden
    return found


def tell(tx: Tx, action: str, token_id: int) -> None:
    """Let whoever knows the token hear that it changed."""
    event = RecordChanged(
        company_id=tx.company_id, noun=NOUN, action=action, record_id=token_id, record=None
    )
    tx.publish(event)


def _name(text: str) -> str:
    if not text.strip():
        raise Invalid(Detail("$.name", "empty"))
    return text.strip()


def _scopes(given: list[str], *, installation: bool) -> list[str]:
    known = COMPANY_SCOPES | (INSTALLATION_SCOPES if installation else {})
    for place, scope in enumerate(given):
        if scope not in known:
            raise Invalid(Detail(f"$.scopes[{place}]", "no such scope"))
    if not given:
        raise Invalid(Detail("$.scopes", "empty"))
    return sorted(set(given))
