"""What was refused is kept raw until an operator has replayed it."""

import pytest

from storage import dead_letters
from storage.database import Database
from storage.errors import NotFound
from storage.ids import DeadLetterId
from tests.storage.world import found


async def test_a_letter_waits_until_it_was_replayed(database: Database) -> None:
    place = await found(database, "one")
    raw = b"\x00\xff{"
    await dead_letters.park(
        database,
        place.company_id,
        address="ticket:1:2",
        kind="TakeInbound",
        error="22021",
        payload=raw,
    )
    (letter,) = await dead_letters.waiting(database)
    assert (letter.company_id, letter.payload, letter.error) == (place.company_id, raw, "22021")
    assert await dead_letters.get(database, letter.id) == letter
    await dead_letters.mark_replayed(database, letter.id)
    assert await dead_letters.waiting(database) == []


async def test_a_letter_that_is_not_there_is_told_so(database: Database) -> None:
    for look in (dead_letters.get, dead_letters.mark_replayed):
        with pytest.raises(NotFound, match="letter 7"):
            await look(database, DeadLetterId(7))


async def test_letters_of_nobody_wait_too(database: Database) -> None:
    await dead_letters.park(database, None, address="", kind="webhook", error="", payload=b"")
    assert [letter.company_id for letter in await dead_letters.waiting(database)] == [None]
