"""A real-time server on a real port, with two companies of invented users, for tests."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, ClassVar

import msgspec
import trio

from api.edge.server import EdgeServer, open_listeners
from api.principal import Principal
from api.realtime import wire
from api.realtime.handshake import Receive, Scope, Send, respond
from api.realtime.ports import RealtimePorts
from api.realtime.recovery import Log
from api.realtime.server import RealtimeServer
from api.realtime.settings import RealtimeSettings
from api.sockets import viewer_of
from storage import ticket_lists
from storage.events import DomainEvent
from storage.ids import CompanyId, DepartmentId, TicketId, UserId
from tests.api.realtime.raw_client import OPENED


def principal(
    user_id: int = 1,
    company_id: int = 1,
    *,
    profile: str = "user",
    departments: tuple[int, ...] = (),
    is_super: bool = False,
    all_ticket: bool = False,
    all_user_chat: bool = False,
    allow_group: bool = False,
    expires_in: float = 3600.0,
    family: str | None = None,
) -> Principal:
    """An invented user."""
    return Principal(
        user_id=UserId(user_id),
        company_id=CompanyId(company_id),
        name=f"user {user_id}",
        profile=profile,
        is_super=is_super,
        department_ids=tuple(DepartmentId(number) for number in departments),
        all_ticket=all_ticket,
        all_historic=False,
        all_user_chat=all_user_chat,
        allow_group=allow_group,
        expires_at=datetime.now(UTC).timestamp() + expires_in,
        family=family or f"family-{user_id}",
    )


class Denied(Exception):
    """What the fake authentication raises."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class World:
    """Who there is and who may see which ticket."""

    COOKIE: ClassVar = "cookie-of-admin"

    def __init__(self) -> None:
        self.tokens = {
            "admin": principal(1, profile="admin"),
            "agent": principal(2, departments=(5,)),
            "other-agent": principal(3, departments=(6,)),
            "super": principal(4, is_super=True, profile="admin"),
            "stranger": principal(9, company_id=2, profile="admin"),
        }
        self.visible: dict[str, set[str]] = {}
        self.revoked: set[str] = set()
        self.presence: list[tuple[int, int, bool]] = []

    async def authenticate(self, token: str) -> Principal:
        await trio.lowlevel.checkpoint()
        if token == "expired":
            msg = "ERR_SESSION_EXPIRED"
            raise Denied(msg)
        if token in self.revoked or token not in self.tokens:
            msg = "ERR_INVALID_TOKEN"
            raise Denied(msg)
        return self.tokens[token]

    async def authenticate_cookie(self, cookie: str) -> Principal:
        if cookie != self.COOKIE:
            msg = "ERR_INVALID_TOKEN"
            raise Denied(msg)
        return self.tokens["admin"]

    async def revalidate(self, old: Principal) -> Principal:
        await trio.lowlevel.checkpoint()
        for name, known in self.tokens.items():
            if known.user_id == old.user_id:
                return await self.authenticate(name)
        msg = "ERR_SESSION_EXPIRED"
        raise Denied(msg)

    async def may_see_ticket(self, who: Principal, reference: str) -> TicketId | None:
        await trio.lowlevel.checkpoint()
        if who.company_id == 1 and (who.is_admin or reference in ("7", "uuid-7")):
            return TicketId(7)
        return None

    def ports(self, **changes: Any) -> RealtimePorts:
        ports = RealtimePorts(
            authenticate=self.authenticate,
            authenticate_cookie=self.authenticate_cookie,
            may_see_ticket=self.may_see_ticket,
            sees_ticket=lambda who, ticket: ticket_lists.may_see(viewer_of(who), ticket),
            revalidate=self.revalidate,
            presence_changed=lambda *change: self.presence.append(change),
        )
        return msgspec.structs.replace(ports, **changes)


class Said(DomainEvent, frozen=True, kw_only=True):
    """An invented event: said to some rooms. Tests enter it into the wire table."""

    kind: ClassVar[str] = "test.said"
    rooms: tuple[str, ...]
    name: str = "said"
    payload: dict[str, Any] = msgspec.field(default_factory=dict)

    def ids(self) -> dict[str, int | str]:
        return {}


wire.wire(Said)(lambda said: [wire.Push(said.rooms, said.name, said.payload)])


class Remote:
    """The server behind a small control path, so that another process can drive it.

    POST /control with `{"do": name, ...}`: say, stream and hush, log, forget, revoke, grant, stats.
    """

    def __init__(self, server: RealtimeServer, world: World) -> None:
        self._server = server
        self._world = world
        self._seq = 0
        self._streaming = trio.CancelScope()
        self.nursery: trio.Nursery | None = None

    async def asgi(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] != "/control":
            await self._server.asgi(scope, receive, send)
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        await respond(send, 200, msgspec.json.encode(self._do(msgspec.json.decode(body))))

    def _do(self, order: dict[str, Any]) -> object:
        match order["do"]:
            case "say":
                company = CompanyId(order.get("company", 1))
                for _ in range(order.get("times", 1)):
                    self._seq += 1
                    said = Said(
                        company_id=company,
                        rooms=tuple(order["rooms"]),
                        name=order.get("name", "said"),
                        payload=order.get("payload", {}),
                    )
                    self._server.emit(company, self._seq, said)
                return self._seq
            case "stream":
                assert self.nursery is not None
                self._streaming = trio.CancelScope()
                self.nursery.start_soon(self._stream, tuple(order["rooms"]), order["every"])
            case "hush":
                self._streaming.cancel()
                return self._seq
            case "log":
                return list(range(1, self._seq + 1))
            case "forget":
                self._server.channel(CompanyId(1)).log = Log(f"after {self._seq}", 1 << 20)
            case "grant":
                self._world.tokens[order["token"]] = principal(**order["principal"])
                self._world.revoked.discard(order["token"])
            case "revoke":
                self._world.revoked.add(order["token"])
                self._server.revoke(self._world.tokens[order["token"]].family)
            case "stats":
                return self._server.stats()
        return None

    async def _stream(self, rooms: tuple[str, ...], every: float) -> None:
        """Say something all the time."""
        with self._streaming:
            while True:
                self._do({"do": "say", "rooms": rooms})
                await trio.sleep(every)


@asynccontextmanager
async def serving(
    world: World | None = None, settings: RealtimeSettings | None = None
) -> AsyncGenerator[tuple[RealtimeServer, int]]:
    """A running server and its port on the loopback address."""
    world = world or World()
    server = RealtimeServer(settings or RealtimeSettings(timer_step=0.02), world.ports())
    listeners = open_listeners("127.0.0.1", 0)
    remote = Remote(server, world)
    edge = EdgeServer(remote.asgi)
    async with trio.open_nursery() as nursery:
        remote.nursery = nursery
        await nursery.start(server.run)
        nursery.start_soon(edge.serve, listeners)
        try:
            yield server, listeners[0].getsockname()[1]
        finally:
            nursery.cancel_scope.cancel()
            for closable in (*listeners, *(stream.socket for stream in OPENED)):
                closable.close()
            OPENED.clear()
