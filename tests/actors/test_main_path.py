"""From the channel to the sockets' door and back, on a real database."""

from pathlib import Path

import pytest
import trio

from actors.channels.base import Media, OutText
from actors.errors import OtherOpenTicket, UnknownTicket
from actors.events import MessageChanged, MessageCreated, TicketChanged
from actors.media import LocalMediaStore
from actors.revival import PgEventLog
from actors.tickets.commands import (
    CreateTicket,
    Delivered,
    EditMessage,
    MarkRead,
    SendMessage,
    UpdateTicket,
)
from storage.database import Database
from storage.ids import TicketId, UserId
from tests.actors.world import ONE, SECOND, TWO, conversation, open_world

ANN = UserId(1001)


async def test_an_inbound_message_is_stored_and_published_in_order(database: Database) -> None:
    async with open_world(database) as world:
        assert await world.say("5511", "hello", "again", name="Zoe") == Delivered(stored=2)
        kinds = [(seq, event.kind) for _, seq, event in world.sink.events]
        assert kinds == [
            (1, "contact.changed"),
            (2, "ticket.changed"),
            (3, "message.created"),
            (4, "message.created"),
        ]
        rows = await world.rows("SELECT body, seq, from_me, read FROM messages ORDER BY id")
        assert [(row["body"], row["seq"]) for row in rows] == [("hello", 3), ("again", 4)]
        ticket = (await world.rows("SELECT * FROM tickets"))[0]
        assert (ticket["status"], ticket["unread_messages"]) == ("pending", 2)
        assert ticket["last_message"] == "again"


async def test_a_repeated_delivery_changes_nothing_and_emits_nothing(database: Database) -> None:
    async with open_world(database) as world:
        await world.say("5511", "a", "b", ids=["w1", "w2"])
        before = len(world.sink.events)
        again = await world.say("5511", "a", "b", ids=["w1", "w2"])
        assert again == Delivered(duplicates=2)
        mixed = await world.say("5511", "b", "c", ids=["w2", "w3"])
        assert mixed == Delivered(stored=1, duplicates=1)
        assert len(world.sink.events) == before + 1
        assert await world.value("SELECT count(*) FROM messages") == 3


async def test_a_repetition_that_reaches_another_actor_is_a_duplicate_too(
    database: Database,
) -> None:
    async with open_world(database) as world:
        await world.say("5511", "a", ids=["w1"])
        assert await world.say("5522", "a", "b", ids=["w1", "w2"]) == Delivered(
            stored=1, duplicates=1
        )
        assert await world.value("SELECT count(*) FROM messages") == 2


async def test_two_companies_keep_apart_with_equal_ids(database: Database) -> None:
    async with open_world(database) as world:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(world.say, "5511", "for one")
            nursery.start_soon(lambda: world.say("5511", "for two", company=TWO, connection=SECOND))
        bodies = await world.rows("SELECT company_id, body FROM messages ORDER BY company_id")
        assert bodies == [
            {"company_id": 1, "body": "for one"},
            {"company_id": 2, "body": "for two"},
        ]
        contact, _ = await world.ticket_of("5511")
        _, foreign = await world.ticket_of("5511", TWO)
        with pytest.raises(UnknownTicket):
            await world.ask(MarkRead(company_id=ONE, contact_id=contact, ticket_id=foreign, by=ANN))


async def test_concurrent_first_messages_make_one_contact_and_one_ticket(
    database: Database,
) -> None:
    async with open_world(database) as world:
        async with trio.open_nursery() as nursery:
            for place in range(30):
                nursery.start_soon(world.say, "5511", f"m{place}")
        assert await world.value("SELECT count(*) FROM contacts") == 1
        assert await world.value("SELECT count(*) FROM tickets") == 1
        assert await world.value("SELECT unread_messages FROM tickets") == 30
        seqs = [seq for company, seq, _ in world.sink.events if company == ONE]
        assert seqs == list(range(1, len(seqs) + 1))


async def test_an_agents_answer_leaves_once_and_its_reports_move_it_forward(
    database: Database,
) -> None:
    async with open_world(database) as world:
        await world.say("5511", "hi", name="Zoe")
        contact, ticket = await world.ticket_of("5511")
        view = await world.ask(
            SendMessage(
                company_id=ONE,
                contact_id=contact,
                ticket_id=ticket,
                by=ANN,
                content=OutText(body="Hello {{firstName}}"),
            )
        )
        assert (view.body, view.ack, view.from_me) == ("Hello Zoe", 1, True)

        def read() -> bool:
            return any(
                isinstance(event, MessageChanged) and event.message.ack == 4
                for event in world.sink.of(ONE)
            )

        await world.sink.until(read)
        (sent,) = world.simulator.sent.values()
        assert sent.message.body == "Hello Zoe"
        assert sent.message.to.phone == "5511"
        assert sent.attempts == 1
        row = (await world.rows("SELECT * FROM outbox"))[0]
        assert (row["state"], row["provider_id"]) == ("sent", sent.provider_id)
        acks = [
            event.message.ack for event in world.sink.of(ONE) if isinstance(event, MessageChanged)
        ]
        assert acks == sorted(acks)
        assert await world.value("SELECT ack FROM messages WHERE from_me") == 4
        assert await world.value("SELECT unread_messages FROM tickets") == 0
        assert await world.value("SELECT count(*) FROM messages WHERE NOT read") == 0


