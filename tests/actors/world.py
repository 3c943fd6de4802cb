"""The whole domain on a real database: two companies, the simulator, a sink that remembers."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import msgspec
import sqlalchemy as sa
import trio

from actors.channels.base import Channel, Conversation, Identity, InboundMessage
from actors.channels.registry import Channels
from actors.channels.simulator import AckPlan, Simulator
from actors.configuration import SnapshotCache
from actors.intake import Intake
from actors.media import MediaStore
from actors.tickets.commands import TicketCommand
from actors.tree import DomainPorts, build_tree, open_publisher
from engine import System, open_system
from storage.database import Database
from storage.events import DomainEvent
from storage.id_blocks import IdBlocks
from storage.ids import CompanyId, ConnectionId, ContactId, TicketId
from storage.owner import Owner, owner_lock
from storage.secrets import SecretBox
from storage.snapshots import load_snapshot
from storage.writer import GroupWriter, open_writer

ONE, TWO = CompanyId(1), CompanyId(2)
FIRST, SECOND = ConnectionId(11), ConnectionId(22)

SEED = """
INSERT INTO companies (id, name) VALUES (1, 'One'), (2, 'Two');
INSERT INTO company_settings (company_id) VALUES (1), (2);
INSERT INTO departments (company_id, id, name, color) VALUES
  (1, 101, 'Sales', '#111'), (1, 102, 'Support', '#222'), (2, 201, 'Sales', '#111');
INSERT INTO users (company_id, id, name, email, password_hash, profile) VALUES
  (1, 1001, 'Ann', 'ann@one.test', '', 'admin'), (1, 1002, 'Bob', 'bob@one.test', '', 'user'),
  (2, 2001, 'Eve', 'eve@two.test', '', 'admin');
INSERT INTO connections (company_id, id, name, channel, status, is_default, closing_message) VALUES
  (1, 11, 'Main', 'simulator', 'CONNECTED', true, 'Bye {{firstName}}'),
  (1, 12, 'Other', 'simulator', 'CONNECTED', false, ''),
  (2, 22, 'Main', 'simulator', 'CONNECTED', true, '')
"""


class Sink:
    """Every event that reached the sockets' door, in its order."""

    def __init__(self) -> None:
        self.events: list[tuple[CompanyId, int, DomainEvent]] = []
        self._news = trio.Event()

    def emit(self, company_id: CompanyId, seq: int, event: DomainEvent) -> None:
        self.events.append((company_id, seq, event))
        self._news.set()
        self._news = trio.Event()

    def of(self, company_id: CompanyId, kind: str | None = None) -> list[DomainEvent]:
        return [
            event
            for company, _, event in self.events
            if company == company_id and kind in (None, event.kind)
        ]

    async def until(self, condition: Callable[[], bool]) -> None:
        with trio.fail_after(20):
            while not condition():
                await self._news.wait()


class World:
    """What a test holds of a running domain."""

    def __init__(
        self,
        database: Database,
        system: System,
        intake: Intake,
        simulator: Simulator,
        sink: Sink,
        writer: GroupWriter,
        ports: DomainPorts,
        owner: Owner,
    ) -> None:
        self.database = database
        self.system = system
        self.intake = intake
        self.simulator = simulator
        self.sink = sink
        self.writer = writer
        self.ports = ports
        self.owner = owner

    async def rows(self, sql: str, **params: object) -> list[dict[str, object]]:
        return [dict(row) for row in await self.database.rows(sa.text(sql), **params)]

    async def value(self, sql: str, **params: object) -> object:
        return await self.database.value(sa.text(sql), **params)

    async def contact_of(self, phone: str, company: CompanyId = ONE) -> ContactId:
        found = await self.value(
            "SELECT id FROM contacts WHERE company_id = :c AND number = :n", c=company, n=phone
        )
        assert isinstance(found, int)
        return ContactId(found)

    async def ticket_of(self, phone: str, company: CompanyId = ONE) -> tuple[ContactId, TicketId]:
        contact = await self.contact_of(phone, company)
        found = await self.value(
            "SELECT max(id) FROM tickets WHERE company_id = :c AND contact_id = :k",
            c=company,
            k=contact,
        )
        assert isinstance(found, int)
        return contact, TicketId(found)

    async def say(
        self,
        phone: str,
        *bodies: str,
        company: CompanyId = ONE,
        connection: ConnectionId = FIRST,
        ids: list[str] | None = None,
        **fields: object,
    ) -> object:
        talk = conversation(phone, *bodies, ids=ids, **fields)
        return await self.intake.deliver(company, connection, talk)

    async def sent(self, number: int) -> None:
        """Waits until that many messages have arrived at the far end."""
        arrived = trio.Event()

        def watch(_sent: object) -> None:
            if self.simulator.distinct >= number:
                arrived.set()

        self.simulator.watch(watch)
        watch(None)
        with trio.fail_after(20):
            await arrived.wait()

    async def ask(self, command: TicketCommand[object]) -> object:
        with trio.fail_after(20):
            return await self.system.ask(command)


_numbers = iter(range(1, 10**9))


def conversation(
    phone: str, *bodies: str, ids: list[str] | None = None, name: str = "", **fields: object
) -> Conversation:
    """Text messages of one person, as a channel would hand them over."""
    sender = Identity(phone=phone)
    inputs = [
        InboundMessage(
            provider_id=ids[place] if ids else f"wamid.{next(_numbers)}",
            contact=sender,
            timestamp=datetime.now(UTC),
            kind="text",
            media_type="conversation",
            body=body,
        )
        for place, body in enumerate(bodies)
    ]
    inputs = [msgspec.structs.replace(item, **fields) for item in inputs]
    return Conversation(key=phone, contact=sender, name=name, inbounds=tuple(inputs))


class _Way:
    """The simulator's way in; the intake is made after the system."""

    intake: Intake

    async def deliver(self, *args: object) -> object:
        return await self.intake.deliver(*args)  # type: ignore[arg-type]

    async def statuses(self, *args: object) -> object:
        return await self.intake.statuses(*args)  # type: ignore[arg-type]


@asynccontextmanager
async def open_world(
    database: Database,
    *,
    plan: AckPlan | None = None,
    channels: tuple[Channel, ...] = (),
    seeded: bool = False,
    media: MediaStore | None = None,
    patience: float = 30.0,
    reconcile: float = 600.0,
) -> AsyncIterator[World]:
    """A running domain; `channels` stand beside (or, by name, instead of) the simulator."""
    if not seeded:
        for statement in SEED.split(";"):
            await database.execute(sa.text(statement))
    way, sink = _Way(), Sink()
    simulator = Simulator(way, plan=plan or AckPlan(sent=0.0, delivered=0.0, read=0.0))
    snapshots = SnapshotCache(lambda company_id: load_snapshot(database, company_id))
    async with owner_lock(database) as owner:
        publisher, _ = await open_publisher(database, snapshots, sink)
        async with open_writer(database, owner, publisher=publisher) as writer:
            ports = DomainPorts(
                database=database,
                saver=writer,
                ids=IdBlocks(database),
                snapshots=snapshots,
                publisher=publisher,
                channels=Channels(simulator, *channels),
                box=SecretBox(b"k" * 32),
                media=media,
                patience=patience,
                reconcile=reconcile,
            )
            async with open_system(build_tree(ports)) as system, trio.open_nursery() as nursery:
                way.intake = intake = ports.attach(system)
                nursery.start_soon(simulator.run)
                world = World(database, system, intake, simulator, sink, writer, ports, owner)
                yield world
                nursery.cancel_scope.cancel()
