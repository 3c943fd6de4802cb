"""A router on tables in memory, with ticket actors that note what they are handed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from actors.channels.base import Conversation, Identity, InboundMessage
from actors.ports import Clock as ReadsTime
from actors.router import DeliverInbound
from actors.router.actor import router_actor
from actors.router.ports import RouterPorts
from actors.tickets.commands import (
    Absorb,
    ContactRenewed,
    Delivered,
    Retire,
    TakeInbound,
    TicketCommand,
)
from engine import Actor, System, handler
from engine.testing import open_system
from tests.actors.company import COMPANY, LINE, NOW, Snapshots
from tests.actors.memory import Clock, Memory, Numbers
from tests.actors.memory_ports import MemoryContacts


class Tickets(Actor):
    """Notes what it is handed."""

    heard: list[TicketCommand[object]]
    memory: Memory

    @handler
    async def take(self, cmd: TakeInbound) -> Delivered:
        self.heard.append(cmd)
        return Delivered(stored=len(cmd.inbounds))

    @handler
    async def renewed(self, cmd: ContactRenewed) -> None:
        self.heard.append(cmd)

    @handler
    async def retire(self, cmd: Retire) -> None:
        self.heard.append(cmd)

    @handler
    async def absorb(self, cmd: Absorb) -> None:
        self.heard.append(cmd)
        for row in self.memory.rows("contact_aliases", contact_id=cmd.loser):
            row["contact_id"] = cmd.contact_id


class Routing:
    """A router on tables in memory, and what its ticket actors heard."""

    def __init__(self) -> None:
        self.memory = Memory()
        self.store = MemoryContacts(self.memory)
        self.heard: list[TicketCommand[object]] = []
        self.system: System

    def taken(self) -> list[tuple[int, str]]:
        return [
            (command.contact_id, item.body)
            for command in self.heard
            if isinstance(command, TakeInbound)
            for item in command.inbounds
        ]

    async def deliver(
        self, who: Identity, *bodies: str, name: str = "", from_me: bool = False, **fields: str
    ) -> object:
        inputs = tuple(
            InboundMessage(
                provider_id=f"w-{body}",
                contact=who,
                timestamp=NOW,
                kind="text",
                media_type="conversation",
                body=body,
                from_me=from_me,
            )
            for body in bodies
        )
        return await self.talk(
            Conversation(key="k", contact=who, inbounds=inputs, name=name, **fields)
        )

    async def talk(self, talk: Conversation) -> object:
        command = DeliverInbound(company_id=COMPANY, connection_id=LINE, conversation=talk)
        with trio.fail_after(10):
            return await self.system.ask(command)


@asynccontextmanager
async def open_router(clock: ReadsTime | None = None) -> AsyncIterator[Routing]:
    routing = Routing()
    ports = RouterPorts(
        store=routing.store,
        saver=routing.memory,
        ids=Numbers(),
        snapshots=Snapshots(),
        dead_letters=routing.memory,
        clock=clock or Clock(),
    )

    def tickets(_address: object) -> Tickets:
        actor = Tickets()
        actor.heard, actor.memory = routing.heard, routing.memory
        return actor

    kinds = {"router": lambda address: router_actor(ports, address), "ticket": tickets}
    async with open_system(kinds) as system:
        routing.system = system
        yield routing


PHONE = Identity(phone="5511")
