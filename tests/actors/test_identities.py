"""Changed numbers and ids: carried out once, before the answer, and never by an old repetition."""

import msgspec
import pytest

from actors.channels.base import Conversation, Identity, IdentityChange, InboundMessage
from actors.router import LearnIdentity
from actors.tickets.commands import Delivered
from storage.database import Database
from storage.errors import DatabaseUnavailable, StaleVersion
from tests.actors.company import COMPANY, LINE, NOW
from tests.actors.router_kit import PHONE, Routing, open_router
from tests.actors.world import FIRST, ONE, conversation, open_world


def change(before: str, after: str) -> IdentityChange:
    return IdentityChange(
        previous=Identity(phone=before), current=Identity(phone=after), timestamp=NOW
    )


async def learn(routing: Routing, told: IdentityChange) -> None:
    await routing.system.ask(LearnIdentity(company_id=COMPANY, connection_id=LINE, change=told))


def moved(before: str, after: str, provider_id: str) -> Conversation:
    """The system message by which somebody's new number is told in the conversation."""
    talk = conversation(before, "new number", ids=[provider_id])
    (item,) = talk.inbounds
    assert isinstance(item, InboundMessage)
    item = msgspec.structs.replace(item, new_identity=Identity(phone=after))
    return msgspec.structs.replace(talk, inbounds=(item,))


async def test_a_repeated_old_change_changes_and_emits_nothing(database: Database) -> None:
    async with open_world(database) as world:
        await world.say("5511", "hi")
        contact = await world.contact_of("5511")
        first, second = change("5511", "5522"), change("5522", "5533")
        await world.intake.identity(ONE, FIRST, first)
        await world.intake.identity(ONE, FIRST, second)
        assert await world.contact_of("5533") == contact
        before = await world.rows("SELECT * FROM contacts")
        events = await world.value("SELECT count(*) FROM events")
        await world.intake.identity(ONE, FIRST, first)
        await world.intake.identity(ONE, FIRST, second)
        assert await world.rows("SELECT * FROM contacts") == before
        assert await world.value("SELECT count(*) FROM events") == events


async def test_a_change_told_by_a_message_is_committed_before_the_answer_and_counts_once(
    database: Database,
) -> None:
    async with open_world(database) as world:
        await world.say("5511", "hi")
        contact = await world.contact_of("5511")
        told = moved("5511", "5522", "w-moved")
        assert await world.intake.deliver(ONE, FIRST, told) == Delivered(stored=1)
        assert await world.contact_of("5522") == contact
        later = moved("5522", "5533", "w-moved-again")
        assert await world.intake.deliver(ONE, FIRST, later) == Delivered(stored=1)
        events = await world.value("SELECT count(*) FROM events")
        assert await world.intake.deliver(ONE, FIRST, told) == Delivered(duplicates=1)
        assert await world.contact_of("5533") == contact
        assert await world.value("SELECT count(*) FROM events") == events


async def test_a_change_to_the_number_of_another_contact_makes_them_one_once(
    database: Database,
) -> None:
    async with open_world(database) as world:
        await world.say("5511", "a")
        await world.say("5522", "b")
        contact = await world.contact_of("5511")
        await world.intake.identity(ONE, FIRST, change("5511", "5522"))
        assert await world.contact_of("5522") == contact
        events = await world.value("SELECT count(*) FROM events")
        await world.intake.identity(ONE, FIRST, change("5511", "5522"))
        assert await world.value("SELECT count(*) FROM contacts") == 1
        assert await world.value("SELECT count(*) FROM events") == events


async def test_the_change_of_a_stranger_counts_once_too() -> None:
    async with open_router() as routing:
        await learn(routing, change("5511", "5599"))
        await routing.deliver(PHONE, "hi")
        await learn(routing, change("5511", "5599"))
        (row,) = routing.memory.rows("contacts")
        assert row["number"] == "5511"
        assert len(routing.memory.rows("inbound_receipts")) == 1


async def test_a_contact_changed_meanwhile_is_read_again() -> None:
    async with open_router() as routing:
        await routing.deliver(PHONE, "hi")
        routing.memory.script.append(StaleVersion("contact"))
        await learn(routing, change("5511", "5599"))
        (row,) = routing.memory.rows("contacts")
        assert row["number"] == "5599"


async def test_a_change_that_could_not_be_stored_is_repeated_with_its_message() -> None:
    async with open_router() as routing:
        await routing.deliver(PHONE, "hi")
        routing.memory.script.append(DatabaseUnavailable("away"))
        with pytest.raises(DatabaseUnavailable):
            await routing.talk(moved("5511", "5599", "w1"))
        assert [body for _, body in routing.taken()] == ["hi"]
        assert await routing.talk(moved("5511", "5599", "w1")) == Delivered(stored=1)
        assert routing.memory.rows("contacts")[0]["number"] == "5599"
        assert [body for _, body in routing.taken()] == ["hi", "new number"]


async def test_a_group_does_not_take_the_number_of_one_who_writes_in_it() -> None:
    async with open_router() as routing:
        talk = msgspec.structs.replace(moved("5511", "5599", "w1"), group_id="g1")
        assert await routing.talk(talk) == Delivered(stored=1)
        (row,) = routing.memory.rows("contacts")
        assert row["number"] == "g1"
