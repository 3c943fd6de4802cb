"""The address guard, end to end: a canary listens on loopback and is never touched."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
import trio

from actors import addresses
from actors.breaker import BreakerConfig
from actors.http import (
    HttpClient,
    HttpConfig,
    HttpFailure,
    HttpReply,
    open_http_client,
)
from storage.ids import CompanyId
from tests.actors.loopback import Answer, Request, http_server, raw_server
from tests.actors.test_http import client_for, get, ok, post

Names = dict[str, list[str]]


@asynccontextmanager
async def guarded(names: Names) -> AsyncIterator[tuple[HttpClient, list[str]]]:
    """A client without configured origins whose names resolve as told; and what was asked."""
    asked: list[str] = []

    async def resolver(host: str, _port: int) -> Sequence[str]:
        asked.append(host)
        answers = names[host]
        return [answers.pop(0)] if len(answers) > 1 else answers

    async with open_http_client(HttpConfig(origins=()), resolver=resolver) as client:
        yield client, asked


async def test_the_canary_on_loopback_is_never_touched() -> None:
    async with http_server(ok) as canary:
        port = canary.base.rpartition(":")[2]
        names: Names = {"rebind.test": ["127.0.0.1"], "both.test": ["8.8.8.8", "127.0.0.1"]}
        urls = [
            canary.base,
            f"http://localhost:{port}/",
            f"http://127.1:{port}/",
            f"http://2130706433:{port}/",
            f"http://0x7f.1:{port}/",
            f"http://[::ffff:127.0.0.1]:{port}/",
            f"http://rebind.test:{port}/",
        ]
        async with guarded(names) as (client, _):
            for url in urls:
                reply = await client.call(get(url))
                assert isinstance(reply, HttpFailure), url
                assert reply.blocked
                assert not reply.written
        assert canary.connections == 0


@pytest.fixture
def public_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets 127.0.0.1 stand in for a public address; 127.0.0.2 stays closed."""
    closed = addresses.is_public
    monkeypatch.setattr(addresses, "is_public", lambda a: a == "127.0.0.1" or closed(a))


async def test_the_name_is_resolved_once_and_the_checked_address_is_used(
    public_loopback: None,
) -> None:
    async with http_server(ok) as server:
        port = server.base.rpartition(":")[2]
        names: Names = {"hook.test": ["127.0.0.1", "127.0.0.2"]}
        async with guarded(names) as (client, asked):
            reply = await client.call(post(f"http://hook.test:{port}/x"))
            assert isinstance(reply, HttpReply)
            assert asked == ["hook.test"]
            assert server.requests[0].headers["host"] == f"hook.test:{port}"
            again = await client.call(post(f"http://hook.test:{port}/x"))
            assert isinstance(again, HttpFailure), "the name now leads elsewhere"
            assert again.blocked
        assert server.connections == 1


async def test_redirects_are_checked_like_first_addresses(public_loopback: None) -> None:
    async def handler(stream: trio.SocketStream) -> None:
        await stream.receive_some(65536)
        head = f"HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n"
        await stream.send_all(head.encode())

    location = ""
    async with http_server(ok) as canary, raw_server(handler) as base:
        port, closed = base.rpartition(":")[2], canary.base.rpartition(":")[2]
        names: Names = {"hook.test": ["127.0.0.1"], "inner.test": ["127.0.0.2"]}
        async with guarded(names) as (client, _):
            for location in (
                f"http://localhost:{closed}/",
                f"//127.0.0.2:{closed}/",
                f"http://inner.test:{closed}/",
                "file:///etc/passwd",
                "gopher://hook.test/",
            ):
                reply = await client.call(get(f"http://hook.test:{port}/x"))
                assert isinstance(reply, HttpFailure), location
                assert reply.blocked
            location = f"http://hook.test:{port}/loop"
            reply = await client.call(get(location))
            assert isinstance(reply, HttpFailure)
            assert reply.reason == "too many redirects"
        assert canary.connections == 0


