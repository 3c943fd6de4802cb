"""Recorded provider webhooks against the running server; skipped where the recordings are absent."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from tests.proofs.conftest import Report
from tests.proofs.lines import Line, signed
from tests.proofs.load import text_body
from tests.proofs.processes import APP_SECRET, ROOT
from tests.proofs.proof import Proof, open_proof

SAMPLES = ROOT.parent / "shared" / "samples" / "cloud-api"
REACHED = {"sent": 2, "delivered": 3, "read": 4, "played": 5}
DIGEST = "SELECT coalesce(md5(string_agg(t::text, '|' ORDER BY t::text)), '') FROM {table} AS t"
TABLES = (
    *("messages", "tickets", "contacts", "contact_aliases", "events"),
    *("inbound_receipts", "early_statuses", "dead_letters", "ticket_trackings", "company_stream"),
)
KNOWN = "SELECT 1 FROM messages WHERE provider_id = :id"


def parts_of(body: Any) -> Iterator[dict[str, Any]]:
    """The `value` of every change."""
    for entry in body.get("entry") or ():
        for change in entry.get("changes") or ():
            if isinstance(change.get("value"), dict):
                yield change["value"]


def messages_of(value: dict[str, Any]) -> list[dict[str, Any]]:
    return [*(value.get("messages") or ()), *(value.get("message_echoes") or ())]


def point_at(node: Any, provider_id: str) -> None:
    """Have every reference in a message name a message that exists."""
    if isinstance(node, list):
        for item in node:
            point_at(item, provider_id)
    elif isinstance(node, dict):
        for name, item in node.items():
            if name in ("message_id", "original_message_id") and isinstance(item, str):
                node[name] = provider_id
            elif name == "context" and isinstance(item, dict) and "id" in item:
                item["id"] = provider_id
            else:
                point_at(item, provider_id)


class Replayer:
    """Posts samples as the provider, and looks what became of them as an agent."""

    def __init__(self, proof: Proof) -> None:
        self.proof = proof
        self.company = proof.load.companies[0]
        self.line = Line(proof.server.port)
        self.sent: dict[str, str] = {}
        self.statuses: dict[str, list[str]] = {}
        self.bodies: list[bytes] = []
        self.names: dict[str, str] = {}

    async def post(self, path: str, body: bytes) -> int:
        return (await self.line.call("POST", path, body, signed(APP_SECRET, body))).status

    async def get(self, path: str) -> Any:
        token = self.proof.load.tokens[self.company.id]
        answer = await self.line.call("GET", path, headers={"authorization": f"Bearer {token}"})
        assert answer.status == 200, answer
        return answer.json

    async def conversation(self, ticket: int) -> list[Any]:
        """Every message that an agent can page to."""
        found: list[Any] = []
        number, more = 1, True
        while more:
            page = await self.get(f"/messages/{ticket}?markAsRead=false&pageNumber={number}")
            found += page["messages"]
            number, more = number + 1, page["hasMore"]
        return found

    async def outgoing(self) -> tuple[str, str]:
        """An agent's reply, sent: the provider's id and its customer."""
        number, ticket = next(
            (number, ticket)
            for (company, number), ticket in self.proof.tickets.items()
            if company == self.company.id
        )
        before = len(self.proof.graph.accepted())
        await self.proof.load.reply(self.line, self.company.id, ticket)
        with trio.fail_after(30):
            while True:
                sent = self.proof.graph.accepted()[before:]
                if sent and await self.proof.look.rows(KNOWN, id=sent[0].provider_id):
                    return sent[0].provider_id, number
                await trio.sleep(0.02)

    async def rewritten(self, name: str, body: Any) -> bytes:
        """The sample as if it had been meant for this connection."""
        for value in parts_of(body):
            if isinstance(value.get("metadata"), dict):
                value["metadata"]["phone_number_id"] = self.company.phone_number_id
            for place, message in enumerate(messages_of(value)):
                sender = message.get("from")
                base = f"wamid.base.{name}.{place}"
                if isinstance(sender, str) and value.get("messages"):
                    hello = text_body(self.company.phone_number_id, sender, base, "hello")
                    assert await self.post(self.company.webhook, hello) == 200
                message["id"] = f"wamid.sample.{name}.{place}"
                point_at(message, base)
                self.sent[message["id"]] = str(message.get("type"))
            for status in value.get("statuses") or ():
                if status["status"] not in (*REACHED, "failed"):
                    continue  # a call's
                status["id"], status["recipient_id"] = await self.outgoing()
                status.pop("biz_opaque_callback_data", None)
                self.statuses.setdefault(status["id"], []).append(status["status"])
                self.names[status["id"]] = name
        return msgspec.json.encode(body)

    async def digests(self) -> dict[str, str]:
        return {table: await self.proof.look.value(DIGEST.format(table=table)) for table in TABLES}


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the recorded webhooks are not here")
async def test_every_recorded_webhook_is_taken_once_shown_and_never_refused(
    dsn: str, folder: Path, report: Report
) -> None:
    files = sorted(SAMPLES.rglob("*.json"))
    assert files
    async with open_proof(folder, dsn, behaviour='{"statuses": []}') as proof:
        await proof.begin(hooks=False)
        replayer = Replayer(proof)
        for n, path in enumerate(files):
            body = await replayer.rewritten(
                f"{n}.{path.stem}", msgspec.json.decode(path.read_bytes())
            )
            replayer.bodies.append(body)
            assert await replayer.post(replayer.company.webhook, body) == 200, path
        lines = await shown(replayer) + await applied(replayer)
        await repeated(replayer)
        await originals(replayer, files)
        await replayer.line.close()
        report("\n".join(lines))


async def shown(replayer: Replayer) -> list[str]:
    """Each message is a bubble of its conversation, or has claimed its id."""
    look = replayer.proof.look
    rows = await look.rows("SELECT provider_id, ticket_id FROM messages")
    ticket_of = {row[0]: row[1] for row in rows}
    claimed = {row[0] for row in await look.rows("SELECT provider_id FROM inbound_receipts")}
    kinds: dict[str, list[str]] = {}
    for provider_id, kind in replayer.sent.items():
        if provider_id not in ticket_of:
            assert provider_id in claimed, (provider_id, kind)
            kinds.setdefault("changed others", []).append(kind)
            continue
        found = [
            message
            for message in await replayer.conversation(ticket_of[provider_id])
            if message["wid"] == provider_id
        ]
        assert len(found) == 1, (provider_id, kind)
        kinds.setdefault("shown", []).append(f"{kind}→{found[0]['mediaType']}")
    return [f"{where}: {len(items)} {sorted(set(items))}" for where, items in kinds.items()]


async def applied(replayer: Replayer) -> list[str]:
    """Each status moved its outgoing message."""
    rows = await replayer.proof.look.rows(
        "SELECT provider_id, ack, error FROM messages WHERE from_me"
    )
    found = {row[0]: (row[1], row[2]) for row in rows}
    for provider_id, words in replayer.statuses.items():
        ack, error = found[provider_id]
        for word in words:
            if word == "failed":
                assert error is not None, (provider_id, replayer.names[provider_id])
            else:
                assert ack >= REACHED[word], (word, replayer.names[provider_id])
    return [f"statuses applied: {sum(map(len, replayer.statuses.values()))}"]


async def repeated(replayer: Replayer) -> None:
    """Everything again changes nothing."""
    before = await replayer.digests()
    for body in replayer.bodies:
        assert await replayer.post(replayer.company.webhook, body) == 200
    assert await replayer.digests() == before


async def originals(replayer: Replayer, files: list[Path]) -> None:
    """As recorded: for other numbers, or in fragments; kept raw, without effect.

    Then meant for this connection, but with the ids as recorded: only the first of each counts.
    """
    before = await replayer.digests()
    kept = await replayer.proof.look.value("SELECT count(*) FROM webhook_events")
    for path in files:
        for door in (replayer.company.webhook, "/webhook"):
            assert await replayer.post(door, path.read_bytes()) == 200, path
    assert await replayer.digests() == before
    raw = await replayer.proof.look.value("SELECT count(*) FROM webhook_events")
    assert raw >= kept + 2 * len(files)
    ids: set[str] = set()
    for path in files:
        body = msgspec.json.decode(path.read_bytes())
        for value in parts_of(body):
            if isinstance(value.get("metadata"), dict):
                value["metadata"]["phone_number_id"] = replayer.company.phone_number_id
                ids.update(message["id"] for message in messages_of(value) if "id" in message)
        assert await replayer.post(replayer.company.webhook, msgspec.json.encode(body)) == 200
    rows = await replayer.proof.look.rows("SELECT provider_id FROM messages")
    shown_ids = [row[0] for row in rows if row[0] in ids]
    assert len(shown_ids) == len(set(shown_ids))
    receipts = await replayer.proof.look.rows("SELECT provider_id FROM inbound_receipts")
    assert ids == {*shown_ids, *(row[0] for row in receipts if row[0] in ids)}
