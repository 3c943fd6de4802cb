"""The outbound client: what it knows about a failed call, and where it refuses to go."""

import contextlib
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest
import trio

from actors.breaker import Breaker, BreakerConfig
from actors.http import (
    HttpClient,
    HttpConfig,
    HttpFailure,
    HttpReply,
    HttpRequest,
    cut_connection,
    open_http_client,
)
from bench.fake_graph.http11 import Answer, Request
from tests.actors.loopback import http_server, raw_server


@asynccontextmanager
async def client_for(*origins: str, **config: object) -> AsyncIterator[HttpClient]:
    async with open_http_client(HttpConfig(origins=origins, **config)) as client:  # type: ignore[arg-type]
        yield client


def get(url: str, **fields: object) -> HttpRequest:
    return HttpRequest(method="GET", url=url, **fields)  # type: ignore[arg-type]


def post(url: str, **fields: object) -> HttpRequest:
    return HttpRequest(method="POST", url=url, body=b"{}", **fields)  # type: ignore[arg-type]


async def ok(_request: Request) -> Answer:
    return Answer(body=b'{"ok":true}')


async def test_a_configured_origin_is_reached_on_a_kept_connection() -> None:
    async with http_server(ok) as server, client_for(server.base) as client:
        for number in range(3):
            request = post(f"{server.base}/v1/x?n={number}", headers=(("x-own", "1"),))
            reply = await client.call(request)
            assert isinstance(reply, HttpReply)
            assert (reply.status, reply.body) == (200, b'{"ok":true}')
            assert reply.header("content-type") == "application/json"
        assert server.connections == 1
        assert [request.path for request in server.requests] == [f"/v1/x?n={n}" for n in range(3)]
        first = server.requests[0]
        assert (first.method, first.body, first.headers["x-own"]) == ("POST", b"{}", "1")
        assert first.headers["accept-encoding"] == "identity"


async def test_many_calls_share_a_bounded_number_of_connections() -> None:
    async with http_server(ok) as server, client_for(server.base, connections=4) as client:
        async with trio.open_nursery() as nursery:
            for _ in range(40):
                nursery.start_soon(client.call, post(server.base))
        assert len(server.requests) == 40
        assert server.connections <= 4


async def test_a_refused_connection_wrote_nothing() -> None:
    async with http_server(ok) as server:
        pass
    async with client_for(server.base) as client:
        reply = await client.call(post(server.base))
    assert isinstance(reply, HttpFailure)
    assert not reply.written
    assert "ConnectError" in reply.reason


async def test_a_connection_dropped_after_the_request_may_have_been_heard() -> None:
    async def drop(_request: Request) -> Answer:
        return Answer(drop=True)

    async with http_server(drop) as server, client_for(server.base) as client:
        reply = await client.call(post(server.base))
    assert isinstance(reply, HttpFailure)
    assert reply.written


