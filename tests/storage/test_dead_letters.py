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
    kept = await dead_letters.keep(
        database,
        place.company_id,
        address="ticket:1:2",
        kind="TakeInbound",
        error="22021",
        payload=raw,
    )
    (letter,) = await dead_letters.waiting(database, place.company_id)
    assert (letter.id, letter.payload, letter.error) == (kept, raw, "22021")
    with pytest.raises(NotFound):
        await dead_letters.mark_replayed(database, CompanyId(404), kept)
    await dead_letters.mark_replayed(database, place.company_id, kept)
    assert await dead_letters.waiting(database, place.company_id) == []


async def test_letters_of_nobody_are_kept_apart(database: Database) -> None:
    place = await found(database, "one")
    await dead_letters.keep(database, None, address="", kind="webhook", error="", payload=b"")
    assert await dead_letters.waiting(database, place.company_id) == []
    assert len(await dead_letters.waiting(database, None)) == 1
