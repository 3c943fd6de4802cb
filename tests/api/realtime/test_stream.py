"""The plain WebSocket API, with trio-websocket as the client an integrator would write."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, open_websocket_url

from api.principal import Principal
from api.realtime.server import RealtimeServer
from storage.ids import CompanyId, UserId
from tests.api.realtime.harness import Denied, Said, World, principal, serving
from tests.api.realtime.raw_client import OPENED, http, upgrade_request

COMPANY = CompanyId(1)


class Office(World):
    """A world with an event log and one command."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[tuple[int, str, dict[str, int | str]]] = []
        self.reading = trio.Event()
        self.go_on = trio.Event()
        self.go_on.set()

    async def events_since(
        self, company_id: CompanyId, seq: int, limit: int
    ) -> Sequence[tuple[int, str, dict[str, int | str]]]:
        assert company_id == COMPANY
        page = [entry for entry in self.log if entry[0] > seq][:limit]
        self.reading.set()
        await self.go_on.wait()
        return page

    async def run_command(self, who: Principal, name: str, given: dict[str, object]) -> object:
        await trio.lowlevel.checkpoint()
        if name != "echo":
            code = "ERR_NO_SUCH_COMMAND"
            raise Denied(code)
        return {"user": who.user_id, **given}

    def ports(self, **changes: Any) -> Any:
        return super().ports(
            events_since=self.events_since, run_command=self.run_command, **changes
        )


def say(server: RealtimeServer, office: Office, seq: int) -> None:
    """Commit and emit one event."""
    office.log.append((seq, "test.said", {"n": seq}))
    server.emit(COMPANY, seq, Said(company_id=COMPANY, rooms=("company-1-mainchannel",)))


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
        await order(ws, 20, "nonsense")
        for number in range(20):
            assert await reply(ws) == {"id": number, "ok": {"user": 1, "n": number}}
        assert await reply(ws) == {"id": 20, "error": "ERR_NO_SUCH_COMMAND"}


async def test_msgpack_is_answered_in_msgpack() -> None:
    async with office() as (server, world, ws):
        await ws.send_message(msgspec.msgpack.encode({"id": "a", "do": "subscribe"}))
        assert await reply(ws) == {"id": "a", "ok": {"seq": 0}}
        say(server, world, 1)
        data = await ws.get_message()
        assert isinstance(data, bytes)
        assert msgspec.msgpack.decode(data) == {"event": "said", "seq": 1, "data": {"seq": 1}}


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
        assert await reply(ws) == {"id": 2, "ok": {"seq": 0}}
        say(server, world, 1)
        assert (await reply(ws))["seq"] == 1


@pytest.mark.parametrize("data", ["", "[]", "{}", '{"id":1}', '{"id":1,"do":2}', b"\xc1", b""])
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
