"""The running server over real sockets: hostile clients, slow ones, tenants, shutdown."""

import socket

import msgspec
import pytest
import trio

from api.realtime.handshake import Request, origin_listed
from api.realtime.server import RealtimeServer
from api.realtime.settings import RealtimeSettings
from bench.load.frames import masked_text
from storage.ids import CompanyId, UserId
from tests.api.realtime.harness import Said, World, principal, serving
from tests.api.realtime.raw_client import (
    RawClient,
    http,
    open_websocket,
    until,
    upgrade_request,
)

COMPANY = CompanyId(1)


def say(server: RealtimeServer, seq: int, *rooms: str, company: int = 1, size: int = 0) -> None:
    """Emit one invented event."""
    said = Said(company_id=CompanyId(company), rooms=rooms, payload={"fill": "x" * size})
    server.emit(CompanyId(company), seq, said)


async def joined(port: int, token: str = "admin") -> RawClient:
    """A websocket in its namespace."""
    client = await open_websocket(port, token)
    await client.join()
    return client


async def test_events_of_one_turn_arrive_whole_and_in_order() -> None:
    async with serving() as (server, port):
        client = await joined(port)
        for seq in range(1, 6):
            say(server, seq, "user-1")
        got = [await client.text() for _ in range(5)]
        assert [text.split(b'"seq":')[1][:1] for text in got] == [b"1", b"2", b"3", b"4", b"5"]


async def test_an_event_for_several_rooms_of_a_socket_arrives_once() -> None:
    async with serving() as (server, port):
        client = await joined(port)
        say(server, 1, "user-1", "company-1-mainchannel", "company-1-admin")
        say(server, 2, "user-1")
        assert b'"seq":1' in await client.text()
        assert b'"seq":2' in await client.text()


async def test_an_event_without_a_wire_form_hurts_nobody(caplog: pytest.LogCaptureFixture) -> None:
    class Unknown(Said, frozen=True, kw_only=True):
        pass

    async with serving() as (server, port):
        client = await joined(port)
        server.emit(COMPANY, 1, Unknown(company_id=COMPANY, rooms=("user-1",)))
        say(server, 2, "user-1")
        assert b'"seq":2' in await client.text()
    assert "has no wire form" in caplog.text


async def test_a_client_that_stops_reading_is_dropped_and_the_others_hear_everything() -> None:
    settings = RealtimeSettings(sink_bytes=200_000, timer_step=0.02)
    async with serving(settings=settings) as (server, port):
        slow, quick = await joined(port, "super"), await joined(port)
        slow.stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        for seq in range(1, 400):
            say(server, seq, "company-1-mainchannel", size=50_000)
            assert b'"seq":%d' % seq in (await quick.text())[-40:]
            if server.stats().slow_clients:
                break
        assert server.stats().slow_clients == 1
        assert server.stats().websockets == 1


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x82\xff" + (64 << 20).to_bytes(8, "big") + b"mask", 1009),
        (b"\x81\x05plain", 1002),
        (b"\xc1\x80mask", 1002),
        (masked_text(b"4\xff"), 1007),
        (masked_text(b"not a packet"), 1000),
        (masked_text(b"42" + b"[" * 60_000), 1000),
    ],
)
async def test_malformed_bytes_end_their_connection_only(data: bytes, code: int) -> None:
    async with serving() as (server, port):
        good, bad = await joined(port), await joined(port)
        await bad.stream.send_all(data)
        assert await bad.close_code() == code
        say(server, 1, "user-1")
        assert b'"seq":1' in await good.text()


async def test_a_flood_of_malformed_connections_leaves_nothing_behind() -> None:
    async with serving() as (server, port):
        good = await joined(port)
        for number in range(60):
            bad = await open_websocket(port)
            await bad.stream.send_all(bytes((number, 255 - number)) * 50)
            await bad.stream.aclose()
        say(server, 1, "user-1")
        assert b'"seq":1' in await good.text()
        await until(lambda: server.stats().websockets == 1)
        assert server.stats().sessions == 1


async def test_connections_that_join_nothing_are_closed_in_time() -> None:
    async with serving(settings=RealtimeSettings(connect_timeout=0.1, timer_step=0.02)) as (
        _,
        port,
    ):
        idle = await open_websocket(port)
        assert await idle.close_code() == 1000


async def test_a_client_is_answered_at_the_websocket_level() -> None:
    async with serving() as (_, port):
        client = await joined(port)
        await client.stream.send_all(b"\x89\x82\0\0\0\0hi")
        assert await client.frame() == (10, b"hi")
        await client.stream.send_all(b"\x88\x82\0\0\0\0\x03\xe8")
        assert await client.frame() == (8, b"\x03\xe8closed"[:2] + b"transport close")