async def test_an_answer_cut_in_the_middle_is_no_answer() -> None:
    async def half(stream: trio.SocketStream) -> None:
        await stream.receive_some(65536)
        await stream.send_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{")
        await stream.aclose()

    async with raw_server(half) as base, client_for(base) as client:
        reply = await client.call(post(base))
    assert isinstance(reply, HttpFailure)
    assert reply.written


async def test_an_answer_that_is_no_http_is_no_answer() -> None:
    async def babble(stream: trio.SocketStream) -> None:
        await stream.receive_some(65536)
        await stream.send_all(b"220 smtp.example ESMTP\r\n")
        await stream.aclose()

    async with raw_server(babble) as base, client_for(base) as client:
        reply = await client.call(post(base))
    assert isinstance(reply, HttpFailure)
    assert reply.written


async def test_silence_ends_at_the_deadline_and_may_have_been_heard() -> None:
    heard = trio.Event()

    async def silent(stream: trio.SocketStream) -> None:
        await stream.receive_some(65536)
        heard.set()
        await trio.sleep_forever()

    async with raw_server(silent) as base, client_for(base) as client:
        reply = await client.call(post(base, deadline=0.3))
        assert heard.is_set()
    assert reply == HttpFailure(reason="no answer before the deadline", written=True)


async def test_cancelling_a_call_leaves_the_client_usable() -> None:
    async def slow(request: Request) -> Answer:
        if request.path == "/slow":
            await trio.sleep_forever()
        return Answer(body=b"fast")

    async with http_server(slow) as server, client_for(server.base) as client:
        with trio.move_on_after(0.05) as scope:
            await client.call(post(f"{server.base}/slow"))
        assert scope.cancelled_caught
        reply = await client.call(post(f"{server.base}/fast"))
    assert isinstance(reply, HttpReply)


async def test_the_hook_runs_before_the_answer_is_in() -> None:
    written = trio.Event()

    async def handler(_request: Request) -> Answer:
        await written.wait()
        return Answer()

    async with http_server(handler) as server, client_for(server.base) as client:
        for request in (post(server.base), get(server.base)):
            written = trio.Event()
            reply = await client.call(request, on_written=written.set)
            assert isinstance(reply, HttpReply)


async def test_a_connection_cut_by_the_hook_may_have_been_heard() -> None:
    async with http_server(ok) as server, client_for(server.base) as client:
        reply = await client.call(post(server.base), on_written=cut_connection)
        assert isinstance(reply, HttpFailure)
        assert reply.written
        assert isinstance(await client.call(post(server.base)), HttpReply)


@pytest.mark.parametrize(
    ("statuses", "retries", "asked", "final"),
    [
        ([500, 200], 1, 2, 200),
        ([429, 503, 200], 2, 3, 200),
        ([500, 500, 200], 1, 2, 500),
        ([500, 200], 0, 1, 500),
        ([404, 200], 3, 1, 404),
    ],
)
async def test_only_what_was_said_to_be_safe_is_repeated(
    statuses: list[int], retries: int, asked: int, final: int
) -> None:
    answers = iter(statuses)

    async def handler(_request: Request) -> Answer:
        return Answer(status=next(answers))

    async with http_server(handler) as server, client_for(server.base) as client:
        reply = await client.call(get(server.base), retries=retries)
        assert isinstance(reply, HttpReply)
        assert (reply.status, len(server.requests)) == (final, asked)


async def test_an_answer_larger_than_the_limit_is_not_taken() -> None:
    async def large(_request: Request) -> Answer:
        return Answer(body=b"x" * 5000)

    async with http_server(large) as server, client_for(server.base) as client:
        reply = await client.call(get(server.base), limit=4999, retries=3)
        assert isinstance(reply, HttpFailure)
        assert "larger than 4999" in reply.reason
        assert len(server.requests) == 1
        assert isinstance(await client.call(get(server.base), limit=5000), HttpReply)


async def test_an_endless_answer_is_cut_off() -> None:
    async def endless(stream: trio.SocketStream) -> None:
        await stream.receive_some(65536)
        await stream.send_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        with contextlib.suppress(trio.BrokenResourceError):
            while True:
                await stream.send_all(b"400\r\n" + b"x" * 1024 + b"\r\n")

    async with raw_server(endless) as base, client_for(base) as client:
        reply = await client.call(get(base, deadline=60.0), limit=100_000)
    assert isinstance(reply, HttpFailure)
    assert "larger than 100000" in reply.reason


async def test_a_compressed_answer_is_not_unpacked() -> None:
    bomb = zlib.compress(b"0" * 1_000_000)

    async def handler(stream: trio.SocketStream) -> None:
        await stream.receive_some(65536)
        head = (
            f"HTTP/1.1 200 OK\r\ncontent-encoding: deflate\r\ncontent-length: {len(bomb)}\r\n\r\n"
        )
        await stream.send_all(head.encode() + bomb)

    async with raw_server(handler) as base, client_for(base) as client:
        reply = await client.call(get(base))
    assert isinstance(reply, HttpFailure)
    assert "compressed" in reply.reason


async def test_an_origin_that_keeps_failing_is_left_alone_for_a_while() -> None:
    down = True

    async def handler(_request: Request) -> Answer:
        return Answer(status=503 if down else 200)

    breaker = BreakerConfig(failures=3, pause=0.2)
    async with http_server(handler) as server, client_for(server.base, breaker=breaker) as client:
        for _ in range(3):
            assert isinstance(await client.call(get(server.base)), HttpReply)
        reply = await client.call(get(server.base))
        assert isinstance(reply, HttpFailure)
        assert (reply.reason, reply.written) == ("circuit open", False)
        assert 0 < reply.retry_after <= 0.2
        assert len(server.requests) == 3
        down = False
        await trio.sleep(reply.retry_after)
        assert isinstance(await client.call(get(server.base)), HttpReply)
        assert isinstance(await client.call(get(server.base)), HttpReply)


def test_an_open_breaker_lets_one_trial_through_and_doubles_its_pause() -> None:
    breaker = Breaker(BreakerConfig(failures=2, pause=1.0, longest=3.0))
    breaker.failed(0.0)
    assert breaker.admit(0.0) == 0.0
    breaker.failed(0.0)
    assert breaker.admit(0.25) == 0.75
    assert breaker.admit(1.0) == 0.0
    assert breaker.admit(1.0) > 0, "the others wait for the trial"
    breaker.failed(1.0)
    assert breaker.admit(1.5) == 1.5
    assert breaker.admit(3.0) == 0.0
    breaker.failed(3.0)
    assert breaker.admit(3.0) == 3.0, "no longer than the longest"


@pytest.mark.parametrize("header", ["a\r\nx: y", "\x00", "ü"])
async def test_a_header_that_cannot_be_sent_is_a_failure_not_a_crash(header: str) -> None:
    async with http_server(ok) as server, client_for(server.base) as client:
        reply = await client.call(get(server.base, headers=(("x-h", header),)))
        assert isinstance(reply, HttpFailure)
        assert not reply.written
        assert server.requests == []


def test_the_url_of_a_request_hides_its_query() -> None:
    assert repr(get("https://x.test/a?token=secret")) == "HttpRequest(GET https://x.test/a)"
    assert msgspec.json.decode(msgspec.json.encode(get("https://x.test/a")), type=HttpRequest)
