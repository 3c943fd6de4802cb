"""The edge over real loopback sockets: keep-alive, limits, hand-over, drain."""

import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import trio
import trio.testing

from api.edge import EdgeLimits, EdgeServer, open_listeners, serve_edge
from api.edge.connection import Message


async def echo(scope: Message, receive: Any, send: Any) -> None:
    """Answer with what arrived; the path chooses how."""
    body = b""
    if scope["path"] != "/unread":
        while (message := await receive())["type"] == "http.request":
            body += message["body"]
            if not message["more_body"]:
                break
        else:
            return
    if scope["path"] == "/crash":
        msg = "defect"
        raise RuntimeError(msg)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if scope["path"] == "/stream":
        for part in (b"one", b"two"):
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body"})
        return
    client = scope["client"][0].encode()
    reply = scope["method"].encode() + b" " + body + (b" " + client if body == b"who" else b"")
    await send({"type": "http.response.body", "body": reply})


@asynccontextmanager
async def edge(app: Any = echo, **limits: Any) -> AsyncGenerator[tuple[EdgeServer, int]]:
    listeners = open_listeners("127.0.0.1", 0)
    async with serve_edge(app, listeners, EdgeLimits(**limits)) as server:
        yield server, listeners[0].getsockname()[1]


async def read_until(stream: trio.SocketStream, marker: bytes) -> bytes:
    data = b""
    with trio.fail_after(10):
        while marker not in data:
            part = await stream.receive_some()
            if not part:
                break
            data += part
    return data


async def read_all(stream: trio.SocketStream) -> bytes:
    return await read_until(stream, b"\0never\0")


async def exchange(port: int, data: bytes) -> bytes:
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        await stream.send_all(data)
        return await read_all(stream)


CLOSE = b"Host: h\r\nConnection: close\r\n"


async def test_one_connection_serves_many_requests_pipelined_or_not() -> None:
    async with edge() as (_, port), await trio.open_tcp_stream("127.0.0.1", port) as stream:
        await stream.send_all(b"GET /1 HTTP/1.1\r\nHost: h\r\n\r\n")
        assert (await read_until(stream, b"GET ")).startswith(b"HTTP/1.1 200 OK\r\n")
        post = b"POST /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n"
        await stream.send_all(post + b"aa" + post + b"bb" + b"GET / HTTP/1.1\r\n" + CLOSE + b"\r\n")
        answers = await read_all(stream)
    assert answers.index(b"POST aa") < answers.index(b"POST bb") < answers.index(b"GET ")
    assert answers.count(b"HTTP/1.1 200 OK") == 3


async def test_a_streamed_answer_is_chunked_and_plain_for_http_1_0() -> None:
    async with edge() as (_, port):
        chunked = await exchange(port, b"GET /stream HTTP/1.1\r\n" + CLOSE + b"\r\n")
        plain = await exchange(port, b"GET /stream HTTP/1.0\r\n\r\n")
    assert chunked.endswith(b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")
    assert plain.endswith(b"\r\n\r\nonetwo")


async def test_a_head_request_gets_the_length_and_no_body() -> None:
    async with edge() as (_, port):
        answer = await exchange(port, b"HEAD / HTTP/1.1\r\n" + CLOSE + b"\r\n")
    assert b"content-length: 5\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")


