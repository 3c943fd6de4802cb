"""The sockets against what should not happen: defects, storms, greedy clients, a weak database."""

from typing import Any, cast

import pytest
import trio

from actors.events import UserChanged
from api.principal import Principal
from api.realtime.channel import Outgoing
from api.realtime.server import RealtimeServer
from api.realtime.settings import RealtimeSettings
from bench.load.frames import masked_text
from storage.errors import DatabaseUnavailable
from storage.ids import CompanyId, TicketId, UserId
from storage.views import UserView
from tests.api.realtime.harness import Said, World, serving
from tests.api.realtime.raw_client import http, open_websocket, until, upgrade_request
from tests.api.realtime.test_server import joined, say

COMPANY, OTHER = CompanyId(1), CompanyId(2)


async def test_an_event_that_cannot_be_encoded_ends_nothing_but_itself(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving() as (server, port):
        client, neighbour = await joined(port), await joined(port, "stranger")
        for rooms in (("user-1",), ("company-1-mainchannel",)):
            odd = Said(company_id=COMPANY, rooms=rooms, payload={"odd": object()})
            server.emit(COMPANY, 1, odd)
            server.emit(COMPANY, 2, Said(company_id=COMPANY, rooms=("user-1",)))
            say(server, 1, "user-9", company=2)
            assert b'"seq":2' in await client.text()
            assert b'"seq":1' in await neighbour.text()
    assert "cannot be encoded" in caplog.text


async def test_a_defect_at_the_end_of_one_connection_ends_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Defect(World):
        def ports(self, **changes: Any) -> Any:
            def broken(company_id: CompanyId, user_id: UserId, online: bool) -> None:
                if not online and user_id == 2:
                    message = "defect"
                    raise ValueError(message)

            return super().ports(presence_changed=broken, **changes)

    async with serving(Defect()) as (server, port):
        good = await joined(port)
        for ending in (b"\x88\x82\0\0\0\0\x03\xe8", b"", masked_text(b"41"), masked_text(b"9")):
            bad = await joined(port, "agent")
            if ending:
                await bad.stream.send_all(ending)
            await bad.stream.aclose()
            say(server, 1, "user-1")
            assert b'"seq":1' in await good.text()
        await until(lambda: server.stats().websockets == 1)
    assert "defect" in caplog.text


async def test_a_defect_in_a_timer_ends_no_other_connection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings = RealtimeSettings(timer_step=0.02, ping_interval=0.1, ping_timeout=0.1)
    async with serving(settings=settings) as (server, port):
        bad = await joined(port, "agent")
        [session] = server._engine.sessions.values()

        class Broken:
            def tick(self, now: float) -> float:
                message = "defect"
                raise ValueError(message)

        session.upper = cast("Any", Broken())
        good = await joined(port)
        for _ in range(3):
            while await good.text() != b"2":
                pass
            await good.say(b"3")
        await bad.stream.aclose()
    assert "defect" in caplog.text


async def test_a_defect_in_the_fan_out_costs_that_company_what_was_under_way(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    framed = Outgoing.framed

    def broken(self: Outgoing, dialect: int, prefix: bytes) -> bytes:
        if self.name == "odd":
            message = "defect"
            raise RuntimeError(message)
        return framed(self, dialect, prefix)

    monkeypatch.setattr(Outgoing, "framed", broken)
    async with serving() as (server, port):
        client, neighbour = await joined(port), await joined(port, "stranger")
        server.emit(COMPANY, 1, Said(company_id=COMPANY, rooms=("user-1",), name="odd"))
        say(server, 1, "user-9", company=2)
        assert b'"seq":1' in await neighbour.text()
        say(server, 2, "user-1")
        assert b'"seq":2' in await client.text()
    assert "what company 1 was being told is lost" in caplog.text


AWAY = (DatabaseUnavailable("away"), OSError("a defect"))
"""What a port may raise that is no answer."""


class Weak(World):
    """A world whose database is away for `refusals` questions, raising `error`."""

    def __init__(self, error: Exception, refusals: int = 1) -> None:
        super().__init__()
        self.error = error
        self.refusals = refusals

    def ask(self) -> None:
        if self.refusals:
            self.refusals -= 1
            raise self.error

    async def authenticate(self, token: str) -> Principal:
        self.ask()
        return await super().authenticate(token)

    async def may_see_ticket(self, who: Principal, reference: str) -> TicketId | None:
        self.ask()
        return await super().may_see_ticket(who, reference)


@pytest.mark.parametrize("error", AWAY)
async def test_who_connects_while_the_database_is_away_may_come_again(error: Exception) -> None:
    """A CONNECT_ERROR is an answer after which the official client does not try again."""
    async with serving(Weak(error)) as (_, port):
        client = await open_websocket(port)
        await client.say(b"40")
        assert await client.close_code() == 1013
        await joined(port)


@pytest.mark.parametrize("error", AWAY)
async def test_who_cannot_be_let_into_a_ticket_now_is_told_or_comes_again(
    error: Exception,
) -> None:
    world = Weak(error, 0)
    async with serving(world) as (server, port):
        client = await joined(port)
        world.refusals = 2
        await client.say(b'421["joinChatBox","7"]')
        assert b"ERR_" in await client.text()
        await client.say(b'42["joinChatBox","7"]')  # nobody would hear that it failed
        assert await client.close_code() == 1013
        again = await joined(port)
        await again.say(b'421["joinChatBox","7"]')
        assert await again.text() == b"431[]"
        world.refusals = 1
        server.revalidate_user(COMPANY, UserId(1))
        assert await again.close_code() == 1000  # and the client comes back by itself


async def test_a_stream_that_opens_while_the_database_is_away_is_told_to_come_again() -> None:
    request = upgrade_request("token=admin").replace(b"/socket.io/", b"/ws")
    async with serving(Weak(AWAY[0])) as (_, port):
        _, head, _ = await http(port, request)
        assert head.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after:" in head.lower()
        _, head, _ = await http(port, request)
        assert head.startswith(b"HTTP/1.1 101 ")


async def test_a_company_that_changes_all_the_time_keeps_nobody_elses_clients_out() -> None:
    class Busy(World):
        server: RealtimeServer

        async def authenticate(self, token: str) -> Principal:
            self.change()
            return await super().authenticate(token)

        async def revalidate(self, old: Principal) -> Principal:
            self.change()
            return await super().revalidate(old)

        def change(self) -> None:
            """Others change their users and log out while this one is let in."""
            fields: dict[str, Any] = dict.fromkeys(UserView.__struct_fields__)
            user = UserView(**fields | {"id": UserId(77)})
            self.server.emit(OTHER, 1, UserChanged(company_id=OTHER, user=user))
            self.server.emit(COMPANY, 1, UserChanged(company_id=COMPANY, user=user))
            self.server.revoke("family-77")

    world = Busy()
    async with serving(world) as (server, port):
        world.server = server
        await joined(port)
        assert server.stats().sockets == 1


STREAM = upgrade_request("token=admin").replace(b"/socket.io/", b"/ws")


async def test_one_login_does_not_take_every_stream() -> None:
    settings = RealtimeSettings(timer_step=0.02, max_per_user=2)
    async with serving(settings=settings) as (_, port):
        heads = [(await http(port, STREAM))[1] for _ in range(3)]
        assert [head.split()[1] for head in heads] == [b"101", b"101", b"429"]
        _, head, _ = await http(port, STREAM.replace(b"token=admin", b"token=agent"))
        assert head.split()[1] == b"101"


async def test_a_stream_that_opens_while_the_server_goes_is_not_opened() -> None:
    class Slow(World):
        def __init__(self) -> None:
            super().__init__()
            self.asked, self.go = trio.Event(), trio.Event()

        async def authenticate(self, token: str) -> Principal:
            self.asked.set()
            await self.go.wait()
            return await super().authenticate(token)

    world = Slow()
    async with serving(world) as (server, port), trio.open_nursery() as nursery:
        heads: list[bytes] = []

        async def enter() -> None:
            heads.append((await http(port, STREAM))[1])

        nursery.start_soon(enter)
        await world.asked.wait()
        await server.drain()
        world.go.set()
        await until(lambda: bool(heads))
        assert heads[0].split()[1] == b"503"


async def test_one_user_does_not_take_every_socket() -> None:
    settings = RealtimeSettings(timer_step=0.02, max_per_user=3)
    async with serving(settings=settings) as (server, port):
        mine = [await joined(port, "agent") for _ in range(3)]
        more = await open_websocket(port, "agent")
        await more.say(b"40")
        assert (
            await more.text() == b'44{"message":"ERR_OVERLOADED","data":{"code":"ERR_OVERLOADED"}}'
        )
        await joined(port)  # others come in
        await mine[0].stream.aclose()
        await until(lambda: server.stats().sockets == 3)
        await joined(port, "agent")
