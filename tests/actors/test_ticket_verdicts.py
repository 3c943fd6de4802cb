"""The ticket actor under every verdict of the writer, at every turn."""

import msgspec
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.channels.base import Identity, InboundEdit, Outbound, OutRead, OutText
from actors.errors import InvalidRequest, Moved, UnknownConnection, UnknownContact
from actors.tickets.commands import (
    Delivered,
    MarkRead,
    Retire,
    SendMessage,
    WriteNote,
    ticket_address,
)
from storage.errors import (
    DatabaseUnavailable,
    Fenced,
    OutcomeUnknown,
    Overloaded,
    Poisoned,
    Retryable,
    StaleVersion,
    UniqueViolation,
)
from storage.ids import ConnectionId, ContactId, TicketId
from tests.actors.company import ANN, COMPANY, LINE, NOW
from tests.actors.memory import Memory, Numbers
from tests.actors.tickets_kit import ZOE, open_tickets, ports, take, text


def bodies(memory: Memory) -> list[object]:
    return [row["body"] for row in memory.rows("messages")]


async def test_committed_inputs_are_answered_and_remembered() -> None:
    memory = Memory()
    async with open_tickets(memory) as system:
        assert await system.ask(take(text("w1", "a"), text("w2", "b"))) == Delivered(stored=2)
        assert await system.ask(take(text("w2", "b"))) == Delivered(duplicates=1)
        assert await system.ask(take(text("w3", "c"), text("w3", "c"))) == Delivered(
            stored=1, duplicates=1
        )
    assert bodies(memory) == ["a", "b", "c"]
    assert len(memory.units) == 2


@pytest.mark.parametrize(
    "refusal",
    [DatabaseUnavailable("away"), Overloaded(retry_after=2, company=True), Retryable("later")],
)
async def test_what_is_surely_not_committed_leaves_the_state_as_it_was(refusal: Retryable) -> None:
    memory = Memory()
    async with open_tickets(memory) as system:
        await system.ask(take(text("w1")))
        memory.script.append(refusal)
        with pytest.raises(Retryable):
            await system.ask(take(text("w2")))
        assert await system.ask(take(text("w2"))) == Delivered(stored=1)
    assert [row["unread_messages"] for row in memory.rows("tickets")] == [2]


async def test_a_failed_turn_fails_every_delivery_queued_behind_it_the_same_way() -> None:
    memory = Memory()
    outcomes: list[object] = []
    async with open_tickets(memory) as system, trio.open_nursery() as nursery:
        await system.ask(take(text("w0", "0")))

        async def deliver(number: int) -> None:
            try:
                outcomes.append(await system.ask(take(text(f"w{number}", str(number)))))
            except Retryable as error:
                outcomes.append(type(error))

        gate = trio.Event()
        saved = memory.save

        async def slow(unit: object) -> object:
            await gate.wait()
            return await saved(unit)

        memory.save = slow
        nursery.start_soon(deliver, 1)
        await wait_all_tasks_blocked()
        for number in range(2, 80):
            nursery.start_soon(deliver, number)
        await wait_all_tasks_blocked()
        memory.script.append(DatabaseUnavailable("away"))
        gate.set()
    assert outcomes == [DatabaseUnavailable] * 79
    assert bodies(memory) == ["0"]


async def test_a_duplicate_found_by_postgres_leaves_only_the_new_inputs() -> None:
    memory = Memory()
    async with open_tickets(memory) as system:
        await system.ask(take(text("w1", "elsewhere")))
    # Another actor's row: this one has not loaded it as its own.
    for row in memory.rows("messages"):
        row["contact_id"] = 99
    memory.tables["tickets"] = []
    memory.tables["ticket_trackings"] = []
    async with open_tickets(memory) as system:
        assert await system.ask(take(text("w1"), text("w2", "new"))) == Delivered(
            stored=1, duplicates=1
        )
    assert bodies(memory) == ["elsewhere", "new"]
    assert memory.rows("tickets")[0]["unread_messages"] == 1


async def test_more_duplicates_than_are_remembered_do_not_go_round_for_ever() -> None:
    memory = Memory()
    inputs = [text(f"w{number}") for number in range(400)]
    async with open_tickets(memory) as system:
        await system.ask(take(*inputs))
        with trio.fail_after(10):
            assert await system.ask(take(*inputs)) == Delivered(duplicates=400)
    assert len(memory.rows("messages")) == 400


@pytest.mark.parametrize("conflict", [StaleVersion("stale"), UniqueViolation("uq_tickets_active")])
async def test_a_conflict_loads_again_and_decides_once_more(conflict: Exception) -> None:
    memory = Memory()
    async with open_tickets(memory) as system:
        await system.ask(take(text("w1")))

        def meddle() -> None:
            memory.rows("tickets")[0].update(unread_messages=7, version=9)
            raise conflict

        memory.script.append(meddle)
        assert await system.ask(take(text("w2"))) == Delivered(stored=1)
    assert memory.rows("tickets")[0]["unread_messages"] == 8


async def test_a_conflict_that_stays_parks_the_input_and_is_answered() -> None:
    memory = Memory()
    async with open_tickets(memory) as system:
        memory.script.extend([StaleVersion("stale")] * 4)
        outcome = await system.ask(take(text("w1", raw=b"{}")))
        assert outcome == Delivered(parked=1)
        assert memory.parked == [b"{}"]
        assert await system.ask(take(text("w2"))) == Delivered(stored=1)