async def test_the_body_is_asked_for_only_when_it_is_wanted() -> None:
    async with edge() as (_, port), await trio.open_tcp_stream("127.0.0.1", port) as stream:
        head = b"POST /%b HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
        await stream.send_all(head % b"")
        assert await read_until(stream, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await stream.send_all(b"ok")
        assert b"POST ok" in await read_until(stream, b"POST ok")
        await stream.send_all(head % b"unread")
        answer = await read_all(stream)
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b"connection: close" in answer


async def test_a_crash_of_the_application_is_a_500_and_touches_nobody_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with edge() as (_, port), await trio.open_tcp_stream("127.0.0.1", port) as other:
        await other.send_all(b"GET / HTT")
        answer = await exchange(port, b"GET /crash HTTP/1.1\r\nHost: h\r\n\r\n")
        await other.send_all(b"P/1.1\r\n" + CLOSE + b"\r\n")
        assert b"200 OK" in await read_all(other)
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert b"ERR_HTTP_500" in answer
    assert "application failed" in caplog.text


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n40\r\n" + b"x" * 64, 413),
        (b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\nzz\r\n", 400),
    ],
)  # fmt: skip
async def test_a_refusal_answers_once_and_closes(data: bytes, status: int) -> None:
    async with edge(max_body=50) as (_, port):
        answer = await exchange(port, data + b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert answer.count(b"HTTP/1.1") == 1
    assert b'{"error":"ERR_HTTP_%d"' % status in answer


async def test_slow_heads_and_stalled_bodies_are_closed() -> None:
    async with edge(head_timeout=0.2, body_timeout=0.2) as (_, port):
        slow_head = await exchange(port, b"GET / HTTP/1.1\r\nHo")
        stalled = await exchange(port, b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab")
        silent = await exchange(port, b"")
    assert slow_head.startswith(b"HTTP/1.1 408 ")
    assert stalled == b""
    assert silent == b""


async def test_connections_over_the_limit_are_refused_while_all_are_at_work() -> None:
    leave = trio.Event()

    async def app(scope: Message, receive: Any, send: Any) -> None:
        await leave.wait()
        await echo(scope, receive, send)

    request = b"GET / HTTP/1.1\r\n" + CLOSE + b"\r\n"
    async with edge(app, max_connections=2) as (server, port), trio.open_nursery() as nursery:
        nursery.start_soon(exchange, port, request)
        nursery.start_soon(exchange, port, request)
        with trio.fail_after(5):
            while server.connections < 2:
                await trio.lowlevel.checkpoint()
        assert (await exchange(port, b"")).startswith(b"HTTP/1.1 503 ")
        assert (server.refused, server.evicted) == (1, 0)
        leave.set()


async def test_a_new_connection_takes_the_place_of_the_one_that_waits_longest() -> None:
    request = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
    async with edge(max_connections=2) as (server, port):
        waiting = [await trio.open_tcp_stream("127.0.0.1", port) for _ in range(2)]
        for stream in waiting:
            await stream.send_all(request)
            await read_until(stream, b"GET ")
        async with await trio.open_tcp_stream("127.0.0.1", port) as third:
            await third.send_all(request)
            assert b"200 OK" in await read_until(third, b"GET ")
            assert await read_all(waiting[0]) == b""
            await waiting[1].send_all(request)
            assert b"200 OK" in await read_until(waiting[1], b"GET ")
        assert (server.refused, server.evicted) == (0, 1)
        for stream in waiting:
            await stream.aclose()


async def test_half_open_connections_make_room_for_good_ones_and_touch_no_established_one() -> None:
    request = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
    async with edge(max_half_open=4, max_connections=8) as (server, port):
        async with await trio.open_tcp_stream("127.0.0.1", port) as established:
            await established.send_all(request)
            await read_until(established, b"GET ")
            slow = [await trio.open_tcp_stream("127.0.0.1", port) for _ in range(40)]
            for stream in slow:
                with suppress(trio.BrokenResourceError):  # it had to go already
                    await stream.send_all(b"GET / HTTP/1.1\r\nHo")
            good = await exchange(port, b"GET / HTTP/1.1\r\n" + CLOSE + b"\r\n")
            assert good.startswith(b"HTTP/1.1 200 ")
            await established.send_all(request)
            assert b"200 OK" in await read_until(established, b"GET ")
            assert server.evicted >= 36
            assert server.refused == 0
        for stream in slow:
            await stream.aclose()


async def test_a_second_request_that_does_not_end_is_half_open_too() -> None:
    async with (
        edge(max_half_open=1) as (server, port),
        await trio.open_tcp_stream("127.0.0.1", port) as first,
    ):
        await first.send_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        await read_until(first, b"GET ")
        await first.send_all(b"GET / HTTP/1.1\r\nHo")
        with trio.fail_after(5):
            while not server.half_open:
                await trio.lowlevel.checkpoint()
        again = await exchange(port, b"GET / HTTP/1.1\r\n" + CLOSE + b"\r\n")
        assert again.startswith(b"HTTP/1.1 200 ")
        assert (await read_all(first)).startswith(b"HTTP/1.1 408 ")


async def test_an_upgrade_hands_over_the_socket_with_unread_bytes() -> None:
    taken: list[tuple[socket.socket, bytes]] = []

    async def app(scope: Message, receive: Any, send: Any) -> None:
        taken.append(scope["extensions"]["chatia.takeover"]())

    async with (
        edge(app) as (server, port),
        await trio.open_tcp_stream("127.0.0.1", port) as stream,
    ):
        await stream.send_all(
            b"GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nraw"
        )
        with trio.fail_after(5):
            while not taken or server.connections:
                await trio.lowlevel.checkpoint()
        sock, leftover = taken[0]
        assert leftover == b"raw"
        sock.send(b"mine now")
        assert await read_until(stream, b"now") == b"mine now"
        sock.close()


async def test_the_application_learns_that_the_client_left() -> None:
    seen: list[str] = []
    waiting = trio.Event()

    async def app(scope: Message, receive: Any, send: Any) -> None:
        await receive()
        waiting.set()
        seen.append((await receive())["type"])

    async with edge(app) as (server, port):
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        await stream.send_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        with trio.fail_after(5):
            await waiting.wait()
            await stream.aclose()
            while server.connections:
                await trio.lowlevel.checkpoint()
    assert seen == ["http.disconnect"]


class ClosedMeanwhile(socket.socket):
    """A listener that is closed after the accepting task was woken and before it runs."""

    def accept(self) -> tuple[socket.socket, Any]:
        self.close()
        return super().accept()


async def test_a_listener_that_closes_while_somebody_comes_ends_nothing_else() -> None:
    """Else a stop under load broke off every request in flight."""
    listener = ClosedMeanwhile()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    listener.setblocking(False)
    port = listener.getsockname()[1]
    (other,) = open_listeners("127.0.0.1", 0)
    with trio.fail_after(10), socket.create_connection(("127.0.0.1", port)):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(EdgeServer(echo).serve, [listener, other])
            while listener.fileno() >= 0:
                await trio.lowlevel.checkpoint()
            await trio.testing.wait_all_tasks_blocked()
            request = b"GET / HTTP/1.1\r\n" + CLOSE + b"\r\n"
            assert b"200 OK" in await exchange(other.getsockname()[1], request)
            nursery.cancel_scope.cancel()
    other.close()


async def test_drain_finishes_requests_in_flight_and_closes_idle_connections() -> None:
    release, inside = trio.Event(), trio.Event()

    async def app(scope: Message, receive: Any, send: Any) -> None:
        inside.set()
        await release.wait()
        await echo(scope, receive, send)

    answers: list[bytes] = []
    async with trio.open_nursery() as nursery, edge(app) as (_, port):
        idle = await trio.open_tcp_stream("127.0.0.1", port)

        async def ask() -> None:
            answers.append(await exchange(port, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"))

        async def let_go() -> None:
            assert await idle.receive_some() == b""
            await idle.aclose()
            release.set()

        nursery.start_soon(ask)
        nursery.start_soon(let_go)
        with trio.fail_after(5):
            await inside.wait()
    assert answers[0].startswith(b"HTTP/1.1 200 OK")
    assert b"connection: close" in answers[0]


async def test_a_client_cannot_choose_its_address() -> None:
    request = (
        b"POST / HTTP/1.1\r\nX-Forwarded-For: 1.2.3.4\r\nContent-Length: 3\r\n" + CLOSE + b"\r\nwho"
    )
    async with edge() as (_, port):
        assert (await exchange(port, request)).endswith(b"who 127.0.0.1")


async def test_a_slow_reader_gets_a_large_answer_whole() -> None:
    large = bytes(range(256)) * 32_768

    async def app(scope: Message, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": large})

    async with edge(app) as (_, port):
        answer = await exchange(port, b"GET / HTTP/1.1\r\n" + CLOSE + b"\r\n")
    assert answer.endswith(large)


async def test_a_header_that_splits_the_response_is_never_written(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def app(scope: Message, receive: Any, send: Any) -> None:
        headers = [(b"location", b"/x\r\nset-cookie: jrt=stolen")]
        await send({"type": "http.response.start", "status": 302, "headers": headers})
        await send({"type": "http.response.body"})

    async with edge(app) as (_, port):
        answer = await exchange(port, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert b"stolen" not in answer
    assert caplog.records
