"""Pictures that programs send by their address: fetched from public addresses, sent once."""

import msgspec
import pytest
import trio

from actors.http import HttpClient, HttpFailure, HttpReply, HttpRequest
from tests.api.conftest import World
from tests.api.endpoint.conftest import Answer
from tests.api.test_external_api import NUMBER, SEND, texts, ticket
from tests.api.test_idempotency import away
from tests.api.test_plain_nouns import PNG


async def link(world: World, url: str, key: str = "link 1") -> Answer:
    body = {"number": NUMBER, "url": url, "caption": "a picture"}
    return await world.client(
        "POST",
        f"{SEND}/linkImage",
        body=msgspec.json.encode(body),
        token=world.a.api_token,
        headers={"idempotency-key": key},
    )


async def test_a_picture_by_its_address_is_sent_once_and_its_ticket_closed(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    asked: list[str] = []

    async def call(_: HttpClient, request: HttpRequest, **_more: object) -> HttpReply:
        await trio.lowlevel.checkpoint()
        asked.append(request.url)
        return HttpReply(status=200, body=PNG, headers=(("content-type", "text/html"),))

    monkeypatch.setattr(HttpClient, "call", call)
    url = "https://pictures.example.com/a%20b.png?x=1"
    answer = await link(world, url)
    assert answer.status == 200, answer
    assert (await link(world, url)).body == answer.body
    with monkeypatch.context() as outage:
        outage.setattr("storage.idempotency.finish", away)
        assert (await link(world, url, "link 2")).status == 503
    assert (await link(world, url, "link 2")).status == 200
    assert asked == [url, url]
    shown = await ticket(world, world.a, answer)
    assert shown["status"] == "closed"
    assert await texts(world, world.a, answer) == [("a picture", True)]


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9/on-the-configured-origin",
        "http://127.0.0.1/a.png",
        "http://[::1]/a.png",
        "http://169.254.169.254/latest/meta-data",
        "http://10.0.0.8/a.png",
        "file:///etc/passwd",
        "a.png",
        "",
    ],
)
async def test_pictures_are_fetched_from_public_addresses_alone(world: World, url: str):
    before = await world.rows_of(world.a)
    refused = await link(world, url)
    assert (refused.status, refused.json()["details"]) == (
        400,
        [{"path": "$.url", "message": "not allowed"}],
    )
    assert await world.rows_of(world.a) == before


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (HttpReply(status=200, body=b"<html>no</html>"), "not a picture"),
        (HttpReply(status=404, body=PNG), "answered 404"),
        (HttpFailure(reason="reset", written=True), "no answer"),
    ],
)
async def test_what_is_no_picture_is_not_sent(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    reply: HttpReply | HttpFailure,
    message: str,
):
    async def call(*_: object, **_more: object) -> HttpReply | HttpFailure:
        await trio.lowlevel.checkpoint()
        return reply

    monkeypatch.setattr(HttpClient, "call", call)
    refused = await link(world, "https://pictures.example.com/a.png")
    assert (refused.status, refused.json()["details"][0]["message"]) == (400, message)
