"""Whether Graph serves an account: asked of the fake Graph, and of one that answers oddly."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
import trio

from actors.channels.base import Account, Rejected
from actors.channels.whatsapp_cloud import CloudChannel, WhatsAppCloud
from actors.http import HttpConfig, open_http_client
from bench.fake_graph.behaviour import Behaviour
from bench.fake_graph.graph import Graph
from bench.fake_graph.http11 import Answer, Request
from bench.fake_graph.reports import Hooks, Reporter
from bench.fake_graph.witness import Witness
from tests.actors.loopback import Script, http_server

ACCOUNT = Account(connection_id=1, company_id=7, external_id="700", token="tok")


@asynccontextmanager
async def channel_to(script: Script) -> AsyncIterator[tuple[CloudChannel, list[Request]]]:
    async with (
        http_server(script) as server,
        open_http_client(HttpConfig(origins=(server.base,))) as http,
    ):
        yield CloudChannel(WhatsAppCloud(base_url=server.base), http), server.requests


async def asked(answer: Answer, account: Account = ACCOUNT) -> Rejected | None:
    async def script(_request: Request) -> Answer:
        return answer

    async with channel_to(script) as (channel, _):
        return await channel.refusal(account)


async def test_the_fake_graph_serves_the_tokens_it_knows(tmp_path: Path) -> None:
    async with trio.open_nursery() as nursery:
        witness = Witness(tmp_path / "witness.jsonl")
        behaviour = Behaviour(tokens=["tok"])
        graph = Graph(witness, Reporter(Hooks()), behaviour, nursery)
        async with channel_to(graph.handle) as (channel, requests):
            assert await channel.refusal(ACCOUNT) is None
            stolen = msgspec.structs.replace(ACCOUNT, token="another")
            refused = await channel.refusal(stolen)
            assert refused is not None
            assert (refused.code, refused.category) == ("190", "token")
        assert [(one.method, one.path) for one in requests] == [("GET", "/v23.0/700")] * 2
        assert graph.stats.accepted == 0
        witness.close()


GONE = b'{"error":{"code":100,"message":"Unsupported get request. Object does not exist"}}'


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Answer(body=b'{"id":"700","display_phone_number":"1555"}'), None),
        (Answer(body=b'{"id":"701"}'), "ERR_ACCOUNT"),
        (Answer(status=400, body=GONE), "100"),
        (Answer(status=401), "HTTP_401"),
        (Answer(status=503), None),
        (Answer(status=429, body=b'{"error":{"code":4,"message":"rate"}}'), None),
        (Answer(drop=True), None),
    ],
)
async def test_only_a_sure_refusal_counts(answer: Answer, code: str | None) -> None:
    refused = await asked(answer)
    assert (refused.code if refused else None) == code


@pytest.mark.parametrize(
    ("field", "code"), [("external_id", "ERR_ACCOUNT"), ("token", "ERR_TOKEN")]
)
async def test_an_account_without_number_or_token_is_refused_without_a_call(
    field: str, code: str
) -> None:
    refused = await asked(Answer(), msgspec.structs.replace(ACCOUNT, **{field: ""}))
    assert refused is not None
    assert refused.code == code
