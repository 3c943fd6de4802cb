"""Those who write into a group are contacts of their own, the same as when they write alone."""

from msgspec.structs import replace

from actors.channels.base import Conversation, Identity
from actors.tickets.commands import Delivered
from storage.database import Database
from tests.actors.world import FIRST, ONE, World, conversation, open_world

ANA, BEN = Identity(phone="5521"), Identity(phone="5522", bsuid="US.2")


async def in_group(world: World, who: Identity, body: str, name: str = "") -> object:
    inbounds = conversation("", body, participant=who, group_id="g1").inbounds
    named = tuple(replace(item, name=name) for item in inbounds)
    talk = Conversation(key="g", contact=who, inbounds=named, group_id="g1", name="Group")
    return await world.intake.deliver(ONE, FIRST, talk)


async def allow_groups(world: World) -> None:
    await world.value("UPDATE connections SET allow_group = true RETURNING 1")
    world.ports.snapshots.invalidate(ONE)


async def contacts(world: World) -> list[tuple[object, ...]]:
    rows = await world.rows("SELECT number, name, is_group FROM contacts ORDER BY number")
    return [tuple(row.values()) for row in rows]


async def test_a_group_and_each_of_its_authors_are_contacts(database: Database) -> None:
    async with open_world(database) as world:
        await allow_groups(world)
        assert await in_group(world, ANA, "hi", "Ana") == Delivered(stored=1)
        assert await in_group(world, BEN, "hello") == Delivered(stored=1)
        assert await in_group(world, ANA, "again", "Ana") == Delivered(stored=1)
        assert await contacts(world) == [
            ("5521", "Ana", False),
            ("5522", "5522", False),
            ("g1", "Group", True),
        ]
        assert await world.value("SELECT count(*) FROM tickets") == 1
        rows = await world.rows("SELECT body, participant FROM messages ORDER BY id")
        assert [tuple(row.values()) for row in rows] == [
            ("hi", "5521"),
            ("hello", "5522"),
            ("again", "5521"),
        ]
        await world.say("5521", "alone")
        assert len(await contacts(world)) == 3


async def test_where_groups_are_not_taken_their_authors_are_not_kept(database: Database) -> None:
    async with open_world(database) as world:
        await in_group(world, ANA, "hi", "Ana")
        assert [number for number, *_ in await contacts(world)] == ["g1"]
