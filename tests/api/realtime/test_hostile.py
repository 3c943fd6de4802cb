"""The sockets against what should not happen: defects, storms, greedy clients, a weak database."""

from typing import Any, cast

import msgspec
import pytest
import trio

from actors.events import UserChanged
from api.principal import Principal
from api.realtime.channel import Outgoing
from api.realtime.recovery import MOST_AWAITED, Gap, Log, Saved
from api.realtime.server import RealtimeServer
from api.realtime.settings import RealtimeSettings
from bench.load.frames import masked_text
from storage.errors import DatabaseUnavailable
from storage.ids import CompanyId, TicketId, UserId
from storage.views import UserView
from tests.api.realtime.harness import Said, World, principal, serving
from tests.api.realtime.raw_client import RawClient, http, open_websocket, until, upgrade_request
from tests.api.realtime.test_server import joined, opened, say

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


async def test_sockets_leave_descriptors_to_others() -> None:
    settings = RealtimeSettings(timer_step=0.02, max_websockets=2)
    async with serving(settings=settings) as (server, port):
        sid = await opened(port)
        one = await joined(port)
        await joined(port, "agent")
        _, head, _ = await http(port, upgrade_request("token=admin"))
        assert head.split()[1] == b"400"
        _, head, _ = await http(port, STREAM)
        assert head.split()[1] == b"503"
        _, head, _ = await http(port, upgrade_request(f"sid={sid}"))
        assert head.split()[1] == b"400"  # it goes on by polling
        assert server.stats().sessions == 3
        await one.stream.aclose()
        await until(lambda: server.stats().websockets == 1)
        await joined(port)


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


def framed(text: bytes) -> bytes:
    """A client's frame of any size, under a mask of zeros."""
    return b"\x81\xff" + len(text).to_bytes(8, "big") + bytes(4) + text


async def test_who_has_not_come_in_may_say_little() -> None:
    async with serving() as (_, port):
        client = await open_websocket(port)
        await client.stream.send_all(framed(b"4" + b"0" * 100_000)[:50])
        assert await client.close_code() == 1009
        sid = await opened(port)
        post = (
            f"POST /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nHost: test\r\n"
            "Content-Length: 100000\r\n\r\n"
        )
        _, head, _ = await http(port, post.encode())
        assert head.startswith(b"HTTP/1.1 413 ")
        good = await joined(port)
        await good.stream.send_all(framed(b'421["unknown","' + b"x" * 100_000 + b'"]'))
        await good.say(b'422["joinTickets","open"]')
        assert await good.text() == b"432[]"


async def test_names_and_rooms_of_tickets_do_not_grow_without_end() -> None:
    async with serving() as (server, port):
        client = await joined(port)
        [socket] = next(iter(server._engine.sessions.values())).upper.sockets.values()  # type: ignore[attr-defined]
        for number in range(2_500):
            await client.say(b'42["joinChatBox","%020d"]' % number)
            if number % 100 == 99:
                await client.say(b'421["leaveTickets","open"]')
                while await client.text() != b"431[]":
                    pass
        assert len(socket.aliases) <= 1_000
        await client.say(b'421["joinChatBox","%020d"]' % 2_499)  # the newest are known
        while await client.text() != b"431[]":
            pass
        say(server, 1, "7")
        assert b'"seq":1' in await client.text()


async def test_commands_that_wait_are_bounded_in_bytes() -> None:
    started, go = trio.Event(), trio.Event()

    async def run(*_: object) -> object:
        started.set()
        await go.wait()
        return None

    class Slow(World):
        def ports(self, **changes: Any) -> Any:
            return super().ports(run_command=run, **changes)

    async with serving(Slow()) as (_, port):
        request = upgrade_request("token=admin").replace(b"/socket.io/", b"/ws")
        stream, _, rest = await http(port, request)
        client = RawClient(stream, rest)
        big = "x" * 900_000
        for number in range(10):
            order = {"id": number, "do": "sendMessage", "with": {"ticketId": 7, "body": big}}
            await client.stream.send_all(framed(msgspec.json.encode(order)))
        refused = [msgspec.json.decode(await client.text()) for _ in range(6)]
        assert {reply["error"] for reply in refused} == {"ERR_OVERLOADED"}
        go.set()
        done = [msgspec.json.decode(await client.text()) for _ in range(4)]
        assert [reply["id"] for reply in done] == [0, 1, 2, 3]
        await client.say(b'{"id":99,"do":"sendMessage","with":{"ticketId":7}}')
        assert msgspec.json.decode(await client.text())["id"] == 99


async def test_what_is_kept_for_those_who_come_back_is_shared_by_all_companies() -> None:
    settings = RealtimeSettings(timer_step=0.02, recovery_bytes=50_000, recovery_total=40_000)
    async with serving(settings=settings) as (server, port):
        await joined(port)
        await joined(port, "stranger")
        for seq in range(1, 40):
            say(server, seq, "user-1", size=1_000)
            say(server, seq, "user-9", company=2, size=1_000)
        logs = [server.channel(company).log for company in (COMPANY, OTHER)]
        await until(lambda: all(log and 15_000 < log.size <= 20_000 for log in logs))
        assert server.stats().kept_bytes <= settings.recovery_total


class Told:
    """An event as a log keeps it."""

    volatile = False
    ends = True
    offset = ""

    def __init__(self, seq: int) -> None:
        self.seq = seq
        self.json = b"x" * 100


def test_what_nobody_can_be_missing_any_more_is_let_go() -> None:
    log, me = Log("boot", 1 << 20, age=100.0), principal(1)
    for second in range(500):
        log.expire(float(second))
        log.append(("user-1",), Told(second + 1))
        assert log.size <= 100 * 112
    log.save("pid", Saved("sid", "/", {"user-1": 1}, me, until=600.0))
    assert log.gap("pid", "boot.300.300", "/", me, 500.0) == Gap(300, 500)  # the event log has it
    found = log.restore("pid", "boot.450.450", "/", me, 500.0)
    assert found is not None
    assert len(found[1]) == 50
    log.expire(1_000.0)
    log.expire(1_200.0)
    assert (log.size, log.awaited) == (0, False)
    log.append(("user-1",), Told(501))
    assert log.here() == "boot.501.501"


def test_of_too_many_lost_sockets_the_first_start_afresh() -> None:
    log = Log("boot", 1 << 20)
    for number in range(MOST_AWAITED + 10):
        log.save(str(number), Saved("sid", "/", {}, principal(1), until=10.0))
    assert len(log._saved) == MOST_AWAITED
    assert "9" not in log._saved
    assert "10" in log._saved
