"""A ticket actor on tables in memory."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from actors.channels.base import Channel, Identity, InboundMessage
from actors.channels.registry import Channels
from actors.channels.simulator import Simulator
from actors.tickets.actor import ticket_actor
from actors.tickets.commands import TakeInbound
from actors.tickets.ports import TicketPorts
from engine import System
from engine.testing import open_system
from storage.ids import ConnectionId, ContactId
from tests.actors.company import COMPANY, LINE, NOW, Snapshots, contact
from tests.actors.memory import Clock, Memory, Numbers

ZOE = ContactId(1)


class Nowhere:
    """The simulator's way in, for tests that never use it."""

    async def deliver(self, *args: object) -> object:
        raise AssertionError

    async def statuses(self, *args: object) -> object:
        raise AssertionError


def ports(
    memory: Memory,
    *channels: Channel,
    numbers: Numbers | None = None,
    snapshots: Snapshots | None = None,
) -> TicketPorts:
    """Everything a ticket actor needs, in memory."""
    return TicketPorts(
        store=memory,
        saver=memory,
        ids=numbers or Numbers(),
        snapshots=snapshots or Snapshots(),
        channels=Channels(*(channels or (Simulator(Nowhere()),))),
        dead_letters=memory,
        hint=memory.hint,
        clock=Clock(),
    )


@asynccontextmanager
async def open_tickets(memory: Memory, given: TicketPorts | None = None) -> AsyncIterator[System]:
    """A system whose tickets are decided on `memory`; contact ZOE is known."""
    if not memory.rows("contacts"):
        memory.add_contact(contact(ZOE))
    using = given or ports(memory)
    async with open_system({"ticket": lambda address: ticket_actor(using, address)}) as system:
        yield system


def text(provider_id: str, body: str = "hi", **fields: object) -> InboundMessage:
    """An inbound text."""
    return InboundMessage(
        provider_id=provider_id,
        contact=Identity(phone="5511"),
        timestamp=NOW,
        kind="text",
        media_type="conversation",
        body=body,
        **fields,
    )


def take(*inbounds: object, line: ConnectionId = LINE) -> TakeInbound:
    """A delivery to ZOE's tickets."""
    return TakeInbound(
        company_id=COMPANY, contact_id=ZOE, connection_id=line, inbounds=tuple(inbounds)
    )
