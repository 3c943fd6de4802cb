"""What people do to contacts, and contacts that turn out to be one, on a real database."""

import pytest
import sqlalchemy as sa
import trio

from actors.channels.base import Conversation, Identity, IdentityChange, OutText
from actors.errors import DuplicatedContact, InvalidRequest, UnknownContact
from actors.router import (
    CreateContact,
    CustomField,
    DeleteContact,
    EnsureContact,
    ImportContacts,
    MergeContacts,
    NewContact,
    UpdateContact,
)
from actors.router.aliases import twin_of
from actors.tickets import rules_merge
from actors.tickets.commands import (
    CreateTicket,
    DeleteTicket,
    Delivered,
    SendMessage,
    UpdateTicket,
)
from engine import Command
from storage import messages
from storage.contacts import ContactPatch
from storage.database import Database
from storage.errors import DatabaseUnavailable, Poisoned
from storage.ids import ContactId, UserId
from storage.tables import ALL
from storage.writer.group import GroupWriter
from tests.actors.company import NOW
from tests.actors.world import FIRST, ONE, TWO, World, conversation, open_world

ANN = UserId(1001)
AWAY = "away"


async def both(world: World, body: str) -> object:
    """A message that shows phone and business-scoped id together."""
    inbound = conversation("5511", body).inbounds
    talk = Conversation(
        key="k", contact=Identity(phone="5511", bsuid="US.1"), inbounds=inbound, name=""
    )
    return await world.intake.deliver(ONE, FIRST, talk)


async def unnamed(world: World, body: str) -> object:
    """A message of somebody who shows only a business-scoped id."""
    inbound = conversation("", body).inbounds
    talk = Conversation(key="k", contact=Identity(bsuid="US.1"), inbounds=inbound, name="")
    return await world.intake.deliver(ONE, FIRST, talk)


async def test_a_contact_is_created_once_per_company(database: Database) -> None:
    async with open_world(database) as world:
        new = NewContact(name="Zoe", number="+55 (11) 99", email="z@x")
        made = await world.system.ask(
            CreateContact(
                company_id=ONE,
                contact=new,
                custom_fields=(CustomField(name="city", value="Rio"),),
            )
        )
        assert (made.number, made.extra_info[0].value) == ("551199", "Rio")
        with pytest.raises(DuplicatedContact):
            await world.system.ask(CreateContact(company_id=ONE, contact=new))
        again = await world.system.ask(EnsureContact(company_id=ONE, contact=new))
        assert again.id == made.id
        other = await world.system.ask(CreateContact(company_id=TWO, contact=new))
        assert other.id != made.id
        await world.say("551199", "hi")
        assert await world.contact_of("551199") == made.id
        with pytest.raises(InvalidRequest):
            await world.system.ask(
                CreateContact(company_id=ONE, contact=NewContact(name="x", number="abc"))
            )


async def test_concurrent_creations_of_one_number_make_one_contact(database: Database) -> None:
    async with open_world(database) as world:
        seen: list[int] = []

        async def ensure() -> None:
            command = EnsureContact(company_id=ONE, contact=NewContact(name="Z", number="5577"))
            seen.append((await world.system.ask(command)).id)

        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(ensure)
            nursery.start_soon(world.say, "5577", "hi")
        assert len(set(seen)) == 1
        assert await world.value("SELECT count(*) FROM contacts") == 1


async def test_a_changed_contact_is_what_its_tickets_show(database: Database) -> None:
    async with open_world(database) as world:
        await world.say("5511", "hi")
        contact, ticket = await world.ticket_of("5511")
        view = await world.system.ask(
            UpdateContact(
                company_id=ONE,
                contact_id=contact,
                patch=ContactPatch(name="New Name", active=False),
                number="5544",
                custom_fields=(CustomField(name="a", value="b"),),
            )
        )
        assert (view.name, view.number, view.active) == ("New Name", "5544", False)
        closed = await world.ask(
            UpdateTicket(
                company_id=ONE, contact_id=contact, ticket_id=ticket, by=ANN, status="open"
            )
        )
        assert closed.contact.name == "New Name"
        await world.say("5544", "under the new number")
        await world.say("5511", "under the old one")
        assert await world.value("SELECT count(*) FROM contacts") == 1
        with pytest.raises(UnknownContact):
            await world.system.ask(
                UpdateContact(company_id=TWO, contact_id=contact, patch=ContactPatch(name="x"))
            )


