"""What was refused is kept raw until an operator has replayed it."""

import pytest

from storage import dead_letters
from storage.database import Database
from storage.errors import NotFound
from storage.ids import CompanyId
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
    (letter,) = await dead_letters.waiting(database, place.company_id)
    assert (letter.payload, letter.error) == (raw, "22021")
    with pytest.raises(NotFound):
        await dead_letters.mark_replayed(database, CompanyId(404), letter.id)
    await dead_letters.mark_replayed(database, place.company_id, letter.id)
    assert await dead_letters.waiting(database, place.company_id) == []


async def test_letters_of_nobody_are_kept_apart(database: Database) -> None:
    place = await found(database, "one")
    await dead_letters.park(database, None, address="", kind="webhook", error="", payload=b"")
    assert await dead_letters.waiting(database, place.company_id) == []
    assert len(await dead_letters.waiting(database, None)) == 1
