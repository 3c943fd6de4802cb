"""The composition root: settings become one running server, which ends in reverse order."""

import hashlib
import logging
import resource
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_network
from typing import cast

import msgspec
import trio

from actors.accounts import PgAccounts
from actors.channels.base import Conversation, InboundStatus
from actors.channels.registry import Channels
from actors.channels.simulator import Simulator
from actors.channels.whatsapp_cloud import CloudChannel, WhatsAppCloud
from actors.configuration import SnapshotCache
from actors.http import HttpClient, HttpConfig, open_http_client
from actors.intake import Intake
from actors.mailer import Mailer, SmtpConfig
from actors.media import LocalMediaStore
from actors.sessions.composing import Composing
from actors.tree import DomainPorts, build_tree, open_publisher
from api.api_tokens import ApiTokens
from api.audit import Audit, chain_key
from api.auth import Auth, Bearers
from api.composing import ComposingNotices
from api.console.routes import console, docs
from api.edge import EdgeLimits, open_listeners, serve_edge
from api.endpoint.asgi import AsgiApp, Dispatcher, Receive, Scope, Send
from api.housekeeping import keep_house, keep_searchable, tended
from api.idempotency import Idempotency
from api.metrics import Metrics
from api.parts import Parts
from api.presence import Presence
from api.realtime.server import RealtimeServer
from api.realtime.settings import RealtimeSettings
from api.routes import table
from api.settings import Settings
from api.sockets import realtime_ports
from api.stream_commands import StreamCommands
from api.ticket_lists import TicketLists
from api.webhooks.doors import Doors
from engine import open_system
from storage import faults, users
from storage.database import Database, open_database
from storage.events import DomainEvent, Publisher
from storage.id_blocks import IdBlocks
from storage.ids import CompanyId, ConnectionId
from storage.migrate import upgrade
from storage.owner import Owner, owner_lock
from storage.public_urls import PublicUrls
from storage.secrets import SecretBox
from storage.settings import file_limit
from storage.snapshots import CompanySnapshot, load_snapshot
from storage.writer import GroupWriter, open_writer

log = logging.getLogger("api.app")


@dataclass(frozen=True, kw_only=True)
class App:
    """A running server without its listener: the ASGI application and what tests look into."""

    asgi: AsgiApp
    parts: Parts
    simulator: Simulator
    realtime: RealtimeServer
    owner: Owner


class _Sink:
    """The simulator's way in; the intake exists only after the system that needs the simulator."""

    intake: Intake

    async def deliver(
        self, company_id: CompanyId, connection_id: ConnectionId, conversation: Conversation
    ) -> object:
        return await self.intake.deliver(company_id, connection_id, conversation)

    async def statuses(
        self, company_id: CompanyId, connection_id: ConnectionId, reports: Sequence[InboundStatus]
    ) -> object:
        return await self.intake.statuses(company_id, connection_id, reports)


class _Publisher:
    """The one hand-over after every commit: caches first, then the hubs; never waits."""

    def __init__(self, hand_over: Publisher, *caches: Bearers | Doors | ApiTokens) -> None:
        self._hand_over = hand_over
        self._caches = caches

    def __call__(self, pairs: Sequence[tuple[int, DomainEvent]]) -> None:
        for cache in self._caches:
            cache.published(pairs)
        self._hand_over(pairs)


@asynccontextmanager
async def open_app(settings: Settings, dsn: str, *, take_over: bool = False) -> AsyncGenerator[App]:
    """Everything but the listener, for the length of the block; leaving it stops in reverse order.

    Brings the schema up to date first. Raises AlreadyOwned when another process serves this
    database, unless `take_over` puts that one out of office; DatabaseUnavailable when Postgres
    does not answer.
    """
    if settings.fault:
        faults.arm(settings.fault)
    await upgrade(dsn)
    async with (
        open_database(
            dsn, pool=settings.database_pool, audit_key=chain_key(settings.secrets.data_key)
        ) as database,
        owner_lock(database, take_over=take_over) as owner,
        open_http_client(HttpConfig(origins=(settings.graph_url,))) as http,
    ):
        snapshots = SnapshotCache(lambda company_id: _load(settings, database, company_id))
        auth = Auth(settings, database)
        presence = Presence(database, snapshots)
        commands = StreamCommands()
        realtime = RealtimeServer(
            RealtimeSettings(origins=tuple(settings.origins), max_websockets=_room_for_sockets()),
            realtime_ports(database, auth.bearers, presence.changed, commands.run),
        )
        auth.bearers.on_revoked(realtime.revoke)
        await users.everybody_offline(database)
        hubs, event_log = await open_publisher(database, snapshots, realtime)
        realtime.ports = msgspec.structs.replace(realtime.ports, events_again=event_log.since)
        box = SecretBox(hashlib.sha256(settings.secrets.data_key.encode()).digest())
        doors = Doors(database, box)
        api_tokens = ApiTokens(database, doors, snapshots, settings.api_rate_per_minute)
        publisher = _Publisher(hubs, auth.bearers, doors, api_tokens)
        database.publisher = publisher
        async with open_writer(database, owner, publisher=publisher) as writer:
            sink = _Sink()
            simulator = Simulator(sink)
            media = LocalMediaStore(settings.data_dir / "media")
            await media.sweep()
            settings.uploads_dir.mkdir(mode=0o700, exist_ok=True)
            channels = _channels(settings, http, media, simulator)
            domain = DomainPorts(
                database=database,
                saver=writer,
                ids=IdBlocks(database),
                snapshots=snapshots,
                publisher=hubs,
                channels=channels,
                box=box,
                media=media,
                media_limit=partial(file_limit, database, "downloadLimit", settings.upload_limit),
                epoch=max(owner.epochs.values()),
            )
            # The nursery is inside: what it cancels must not cut the system's drain short.
            async with open_system(build_tree(domain)) as system, trio.open_nursery() as nursery:
                sink.intake = domain.attach(system)
                parts = Parts(
                    settings=settings,
                    database=database,
                    system=system,
                    auth=auth,
                    audit=Audit(settings.secrets.data_key),
                    api_tokens=api_tokens,
                    idempotency=Idempotency(database, box, domain.epoch),
                    snapshots=snapshots,
                    intake=sink.intake,
                    media=media,
                    http=http,
                    channels=channels,
                    accounts=PgAccounts(database, snapshots, box),
                    box=box,
                    doors=doors,
                    metrics=_metrics(writer, realtime, sink.intake, domain.composing),
                    mailer=_mailer(settings, database, box),
                    ticket_lists=TicketLists(),
                )
                commands.parts = parts
                notices = ComposingNotices(database, system, snapshots, channels, domain.composing)
                realtime.ports = msgspec.structs.replace(
                    realtime.ports, show_composing=notices.show
                )
                await nursery.start(realtime.run)
                nursery.start_soon(tended, simulator.run)
                nursery.start_soon(tended, presence.run)
                nursery.start_soon(tended, keep_house, settings, database)
                if parts.mailer is not None:
                    nursery.start_soon(tended, parts.mailer.run)
                nursery.start_soon(tended, keep_searchable, database)
                nursery.start_soon(_stop_when_lost, owner, nursery.cancel_scope)
                yield App(
                    asgi=one_port(parts, realtime),
                    parts=parts,
                    simulator=simulator,
                    realtime=realtime,
                    owner=owner,
                )
                await realtime.drain()
                nursery.cancel_scope.cancel()


