"""The Cloud channel against a scripted Graph on loopback."""

import base64
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import msgspec
import pytest
import trio

from actors.channels.base import (
    Accepted,
    Account,
    Channel,
    FetchFailed,
    Identity,
    Media,
    OutMedia,
    OutText,
    Rejected,
    SendResult,
    Unknown,
)
from actors.channels.whatsapp_cloud import CloudChannel, WhatsAppCloud
from actors.channels.whatsapp_cloud.digest import hex_digest
from actors.http import HttpConfig, open_http_client
from actors.media import LocalMediaStore
from bench.fake_graph.http11 import Answer, Request
from storage import faults
from tests.actors.loopback import Script, Server, http_server
from tests.actors.media_conformance import PNG

ACCOUNT = Account(connection_id=1, company_id=7, external_id="700", token="tok")
ANA = Identity(phone="5511988887777")
TEXT = OutText(to=ANA, body="oi")
SENT = b'{"messages":[{"id":"wamid.1"}]}'


@asynccontextmanager
async def cloud(script: Script, root: Path) -> AsyncIterator[tuple[CloudChannel, Server]]:
    async with (
        http_server(script) as server,
        open_http_client(HttpConfig(origins=(server.base,))) as http,
    ):
        provider = WhatsAppCloud(base_url=server.base)
        yield CloudChannel(provider, http, LocalMediaStore(root)), server


async def sent(answer: Answer, root: Path) -> SendResult:
    async def script(_request: Request) -> Answer:
        return answer

    async with cloud(script, root) as (channel, _):
        return await channel.send(ACCOUNT, TEXT, outbox_id=42)


async def test_a_text_leaves_with_our_outbox_id(tmp_path: Path) -> None:
    async def script(_request: Request) -> Answer:
        return Answer(body=SENT)

    async with cloud(script, tmp_path) as (channel, server):
        known: Channel = channel
        result = await known.send(ACCOUNT, TEXT, outbox_id=42)
        assert result == Accepted(provider_id="wamid.1")
        (request,) = server.requests
    assert request.path == "/v23.0/700/messages"
    assert request.headers["authorization"] == "Bearer tok"
    assert msgspec.json.decode(request.body)["biz_opaque_callback_data"] == "v1:42"


async def test_verdicts_of_real_exchanges(tmp_path: Path) -> None:
    error = b'{"error":{"code":131047,"message":"window"}}'
    assert await sent(Answer(body=SENT), tmp_path) == Accepted(provider_id="wamid.1")
    assert isinstance(await sent(Answer(status=400, body=error), tmp_path), Rejected)
    assert isinstance(await sent(Answer(status=502), tmp_path), Unknown)
    assert isinstance(await sent(Answer(drop=True), tmp_path), Unknown)


async def test_nobody_listening_is_surely_no_acceptance(tmp_path: Path) -> None:
    async def script(_request: Request) -> Answer:
        return Answer(body=SENT)

    async with http_server(script) as server:
        pass
    async with open_http_client(HttpConfig(origins=(server.base,))) as http:
        channel = CloudChannel(WhatsAppCloud(base_url=server.base), http)
        result = await channel.send(ACCOUNT, TEXT, outbox_id=1)
    assert isinstance(result, Rejected)
    assert (result.code, result.permanent) == ("ERR_NOT_CONNECTED", False)


async def test_a_base_url_that_is_not_configured_is_not_called_on_loopback(
    tmp_path: Path,
) -> None:
    async def script(_request: Request) -> Answer:
        return Answer(body=SENT)

    async with http_server(script) as server, open_http_client() as http:
        channel = CloudChannel(WhatsAppCloud(base_url=server.base), http)
        result = await channel.send(ACCOUNT, TEXT, outbox_id=1)
        assert isinstance(result, Rejected)
        assert result.code == "ERR_BLOCKED_URL"
        assert server.connections == 0


async def test_what_cannot_be_sent_is_rejected_without_a_call(tmp_path: Path) -> None:
    async def script(_request: Request) -> Answer:
        return Answer(body=SENT)

    async with cloud(script, tmp_path) as (channel, server):
        result = await channel.send(ACCOUNT, OutText(to=ANA, body=""), outbox_id=1)
        assert server.requests == []
    assert isinstance(result, Rejected)
    assert (result.code, result.permanent) == ("ERR_TEXT_EMPTY", True)