async def test_sends_of_one_conversation_leave_in_their_order(database: Database) -> None:
    async with open_world(database) as world:
        for phone in ("5511", "5522", "5533"):
            await world.say(phone, "hi")
        places = [await world.ticket_of(phone) for phone in ("5511", "5522", "5533")]
        for number in range(12):
            for contact, ticket in places:
                await world.ask(
                    SendMessage(
                        company_id=ONE,
                        contact_id=contact,
                        ticket_id=ticket,
                        by=ANN,
                        content=OutText(body=str(number)),
                    )
                )
        await world.sent(36)
        per_phone: dict[str, list[str]] = {}
        for sent in world.simulator.sent.values():
            per_phone.setdefault(sent.message.to.phone, []).append(sent.message.body)
        assert per_phone == {
            phone: [str(number) for number in range(12)] for phone in ("5511", "5522", "5533")
        }


async def test_a_repeated_request_sends_one_message(database: Database) -> None:
    async with open_world(database) as world:
        await world.say("5511", "hi")
        contact, ticket = await world.ticket_of("5511")
        command = SendMessage(
            company_id=ONE,
            contact_id=contact,
            ticket_id=ticket,
            by=ANN,
            content=OutText(body="once"),
            key="1001:abc",
        )
        first = await world.ask(command)
        second = await world.ask(command)
        assert first.id == second.id
        assert await world.value("SELECT count(*) FROM outbox") == 1


async def test_accept_transfer_return_and_close_move_the_ticket(database: Database) -> None:
    async with open_world(database) as world:
        await world.say("5511", "hi", name="Zoe")
        contact, ticket = await world.ticket_of("5511")

        async def update(**fields: object) -> object:
            return await world.ask(
                UpdateTicket(company_id=ONE, contact_id=contact, ticket_id=ticket, by=ANN, **fields)
            )

        accepted = await update(status="open", user_id=ANN)
        assert (accepted.status, accepted.user.name) == ("open", "Ann")
        moved = await update(
            status="pending", user_id=None, department_id=102, transferred=True, note="please"
        )
        assert (moved.status, moved.department.name, moved.user) == ("pending", "Support", None)
        await update(status="open", user_id=UserId(1002))
        closed = await update(status="closed")
        assert (closed.status, closed.unread_messages) == ("closed", 0)
        changes = [event for event in world.sink.of(ONE) if isinstance(event, TicketChanged)]
        assert [(e.was.status if e.was else None, e.ticket.status) for e in changes] == [
            (None, "pending"),
            ("pending", "open"),
            ("open", "pending"),
            ("pending", "open"),
            ("open", "closed"),
        ]
        logs = await world.rows("SELECT type FROM ticket_logs ORDER BY id")
        assert [row["type"] for row in logs] == [
            "create",
            "open",
            "transfered",
            "receivedTransfer",
            "open",
            "closed",
        ]
        notes = await world.rows("SELECT body, is_private FROM messages WHERE from_me ORDER BY id")
        assert notes == [
            {"body": "please", "is_private": True},
            {"body": "\u200eBye Zoe", "is_private": False},
        ]
        tracking = (await world.rows("SELECT * FROM ticket_trackings"))[0]
        assert tracking["finished_at"] is not None
        assert tracking["started_at"] is not None


async def test_one_active_ticket_per_contact_and_connection(database: Database) -> None:
    async with open_world(database) as world:
        await world.say("5511", "hi")
        contact, ticket = await world.ticket_of("5511")
        command = CreateTicket(company_id=ONE, contact_id=contact, by=ANN, user_id=ANN)
        with pytest.raises(OtherOpenTicket):
            await world.ask(command)
        await world.ask(
            UpdateTicket(
                company_id=ONE, contact_id=contact, ticket_id=ticket, by=ANN, status="closed"
            )
        )
        opened = await world.ask(command)
        assert (opened.status, opened.is_active_demand) == ("open", True)
        reopened = await world.ask(
            UpdateTicket(
                company_id=ONE, contact_id=contact, ticket_id=ticket, by=ANN, status="open"
            )
        )
        assert reopened.id == opened.id
        assert await world.value("SELECT count(*) FROM tickets WHERE status <> 'closed'") == 1