async def test_a_number_of_somebody_else_is_refused(database: Database) -> None:
    async with open_world(database) as world:
        await world.say("5511", "hi")
        await world.say("5522", "hi")
        with pytest.raises(DuplicatedContact):
            await world.system.ask(
                UpdateContact(
                    company_id=ONE,
                    contact_id=await world.contact_of("5511"),
                    patch=ContactPatch(),
                    number="5522",
                )
            )


async def test_a_deleted_contact_leaves_nothing_and_may_come_back(database: Database) -> None:
    async with open_world(database) as world:
        await world.say("5511", "hi")
        contact = await world.contact_of("5511")
        await world.system.ask(DeleteContact(company_id=ONE, contact_id=contact))
        assert [event.kind for event in world.sink.of(ONE)][-2:] == [
            "ticket.removed",
            "contact.removed",
        ]
        assert await world.value("SELECT count(*) FROM messages") == 0
        with pytest.raises(UnknownContact):
            await world.ask(CreateTicket(company_id=ONE, contact_id=contact, by=ANN))
        with pytest.raises(UnknownContact):
            await world.system.ask(DeleteContact(company_id=ONE, contact_id=contact))
        assert await world.say("5511", "again") == Delivered(stored=1)
        assert await world.contact_of("5511") != contact


@pytest.mark.parametrize("of_ticket", [True, False])
async def test_a_long_conversation_is_deleted_without_a_long_commit(
    database: Database, monkeypatch: pytest.MonkeyPatch, of_ticket: bool
) -> None:
    """Only the newest messages are left to the commit, for other companies wait for it."""
    async with open_world(database) as world:
        await world.say("5511", "hi")
        contact, ticket = await world.ticket_of("5511")
        remove: Command[None] = DeleteContact(company_id=ONE, contact_id=contact)
        if of_ticket:
            remove = DeleteTicket(company_id=ONE, contact_id=contact, by=ANN, ticket_id=ticket)
        await database.execute(
            sa.text(
                "INSERT INTO messages (company_id, ticket_id, contact_id)"
                " SELECT company_id, ticket_id, contact_id FROM messages, generate_series(1, 2500)"
            )
        )
        with monkeypatch.context() as patch:
            patch.setattr(GroupWriter, "save", _unavailable)
            with pytest.raises(DatabaseUnavailable):
                await world.system.ask(remove)
        assert await world.value("SELECT count(*) FROM messages") == messages.KEPT
        await world.system.ask(remove)
        assert await world.value("SELECT count(*) FROM messages") == 0
        assert await world.value("SELECT count(*) FROM tickets") == 0


async def _unavailable(*_: object) -> None:
    raise DatabaseUnavailable(AWAY)


async def test_two_contacts_become_one_with_one_active_ticket(database: Database) -> None:
    async with open_world(database) as world:
        await world.say("5511", "phone")
        await unnamed(world, "scoped")
        assert await world.value("SELECT count(*) FROM contacts") == 2
        async with trio.open_nursery() as nursery:
            nursery.start_soon(both, world, "together")
            nursery.start_soon(unnamed, world, "meanwhile")
            nursery.start_soon(world.say, "5511", "meanwhile too")
        assert await world.value("SELECT count(*) FROM contacts") == 1
        assert await world.value("SELECT count(*) FROM messages") == 5
        assert await world.value("SELECT count(*) FROM tickets WHERE status <> 'closed'") == 1
        assert await world.value("SELECT count(DISTINCT contact_id) FROM messages") == 1
        unread = await world.value("SELECT unread_messages FROM tickets WHERE status <> 'closed'")
        counted = await world.value(
            "SELECT count(*) FROM messages m JOIN tickets t ON t.id = m.ticket_id"
            " WHERE t.status <> 'closed' AND NOT m.read AND NOT m.from_me"
        )
        assert unread == counted
        removed = world.sink.of(ONE, "contact.removed")
        assert len(removed) == 1
        assert await unnamed(world, "after") == Delivered(stored=1)