@pytest.fixture
def armed() -> object:
    yield faults.arm
    faults.disarm()


async def test_a_connection_cut_after_writing_leaves_the_outcome_unknown(
    tmp_path: Path, armed: object
) -> None:
    faults.arm("send.written:1:cut")
    assert isinstance(await sent(Answer(body=SENT), tmp_path), Unknown)
    assert isinstance(await sent(Answer(body=SENT), tmp_path), Accepted)


async def test_the_fault_point_after_writing_is_passed_once_per_send(
    tmp_path: Path, armed: object
) -> None:
    faults.arm("send.written:2:raise")
    assert isinstance(await sent(Answer(body=SENT), tmp_path), Accepted)
    with pytest.RaisesGroup(faults.FaultInjected, flatten_subgroups=True, allow_unwrapped=True):
        await sent(Answer(body=SENT), tmp_path)


async def test_a_stored_file_is_uploaded_before_its_message(tmp_path: Path) -> None:
    async def script(request: Request) -> Answer:
        return Answer(body=b'{"id":"900"}' if request.path.endswith("/media") else SENT)

    async with cloud(script, tmp_path) as (channel, server):
        stored = await LocalMediaStore(tmp_path).put(7, PNG, limit=10_000)
        message = OutMedia(to=ANA, kind="image", stored=stored.key, caption="veja")
        channel.check(message)
        result = await channel.send(ACCOUNT, message, outbox_id=42)
        assert isinstance(result, Accepted)
        upload, send = server.requests
    assert upload.path == "/v23.0/700/media"
    boundary = upload.headers["content-type"].partition("boundary=")[2].encode()
    parts = upload.body.split(b"--" + boundary)
    assert parts[0] == b""
    assert parts[-1] == b"--\r\n"
    assert PNG in parts[-2]
    assert b"Content-Type: image/png" in parts[-2]
    assert msgspec.json.decode(send.body)["image"] == {"id": "900", "caption": "veja"}


@pytest.mark.parametrize(
    ("answer", "code", "permanent"),
    [
        (Answer(status=400, body=b'{"error":{"code":131053}}'), "131053", False),
        (Answer(status=400, body=b'{"error":{"code":100}}'), "100", True),
        (Answer(status=502), "ERR_MEDIA_UPLOAD", False),
        (Answer(drop=True), "ERR_MEDIA_UPLOAD", False),
        (Answer(body=b"{}"), "ERR_MEDIA_UPLOAD", False),
        (Answer(body=SENT), "ERR_MEDIA_UPLOAD", False),
    ],
)
async def test_a_failed_upload_means_the_message_was_not_sent(
    tmp_path: Path, answer: Answer, code: str, permanent: bool
) -> None:
    async def script(_request: Request) -> Answer:
        return answer

    async with cloud(script, tmp_path) as (channel, server):
        stored = await LocalMediaStore(tmp_path).put(7, PNG, limit=10_000)
        message = OutMedia(to=ANA, kind="image", stored=stored.key)
        result = await channel.send(ACCOUNT, message, outbox_id=1)
        assert not any(request.path.endswith("/messages") for request in server.requests)
    assert isinstance(result, Rejected)
    assert (result.code, result.permanent) == (code, permanent)


async def test_a_file_of_another_company_is_not_uploaded(tmp_path: Path) -> None:
    async def script(_request: Request) -> Answer:
        return Answer(body=SENT)

    async with cloud(script, tmp_path) as (channel, server):
        stored = await LocalMediaStore(tmp_path).put(8, PNG, limit=10_000)
        message = OutMedia(to=ANA, kind="image", stored=stored.key)
        result = await channel.send(ACCOUNT, message, outbox_id=1)
        assert server.requests == []
    assert isinstance(result, Rejected)
    assert result.permanent


