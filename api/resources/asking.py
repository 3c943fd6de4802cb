"""Asking the owner of a contact's tickets, who may have changed by a merge."""

from typing import TypeVar

import msgspec

from actors.errors import Moved
from actors.tickets.commands import TicketCommand
from api.endpoint import Ctx

R = TypeVar("R")


async def ask(ctx: Ctx, command: TicketCommand[R]) -> R:
    """The reply of the command's ticket actor; follows one merge of its contact."""
    try:
        return await ctx.parts.system.ask(command)
    except Moved as moved:
        key = moved.to.key
        assert isinstance(key, tuple)
        return await ctx.parts.system.ask(msgspec.structs.replace(command, contact_id=key[1]))


def send_key(ctx: Ctx, place: int = 0) -> str:
    """What makes a repetition of this send the same send; empty: every request is a new one."""
    given = ctx.request.headers.get("idempotency-key", "")
    return f"{ctx.user_id}:{place}:{given}" if given else ""
