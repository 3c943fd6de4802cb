"""The supervision tree of the domain as data, and the ports its actors share.

Every kind is restarted by itself; a crash of one actor touches only it. Order of start: hubs
before those whose commits they publish, the relay last. Shutdown runs the other way round.
"""

import msgspec

from actors.accounts import PgAccounts
from actors.channels.registry import Channels
from actors.configuration import SnapshotCache
from actors.hub import EventSink, HubPublisher
from actors.intake import Intake
from actors.intake_health import IntakeHealth
from actors.media import MediaStore
from actors.outbox_relay import OutboxRelay, RelayHints
from actors.ports import Clock, Ids, Writer, utc_now
from actors.revival import PgEventLog
from actors.router.actor import router_actor
from actors.router.ports import RouterPorts
from actors.sessions.actor import session_actor
from actors.sessions.composing import Composing
from actors.sessions.ports import MediaLimit, SessionPorts, no_smaller_limit
from actors.stores import PgContacts, PgDeadLetters, PgOutbox, PgTickets
from actors.tickets.actor import ticket_actor
from actors.tickets.ports import TicketPorts
from engine import Address, ChildSpec, RestartBudget, Supervisor, System, Virtual
from storage.database import Database
from storage.event_log import stream_positions
from storage.ids import CompanyId
from storage.secrets import SecretBox

LIVE_TICKETS = 20_000
"""Contacts kept in memory, at most some 30 kB each; beyond, the least recently used are put away."""


class DomainPorts(msgspec.Struct, kw_only=True):
    """What the composition root gives the domain.

    `publisher` is made first, because the writer publishes through it:

        snapshots = SnapshotCache(...)
        publisher = HubPublisher(snapshots, sink, log)
        async with open_writer(database, owner, publisher=publisher) as writer:
            ports = DomainPorts(..., saver=writer, publisher=publisher)
            async with open_system(build_tree(ports)) as system:
                intake = ports.attach(system)
    """

    database: Database
    saver: Writer
    ids: Ids
    snapshots: SnapshotCache
    publisher: HubPublisher
    channels: Channels
    box: SecretBox
    media: MediaStore | None = None
    media_limit: MediaLimit = no_smaller_limit
    epoch: int = 0
    patience: float = 30.0
    reconcile: float = 600.0
    clock: Clock = utc_now
    composing: Composing = msgspec.field(default_factory=Composing)
    hints: RelayHints = msgspec.field(default_factory=RelayHints)
    health: IntakeHealth = msgspec.field(default_factory=IntakeHealth)

    def attach(self, system: System) -> Intake:
        """Connects what was made before the system; returns the door for inbound."""
        self.publisher.attach(system)
        self.hints.attach(system)
        return Intake(system, self.saver.stats, self.health)

    def tickets(self) -> TicketPorts:
        """What ticket actors use."""
        return TicketPorts(
            store=PgTickets(self.database),
            saver=self.saver,
            ids=self.ids,
            snapshots=self.snapshots,
            channels=self.channels,
            dead_letters=PgDeadLetters(self.database),
            hint=self.hints,
            clock=self.clock,
        )

    def router(self) -> RouterPorts:
        """What routers use."""
        return RouterPorts(
            store=PgContacts(self.database),
            saver=self.saver,
            ids=self.ids,
            snapshots=self.snapshots,
            dead_letters=PgDeadLetters(self.database),
            clock=self.clock,
        )

    def sessions(self) -> SessionPorts:
        """What sessions and the relay use."""
        return SessionPorts(
            store=PgOutbox(self.database),
            saver=self.saver,
            ids=self.ids,
            snapshots=self.snapshots,
            channels=self.channels,
            accounts=PgAccounts(self.database, self.snapshots, self.box),
            media=self.media,
            media_limit=self.media_limit,
            epoch=self.epoch,
            patience=self.patience,
            reconcile=self.reconcile,
            composing=self.composing,
            health=self.health,
            clock=self.clock,
        )


def build_tree(ports: DomainPorts) -> Supervisor:
    """The tree to run with `engine.open_system`."""
    tickets, router, sessions = ports.tickets(), ports.router(), ports.sessions()
    return Supervisor(
        "domain",
        strategy="one_for_one",
        intensity=10,
        period=60.0,
        children=(
            Virtual("hub", ports.publisher.hub, resident=True),
            Virtual(
                "ticket",
                lambda address: ticket_actor(tickets, address),
                budget=RestartBudget(3, per=60.0),
                cap=LIVE_TICKETS,
                gate=lambda address: ports.saver.settled(writer_name(address)),
            ),
            Virtual("router", lambda address: router_actor(router, address), resident=True),
            Virtual(
                "session",
                lambda address: session_actor(sessions, address),
                resident=True,
                gate=lambda address: ports.saver.settled(writer_name(address)),
            ),
            ChildSpec("relay", lambda: OutboxRelay(sessions, ports.hints), restart="permanent"),
        ),
    )


def writer_name(address: Address) -> str:
    """The name under which the actor at an address commits."""
    key = address.key if isinstance(address.key, tuple) else (address.key,)
    return ":".join((address.kind, *map(str, key)))


async def open_publisher(
    database: Database, snapshots: SnapshotCache, sink: EventSink
) -> tuple[HubPublisher, PgEventLog]:
    """The hand-over from commits to hubs. To be made before anything is committed.

    Raises DatabaseUnavailable.
    """
    positions: dict[CompanyId, int] = await stream_positions(database)
    log = PgEventLog(database, snapshots, positions)
    return HubPublisher(snapshots, sink, log), log