class GraphMedia:
    """Graph's two steps for a file: where it is, and its bytes."""

    def __init__(self, content: bytes = PNG) -> None:
        self.content = content
        self.base = ""
        self.host = ""
        self.size: int | None = None
        self.status = 200

    async def script(self, request: Request) -> Answer:
        if request.path == "/bytes":
            return Answer(body=self.content, status=self.status, content_type="image/png")
        url = f"{self.host or self.base}/bytes"
        size = len(self.content) if self.size is None else self.size
        found = {"url": url, "mime_type": "image/png", "file_size": size, "id": "9"}
        return Answer(body=msgspec.json.encode(found))


@asynccontextmanager
async def media_cloud(graph: GraphMedia, root: Path) -> AsyncIterator[tuple[CloudChannel, Server]]:
    async with cloud(graph.script, root) as (channel, server):
        graph.base = server.base
        yield channel, server


def picture(content: bytes = PNG) -> Media:
    return Media(kind="image", id="9", sha256=hashlib.sha256(content).hexdigest())


async def test_an_inbound_file_is_located_then_fetched_with_the_token(tmp_path: Path) -> None:
    async with media_cloud(GraphMedia(), tmp_path) as (channel, server):
        assert await channel.fetch(ACCOUNT, picture(), limit=5000) == (PNG, "image/png")
        assert [request.path for request in server.requests] == ["/v23.0/9", "/bytes"]
        assert all(r.headers["authorization"] == "Bearer tok" for r in server.requests)
        direct = Media(kind="image", url=f"{server.base}/bytes", mime="image/png")
        assert await channel.fetch(ACCOUNT, direct, limit=5000) == (PNG, "image/png")


async def test_files_wait_until_there_is_memory_for_them(tmp_path: Path) -> None:
    async with media_cloud(GraphMedia(), tmp_path) as (channel, server), trio.open_nursery() as use:
        memory = channel._http.memory
        stored = await LocalMediaStore(tmp_path).put(7, PNG, limit=10_000)
        message = OutMedia(to=ANA, kind="image", stored=stored.key)
        async with memory.hold(memory.left):
            use.start_soon(partial(channel.fetch, ACCOUNT, picture(), limit=5000))
            use.start_soon(partial(channel.send, ACCOUNT, message, outbox_id=1))
            with trio.fail_after(10):
                while not server.requests:
                    await trio.lowlevel.checkpoint()
            await trio.testing.wait_all_tasks_blocked(0.05)
            assert [request.path for request in server.requests] == ["/v23.0/9"]
        with trio.fail_after(10):
            while "/bytes" not in {request.path for request in server.requests}:
                await trio.lowlevel.checkpoint()


@pytest.mark.parametrize(
    ("change", "permanent"),
    [
        ({"size": 10**9}, True),
        ({"content": PNG + b"x" * 10_000, "size": 0}, True),
        ({"content": b"something else"}, False),
        ({"status": 404}, False),
        ({"status": 403}, False),
        ({"status": 410}, True),
        ({"host": "http://evil.example"}, True),
        ({"host": "https://evil.example"}, True),
    ],
)
async def test_a_file_that_cannot_be_fetched_says_whether_to_try_again(
    tmp_path: Path, change: dict[str, object], permanent: bool
) -> None:
    graph = GraphMedia()
    for name, value in change.items():
        setattr(graph, name, value)
    async with media_cloud(graph, tmp_path) as (channel, _):
        with pytest.raises(FetchFailed) as failure:
            await channel.fetch(ACCOUNT, picture(), limit=5000)
    assert failure.value.permanent is permanent


def test_digests_are_read_in_both_forms() -> None:
    raw = hashlib.sha256(b"x").digest()
    assert hex_digest(raw.hex().upper()) == raw.hex()
    assert hex_digest(base64.b64encode(raw).decode()) == raw.hex()
    assert hex_digest("abc123") == hex_digest("") == hex_digest("é" * 44) == ""


async def test_a_channel_without_store_sends_no_stored_file() -> None:
    async with open_http_client() as http:
        channel = CloudChannel(WhatsAppCloud(), http)
        message = OutMedia(to=ANA, kind="image", stored="x")
        result = await channel.send(ACCOUNT, message, outbox_id=1)
    assert isinstance(result, Rejected)
    assert (result.code, result.permanent) == ("ERR_MEDIA_UPLOAD", True)
    assert channel.new_provider_id() == "", "the API chooses its ids itself"