TOKENS = {
    "": None,
    "nonsense": None,
    "expired": None,
    "revoked": None,
    "stranger": 2,
    "agent": 1,
    "admin": 1,
}
SECRET_ROOMS = ("company-1-mainchannel", "company-1-open", "company-1-notification", "7", "user-1")


@pytest.mark.parametrize("namespace", ["/", "/1", "/2", "/workspace-1", "/workspace-2"])
@pytest.mark.parametrize("token", TOKENS)
async def test_no_event_crosses_to_another_company(token: str, namespace: str) -> None:
    world = World()
    world.tokens["revoked"] = principal(8)
    world.revoked.add("revoked")
    company = TOKENS[token]
    admitted = company is not None and (namespace == "/" or namespace.endswith(str(company)))
    async with serving(world) as (server, port):
        client = await open_websocket(port, token)
        where = b"" if namespace == "/" else namespace.encode() + b","
        await client.say(b"40" + where)
        assert (await client.text()).startswith(b"40" if admitted else b"44")
        if not admitted:
            assert server.stats().sockets == 0
            return
        prefix = b"42" + where
        await client.say(*[prefix + b'["joinTickets","open"]', prefix + b'["joinChatBox",7]'])
        await client.say(prefix + b'["joinNotification"]', prefix + b'["joinBackendlog","x"]')
        await client.say(b"42" + where + b'1["joinTickets","bot"]')
        while b"43" + where + b"1[" not in await client.text():
            pass
        other = 3 - company
        say(server, 1, *SECRET_ROOMS, company=other)
        say(server, 1, f"company-{company}-mainchannel", company=company)
        text = await client.text()
        assert b'"said"' in text
        while b'"said"' not in text or b'"seq":1' not in text:
            text = await client.text()
        await client.say(b"42" + where + b'2["joinTickets","bot"]')
        assert b"43" + where + b"2[" in await client.text()


async def test_foreign_origins_are_refused_and_listed_ones_echoed() -> None:
    settings = RealtimeSettings(origins=("https://app.example",))
    poll = "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: test\r\nOrigin: {}\r\n\r\n"
    async with serving(settings=settings) as (_, port):
        for origin, status in (("https://app.example", b"200"), ("https://evil.example", b"403")):
            stream, head, _ = await http(port, poll.format(origin).encode())
            echoed = f"access-control-allow-origin: {origin}".encode() in head.lower()
            assert (head.split()[1], echoed) == (status, status == b"200")
            assert b"*" not in head
            await stream.aclose()
            request = upgrade_request("token=admin", f"Origin: {origin}\r\n")
            stream, head, _ = await http(port, request)
            assert head.split()[1] == (b"101" if status == b"200" else b"400")
            await stream.aclose()


@pytest.mark.parametrize(
    ("origin", "scheme", "listed"),
    [
        ("http://test", "http", True),
        ("https://test", "http", True),  # a proxy that is not trusted ends the encryption
        ("https://test", "https", True),
        ("http://test", "https", False),
        ("http://test:8080", "http", False),
        ("http://test.evil.example", "http", False),
        ("http://evil.example/test", "http", False),
        ("null", "http", False),
        ("test", "http", False),
        ("", "http", False),
        ("HTTPS://APP.EXAMPLE", "http", True),
        ("https://app.example:443", "http", False),
        ("https://app.example.evil.example", "http", False),
    ],
)
def test_an_origin_is_listed_exactly_or_our_own(origin: str, scheme: str, listed: bool) -> None:
    settings = RealtimeSettings(origins=("https://app.example",))
    headers = {b"host": b"test", b"origin": origin.encode()}
    request = Request("GET", {}, headers, "127.0.0.1", scheme)
    assert origin_listed(request, settings) is listed


async def test_changed_permissions_make_the_client_connect_again() -> None:
    world = World()
    async with serving(world) as (server, port):
        client = await joined(port, "agent")
        server.revalidate_user(COMPANY, UserId(2))
        world.tokens["agent"] = principal(2, departments=(6,))
        assert await client.close_code() == 1000
        again = await joined(port, "agent")
        server.revalidate_user(COMPANY, UserId(2))
        say(server, 1, "user-2")
        assert b'"seq":1' in await again.text()


async def test_presence_follows_the_first_and_the_last_socket_of_a_user() -> None:
    world = World()
    async with serving(world) as (server, port):
        first, second = await joined(port), await joined(port)
        await first.stream.aclose()
        await until(lambda: server.stats().sockets == 1)
        assert world.presence == [(1, 1, True)]
        await second.stream.aclose()
        await until(lambda: server.stats().sockets == 0)
        assert world.presence == [(1, 1, True), (1, 1, False)]


