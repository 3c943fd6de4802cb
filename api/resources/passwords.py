"""Forgotten passwords: asked for and set anew by mail, under each frontend's paths."""

import msgspec

from api import password_resets
from api.endpoint import Done, PublicCtx, Routes, Short, public
from api.resources.users import check_password

routes = Routes(tag="auth", guard=public)
LACKS = "mail server"


class Forgotten(msgspec.Struct):
    """Whose password is forgotten."""

    email: Short


class NewPassword(msgspec.Struct):
    """The mailed token with the address it was mailed to, and the new password."""

    email: Short
    token: Short
    password: Short


class Accepted(msgspec.Struct, frozen=True):
    """The same answer whoever asks."""

    code: str
    ok: bool = True


@routes.post("/auth/forgot-password", lacks=LACKS)
async def forgot(ctx: PublicCtx, body: Forgotten) -> Accepted:
    """Have a token for a new password mailed, if somebody has this address."""
    await password_resets.ask(ctx.parts, body.email, ctx.request.client)
    return Accepted("RESET_REQUESTED")


@routes.post("/auth/reset-password")
async def reset(ctx: PublicCtx, body: NewPassword) -> Accepted:
    """Set a new password by the mailed token; every session of its user ends."""
    await _reset(ctx, body.email, body.token, body.password)
    return Accepted("PASSWORD_RESET")


@routes.post("/forgetpassword/{email}", lacks=LACKS)
async def forgot_there(ctx: PublicCtx, email: str) -> Done:
    """Have a token mailed, under the path that older clients use."""
    await password_resets.ask(ctx.parts, email, ctx.request.client)
    return Done("Verifique o seu e-mail")


@routes.post("/resetpasswords/{email}/{token}/{password}")
async def reset_there(ctx: PublicCtx, email: str, token: str, password: str) -> Done:
    """Set a new password by the mailed token, under the path that older clients use."""
    await _reset(ctx, email, token, password)
    return Done("Senha redefinida com sucesso")


async def _reset(ctx: PublicCtx, email: str, token: str, password: str) -> None:
    check_password(password)
    await password_resets.use(ctx.parts, email, token, password, ctx.request.client)
