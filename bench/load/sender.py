"""Signed Cloud API webhooks over HTTP/1.1, one request open per conversation.

Reads a JSON plan from standard input, sends for its duration, and prints its findings as JSON. A
body that is not answered 2xx is sent again, unchanged, after the server's Retry-After, so that
order and completeness can be checked afterwards.
"""

import asyncio
import hashlib
import hmac
import random
import resource
import time
from typing import cast

import msgspec
import uvloop

from bench.load.lines import answer, read_plan


class Conversation(msgspec.Struct):
    """One customer writing to one number."""

    name: str
    number: str
    phone_number_id: str
    path: str
    secret: str


class Plan(msgspec.Struct):
    """`rate` in messages per second, 0 = as fast as answers come.

    Messages are numbered per conversation, from `starts` or 0 on.
    """

    host: str
    port: int
    conversations: list[Conversation]
    seconds: float
    rate: float = 0.0
    connections: int = 200
    starts: dict[str, int] = {}
    per_conversation: int = 0


class Findings(msgspec.Struct):
    """Latencies in milliseconds, from the first attempt's first byte to its 2xx."""

    acknowledged: int = 0
    attempts: int = 0
    refused: dict[str, int] = {}
    seconds: float = 0.0
    latencies_ms: list[float] = []
    counts: dict[str, int] = {}
    cpu_s: float = 0.0


def body_of(conversation: Conversation, number: int) -> bytes:
    """Build one text message's webhook; the body text carries its number and send time."""
    text = f"b:{conversation.name}:{number}:{time.monotonic_ns()}"
    return msgspec.json.encode(
        {
            "object": "whatsapp_business_account",
            "entry": [{"id": "0", "changes": [{"field": "messages", "value": {
                "messaging_product": "whatsapp",
                "metadata": {
                    "display_phone_number": "15550000000",
                    "phone_number_id": conversation.phone_number_id,
                },
                "contacts": [{"profile": {"name": conversation.name}, "wa_id": conversation.number}],
                "messages": [{
                    "from": conversation.number,
                    "id": f"wamid.bench.{conversation.name}.{number}",
                    "timestamp": str(int(time.time())),
                    "type": "text",
                    "text": {"body": text},
                }],
            }}]}],
        }
    )  # fmt: skip


class Line(asyncio.Protocol):
    """One keep-alive connection; one request at a time."""

    def __init__(self) -> None:
        self.buffer = b""
        self.answer: asyncio.Future[tuple[int, float]] | None = None
        self.transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.WriteTransport", transport)  # uvloop's is no subclass

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        if self.answer and not self.answer.done():
            self.answer.set_result((0, 0.2))

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, separator, rest = self.buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        length, retry = 0, 0.2
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
            elif name.lower() == b"retry-after":
                retry = float(value)
        if len(rest) >= length and self.answer and not self.answer.done():
            self.buffer = rest[length:]
            self.answer.set_result((int(head[9:12]), retry))


class Sender:
    """Keeps each conversation at one open request, in order."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.findings = Findings()
        self.stop_at = 0.0
        self.free: asyncio.Queue[Conversation] = asyncio.Queue()
        self.numbers = {c.name: plan.starts.get(c.name, 0) for c in plan.conversations}

    async def run(self) -> Findings:
        order = list(self.plan.conversations)
        random.Random(7).shuffle(order)
        for conversation in order:
            self.free.put_nowait(conversation)
        started = time.monotonic()
        self.stop_at = started + self.plan.seconds
        await asyncio.gather(*(self.worker(n) for n in range(self.plan.connections)))
        self.findings.seconds = time.monotonic() - started
        self.findings.counts = self.numbers
        return self.findings

    async def worker(self, index: int) -> None:
        rate = self.plan.rate / self.plan.connections
        due = time.monotonic() + (random.random() / rate if rate else 0)
        line = await self.connect()
        while time.monotonic() < self.stop_at:
            if rate:
                if due >= self.stop_at:
                    break
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                due += random.expovariate(rate)
            try:
                conversation = self.free.get_nowait()
            except asyncio.QueueEmpty:
                if not rate:
                    return
                conversation = await self.free.get()
            number = self.numbers[conversation.name]
            if (
                self.plan.per_conversation
                and number - self.plan.starts.get(conversation.name, 0)
                >= self.plan.per_conversation
            ):
                continue
            line = await self.deliver(line, conversation, number)
            self.numbers[conversation.name] = number + 1
            self.free.put_nowait(conversation)
        if line.transport:
            line.transport.close()

    async def connect(self) -> Line:
        loop = asyncio.get_running_loop()
        for _ in range(600):
            try:
                _, line = await loop.create_connection(Line, self.plan.host, self.plan.port)
            except OSError:
                await asyncio.sleep(0.1)
            else:
                return line
        msg = "server not reachable for 60 s"
        raise ConnectionError(msg)

    async def deliver(self, line: Line, conversation: Conversation, number: int) -> Line:
        body = body_of(conversation, number)
        signature = hmac.new(conversation.secret.encode(), body, hashlib.sha256).hexdigest()
        request = (
            f"POST {conversation.path} HTTP/1.1\r\nHost: bench\r\n"
            f"Content-Type: application/json\r\nX-Hub-Signature-256: sha256={signature}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        ).encode() + body
        findings = self.findings
        first = time.monotonic()
        while True:
            if line.transport is None:
                line = await self.connect()
            assert line.transport is not None
            line.answer = asyncio.get_running_loop().create_future()
            line.transport.write(request)
            findings.attempts += 1
            status, retry = await line.answer
            if 200 <= status < 300:
                break
            findings.refused[str(status)] = findings.refused.get(str(status), 0) + 1
            await asyncio.sleep(retry)
        findings.acknowledged += 1
        findings.latencies_ms.append((time.monotonic() - first) * 1e3)
        return line


def main() -> None:
    """Run one plan; see the module's docstring."""
    plan = read_plan(Plan)
    findings = uvloop.run(Sender(plan).run())
    usage = resource.getrusage(resource.RUSAGE_SELF)
    findings.cpu_s = usage.ru_utime + usage.ru_stime
    answer(findings)


if __name__ == "__main__":
    main()
