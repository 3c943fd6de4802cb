"""The server of `bench inbound --direct`: deliveries go to the router without HTTP.

Started with a data folder; DATABASE_URL names the database. Prints the port of its sockets. Then
every line on standard input is a plan of `bench.load.sender`; it is driven by tasks of this
process, and its findings are printed as one line of JSON.
"""

import random
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import trio

from actors.channels.base import Conversation, Identity, InboundMessage
from actors.errors import Busy
from actors.intake import Intake
from api.app import listening, open_app
from api.settings import Settings, read_settings
from bench.load import sender
from storage.errors import Retryable
from storage.ids import CompanyId, ConnectionId


class Target(msgspec.Struct, frozen=True):
    """Whose router; travels in the place of a webhook's path."""

    company_id: CompanyId
    connection_id: ConnectionId


def delivery(customer: sender.Conversation, number: int) -> Conversation:
    """What the parser makes of one text message."""
    contact = Identity(phone=customer.number)
    message = InboundMessage(
        provider_id=f"wamid.bench.{customer.name}.{number}",
        contact=contact,
        timestamp=datetime.now(UTC),
        kind="text",
        media_type="conversation",
        body=f"b:{customer.name}:{number}:{time.monotonic_ns()}",
        name=customer.name,
    )
    return Conversation(
        key=customer.number, contact=contact, inbounds=(message,), name=customer.name
    )


class Driver:
    """Keeps each conversation at one open delivery, in order."""

    def __init__(self, intake: Intake, plan: sender.Plan) -> None:
        self.intake = intake
        self.plan = plan
        self.findings = sender.Findings()
        self.numbers = {c.name: plan.starts.get(c.name, 0) for c in plan.conversations}
        self.targets = {
            c.name: msgspec.json.decode(c.path, type=Target) for c in plan.conversations
        }
        self.deadline = 0.0

    async def run(self) -> sender.Findings:
        """Drive for the plan's time."""
        started = time.monotonic()
        self.deadline = started + self.plan.seconds
        put, get = trio.open_memory_channel[sender.Conversation](len(self.plan.conversations))
        for conversation in self.plan.conversations:
            put.send_nowait(conversation)
        async with trio.open_nursery() as nursery:
            for _ in range(min(self.plan.connections, len(self.plan.conversations))):
                nursery.start_soon(self.work, put, get)
        self.findings.seconds = time.monotonic() - started
        self.findings.counts = self.numbers
        return self.findings

    def gaps(self) -> Iterator[float]:
        """Seconds between one worker's deliveries, at the plan's rate."""
        rate = self.plan.rate / self.plan.connections
        while True:
            yield random.expovariate(rate) if rate else 0.0

    async def work(
        self,
        put: trio.MemorySendChannel[sender.Conversation],
        get: trio.MemoryReceiveChannel[sender.Conversation],
    ) -> None:
        gaps = self.gaps()
        due = time.monotonic() + next(gaps)
        while max(due, time.monotonic()) < self.deadline:
            await trio.sleep(max(0.0, due - time.monotonic()))
            due += next(gaps)
            conversation = await get.receive()
            await self.deliver(conversation)
            await put.send(conversation)

    async def deliver(self, conversation: sender.Conversation) -> None:
        target = self.targets[conversation.name]
        what = delivery(conversation, self.numbers[conversation.name])
        findings = self.findings
        first = time.monotonic()
        while True:
            findings.attempts += 1
            try:
                await self.intake.deliver(target.company_id, target.connection_id, what)
                break
            except (Busy, Retryable) as error:
                name = type(error).__name__
                findings.refused[name] = findings.refused.get(name, 0) + 1
                await trio.sleep(0.2)
        findings.acknowledged += 1
        findings.latencies_ms.append((time.monotonic() - first) * 1e3)
        self.numbers[conversation.name] += 1


async def serve(settings: Settings) -> None:
    """The server, and plans until standard input ends."""
    dsn = settings.database_url
    assert dsn is not None
    async with open_app(settings, dsn) as app, listening(settings, app.asgi) as port:
        print(port, flush=True)
        while line := await trio.to_thread.run_sync(sys.stdin.readline):
            plan = msgspec.json.decode(line, type=sender.Plan)
            found = await Driver(app.parts.intake, plan).run()
            print(msgspec.json.encode(found).decode(), flush=True)


if __name__ == "__main__":
    trio.run(serve, read_settings(data_dir=Path(sys.argv[1]), port=0))
