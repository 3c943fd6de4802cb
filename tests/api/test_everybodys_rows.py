"""Help pages and announcements: written once for all companies, and heard by all of them."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
import trio

from api.edge import open_listeners, serve_edge
from bench.examples.stream_client import connected
from storage.events import DomainEvent
from storage.founding import NewCompany, create_company
from storage.users import NewUser
from tests.api.conftest import Company, World
from tests.api.realtime.raw_client import OPENED, RawClient, open_websocket
from tests.api.statements import counted

ROWS = {
    "/helps": {"title": "How to"},
    "/announcements": {"title": "News", "text": "x"},
}
DIALECTS = ("", "/{id},", "/workspace-{id},")


async def write(world: World, path: str) -> int:
    """Create, change and delete one; its id."""
    made = await world.call("POST", path, ROWS[path], token=world.super)
    row_id: int = made.json()["id"]
    for method, body in (("PUT", {"title": "Other"}), ("DELETE", None)):
        done = await world.call(method, f"{path}/{row_id}", body, token=world.super)
        assert done.status == 200, done
    return row_id


@pytest.mark.parametrize("path", ROWS)
async def test_what_is_everybodys_costs_the_same_however_many_companies_there_are(
    world: World, path: str
) -> None:
    database = world.app.parts.database
    told: list[DomainEvent] = []
    publisher = database.publisher

    def listen(pairs: Any) -> None:
        told.extend(event for _, event in pairs)
        publisher(pairs)

    database.publisher = listen
    await write(world, path)
    costs = []
    for _ in range(2):
        told.clear()
        with counted() as statements:
            await write(world, path)
        costs.append((len(statements), [event.company_id for event in told]))
        for number in range(12):
            admin = NewUser(name="A", email=f"{number}@c.test", password_hash="", profile="admin")
            new = NewCompany(name="C", email=f"office@{number}.test")
            if len(costs) == 1:
                await create_company(database, new, admin)
    assert costs[0] == costs[1]
    assert costs[0][0] > 6, "three transactions"
    assert costs[0][1] == [world.a.id] * 3


@asynccontextmanager
async def served(world: World) -> AsyncGenerator[int]:
    """The server's port."""
    listeners = open_listeners("127.0.0.1", 0)
    async with serve_edge(world.app.asgi, listeners):
        try:
            with trio.fail_after(30):
                yield listeners[0].getsockname()[1]
        finally:
            for stream in OPENED:
                stream.socket.close()
            OPENED.clear()


async def heard(client: RawClient, where: str, name: str) -> tuple[str, str]:
    """What the next event of this name is about, said in this namespace."""
    while True:
        text = (await client.text()).decode()
        if f'"{name}"' in text:
            assert text.startswith(f"42{where}[")
            payload = msgspec.json.decode(text[2 + len(where) :])[1]
            return payload["action"], payload.get("id") or payload["record"]["id"]


@pytest.mark.parametrize("path", ROWS)
@pytest.mark.parametrize("where", DIALECTS)
async def test_every_companys_browsers_hear_of_what_is_everybodys(
    world: World, where: str, path: str
) -> None:
    async with served(world) as port:
        clients: list[tuple[RawClient, Company]] = []
        for company in (world.a, world.b):
            client = await open_websocket(port, company.user)
            await client.join(where.format(id=company.id).encode())
            clients.append((client, company))
        row_id = await write(world, path)
        for client, company in clients:
            name = f"company-{company.id}-{path[1:-1]}"
            place = where.format(id=company.id)
            seen = [await heard(client, place, name) for _ in range(3)]
            assert seen == [("create", row_id), ("update", row_id), ("delete", row_id)]


async def test_integrations_hear_of_it_too_and_keep_their_place_in_the_log(world: World) -> None:
    send, told = trio.open_memory_channel[dict[str, Any]](100)
    async with served(world) as port, trio.open_nursery() as nursery:
        url = f"ws://127.0.0.1:{port}"
        async with connected(url, world.b.admin, send.send_nowait) as client:
            place = await client.ask("subscribe")
            row_id = await write(world, "/helps")
            seen = [await told.receive() for _ in range(3)]
            again = await client.ask("subscribe", since=place["seq"])
        nursery.cancel_scope.cancel()
    assert [event["event"] for event in seen] == [f"company-{world.b.id}-help"] * 3
    assert seen[2]["data"] == {"action": "delete", "id": row_id}
    assert not any("seq" in event for event in seen)
    assert again == place
