"""Whether a number can be written to, as far as its channel can tell."""

import msgspec
from msgspec import field

from actors.channels.base import NumberLookup
from api.endpoint import Ctx, Id, Reply, Routes, Short, program
from api.errors import Detail, NotAvailable
from api.resources.external_messages import connection_of, number_of
from storage import api_usages
from storage.connections import Connection

routes = Routes("/api/messages", tag="external", feature="use_external_api", paid=True)
LACKS = "channel that can look numbers up"
_BRAZIL, _WITH_NINTH = "55", 13
_KEEPS_NINTH = 30


class Asked(msgspec.Struct, kw_only=True, rename="camel"):
    """The number to look up."""

    number: Short
    connection_id: Id | None = field(name="whatsappId", default=None)


class Checked(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Whether the number is there, and how it is written there."""

    exists_in_whatsapp: bool
    number: str
    number_formatted: str = ""
    error: str = ""


@routes.post("/checkNumber", guard=program("numbers:check"), lacks=LACKS)
async def check(ctx: Ctx, body: Asked) -> Reply[Checked]:
    """Look a number up at the channel; 501 where the channel cannot tell."""
    own = connection_of(ctx, await ctx.snapshot(), body.connection_id)
    number = number_of(body.number)
    lookup = _lookup(ctx, own)
    await api_usages.count(ctx.parts.database, ctx.company_id, "check")
    account = await ctx.parts.accounts.account(ctx.company_id, own.id)
    if not await lookup.knows(account, number):
        missing = Checked(exists_in_whatsapp=False, number=number, error="ERR_WAPP_INVALID_CONTACT")
        return Reply(body=missing, status=400)
    found = Checked(exists_in_whatsapp=True, number=number, number_formatted=formatted(number))
    return Reply(body=found)


def _lookup(ctx: Ctx, own: Connection) -> NumberLookup:
    """The connection's channel, where it can look numbers up. Raises NotAvailable."""
    channels = ctx.parts.channels
    channel: object = channels.get(own.channel) if own.channel in channels else None
    if not isinstance(channel, NumberLookup):
        raise NotAvailable(Detail("$.whatsappId", f"{own.channel} cannot look numbers up"))
    return channel


def formatted(number: str) -> str:
    """The number as WhatsApp knows it: Brazilian mobiles outside the south-east have no ninth digit."""
    brazilian = len(number) == _WITH_NINTH and number.startswith(_BRAZIL) and number.isdigit()
    return number[:4] + number[5:] if brazilian and int(number[2:4]) > _KEEPS_NINTH else number
