"""The plain WebSocket API on the whole server, with the client of bench/examples."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from api import stream_commands
from api.app import open_app
from api.edge import open_listeners, serve_edge
from bench.examples.stream_client import CommandFailed, Position, StreamClient, connected, follow
from tests.api.conftest import World, people, settings_for
from tests.api.realtime.raw_client import until


@asynccontextmanager
async def served(world: World) -> AsyncGenerator[str]:
    """The server's address."""
    listeners = open_listeners("127.0.0.1", 0)
    async with serve_edge(world.app.asgi, listeners):
        yield f"ws://127.0.0.1:{listeners[0].getsockname()[1]}"


@asynccontextmanager
async def stream(
    world: World, token: str
) -> AsyncGenerator[tuple[StreamClient, trio.MemoryReceiveChannel[dict[str, Any]]]]:
    """A client of the server and what it hears."""
    send, heard = trio.open_memory_channel[dict[str, Any]](10_000)
    async with served(world) as url, connected(url, token, send.send_nowait) as client:
        with trio.fail_after(30):
            yield client, heard


async def refused(client: StreamClient, do: str, **given: Any) -> str:
    with pytest.raises(CommandFailed) as failed:
        await client.ask(do, **given)
    return failed.value.code


def test_every_command_is_a_declared_endpoint():
    declared = stream_commands._ENDPOINTS
    for handler in stream_commands.COMMANDS.values():
        assert {name for name, _ in declared[handler].params} <= set(stream_commands._WIRE_NAMES)


async def test_a_conversation_is_worked_off_over_one_socket(world: World):
    a = world.a
    async with stream(world, a.admin) as (client, heard):
        start = await client.ask("subscribe")
        assert start["complete"]
        here = {"ticketId": a.ticket_id}
        accepted = await client.ask("updateTicket", **here, status="open", userId=a.admin_id)
        assert (accepted["status"], accepted["userId"]) == ("open", a.admin_id)
        sent: dict[str, int] = {}

        async def send(text: str) -> None:
            sent[text] = (await client.ask("sendMessage", **here, body=text))["id"]

        async with trio.open_nursery() as nursery:
            for n in range(5):
                nursery.start_soon(send, f"pipelined {n}")
        moved = await client.ask(
            "updateTicket", ticketId=a.ticket_id, userId=a.user_id, queueId=a.department_id,
            isTransfered=True,
        )  # fmt: skip
        assert moved["userId"] == a.user_id
        closed = await client.ask("updateTicket", **here, status="closed", justClose=True)
        assert closed["status"] == "closed"
        created: set[int] = set()
        while not created >= set(sent.values()):
            event = await heard.receive()
            if event.get("event") == f"company-{a.id}-appMessage":
                created.add(event["data"]["message"]["id"])


async def test_a_key_is_one_send_on_the_socket_and_over_rest(world: World):
    a = world.a
    async with stream(world, a.admin) as (client, _):
        given = {"ticketId": a.ticket_id, "body": "once"}
        first = await client.ask("sendMessage", key="k-1", **given)
        again = await client.ask("sendMessage", key="k-1", **given)
        assert first == again
        given["body"] = "other"
        assert await refused(client, "sendMessage", key="k-1", **given) == (
            "ERR_IDEMPOTENCY_KEY_REUSED"
        )
        assert await refused(client, "sendMessage", key="k" * 256, **given) == (
            "ERR_IDEMPOTENCY_KEY_INVALID"
        )
    headers = {"idempotency-key": "k-1"}
    path, body = f"/messages/{a.ticket_id}", {"body": "once"}
    over = await world.call("POST", path, body, token=a.admin, headers=headers)
    assert over.json()["id"] == first["id"]


async def test_what_is_done_over_the_socket_is_in_the_audit_log(world: World):
    a = world.a
    async with stream(world, a.user) as (client, _):
        await client.ask("sendMessage", ticketId=a.ticket_id, body="hi")
        await client.ask("showTicket", ticketId=a.ticket_id)
    page = await world.call("GET", "/audit-log", token=a.admin)
    (entry,) = page.json()["entries"]
    assert (entry["noun"], entry["action"], entry["userId"]) == ("messages", "send", a.user_id)
    assert entry["session"]


async def test_the_socket_refuses_what_rest_refuses(world: World):
    a, b = world.a, world.b
    async with stream(world, a.user) as (client, _):
        assert await refused(client, "subscribe", since=0) == "ERR_NO_PERMISSION"
        assert await client.ask("subscribe") == {}
        for foreign in (b.ticket_id, b.uuid, 10**14):
            path = f"/messages/{foreign}"
            told = (await world.call("POST", path, {"body": "x"}, token=a.user)).json()["error"]
            assert await refused(client, "sendMessage", ticketId=foreign, body="x") == told
            path = f"/tickets/{foreign}"
            told = (await world.call("PUT", path, {"status": "open"}, token=a.user)).json()["error"]
            assert await refused(client, "updateTicket", ticketId=foreign, status="open") == told
        await world.call(
            "PUT", f"/tickets/{a.ticket_id}", {"status": "open", "userId": a.admin_id},
            token=a.admin,
        )  # fmt: skip
        code = await refused(client, "sendMessage", ticketId=a.ticket_id, body="x")
        assert code == "ERR_NO_PERMISSION"
        assert await refused(client, "sendMessage", body="x") == "ERR_VALIDATION"
        assert await refused(client, "updateTicket", ticketId=a.ticket_id, status=[]) == (
            "ERR_VALIDATION"
        )
        assert await refused(client, "dropTables") == "ERR_NO_SUCH_COMMAND"
    assert (await world.call("GET", f"/messages/{b.ticket_id}", token=b.admin)).json()["count"] == 1


async def test_following_survives_lost_connections_without_a_missing_change(world: World):
    seen: list[int] = []
    last = 0
    position = Position(0)
    async with served(world) as url, trio.open_nursery() as nursery:
        follower = trio.CancelScope()

        async def run() -> None:
            nonlocal follower
            with follower:
                await follow(url, world.a.admin, position, lambda e: seen.append(e["seq"]))

        for n in range(4):
            follower = trio.CancelScope()
            nursery.start_soon(run)
            await world.receive(world.a, f"55119666600{n:02}", "while somebody listens")
            page = await world.call("GET", "/events", token=world.a.admin, query="limit=1")
            last = page.json()["lastSeq"]
            await until(lambda goal=last: (position.seq or 0) >= goal)
            follower.cancel()
            await world.receive(world.a, f"55119555500{n:02}", "while nobody does")
        nursery.cancel_scope.cancel()
    assert sorted(set(seen)) == list(range(1, last + 1))


async def test_following_survives_a_restart_of_the_server(dsn: str, tmp_path: Path):
    settings = settings_for(tmp_path)
    seen: list[int] = []
    position = Position(0)
    async with open_app(settings, dsn) as app:
        world = World(app, settings)
        await people(world)
        company = world.a
    for life in range(3):
        async with open_app(settings, dsn) as app:
            world = World(app, settings)
            await world.receive(company, f"55119444400{life:02}", "while nobody listens")
            async with served(world) as url, trio.open_nursery() as nursery:
                nursery.start_soon(
                    follow, url, company.admin, position, lambda e: seen.append(e["seq"])
                )
                await world.receive(company, f"55119333300{life:02}", "while somebody does")
                page = await world.call("GET", "/events", token=company.admin, query="limit=1")
                last = page.json()["lastSeq"]
                await until(lambda goal=last: (position.seq or 0) >= goal)
                nursery.cancel_scope.cancel()
    assert sorted(set(seen)) == list(range(1, last + 1))
