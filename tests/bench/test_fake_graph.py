"""The witness: what the fake Graph accepted is on disk, whatever it answers or suffers."""

import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
import trio

from actors.channels.base import (
    Accepted,
    Account,
    Ack,
    Identity,
    InboundStatus,
    Media,
    OutMedia,
    OutRead,
    OutText,
    Rejected,
    Unknown,
)
from actors.channels.whatsapp_cloud import CloudChannel, WhatsAppCloud, verified
from actors.channels.whatsapp_cloud.parse import parse
from actors.http import HttpConfig, HttpReply, HttpRequest, open_http_client
from actors.media import LocalMediaStore
from bench.fake_graph.behaviour import Behaviour
from bench.fake_graph.http11 import Answer, Request
from bench.fake_graph.witness import read
from tests.actors.loopback import http_server

SECRET = "app secret"
ACCOUNT = Account(connection_id=1, company_id=7, external_id="700", token="tok")
ANA = Identity(phone="5511988887777")


class Fake:
    """The process and its witness file."""

    def __init__(self, folder: Path) -> None:
        self.witness = folder / "accepted.jsonl"
        command = [sys.executable, "-m", "bench.fake_graph", "--witness", str(self.witness)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        word, port = self.process.stdout.readline().split()
        assert word == "ready"
        self.base = f"http://127.0.0.1:{port}"

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(how)
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()

    def outbox_ids(self) -> list[int | None]:
        return [line.outbox_id for line in read(self.witness)]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fake]:
    fake = Fake(tmp_path_factory.mktemp("graph"))
    yield fake
    fake.stop()


class Talk:
    """A Cloud channel that talks to the fake."""

    def __init__(self, fake: Fake, channel: CloudChannel, http: object) -> None:
        self.fake = fake
        self.channel = channel
        self.http = http

    async def behave(self, behaviour: dict[str, object], **hooks: object) -> dict[str, object]:
        body: dict[str, object] = {"behaviour": behaviour}
        if hooks:
            body["hooks"] = hooks
        url = f"{self.fake.base}/_control"
        request = HttpRequest(method="POST", url=url, body=msgspec.json.encode(body))
        reply = await self.http.call(request)  # type: ignore[attr-defined]
        assert isinstance(reply, HttpReply)
        assert reply.status == 200, reply.body
        found: dict[str, object] = msgspec.json.decode(reply.body)
        return found

    async def send(self, outbox_id: int) -> object:
        text = OutText(to=ANA, body=f"oi {outbox_id}")
        return await self.channel.send(ACCOUNT, text, outbox_id=outbox_id)


@asynccontextmanager
async def talking(fake: Fake, root: Path) -> AsyncIterator[Talk]:
    async with open_http_client(HttpConfig(origins=(fake.base,))) as http:
        provider = WhatsAppCloud(base_url=fake.base)
        talk = Talk(fake, CloudChannel(provider, http, LocalMediaStore(root)), http)
        await talk.behave({}, url="")
        yield talk


async def test_an_accepted_send_is_on_disk_before_its_answer(shared: Fake, tmp_path: Path) -> None:
    async with talking(shared, tmp_path) as talk:
        result = await talk.send(101)
    assert isinstance(result, Accepted)
    line = read(shared.witness)[-1]
    assert (line.outbox_id, line.provider_id, line.to) == (101, result.provider_id, ANA.phone)
    assert (line.type, line.body, line.phone_number_id) == ("text", "oi 101", "700")


@pytest.mark.parametrize(
    ("behaviour", "verdict", "recorded"),
    [
        ({"accept_drop": 1}, Unknown, True),
        ({"drop": 1}, Unknown, False),
        ({"bare": 1}, Unknown, False),
        ({"bare_accepted": 1, "bare_status": 500}, Unknown, True),
        ({"error": 1}, Rejected, False),
        (
            {"error": 1, "error_status": 400, "error_body": {"error": {"code": 131047}}},
            Rejected,
            False,
        ),
        ({"delay": 0.01}, Accepted, True),
    ],
)
async def test_it_misbehaves_as_told_and_its_record_is_the_truth(
    shared: Fake,
    tmp_path: Path,
    behaviour: dict[str, object],
    verdict: type,
    recorded: bool,
) -> None:
    before = len(read(shared.witness))
    async with talking(shared, tmp_path) as talk:
        await talk.behave(behaviour)
        assert isinstance(await talk.send(202), verdict)
    assert len(read(shared.witness)) - before == int(recorded)