async def test_only_the_poisonous_input_is_parked() -> None:
    memory = Memory()
    memory.poison = "bad"
    outcomes: dict[str, Delivered] = {}
    async with open_tickets(memory) as system, trio.open_nursery() as nursery:
        await system.ask(take(text("w0", "0")))

        async def deliver(*said: str) -> None:
            outcomes[said[0]] = await system.ask(take(*(text(f"w{body}", body) for body in said)))

        for said in (("1",), ("2", "bad", "3"), ("4",)):
            nursery.start_soon(deliver, *said)
    assert outcomes == {
        "1": Delivered(stored=1),
        "2": Delivered(stored=2, parked=1),
        "4": Delivered(stored=1),
    }
    assert sorted(bodies(memory)) == ["0", "1", "2", "3", "4"]
    assert bodies(memory).index("2") < bodies(memory).index("3")
    assert memory.rows("tickets")[0]["unread_messages"] == 5
    assert len(memory.parked) == 1


async def test_an_agents_poisonous_text_is_the_agents_fault() -> None:
    memory = Memory()
    async with open_tickets(memory) as system:
        await system.ask(take(text("w1")))
        ticket = memory.rows("tickets")[0]["id"]
        memory.script.append(Poisoned("lone surrogate"))
        with pytest.raises(InvalidRequest):
            await system.ask(
                SendMessage(
                    company_id=COMPANY,
                    contact_id=ZOE,
                    ticket_id=ticket,
                    by=ANN,
                    content=OutText(body="x"),
                )
            )
    assert memory.hints == []


@pytest.mark.parametrize("doubt", [OutcomeUnknown("cut"), Fenced("newer owner")])
@pytest.mark.parametrize("landed", [False, True])
async def test_an_unknown_outcome_reloads_before_anything_else_is_decided(
    doubt: Exception, landed: bool
) -> None:
    memory = Memory()
    async with open_tickets(memory) as system:
        await system.ask(take(text("w1")))
        (memory.after if landed else memory.script).append(doubt)
        with pytest.raises(OutcomeUnknown):
            await system.ask(take(text("w2")))
        repeated = await system.ask(take(text("w2")))
        assert repeated == (Delivered(duplicates=1) if landed else Delivered(stored=1))
    assert memory.rows("tickets")[0]["unread_messages"] == 2


async def test_ids_enter_memory_only_after_the_commit() -> None:
    memory = Memory()
    async with open_tickets(memory) as system:
        for number in range(20):
            memory.script.append(DatabaseUnavailable("away"))
            with pytest.raises(Retryable):
                await system.ask(take(text(f"w{number}")))
            assert await system.ask(take(text(f"w{number}"))) == Delivered(stored=1)
    assert memory.rows("tickets")[0]["unread_messages"] == 20


async def test_a_used_up_id_block_is_refilled_and_the_turn_goes_on() -> None:
    memory, numbers = Memory(), Numbers()
    numbers.empty = {"messages", "tickets", "ticket_trackings", "ticket_logs"}
    async with open_tickets(memory, ports(memory, numbers=numbers)) as system:
        assert await system.ask(take(text("w1"))) == Delivered(stored=1)
    assert sorted(numbers.refills) == ["messages", "ticket_logs", "ticket_trackings", "tickets"]


@pytest.mark.parametrize("reloaded", [False, True])
async def test_the_contact_is_told_read_by_the_newest_message_it_sent(reloaded: bool) -> None:
    memory, numbers = Memory(), Numbers()
    given = ports(memory, numbers=numbers)
    edit = InboundEdit(
        provider_id="w3", contact=Identity(phone="5511"), timestamp=NOW, target_id="w1", body="x"
    )
    async with open_tickets(memory, given) as system:
        await system.ask(take(text("w1"), text("w2")))
        await system.ask(take(edit))
        ticket_id = TicketId(memory.rows("tickets")[0]["id"])
        own = {"company_id": COMPANY, "contact_id": ZOE, "ticket_id": ticket_id, "by": None}
        await system.ask(WriteNote(**own, body="to us"))
        if not reloaded:
            await system.ask(MarkRead(**own))
    if reloaded:
        async with open_tickets(memory, given) as system:
            await system.ask(MarkRead(**own))
    (order,) = memory.rows("outbox")
    assert order["kind"] == "mark_read"
    assert msgspec.json.decode(order["payload"], type=Outbound) == OutRead(
        to=Identity(phone="5511"), message_id="w2"
    )


async def test_an_unknown_contact_is_refused_and_does_not_crash() -> None:
    memory = Memory()
    async with open_tickets(memory) as system:
        command = MarkRead(
            company_id=COMPANY, contact_id=ContactId(77), ticket_id=TicketId(1), by=None
        )
        for _ in range(5):
            with pytest.raises(UnknownContact):
                await system.ask(command)


async def test_a_delivery_by_an_unknown_connection_is_not_answered_as_taken() -> None:
    memory = Memory()
    async with open_tickets(memory) as system:
        with pytest.raises(UnknownConnection):
            await system.ask(take(text("w1"), line=ConnectionId(404)))
        assert await system.ask(take(text("w1"))) == Delivered(stored=1)
    assert len(memory.rows("messages")) == 1


async def test_a_retired_actor_names_the_winner() -> None:
    memory = Memory()
    async with open_tickets(memory) as system:
        await system.ask(take(text("w1")))
        await system.ask(Retire(company_id=COMPANY, contact_id=ZOE, winner=ContactId(2)))
        with pytest.raises(Moved) as moved:
            await system.ask(take(text("w2")))
        assert moved.value.to == ticket_address(COMPANY, ContactId(2))
    assert len(memory.rows("messages")) == 1


async def test_a_crash_of_one_contacts_actor_leaves_the_others_alone() -> None:
    memory = Memory()
    async with open_tickets(memory) as system:
        memory.script.append(ZeroDivisionError("bug"))
        with pytest.raises(Exception, match="bug"):
            await system.ask(take(text("w1")))
        assert await system.ask(take(text("w1"), line=LINE)) == Delivered(stored=1)