async def _stop_when_lost(owner: Owner, scope: trio.CancelScope) -> None:
    """A newer owner took the data: nothing of this process may go on."""
    await owner.lost.wait()
    log.critical("another process took the database over; stopping")
    scope.cancel()


async def _load(settings: Settings, database: Database, company_id: CompanyId) -> CompanySnapshot:
    frontend = settings.frontend_urls[0] if settings.frontend_urls else settings.public_url
    urls = PublicUrls(backend=settings.public_url, frontend=frontend.rstrip("/"))
    return await load_snapshot(database, company_id, urls=urls)


def _room_for_sockets() -> int:
    """Three quarters of the descriptors: requests, files and the database need the others."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 100_000 if soft == resource.RLIM_INFINITY else soft * 3 // 4


def _channels(
    settings: Settings, http: HttpClient, media: LocalMediaStore, simulator: Simulator
) -> Channels:
    cloud = WhatsAppCloud(base_url=settings.graph_url)
    return Channels(simulator, CloudChannel(cloud, http, media))


def _mailer(settings: Settings, database: Database, box: SecretBox) -> Mailer | None:
    """The mailer of an installation that has a mail server."""
    if settings.mail_host is None:
        return None
    smtp = SmtpConfig(
        host=settings.mail_host,
        port=settings.mail_port,
        sender=settings.mail_from or settings.mail_user,
        user=settings.mail_user,
        password=settings.mail_password,
        tls=settings.mail_tls or settings.mail_port == 465,
    )
    return Mailer(database, box, smtp)


def _metrics(
    writer: GroupWriter, realtime: RealtimeServer, intake: Intake, composing: Composing
) -> Metrics:
    metrics = Metrics()
    metrics.add(lambda: _numbers("writer", writer.stats()))
    metrics.add(lambda: _numbers("sockets", realtime.stats()))
    metrics.add(lambda: _numbers("composing", composing.stats))
    metrics.add(lambda: (("intake_in_flight", float(intake.in_flight)),))
    return metrics


def _numbers(prefix: str, figures: msgspec.Struct) -> Iterator[tuple[str, float]]:
    for name, value in msgspec.structs.asdict(figures).items():
        if isinstance(value, int | float):
            yield f"{prefix}_{name}", float(value)


def one_port(parts: Parts, realtime: RealtimeServer) -> AsgiApp:
    """Sockets, console and API behind one listener, told apart by path."""
    rest = Dispatcher(table(), parts)
    sockets = cast("AsgiApp", realtime.asgi)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope.get("path", "")
        if path.startswith("/socket.io") or path == "/ws" or path.startswith("/ws/"):
            await sockets(scope, receive, send)
        elif path == "/console" or path.startswith("/console/"):
            await console(scope, receive, send)
        elif path == "/docs" or path.startswith("/docs/"):
            await docs(scope, receive, send)
        else:
            await rest(scope, receive, send)

    return app


@asynccontextmanager
async def listening(
    settings: Settings, app: AsgiApp, metrics: Metrics | None = None
) -> AsyncGenerator[int]:
    """Serve `app` on the configured address; gives the port. Leaving the block drains.

    `metrics` get the listener's figures.

    Raises OSError when the address is taken.
    """
    listeners = open_listeners(settings.host, settings.port)
    limits = EdgeLimits(
        max_body=max(settings.upload_limit, settings.body_limit),
        drain_timeout=settings.drain_seconds,
    )
    proxies = [ip_network(text, strict=False) for text in settings.trusted_proxies]
    async with serve_edge(app, listeners, limits, proxies) as edge:
        if metrics is not None:
            metrics.add(lambda: _numbers("edge", edge.stats()))
        yield listeners[0].getsockname()[1]
