"""The Graph API's answers for sends, read receipts and media, and the control endpoint."""

import hashlib
import random
import secrets
import time

import msgspec
import trio

from actors.channels.simulator_files import sample_file
from actors.channels.whatsapp_cloud.elements import outbox_id_of
from bench.fake_graph.behaviour import Behaviour
from bench.fake_graph.http11 import Answer, Request
from bench.fake_graph.reports import Hooks, Reporter, status_body
from bench.fake_graph.witness import Line, Witness


class Control(msgspec.Struct, omit_defaults=True):
    """Body of `POST /_control`: what is given replaces what was."""

    behaviour: Behaviour | None = None
    hooks: Hooks | None = None


class Stats(msgspec.Struct):
    """Answer of `GET /_control`."""

    requests: int = 0
    accepted: int = 0
    reads: int = 0
    uploads: int = 0
    downloads: int = 0
    posted: int = 0
    repeated: int = 0
    reports_open: int = 0
    fates: dict[str, int] = msgspec.field(default_factory=dict)


class Text(msgspec.Struct):
    body: str = ""


class Send(msgspec.Struct):
    """What the fake looks at in a send."""

    messaging_product: str = ""
    to: str = ""
    recipient: str = ""
    type: str = ""
    status: str = ""
    text: Text | None = None
    biz_opaque_callback_data: str = ""


def graph_error(status: int, code: int, message: str) -> Answer:
    """An error as Graph words it."""
    error = {"message": message, "type": "OAuthException", "code": code, "fbtrace_id": "fake"}
    return Answer(status=status, body=msgspec.json.encode({"error": error}))


class Graph:
    """The fake itself. `nursery` holds the tasks that post statuses."""

    def __init__(
        self,
        witness: Witness,
        reporter: Reporter,
        behaviour: Behaviour,
        nursery: trio.Nursery,
        seed: int = 0,
    ) -> None:
        self.witness = witness
        self.reporter = reporter
        self.behaviour = behaviour
        self.stats = Stats()
        self.base = ""
        self._nursery = nursery
        self._rng = random.Random(seed)
        self._media: dict[str, tuple[bytes, str]] = {}

    async def handle(self, request: Request) -> Answer:
        """One request."""
        path = request.path.partition("?")[0]
        if path == "/_control":
            return self._control(request)
        self.stats.requests += 1
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or token not in (self.behaviour.tokens or [token]):
            return graph_error(401, 190, "Invalid OAuth access token")
        parts = [part for part in path.split("/") if part]
        if request.method == "POST" and parts[-1:] == ["messages"] and len(parts) == 3:
            return await self._send(parts[1], request.body)
        if request.method == "POST" and parts[-1:] == ["media"] and len(parts) == 3:
            return self._upload(request)
        if request.method == "GET" and len(parts) == 2:
            return self._media_answer(parts[0], parts[1])
        return graph_error(404, 100, "Unknown path")

    def _control(self, request: Request) -> Answer:
        if request.method == "POST":
            try:
                control = msgspec.json.decode(request.body, type=Control)
            except msgspec.ValidationError as error:
                return Answer(status=422, body=msgspec.json.encode({"error": str(error)}))
            self.behaviour = control.behaviour or self.behaviour
            self.reporter.hooks = control.hooks or self.reporter.hooks
        self.stats.posted = self.reporter.posted
        self.stats.repeated = self.reporter.repeated
        return Answer(body=msgspec.json.encode(self.stats))

    async def _send(self, number: str, body: bytes) -> Answer:
        try:
            send = msgspec.json.decode(body, type=Send)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return graph_error(400, 100, "Invalid parameter")
        if send.status == "read":
            self.stats.reads += 1
            return Answer(body=b'{"success":true}')
        to = send.to or send.recipient
        if send.messaging_product != "whatsapp" or not to or not send.type:
            return graph_error(400, 131008, "Required parameter is missing")
        behaviour = self.behaviour
        fate = behaviour.fate(self._rng)
        self.stats.fates[fate] = self.stats.fates.get(fate, 0) + 1
        if fate in ("drop", "bare", "error"):
            await trio.sleep(behaviour.delay)
            return self._refused(fate, behaviour)
        line = await self._accept(number, to, send)
        words = behaviour.reports(self._rng)
        if behaviour.early and words:
            await self.reporter.post(number, self._status(line, send, words.pop(0)))
        if words and self.reporter.target(number):
            self._nursery.start_soon(self._report, line, send, words, behaviour.status_delay)
        await trio.sleep(behaviour.delay)
        if fate == "accept":
            return self._accepted(line)
        return Answer(drop=True) if fate == "accept_drop" else Answer(status=behaviour.bare_status)

    def _refused(self, fate: str, behaviour: Behaviour) -> Answer:
        if fate == "error":
            body = msgspec.json.encode(behaviour.error_body)
            return Answer(status=behaviour.error_status, body=body)
        return Answer(drop=True) if fate == "drop" else Answer(status=behaviour.bare_status)

    async def _accept(self, number: str, to: str, send: Send) -> Line:
        line = Line(
            provider_id=f"wamid.FAKE{secrets.token_hex(12).upper()}",
            phone_number_id=number,
            to=to,
            type=send.type,
            at=time.monotonic_ns(),
            outbox_id=outbox_id_of(send.biz_opaque_callback_data),
            body=send.text.body if send.text else "",
        )
        await self.witness.record(line)
        self.stats.accepted += 1
        return line

    def _accepted(self, line: Line) -> Answer:
        reply = {
            "messaging_product": "whatsapp",
            "contacts": [{"input": line.to, "wa_id": line.to}],
            "messages": [{"id": line.provider_id, "message_status": "accepted"}],
        }
        return Answer(body=msgspec.json.encode(reply))

    def _status(self, line: Line, send: Send, word: str) -> bytes:
        callback = send.biz_opaque_callback_data
        return status_body(line.phone_number_id, line.provider_id, word, line.to, callback)

    async def _report(self, line: Line, send: Send, words: list[str], pause: float) -> None:
        self.stats.reports_open += 1
        for word in words:
            await trio.sleep(pause)
            await self.reporter.post(line.phone_number_id, self._status(line, send, word))
        self.stats.reports_open -= 1

    def _upload(self, request: Request) -> Answer:
        boundary = request.headers.get("content-type", "").partition("boundary=")[2]
        part = request.body.rpartition(b'name="file"')[2].partition(b"\r\n\r\n")
        content = part[2].rpartition(f"\r\n--{boundary}".encode())[0]
        if not boundary or not content:
            return graph_error(400, 100, "file is missing")
        kind = part[0].rpartition(b"Content-Type: ")[2].decode("latin-1").strip()
        media_id = str(secrets.randbelow(10**15))
        self._media[media_id] = (content, kind)
        self.stats.uploads += 1
        return Answer(body=msgspec.json.encode({"id": media_id}))

    def _media_answer(self, first: str, media_id: str) -> Answer:
        content, mime = self._media.get(media_id) or sample_file("image")
        if first == "_media":
            self.stats.downloads += 1
            return Answer(body=content, content_type=mime)
        found = {
            "messaging_product": "whatsapp",
            "id": media_id,
            "url": f"{self.base}/_media/{media_id}",
            "mime_type": mime,
            "sha256": hashlib.sha256(content).hexdigest(),
            "file_size": len(content),
        }
        return Answer(body=msgspec.json.encode(found))