async def test_statuses_come_back_signed_and_are_repeated_until_taken(
    shared: Fake, tmp_path: Path
) -> None:
    taken: list[InboundStatus] = []
    refusals = [503, 500]
    done = trio.Event()

    async def webhook(request: Request) -> Answer:
        assert verified(SECRET, request.body, request.headers["x-hub-signature-256"])
        if refusals:
            return Answer(status=refusals.pop())
        taken.extend(parse(request.body).accounts[0].statuses)
        if len(taken) == 3:
            done.set()
        return Answer()

    plan = {"early": True, "statuses": ["sent", "delivered", "read"], "status_delay": 0.001}
    async with http_server(webhook) as server, talking(shared, tmp_path) as talk:
        await talk.behave(plan, url=f"{server.base}/webhook", secret=SECRET)
        result = await talk.send(303)
        assert isinstance(result, Accepted)
        assert [status.status for status in taken[:1]] == ["sent"], "before the answer"
        await done.wait()
        await talk.behave({}, url="")
    assert [status.ack for status in taken] == [Ack.SENT, Ack.DELIVERED, Ack.READ]
    assert {(s.provider_id, s.outbox_id) for s in taken} == {(result.provider_id, 303)}


async def test_it_takes_uploads_serves_files_and_marks_read(shared: Fake, tmp_path: Path) -> None:
    content = b"\xff\xd8\xff" + bytes(range(256)) * 20
    async with talking(shared, tmp_path) as talk:
        stored = await LocalMediaStore(tmp_path).put(7, content, limit=10_000)
        picture = OutMedia(to=ANA, kind="image", stored=stored.key)
        assert isinstance(await talk.channel.send(ACCOUNT, picture, outbox_id=404), Accepted)
        read_receipt = OutRead(message_id="wamid.IN", typing=True)
        assert await talk.channel.send(ACCOUNT, read_receipt, outbox_id=0) == Accepted()
        found, mime = await talk.channel.fetch(ACCOUNT, Media(kind="image", id="1"), limit=10**6)
        assert (found[:4], mime) == (b"\x89PNG", "image/png")
        stats = await talk.behave({})
    assert (stats["uploads"], stats["reads"]) == (1, 1)
    assert shared.outbox_ids()[-1] == 404


async def test_without_a_token_it_refuses(shared: Fake, tmp_path: Path) -> None:
    async with talking(shared, tmp_path) as talk:
        request = HttpRequest(method="POST", url=f"{shared.base}/v23.0/700/messages", body=b"{}")
        reply = await talk.http.call(request)  # type: ignore[attr-defined]
        assert isinstance(reply, HttpReply)
        assert reply.status == 401


async def test_killed_it_has_recorded_all_it_answered(tmp_path: Path) -> None:
    fake = Fake(tmp_path)
    answered: set[int] = set()
    async with talking(fake, tmp_path) as talk:

        async def keep_sending(start: int) -> None:
            for outbox_id in range(start, start + 1000):
                result = await talk.send(outbox_id)
                if not isinstance(result, Accepted):
                    return
                answered.add(outbox_id)
                if len(answered) == 40:
                    fake.process.kill()

        async with trio.open_nursery() as nursery:
            for lane in range(8):
                nursery.start_soon(keep_sending, lane * 1000)
    fake.stop()
    assert len(answered) >= 40
    recorded = fake.outbox_ids()
    assert answered <= set(recorded)
    assert len(recorded) == len(set(recorded))


def test_half_a_line_is_no_acceptance(tmp_path: Path) -> None:
    path = tmp_path / "w"
    line = b'{"provider_id":"a","phone_number_id":"1","to":"2","type":"text","at":3}\n'
    path.write_bytes(line + line[:20])
    assert [found.provider_id for found in read(path)] == ["a"]
    assert read(tmp_path / "absent") == []


def test_shares_of_misbehaviour_add_up() -> None:
    behaviour = Behaviour(accept_drop=0.2, drop=0.2, error=0.2, bare=0.2, bare_accepted=0.1)
    rng = random.Random(1)
    fates = [behaviour.fate(rng) for _ in range(2000)]
    shares = {fate: fates.count(fate) / 2000 for fate in set(fates)}
    assert shares.keys() == {"accept", "accept_drop", "drop", "error", "bare", "bare_accepted"}
    assert all(0.05 < share < 0.25 for share in shares.values())
    assert {Behaviour().fate(rng) for _ in range(50)} == {"accept"}