async def test_a_new_number_leads_to_the_same_contact(database: Database) -> None:
    async with open_world(database) as world:
        await world.say("5511", "hi")
        contact, ticket = await world.ticket_of("5511")
        await world.intake.identity(
            ONE,
            FIRST,
            IdentityChange(
                previous=Identity(phone="5511"), current=Identity(phone="5599"), timestamp=NOW
            ),
        )
        await world.say("5599", "new number")
        assert await world.contact_of("5599") == contact
        await world.ask(
            SendMessage(
                company_id=ONE,
                contact_id=contact,
                ticket_id=ticket,
                by=ANN,
                content=OutText(body="yes"),
            )
        )
        await world.sent(1)
        (sent,) = world.simulator.sent.values()
        assert sent.message.to.phone == "5599"


async def test_a_contact_and_its_fields_are_stored_at_once_or_not_at_all(
    database: Database,
) -> None:
    async with open_world(database) as world:
        command = CreateContact(
            company_id=ONE,
            contact=NewContact(name="Zoe", number="551199"),
            custom_fields=(CustomField(name="city", value="R\0o"),),
        )
        with pytest.raises(Poisoned):
            await world.system.ask(command)
        assert await world.value("SELECT count(*) FROM contacts") == 0


async def test_a_mobile_is_one_contact_with_the_ninth_digit_and_without(
    database: Database,
) -> None:
    async with open_world(database) as world:
        typed = NewContact(name="Zoe", number="55 11 98888-7777")
        zoe = await world.system.ask(CreateContact(company_id=ONE, contact=typed))
        await world.say("551188887777", "hi")
        assert await world.value("SELECT count(*) FROM contacts") == 1
        assert await world.value(f"SELECT count(*) FROM messages WHERE contact_id = {zoe.id}") == 1
        await world.say("552177776666", "hello")
        other = NewContact(name="Bia", number="5521977776666")
        with pytest.raises(DuplicatedContact):
            await world.system.ask(CreateContact(company_id=ONE, contact=other))
        found = await world.system.ask(EnsureContact(company_id=ONE, contact=other))
        assert found.id == await world.contact_of("552177776666")
        landline = NewContact(name="Office", number="551138887777")
        assert await world.system.ask(CreateContact(company_id=ONE, contact=landline))
        assert await world.value("SELECT count(*) FROM contacts") == 3
        numbers = ("553199990000", "5531999990000", "5511988887777", "551188887777")
        people = tuple(NewContact(name=number, number=number) for number in numbers)
        taken = await world.system.ask(ImportContacts(company_id=ONE, contacts=people))
        assert (taken.created, len(set(taken.contact_ids.values()))) == (1, 2)
        assert taken.contact_ids["5511988887777"] == taken.contact_ids["551188887777"] == zoe.id
        assert taken.contact_ids.keys() == set(numbers)


@pytest.mark.parametrize(
    ("number", "twin"),
    [
        ("5511988887777", "551188887777"),
        ("551188887777", "5511988887777"),
        ("551138887777", ""),  # a landline
        ("5511938887777", ""),
        ("12025550123", ""),
        ("551199998888777", ""),
        ("5511", ""),
    ],
)
def test_a_brazilian_mobile_has_two_spellings(number: str, twin: str) -> None:
    assert twin_of(number) == twin


