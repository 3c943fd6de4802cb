"""Asking the owner of a contact's tickets, who may have changed by a merge."""

from typing import Any, TypeVar

import msgspec

from actors.errors import Moved
from actors.tickets.commands import TicketCommand
from api.endpoint import Ctx
from storage.messages import Message
from storage.tickets import Ticket

R = TypeVar("R")


async def ask(ctx: Ctx, command: TicketCommand[R]) -> R:
    """The reply of the command's ticket actor; follows one merge of its contact."""
    try:
        return await ctx.parts.system.ask(command)
    except Moved as moved:
        key = moved.to.key
        assert isinstance(key, tuple)
        return await ctx.parts.system.ask(msgspec.structs.replace(command, contact_id=key[1]))


def to_ticket(ctx: Ctx, ticket: Ticket) -> dict[str, Any]:
    """What every command about a ticket begins with: whose it is, which, and who asks."""
    return {
        "company_id": ticket.company_id,
        "contact_id": ticket.contact_id,
        "ticket_id": ticket.id,
        "by": ctx.user_id,
    }


def to_message(ctx: Ctx, message: Message) -> dict[str, Any]:
    """The same for a command about a message."""
    return {
        "company_id": message.company_id,
        "contact_id": message.contact_id,
        "message_id": message.id,
        "by": ctx.user_id,
    }


def send_key(ctx: Ctx, place: int = 0) -> str:
    """What makes a repetition of this send the same send; empty: every request is a new one.

    Programs, and operators who act as a user, have keys of their own.
    """
    given = ctx.request.headers.get("idempotency-key", "")
    who = ctx.principal.program or f"{ctx.user_id} {ctx.principal.keyspace}".rstrip()
    return f"{who}:{place}:{given}" if given else ""
