"""Random histories of one contact against a sequential model."""

from dataclasses import dataclass, field

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.channels.base import Identity, InboundEdit, InboundRevoke, OutText
from actors.errors import DomainRefusal
from actors.tickets.commands import (
    CreateTicket,
    Delivered,
    MarkRead,
    SendMessage,
    UpdateTicket,
    WriteNote,
)
from storage.errors import DatabaseUnavailable, OutcomeUnknown, StaleVersion, StorageError
from storage.ids import TicketId
from tests.actors.company import ANN, BOB, COMPANY, LINE, NOW, OTHER_LINE, SALES, SUPPORT
from tests.actors.memory import Memory
from tests.actors.tickets_kit import ZOE, open_tickets, take, text

VERDICTS = st.sampled_from(["ok", "ok", "ok", "ok", "later", "stale", "lost", "landed"])
LINES = st.sampled_from([LINE, OTHER_LINE])
IDS = st.integers(0, 12).map(lambda number: f"w{number}")

inbound = st.tuples(st.just("in"), LINES, st.lists(IDS, min_size=1, max_size=4))
echo = st.tuples(st.just("echo"), LINES, IDS)
edit = st.tuples(st.just("edit"), LINES, IDS)
revoke = st.tuples(st.just("revoke"), LINES, IDS)
agent = st.tuples(
    st.sampled_from(["accept", "return", "transfer", "close", "reopen", "read", "send", "note"]),
    st.integers(0, 5),
    st.sampled_from([ANN, BOB]),
)
create = st.tuples(st.just("create"), LINES, st.just(ANN))
steps = st.lists(
    st.tuples(
        st.one_of(inbound, inbound, inbound, echo, edit, revoke, agent, agent, create), VERDICTS
    ),
    max_size=25,
)


@dataclass
class Model:
    """What must have happened: every acknowledged input, once."""

    acknowledged: set[tuple[int, str]] = field(default_factory=set)


def script(memory: Memory, verdict: str) -> None:
    memory.script.clear()
    memory.after.clear()
    if verdict == "later":
        memory.script.append(DatabaseUnavailable("away"))
    elif verdict == "stale":
        memory.script.append(StaleVersion("stale"))
    elif verdict == "lost":
        memory.script.append(OutcomeUnknown("cut"))
    elif verdict == "landed":
        memory.after.append(OutcomeUnknown("cut"))


def command(memory: Memory, step: tuple[object, ...], number: int) -> object:
    kind, *rest = step
    own = {"company_id": COMPANY, "contact_id": ZOE}
    if kind == "in":
        return take(*(text(key, f"body {key}") for key in rest[1]), line=rest[0])
    if kind == "echo":
        return take(text(rest[1], "from the phone", from_me=True), line=rest[0])
    if kind in ("edit", "revoke"):
        made = InboundEdit if kind == "edit" else InboundRevoke
        change = made(
            provider_id=f"{kind}{number}",
            target_id=rest[1],
            contact=Identity(phone="5511"),
            timestamp=NOW,
        )
        return take(change, line=rest[0])
    if kind == "create":
        return CreateTicket(**own, by=rest[1], connection_id=rest[0], user_id=rest[1])
    tickets = memory.rows("tickets")
    if not tickets:
        return None
    ticket = TicketId(tickets[rest[0] % len(tickets)]["id"])
    changes = {
        "accept": {"status": "open", "user_id": rest[1]},
        "return": {"status": "pending", "user_id": None},
        "transfer": {"department_id": SUPPORT, "user_id": None, "transferred": True},
        "close": {"status": "closed"},
        "reopen": {"status": "open", "department_id": SALES},
    }
    if kind in changes:
        return UpdateTicket(**own, ticket_id=ticket, by=rest[1], **changes[kind])
    if kind == "read":
        return MarkRead(**own, ticket_id=ticket, by=rest[1])
    if kind == "note":
        return WriteNote(**own, ticket_id=ticket, by=rest[1], body="note")
    return SendMessage(**own, ticket_id=ticket, by=rest[1], content=OutText(body="answer"))


def check(memory: Memory, model: Model) -> None:
    """The invariants that hold between any two turns."""
    tickets = memory.rows("tickets")
    active = [(row["connection_id"]) for row in tickets if row["status"] != "closed"]
    assert len(active) == len(set(active)), "one active ticket per connection"
    for row in tickets:
        unread = memory.rows("messages", ticket_id=row["id"], read=False, from_me=False)
        assert row["unread_messages"] == len(unread), "unread is a recount"
        running = memory.rows("ticket_trackings", ticket_id=row["id"], finished_at=None)
        assert len(running) <= 1
        if row["status"] == "closed":
            assert not running, "a closed case is not tracked"
    keys = [(row["connection_id"], row["provider_id"]) for row in memory.rows("messages")]
    assert len(keys) == len(set(keys)), "one row per claim"
    assert model.acknowledged <= set(keys), "what was acknowledged is stored"
    stored = {row["id"]: row["seq"] for row in memory.rows("messages")}
    created = {
        event.message.id: seq for seq, event in memory.events if event.kind == "message.created"
    }
    removed = {event.message.id for _, event in memory.events if event.kind == "message.removed"}
    assert stored == {key: seq for key, seq in created.items() if key not in removed}
    for row in memory.rows("outbox", kind="send"):
        assert memory.rows("messages", id=row["message_id"]), "an order has its message"


async def play(history: list[tuple[tuple[object, ...], str]]) -> None:
    memory, model = Memory(), Model()
    async with open_tickets(memory) as system:
        for number, (step, verdict) in enumerate(history):
            asked = command(memory, step, number)
            if asked is None:
                continue
            script(memory, verdict)
            try:
                reply = await system.ask(asked)
            except (DomainRefusal, StorageError):
                pass
            else:
                if step[0] in ("in", "echo"):
                    assert isinstance(reply, Delivered)
                    assert not reply.parked
                    model.acknowledged |= {(step[1], item.provider_id) for item in asked.inbounds}
            check(memory, model)


@given(steps)
@settings(max_examples=120, deadline=None)
def test_histories_keep_the_invariants(history: list[tuple[tuple[object, ...], str]]) -> None:
    trio.run(play, history)


@pytest.mark.prove
@given(steps)
@settings(max_examples=3000, deadline=None)
def test_many_histories_keep_the_invariants(
    history: list[tuple[tuple[object, ...], str]],
) -> None:
    trio.run(play, history)
