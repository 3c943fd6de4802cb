"""Rights that are withdrawn while somebody is being let in hold for that one too."""

from collections.abc import Callable
from typing import Any

import pytest
import trio

from actors.events import RecordChanged, UserChanged, UserRemoved
from api.principal import Principal
from api.realtime.server import RealtimeServer
from api.realtime.withdrawals import EVERYBODY, Withdrawals
from storage.ids import CompanyId, DepartmentId, UserId
from storage.views import DepartmentView, UserView
from storage.views.words import enable, enabled
from tests.api.realtime.harness import Said, World, principal, serving
from tests.api.realtime.raw_client import RawClient, http, open_websocket, upgrade_request

COMPANY = CompanyId(1)
Withdraw = Callable[["Entrance", RealtimeServer], None]


class Entrance(World):
    """A world whose answer about a token is given when it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.go = trio.Event(), trio.Event()

    async def authenticate(self, token: str) -> Principal:
        found = await super().authenticate(token)
        self.asked.set()
        await self.go.wait()
        return found


def logged_out(world: Entrance, server: RealtimeServer) -> None:
    world.revoked.add("admin")
    server.revoke(world.tokens["admin"].family)


def gone(world: Entrance, server: RealtimeServer) -> None:
    world.revoked.add("admin")
    server.revalidate_user(COMPANY, UserId(1))


def demoted(world: Entrance, server: RealtimeServer) -> None:
    world.tokens["admin"] = principal(1)
    server.revalidate_user(COMPANY, UserId(1))


def say(server: RealtimeServer, seq: int, room: str) -> None:
    server.emit(COMPANY, seq, Said(company_id=COMPANY, rooms=(room,)))


async def entering(world: Entrance, server: RealtimeServer, port: int, then: Withdraw) -> RawClient:
    client = await open_websocket(port, "admin")
    await client.say(b"40")
    await world.asked.wait()
    then(world, server)
    world.go.set()
    return client


@pytest.mark.parametrize("then", [logged_out, gone])
async def test_a_session_that_ends_while_its_socket_connects_is_refused(then: Withdraw) -> None:
    world = Entrance()
    async with serving(world) as (server, port):
        client = await entering(world, server, port, then)
        assert b"ERR_INVALID_TOKEN" in await client.text()
        assert server.stats().sockets == 0


async def test_a_socket_that_connects_gets_the_rooms_of_today() -> None:
    world = Entrance()
    async with serving(world) as (server, port):
        client = await entering(world, server, port, demoted)
        assert (await client.text()).startswith(b"40")
        await client.text()  # ready
        say(server, 1, "company-1-admin")
        say(server, 2, "user-1")
        assert b'"seq":2' in await client.text()


@pytest.mark.parametrize("then", [logged_out, gone])
async def test_a_session_that_ends_while_its_stream_opens_is_refused(then: Withdraw) -> None:
    world = Entrance()
    async with serving(world) as (server, port), trio.open_nursery() as nursery:
        heads: list[bytes] = []

        async def enter() -> None:
            request = upgrade_request("token=admin").replace(b"/socket.io/", b"/ws")
            stream, head, _ = await http(port, request)
            async with stream:
                heads.append(head)

        nursery.start_soon(enter)
        await world.asked.wait()
        then(world, server)
        world.go.set()
        with trio.fail_after(20):
            while not heads:
                await trio.lowlevel.checkpoint()
        assert heads[0].startswith(b"HTTP/1.1 401 ")


def test_what_is_forgotten_counts_against_everybody() -> None:
    withdrawals, me = Withdrawals(kept=2), principal(1, family="mine")
    seen = withdrawals.count
    withdrawals.note((CompanyId(2), UserId(1)))
    withdrawals.note((COMPANY, UserId(2)))
    assert not withdrawals.since(me, seen)
    withdrawals.note("other")
    assert withdrawals.since(me, seen)  # the first is forgotten: it may have been mine
    seen = withdrawals.count
    for mine in ("mine", (COMPANY, UserId(1)), (COMPANY, EVERYBODY)):
        withdrawals.note(mine)
        assert withdrawals.since(me, seen)
        seen = withdrawals.count
        assert not withdrawals.since(me, seen)


async def test_a_stream_ends_with_its_user_when_nobody_else_of_the_company_is_here() -> None:
    world = World()
    async with serving(world) as (server, port):
        request = upgrade_request("token=admin").replace(b"/socket.io/", b"/ws")
        stream, head, rest = await http(port, request)
        assert head.startswith(b"HTTP/1.1 101 ")
        client = RawClient(stream, rest)
        world.revoked.add("admin")
        server.emit(COMPANY, 1, UserRemoved(company_id=COMPANY, user_id=UserId(1)))
        assert b"ERR_INVALID_TOKEN" in await client.text()
        assert await client.close_code() == 1008
        await stream.aclose()


class Unhurried(World):
    """A world that never says what a user may today: the database is busy with others."""

    async def revalidate(self, old: Principal) -> Principal:
        await trio.sleep_forever()
        raise AssertionError


def changed_user(who: Principal, **fields: Any) -> UserChanged:
    """That user was written; what is not given is as the principal has it."""
    known = {
        "id": who.user_id,
        "profile": who.profile,
        "is_super": who.is_super,
        "all_ticket": enable(who.all_ticket),
        "all_user_chat": enabled(who.all_user_chat),
        "allow_group": who.allow_group,
        "departments": tuple(department(number) for number in who.department_ids),
    }
    view = UserView(**(dict.fromkeys(UserView.__struct_fields__) | known | fields))
    return UserChanged(company_id=who.company_id, user=view)


def department(number: int) -> DepartmentView:
    """A department of which only the id counts."""
    known = dict.fromkeys(DepartmentView.__struct_fields__) | {"id": DepartmentId(number)}
    return DepartmentView(**known)


LESS = (
    {"departments": ()},
    {"departments": (department(6),)},
    {"profile": "other"},
    {"all_ticket": "enable"},
    {"allow_group": True},
)


@pytest.mark.parametrize("less", LESS)
async def test_from_the_change_of_a_user_on_its_sockets_hear_nothing_by_the_old_rights(
    less: dict[str, Any],
) -> None:
    world = Unhurried()
    async with serving(world) as (server, port):
        socket = await open_websocket(port, "agent")
        await socket.join()
        await socket.say(b'427["joinTickets","pending"]')
        assert await socket.text() == b"437[]"
        request = upgrade_request("token=agent").replace(b"/socket.io/", b"/ws")
        stream, _, rest = await http(port, request)
        client = RawClient(stream, rest)
        await client.say(b'{"id":1,"do":"subscribe"}')
        assert b'"ok"' in await client.text()
        who = world.tokens["agent"]
        server.emit(COMPANY, 1, changed_user(who, name="renamed"))
        assert b"company-1-user" in await socket.text()
        assert b"company-1-user" in await client.text()
        server.emit(COMPANY, 2, changed_user(who, **less))
        say(server, 3, "queue-5-pending")
        heard = b""
        while (frame := await socket.frame()) is not None:
            heard += frame[1]
        while (frame := await client.frame()) is not None:
            heard += frame[1]
        assert b'"seq":2' in heard
        assert b'"seq":3' not in heard
        assert b"ERR_SESSION_CHANGED" in heard


async def test_a_department_that_goes_is_heard_of_no_more_at_once() -> None:
    async with serving(Unhurried()) as (server, port):
        mine, others = (
            await open_websocket(port, "agent"),
            await open_websocket(port, "other-agent"),
        )
        await mine.join()
        await others.join()
        gone = RecordChanged(company_id=COMPANY, noun="department", action="delete", record_id=5)
        server.emit(COMPANY, 1, gone)
        say(server, 2, "company-1-mainchannel")
        assert await mine.close_code() == 1000
        assert b"company-1-queue" in await others.text()
        assert b'"seq":2' in await others.text()
