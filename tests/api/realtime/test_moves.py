"""Tickets that move: who had one open and may see it no longer hears that it is gone, and no more."""

from typing import Any

import msgspec
import pytest
import trio

from actors.events import RecordChanged, TicketChanged, TicketPlace
from api.realtime.server import RealtimeServer
from storage.ids import CompanyId, DepartmentId, TicketId, UserId
from storage.views import TicketView
from tests.api.realtime.harness import Said, World, principal, serving
from tests.api.realtime.raw_client import RawClient, open_websocket, until

COMPANY = CompanyId(1)
HERE = TicketPlace("pending", DepartmentId(5), None)


def moved(department: int, user: int | None, was: TicketPlace | None = HERE) -> TicketChanged:
    """Ticket 7 stands in this department now, with this owner."""
    known = {
        "id": TicketId(7),
        "status": "pending" if user is None else "open",
        "department_id": DepartmentId(department),
        "user_id": None if user is None else UserId(user),
        "is_group": False,
        "last_message": "secret",
    }
    fields: dict[str, Any] = dict.fromkeys(TicketView.__struct_fields__) | known
    return TicketChanged(company_id=COMPANY, ticket=TicketView(**fields), was=was)


def say(server: RealtimeServer, seq: int, *rooms: str) -> None:
    """Emit one invented event."""
    server.emit(COMPANY, seq, Said(company_id=COMPANY, rooms=rooms))


async def reading(port: int, namespace: str, token: str) -> tuple[RawClient, bytes, str]:
    """A client that has ticket 7 open, its private pid, and the prefix of its packets."""
    client = await open_websocket(port, token)
    where = b"" if namespace == "/" else namespace.encode() + b","
    await client.say(b"40" + where)
    admitted = msgspec.json.decode((await client.text())[2 + len(where) :])
    await client.say(b"42" + where + b'1["joinChatBox","7"]')
    while not (await client.text()).startswith(b"43" + where + b"1[]"):
        pass
    return client, where, admitted["pid"]


def payload(text: bytes, where: bytes) -> dict[str, Any]:
    """What an event says beside its action."""
    told: dict[str, Any] = msgspec.json.decode(text[2 + len(where) :])[1]
    return told


@pytest.mark.parametrize("namespace", ["/", "/1", "/workspace-1"])
async def test_whoever_may_see_a_moved_ticket_no_longer_hears_delete_and_nothing_after(
    namespace: str,
) -> None:
    async with serving() as (server, port):
        agent, where, _ = await reading(port, namespace, "agent")
        admin, at, _ = await reading(port, namespace, "admin")
        say(server, 1, "7")
        server.emit(COMPANY, 2, moved(6, None))
        say(server, 3, "7")
        say(server, 4, "user-2", "user-1")
        heard = [payload(await agent.text(), where) for _ in range(3)]
        assert [(event["seq"], event.get("action")) for event in heard] == [
            (1, None),
            (2, "delete"),
            (4, None),
        ]
        seen = [payload(await admin.text(), at)["seq"] for _ in range(4 if namespace == "/" else 6)]
        assert sorted(set(seen)) == ([1, 2, 3] if namespace == "/" else [1, 2, 3, 4])


async def test_the_owner_keeps_the_conversation_open_through_a_move() -> None:
    async with serving() as (server, port):
        agent, where, _ = await reading(port, "/", "agent")
        server.emit(COMPANY, 1, moved(6, 2))
        say(server, 2, "7")
        heard = [payload(await agent.text(), where) for _ in range(2)]
        assert [(event["seq"], event.get("action")) for event in heard] == [
            (1, "update"),
            (2, None),
        ]


async def test_whoever_was_away_when_the_ticket_moved_is_not_recovered() -> None:
    async with serving() as (server, port):
        agent, _, pid = await reading(port, "/", "agent")
        say(server, 1, "7")
        offset = msgspec.json.decode((await agent.text())[2:])[2]
        await agent.stream.aclose()
        await until(lambda: server.channel(COMPANY).log.awaited)  # type: ignore[union-attr]
        server.emit(COMPANY, 2, moved(6, 3))
        say(server, 3, "7")
        again = await open_websocket(port, "agent")
        await again.say(b"40" + msgspec.json.encode({"pid": pid, "offset": offset}))
        assert msgspec.json.decode((await again.text())[2:])["pid"] != pid
        assert (await again.text()).startswith(b'42["ready",')
        say(server, 4, "user-2")
        assert payload(await again.text(), b"")["seq"] == 4


async def test_an_answer_that_a_move_overtook_is_asked_again() -> None:
    class Slow(World):
        def __init__(self) -> None:
            super().__init__()
            self.asked = trio.Event()
            self.go_on = trio.Event()

        async def may_see_ticket(self, who: Any, reference: str) -> TicketId | None:
            if self.asked.is_set():
                return None
            self.asked.set()
            await self.go_on.wait()
            return TicketId(7)

    world = Slow()
    async with serving(world) as (server, port):
        client = await open_websocket(port, "agent")
        await client.join()
        await client.say(b'421["joinChatBox","7"]')
        await world.asked.wait()
        server.emit(COMPANY, 1, moved(6, 3))
        world.go_on.set()
        assert await client.text() == b'431["ERR_NO_PERMISSION"]'
        assert not server.channel(COMPANY).members(("7",))


async def test_a_department_that_goes_takes_its_rooms_from_its_agents() -> None:
    world = World()
    async with serving(world) as (server, port):
        client = await open_websocket(port, "agent")
        await client.join()
        world.tokens["agent"] = principal(2)
        gone = RecordChanged(company_id=COMPANY, noun="department", action="delete", record_id=5)
        server.emit(COMPANY, 1, gone)
        assert await client.close_code() == 1000