async def test_an_operator_who_acts_as_a_user_does_not_make_that_user_be_here() -> None:
    world = World()
    acting = msgspec.structs.replace(world.tokens["agent"], impersonator_id=UserId(4))
    world.tokens["acting"] = acting
    async with serving(world) as (server, port):
        behind = await joined(port, "acting")
        assert server.stats().sockets == 1
        await joined(port, "agent")
        await behind.stream.aclose()
        await until(lambda: server.stats().sockets == 1)
        assert world.presence == [(1, 2, True)]


async def test_a_shutdown_tells_the_clients_after_their_last_events() -> None:
    async with serving() as (server, port):
        client = await joined(port)
        say(server, 1, "user-1")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.drain)
            assert b'"seq":1' in await client.text()
            assert await client.close_code() == 1001
            await client.stream.aclose()
        assert server.stats().websockets == 0
        _, head, _ = await http(port, upgrade_request("token=admin"))
        assert head.startswith(b"HTTP/1.1 400")


POLL = "GET /socket.io/?EIO=4&transport=polling{} HTTP/1.1\r\nHost: test\r\n\r\n"


async def polled(port: int, sid: str = "") -> tuple[bytes, bytes]:
    """One polling GET: status and body."""
    _, head, rest = await http(port, POLL.format(sid and f"&sid={sid}").encode())
    return head.split()[1], rest


async def opened(port: int) -> str:
    """The sid of a new polling session."""
    body = (await polled(port))[1]
    sid: str = msgspec.json.decode(body[1:])["sid"]
    return sid


async def test_a_shutdown_tells_polling_clients_and_streams_too() -> None:
    async with serving() as (server, port):
        sid = await opened(port)
        late = await opened(port)
        request = upgrade_request("token=admin").replace(b"/socket.io/", b"/ws")
        stream, _, rest = await http(port, request)
        integrator = RawClient(stream, rest)
        hung: list[tuple[bytes, bytes]] = []

        async def hang() -> None:
            hung.append(await polled(port, sid))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(hang)
            await until(lambda: server._engine.sessions[sid]._poll is not None)
            nursery.start_soon(server.drain)
            assert await integrator.text() == b'{"error":"ERR_SHUTTING_DOWN"}'
            assert await integrator.close_code() == 1001
            await integrator.stream.aclose()
            assert await polled(port, late) == (b"200", b"1")
        assert hung == [(b"200", b"1")]
        assert server.stats().sessions == 0
        assert (await polled(port))[0] == b"403"
        _, head, _ = await http(port, request)
        assert head.split()[1] == b"503"


async def test_what_the_websocket_said_before_a_request_counts_before_it() -> None:
    async with serving() as (_, port):
        for _ in range(20):
            sid = await opened(port)
            request = upgrade_request(f"sid={sid}")
            stream, head, rest = await http(port, request)
            assert head.startswith(b"HTTP/1.1 101 ")
            client = RawClient(stream, rest)
            await client.say(b"2probe", b"5")
            assert (await polled(port, sid))[0] == b"400"
            assert await client.text() == b"3probe"
            other, head, rest = await http(port, request)
            assert head.startswith(b"HTTP/1.1 101 ")
            assert await RawClient(other, rest).close_code() == 1008
            await client.stream.aclose()


async def test_a_flood_of_sessions_that_join_nothing_makes_room_for_those_that_do() -> None:
    settings = RealtimeSettings(timer_step=0.02, max_unjoined=10)
    async with serving(settings=settings) as (server, port):
        good = await joined(port)
        first = await opened(port)
        for _ in range(10):
            await opened(port)
        assert (await polled(port, first))[0] == b"400"
        assert server.stats().sessions == 11
        later = await joined(port)
        say(server, 1, "user-1")
        assert b'"seq":1' in await good.text()
        assert b'"seq":1' in await later.text()


async def test_a_storm_in_one_company_delays_no_other_by_more_than_a_turn() -> None:
    settings = RealtimeSettings(timer_step=0.02, sends_per_turn=4)
    async with serving(settings=settings) as (server, port):
        stormy = [await joined(port) for _ in range(40)]
        quiet = await joined(port, "stranger")
        for seq in range(1, 21):
            say(server, seq, "company-1-mainchannel")
        say(server, 1, "company-2-mainchannel", company=2)
        server._reactor.send_some()  # the storm's turn
        server._reactor.send_some()
        assert server.channel(COMPANY).busy
        assert not server.channel(CompanyId(2)).busy
        assert b"said" in await quiet.text()
        for client in stormy:
            assert b"said" in await client.text()