async def test_a_redirect_elsewhere_takes_no_secrets_along(public_loopback: None) -> None:
    async with http_server(ok) as target:
        far = target.base.rpartition(":")[2]

        async def handler(stream: trio.SocketStream) -> None:
            await stream.receive_some(65536)
            head = f"HTTP/1.1 307 x\r\nlocation: http://b.test:{far}/y\r\ncontent-length: 0\r\n\r\n"
            await stream.send_all(head.encode())

        async with raw_server(handler) as base:
            port = base.rpartition(":")[2]
            names: Names = {"a.test": ["127.0.0.1"], "b.test": ["127.0.0.1"]}
            headers = (("authorization", "Bearer x"), ("cookie", "a=b"), ("x-kept", "1"))
            async with guarded(names) as (client, _):
                url = f"http://a.test:{port}/"
                reply = await client.call(get(url, headers=headers))
                assert isinstance(reply, HttpReply)
                posted = await client.call(post(url, headers=headers))
                assert isinstance(posted, HttpReply)
                assert posted.status == 307, "a POST is not repeated elsewhere"
        (request,) = target.requests
        assert request.headers["x-kept"] == "1"
        assert not {"authorization", "cookie"} & set(request.headers)


async def test_a_configured_origin_follows_no_redirect() -> None:
    async def handler(stream: trio.SocketStream) -> None:
        await stream.receive_some(65536)
        await stream.send_all(b"HTTP/1.1 302 x\r\nlocation: /y\r\ncontent-length: 0\r\n\r\n")

    async with raw_server(handler) as base, client_for(base) as client:
        reply = await client.call(get(base))
    assert isinstance(reply, HttpReply)
    assert reply.status == 302


async def test_a_name_that_does_not_resolve_is_worth_another_try() -> None:
    async def resolver(_host: str, _port: int) -> Sequence[str]:
        raise OSError

    async with open_http_client(HttpConfig(origins=()), resolver=resolver) as client:
        reply = await client.call(get("https://nowhere.test/"))
    assert isinstance(reply, HttpFailure)
    assert not reply.written
    assert not reply.blocked


async def test_a_companys_own_url_is_guarded_on_a_configured_origin_too() -> None:
    async with http_server(ok) as canary, client_for(canary.base) as client:
        reply = await client.call(get(f"{canary.base}/x", named_by=CompanyId(1)))
        assert isinstance(reply, HttpFailure)
        assert reply.blocked
        assert canary.connections == 0
        assert isinstance(await client.call(get(canary.base)), HttpReply)


async def test_a_redirect_of_a_companys_url_does_not_lead_to_a_configured_origin(
    public_loopback: None,
) -> None:
    async with http_server(ok) as canary:
        closed = canary.base.replace("127.0.0.1", "127.0.0.2")

        async def handler(stream: trio.SocketStream) -> None:
            await stream.receive_some(65536)
            head = f"HTTP/1.1 302 Found\r\nlocation: {closed}/\r\ncontent-length: 0\r\n\r\n"
            await stream.send_all(head.encode())

        async with raw_server(handler) as base, client_for(closed) as client:
            reply = await client.call(get(base, named_by=CompanyId(1)))
    assert isinstance(reply, HttpFailure)
    assert reply.blocked
    assert canary.connections == 0


async def test_what_becomes_of_a_companys_url_opens_no_circuit_but_its_own(
    public_loopback: None,
) -> None:
    async def failing(_request: Request) -> Answer:
        return Answer(status=503)

    breaker = BreakerConfig(failures=3)
    async with http_server(failing) as far, client_for(far.base, breaker=breaker) as client:
        for _ in range(3):
            assert isinstance(await client.call(get(far.base, named_by=CompanyId(1))), HttpReply)
        stopped = await client.call(get(far.base, named_by=CompanyId(1)))
        assert isinstance(stopped, HttpFailure)
        assert stopped.reason == "circuit open"
        for named_by in (CompanyId(2), None):
            reply = await client.call(get(far.base, named_by=named_by))
            assert isinstance(reply, HttpReply), named_by
