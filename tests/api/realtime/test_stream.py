"""The plain WebSocket API, with trio-websocket as the client an integrator would write."""

import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
import trio
from trio.testing import wait_all_tasks_blocked
from trio_websocket import ConnectionClosed, WebSocketConnection, open_websocket_url

from api.errors import Detail
from api.principal import Principal
from api.realtime.ports import CommandRefused
from api.realtime.server import RealtimeServer
from api.realtime.settings import RealtimeSettings
from api.realtime.stream import Stream
from storage.event_log import EventPage
from storage.events import StoredEvent
from storage.ids import CompanyId, UserId
from tests.api.realtime.harness import Said, World, principal, serving
from tests.api.realtime.raw_client import OPENED, RawClient, http, until, upgrade_request

COMPANY = CompanyId(1)
NOW = datetime.now(UTC)


class Office(World):
    """A world with an event log and two commands."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[StoredEvent] = []
        self.forgotten = 0
        self.reads = 0
        self.reading = trio.Event()
        self.go_on = trio.Event()
        self.go_on.set()
        self.door = trio.Event()

    async def events_since(self, company_id: CompanyId, seq: int, limit: int) -> EventPage:
        assert company_id == COMPANY
        found = [event for event in self.log if event.seq > max(seq, self.forgotten)]
        last = self.log[-1].seq if self.log else 0
        self.reads += 1
        self.reading.set()
        await self.go_on.wait()
        return EventPage(
            events=tuple(found[:limit]),
            has_more=len(found) > limit,
            complete=seq >= self.forgotten,
            last_seq=last,
        )

    async def run_command(
        self, who: Principal, name: str, given: dict[str, object], key: str
    ) -> object:
        await trio.lowlevel.checkpoint()
        match name:
            case "echo":
                return {"user": who.user_id, "key": key, **given}
            case "wait":
                await self.door.wait()
                return given
            case "fail":
                raise ValueError(name)
        details = (Detail("$.do", "unknown"),)
        code = "ERR_NO_SUCH_COMMAND"
        raise CommandRefused(code, details, 2.0)

    def ports(self, **changes: Any) -> Any:
        return super().ports(
            events_since=self.events_since, run_command=self.run_command, **changes
        )


def say(server: RealtimeServer, office: Office, seq: int) -> None:
    """Commit and emit one event."""
    stored = StoredEvent(company_id=COMPANY, seq=seq, kind="test.said", ids={}, created_at=NOW)
    office.log.append(stored)
    server.emit(COMPANY, seq, Said(company_id=COMPANY, rooms=("company-1-mainchannel",)))


SLOW = RealtimeSettings(timer_step=0.02, sink_bytes=100_000, socket_send_buffer=8192)


def blocked(stream: Stream) -> bool:
    """Has the client not read what it was sent?"""
    return stream._client is not None and stream._client.blocked


async def plain_stream(port: int) -> RawClient:
    """A connection of the plain API that reads when it is told to."""
    request = upgrade_request("token=admin").replace(b"/socket.io/", b"/ws")
    stream, head, rest = await http(port, request)
    assert head.startswith(b"HTTP/1.1 101 ")
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    return RawClient(stream, rest)


@asynccontextmanager
async def office(
    token: str = "admin",
) -> AsyncGenerator[tuple[RealtimeServer, Office, WebSocketConnection]]:
    """A server and one stream client."""
    world = Office()
    async with serving(world) as (server, port):
        url = f"ws://127.0.0.1:{port}/ws"
        headers = [("Authorization", f"Bearer {token}")]
        async with open_websocket_url(url, extra_headers=headers) as ws:
            OPENED.append(ws._stream)  # that package leaves it open when the server closes
            with trio.fail_after(20):
                yield server, world, ws


async def order(ws: WebSocketConnection, number: int, do: str, **more: Any) -> None:
    await ws.send_message(msgspec.json.encode({"id": number, "do": do, **more}).decode())


async def reply(ws: WebSocketConnection) -> Any:
    data = await ws.get_message()
    return (msgspec.msgpack if isinstance(data, bytes) else msgspec.json).decode(data)


async def test_commands_are_pipelined_and_answered_in_order() -> None:
    async with office() as (_, _, ws):
        for number in range(20):
            await order(ws, number, "echo", **{"with": {"n": number}})
        await order(ws, 20, "nonsense", key="k")
        await order(ws, 21, "fail")
        await order(ws, 22, "echo", key="k")
        for number in range(20):
            assert await reply(ws) == {"id": number, "ok": {"user": 1, "key": "", "n": number}}
        refused = await reply(ws)
        details = [{"path": "$.do", "message": "unknown"}]
        code = "ERR_NO_SUCH_COMMAND"
        assert refused == {"id": 20, "error": code, "details": details, "retryAfter": 2.0}
        assert await reply(ws) == {"id": 21, "error": "ERR_INTERNAL"}
        assert await reply(ws) == {"id": 22, "ok": {"user": 1, "key": "k"}}


async def test_commands_of_one_ticket_keep_their_order_and_hold_no_other_up() -> None:
    async with office() as (_, world, ws):
        await order(ws, 1, "wait", **{"with": {"ticketId": 7}})
        await order(ws, 2, "echo", **{"with": {"ticketId": "7"}})
        await order(ws, 3, "echo", **{"with": {"ticketId": 8}})
        assert (await reply(ws))["id"] == 3
        world.door.set()
        assert [(await reply(ws))["id"] for _ in range(2)] == [1, 2]


async def test_too_many_commands_at_once_are_refused_one_by_one() -> None:
    async with office() as (_, world, ws):
        for number in range(300):
            await order(ws, number, "wait", **{"with": {"ticketId": number % 3}})
        refused = [await reply(ws) for _ in range(44)]
        assert refused == [{"id": n, "error": "ERR_OVERLOADED"} for n in range(256, 300)]
        world.door.set()
        assert {(await reply(ws))["id"] for _ in range(256)} == set(range(256))
        await order(ws, 300, "echo")
        assert (await reply(ws))["id"] == 300


async def test_msgpack_is_answered_in_msgpack() -> None:
    async with office() as (server, world, ws):
        await ws.send_message(msgspec.msgpack.encode({"id": "a", "do": "subscribe"}))
        assert await reply(ws) == {"id": "a", "ok": {"seq": 0, "complete": True}}
        say(server, world, 1)
        data = await ws.get_message()
        assert isinstance(data, bytes)
        assert msgspec.msgpack.decode(data) == {"event": "said", "seq": 1, "data": {"seq": 1}}


async def test_subscribing_without_a_number_starts_now() -> None:
    async with office() as (server, world, ws):
        for seq in range(1, 6):
            say(server, world, seq)
        await order(ws, 1, "subscribe")
        assert await reply(ws) == {"id": 1, "ok": {"seq": 5, "complete": True}}
        say(server, world, 6)
        assert (await reply(ws))["seq"] == 6


async def test_what_the_log_told_is_not_told_again_when_it_comes_late() -> None:
    async with office() as (server, world, ws):
        for seq in range(1, 4):
            say(server, world, seq)
        await order(ws, 1, "subscribe", since=1)
        assert [(await reply(ws)).get("seq") for _ in range(2)] == [2, 3]
        assert await reply(ws) == {"id": 1, "ok": {"seq": 3, "complete": True}}
        server.emit(COMPANY, 3, Said(company_id=COMPANY, rooms=("company-1-mainchannel",)))
        for seq in (4, 5):
            say(server, world, seq)
        assert [(await reply(ws))["seq"] for _ in range(2)] == [4, 5]


async def test_a_log_that_has_forgotten_says_so() -> None:
    async with office() as (server, world, ws):
        for seq in range(1, 10):
            say(server, world, seq)
        world.forgotten = 6
        await order(ws, 1, "subscribe", since=2)
        assert [(await reply(ws))["seq"] for _ in range(3)] == [7, 8, 9]
        assert await reply(ws) == {"id": 1, "ok": {"seq": 9, "complete": False}}


async def test_resuming_misses_nothing_and_repeats_nothing() -> None:
    async with office() as (server, world, ws):
        for seq in range(1, 1201):
            say(server, world, seq)
        world.go_on = trio.Event()
        await order(ws, 1, "subscribe", since=100)
        await world.reading.wait()
        for seq in range(1201, 1211):  # while the log is being read
            say(server, world, seq)
        world.go_on.set()
        seen = []
        while len(seen) < 1110:
            said = await reply(ws)
            if "seq" in said:
                seen.append(said["seq"])
        say(server, world, 1211)
        said = await reply(ws)
        while "seq" not in said:
            said = await reply(ws)
        assert [*seen, said["seq"]] == list(range(101, 1212))


async def test_only_admins_read_the_log() -> None:
    async with office("agent") as (server, world, ws):
        await order(ws, 1, "subscribe", since=0)
        assert await reply(ws) == {"id": 1, "error": "ERR_NO_PERMISSION"}
        await order(ws, 2, "subscribe")
        assert await reply(ws) == {"id": 2, "ok": {}}
        say(server, world, 1)
        assert (await reply(ws))["seq"] == 1


@pytest.mark.parametrize(
    "data",
    ["", "[]", "{}", '{"id":1}', '{"id":1,"do":"x","since":-1}', '{"id":1,"do":2}', b"\xc1", b""],
)
async def test_what_is_no_command_ends_the_connection(data: str | bytes) -> None:
    async with office() as (_, _, ws):
        await ws.send_message(data)
        with pytest.raises(ConnectionClosed):
            await ws.get_message()
        assert ws.closed is not None
        assert ws.closed.code == 1007


@pytest.mark.parametrize("token", ["", "nonsense", "expired"])
async def test_bad_tokens_get_no_stream(token: str) -> None:
    async with serving(Office()) as (_, port):
        request = upgrade_request(f"token={token}").replace(b"/socket.io/", b"/ws")
        _, head, _ = await http(port, request)
        assert head.startswith(b"HTTP/1.1 401")


async def test_a_revoked_or_changed_session_ends_with_a_reason() -> None:
    async with office() as (server, _, ws):
        await order(ws, 1, "subscribe")
        await reply(ws)
        server.revoke("family-1")
        assert await reply(ws) == {"error": "ERR_SESSION_EXPIRED"}
    async with office("agent") as (server, world, ws):
        await order(ws, 1, "subscribe")
        await reply(ws)
        world.tokens["agent"] = principal(2, departments=(9,))
        server.revalidate_user(COMPANY, UserId(2))
        assert await reply(ws) == {"error": "ERR_SESSION_CHANGED"}


async def test_a_slow_reader_gets_a_long_log_whole_at_its_own_pace() -> None:
    world = Office()
    async with serving(world, SLOW) as (server, port):
        for seq in range(1, 8_001):
            say(server, world, seq)
        client = await plain_stream(port)
        await client.say(b'{"id":1,"do":"subscribe","since":0}')
        await until(lambda: any(map(blocked, server._streams.values())))
        assert world.reads < 12, "the log is read ahead of the client"
        client.stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        await client.say(b'{"id":2,"do":"echo"}')
        seen: list[int] = []
        replies: list[object] = []
        while len(replies) < 2:
            told = msgspec.json.decode(await client.text())
            if "seq" in told:
                seen.append(told["seq"])
            else:
                replies.append(told["id"])
        assert seen == list(range(1, 8_001))
        assert sorted(replies) == [1, 2]
        assert server.stats().slow_clients == 0


async def test_a_client_that_leaves_while_it_catches_up_costs_no_more_reads() -> None:
    world = Office()
    async with serving(world, SLOW) as (server, port):
        for seq in range(1, 8_001):
            say(server, world, seq)
        client = await plain_stream(port)
        await client.say(b'{"id":1,"do":"subscribe","since":0}')
        await until(lambda: world.reads > 1)
        await client.stream.aclose()
        await until(lambda: server.stats().websockets == 0)
        await wait_all_tasks_blocked()
        assert world.reads < 12


async def test_a_flood_of_commands_of_one_that_does_not_read_ends_with_that_one() -> None:
    world = Office()
    async with serving(world, SLOW) as (server, port):
        good, bad = await plain_stream(port), await plain_stream(port)
        order = b'{"id":"%d","do":"echo","with":{"fill":"%s"}}' % (1, b"x" * 2000)

        async def flood() -> None:
            with suppress(trio.BrokenResourceError):
                while True:
                    await bad.say(*[order] * 20)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(flood)
            await until(lambda: server.stats().slow_clients == 1)
            await good.say(b'{"id":9,"do":"echo"}')
            assert msgspec.json.decode(await good.text())["id"] == 9
            nursery.cancel_scope.cancel()
        assert server.stats().websockets == 1