async def test_a_number_that_was_another_contacts_is_still_that_ones(database: Database) -> None:
    async with open_world(database) as world:
        await world.say("5522", "hi")
        moved = IdentityChange(
            previous=Identity(phone="5522"), current=Identity(phone="5599"), timestamp=NOW
        )
        await world.intake.identity(ONE, FIRST, moved)
        await world.say("5511", "hi")
        command = UpdateContact(
            company_id=ONE,
            contact_id=await world.contact_of("5511"),
            patch=ContactPatch(),
            number="5522",
        )
        with pytest.raises(DuplicatedContact):
            await world.system.ask(command)
        assert await world.contact_of("5511")


async def test_people_merge_two_contacts(database: Database) -> None:
    async with open_world(database) as world:
        await world.say("5511", "a")
        await world.say("5522", "b")
        winner, loser = await world.contact_of("5511"), await world.contact_of("5522")
        view = await world.system.ask(MergeContacts(company_id=ONE, winner=winner, loser=loser))
        assert view.id == winner
        assert await world.say("5522", "c") == Delivered(stored=1)
        assert await world.value("SELECT count(*) FROM contacts") == 1
        with pytest.raises(UnknownContact):
            await world.system.ask(
                MergeContacts(company_id=ONE, winner=winner, loser=ContactId(999))
            )


HANGS_ON_CONTACTS = (
    "INSERT INTO tags (company_id, id, name, color) VALUES (1, 71, 'vip', '#fff'), (1, 72, 'new', '#eee')",
    "INSERT INTO contact_tags (company_id, contact_id, tag_id) VALUES (1, {loser}, 71), (1, {loser}, 72), (1, {winner}, 72)",
    "INSERT INTO contact_wallets (company_id, contact_id, user_id) VALUES (1, {loser}, 1001)",
    "INSERT INTO ticket_notes (company_id, note, contact_id) VALUES (1, 'likes tea', {loser})",
    "INSERT INTO schedules (company_id, body, contact_id) VALUES (1, 'happy birthday', {loser})",
    "INSERT INTO outbox (company_id, contact_id, state, kind)"
    " VALUES (1, {loser}, 'unknown', 'x'), (1, {loser}, 'pending', 'x'), (1, {loser}, 'sent', 'x')",
)


async def test_a_merge_takes_along_all_that_hangs_on_the_loser(database: Database) -> None:
    async with open_world(database) as world:
        await world.say("5511", "a")
        await world.say("5522", "b")
        winner, loser = await world.contact_of("5511"), await world.contact_of("5522")
        for statement in HANGS_ON_CONTACTS:
            await database.execute(sa.text(statement.format(winner=winner, loser=loser)))
        await world.system.ask(MergeContacts(company_id=ONE, winner=winner, loser=loser))
        for table, rows in (
            ("contact_tags", 2),
            ("contact_wallets", 1),
            ("ticket_notes", 1),
            ("schedules", 1),
            ("outbox", 2),
        ):
            assert (
                await world.value(f"SELECT count(*) FROM {table} WHERE contact_id = {winner}")
                == rows
            )


def test_every_table_that_dies_with_a_contact_is_known_to_the_merge() -> None:
    tables = {
        table.name
        for table in ALL
        for key in table.foreign_key_constraints
        if key.ondelete == "CASCADE" and key.elements[0].target_fullname.startswith("contacts.")
    }
    moved = {move.table.name for move in rules_merge.MOVES}
    assert tables - moved == {"contact_tags", "contact_wallets", "chatbot_dialogs"}


def test_a_merge_finds_the_losers_rows_by_an_index() -> None:
    """It runs in one transaction with many companies' units: they would all wait."""
    for move in rules_merge.MOVES:
        led = [
            [getattr(column, "name", "") for column in index.expressions][:2]
            for index in move.table.indexes
            if index.dialect_options["postgresql"]["where"] is None
        ]
        assert ["company_id", "contact_id"] in led, move.table.name