async def test_a_closed_ticket_reopens_only_within_its_window(database: Database) -> None:
    async with open_world(database) as world:
        await world.say("5511", "hi")
        contact, ticket = await world.ticket_of("5511")
        close = UpdateTicket(
            company_id=ONE, contact_id=contact, ticket_id=ticket, by=ANN, status="closed"
        )
        await world.ask(close)
        await world.say("5511", "new case")
        _, second = await world.ticket_of("5511")
        assert second != ticket
        await world.value("UPDATE connections SET reopen_minutes = 60 WHERE id = 11 RETURNING 1")
        world.ports.snapshots.invalidate(ONE)
        await world.ask(
            UpdateTicket(
                company_id=ONE, contact_id=contact, ticket_id=second, by=ANN, status="closed"
            )
        )
        await world.say("5511", "and again")
        _, third = await world.ticket_of("5511")
        assert third == TicketId(second)


async def test_state_survives_the_actors(database: Database) -> None:
    async with open_world(database) as world:
        await world.say("5511", "a", ids=["w1"])
    async with open_world(database, seeded=True) as world:
        assert await world.say("5511", "a", ids=["w1"]) == Delivered(duplicates=1)
        assert await world.say("5511", "b") == Delivered(stored=1)
        assert await world.value("SELECT count(*) FROM tickets") == 1
        assert await world.value("SELECT unread_messages FROM tickets") == 2
        created = world.sink.of(ONE, MessageCreated.kind)
        assert len(created) == 1


async def test_a_poisonous_input_is_kept_raw_and_the_rest_is_stored(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_world(database) as world:
        await world.say("5511", "hello")
        outcome = await world.say("5511", "good", "bad \ud800", "good too")
        assert outcome == Delivered(stored=2, parked=1)
        bodies = await world.rows("SELECT body FROM messages ORDER BY id")
        assert [row["body"] for row in bodies] == ["hello", "good", "good too"]
        assert await world.value("SELECT count(*) FROM dead_letters WHERE company_id = 1") == 1
    (told,) = [record for record in caplog.records if record.name == "actors.stores"]
    assert told.company == 1  # type: ignore[attr-defined]
    assert "bad" not in str(vars(told))


async def test_a_conversation_with_no_name_is_kept_raw(database: Database) -> None:
    async with open_world(database) as world:
        assert await world.intake.deliver(ONE, 11, conversation("", "who?")) == Delivered(parked=1)
        assert await world.value("SELECT count(*) FROM dead_letters") == 1


async def test_an_edited_answer_keeps_what_it_quotes(database: Database) -> None:
    async with open_world(database) as world:
        await world.say("5511", "question", ids=["w1"])
        contact, ticket = await world.ticket_of("5511")
        question = await world.value("SELECT id FROM messages")
        sent = await world.ask(
            SendMessage(
                company_id=ONE,
                contact_id=contact,
                ticket_id=ticket,
                by=ANN,
                content=OutText(body="answer"),
                quoted_message_id=question,
            )
        )
        await world.ask(
            EditMessage(
                company_id=ONE, contact_id=contact, message_id=sent.id, by=ANN, body="better"
            )
        )

        def edited() -> list[MessageChanged]:
            changes = world.sink.of(ONE, MessageChanged.kind)
            return [event for event in changes if event.message.body == "better"]

        await world.sink.until(lambda: any(event.message.ack >= 4 for event in edited()))
        assert all(event.message.quoted.body == "question" for event in edited())


async def test_the_event_log_shows_again_what_was_published(database: Database) -> None:
    async with open_world(database) as world:
        await world.say("5511", "hi", name="Zoe")
        contact, ticket = await world.ticket_of("5511")
        await world.ask(
            UpdateTicket(
                company_id=ONE,
                contact_id=contact,
                ticket_id=ticket,
                by=ANN,
                status="open",
                user_id=ANN,
            )
        )
        log = PgEventLog(database, world.ports.snapshots, {})
        again = await log.since(ONE, 0, 100)
        live = [(seq, event) for company, seq, event in world.sink.events if company == ONE]
        assert [(seq, event.kind) for seq, event in again] == [
            (seq, event.kind) for seq, event in live
        ]
        assert again[-1][1].was == live[-1][1].was
        assert again[-1][1].ticket == live[-1][1].ticket
        assert await log.since(TWO, 0, 100) == []


async def test_a_file_that_came_in_is_fetched_and_shown(database: Database, tmp_path: Path) -> None:
    async with open_world(database, media=LocalMediaStore(tmp_path)) as world:
        media = Media(kind="image", id="1", mime="image/png", filename="a.png")
        await world.say("5511", "see", media=media, media_type="image")

        def fetched() -> bool:
            changes = world.sink.of(ONE, MessageChanged.kind)
            return any(event.message.media_url for event in changes)

        await world.sink.until(fetched)
        row = (await world.rows("SELECT media_path, media_mime FROM messages"))[0]
        assert (await world.ports.media.stat(ONE, row["media_path"])).size > 0
        assert await world.value("SELECT state FROM outbox") == "sent"
