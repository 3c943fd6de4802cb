"""Ids taken in advance: unique, consecutive when asked for, never those of plain inserts."""

import pytest
import sqlalchemy as sa
import trio

from storage.database import Database
from storage.id_blocks import IdBlocks


async def _plain_id(database: Database) -> int:
    return int(await database.value(sa.text("SELECT nextval('messages_id_seq')")))


async def test_two_takers_and_plain_inserts_never_share_an_id(database: Database) -> None:
    first, second = IdBlocks(database, block=5), IdBlocks(database, block=5)
    seen: list[int] = []
    for _ in range(8):
        seen += [await first.take("messages"), await second.take("messages")]
        seen.append(await _plain_id(database))
    assert len(set(seen)) == len(seen)


async def test_a_run_is_consecutive_even_when_others_draw_between(database: Database) -> None:
    blocks = IdBlocks(database, block=4)
    taken: list[int] = []
    for n in (3, 2, 6, 1, 4):
        start = await blocks.take("messages", n)
        taken += range(start, start + n)
        await _plain_id(database)
    assert len(set(taken)) == 16


async def test_next_nowait_says_so_when_no_block_was_fetched(database: Database) -> None:
    blocks = IdBlocks(database)
    with pytest.raises(LookupError):
        blocks.next_nowait("tickets")


async def test_next_nowait_refills_itself_behind_the_scenes(database: Database) -> None:
    blocks = IdBlocks(database, block=10)
    seen = [await blocks.take("tickets")]
    while len(seen) < 35:
        try:
            seen.append(blocks.next_nowait("tickets"))
        except LookupError:
            await trio.lowlevel.checkpoint()
    assert len(set(seen)) == 35


async def test_a_split_block_is_used_run_by_run(database: Database) -> None:
    blocks = IdBlocks(database, block=10)
    blocks._add("tickets", [1, 2, 5, 6, 7, 9])
    assert await blocks.take("tickets", 3) == 5
    assert sorted(blocks.next_nowait("tickets") for _ in range(3)) == [1, 2, 9]
    with pytest.raises(ValueError, match="cannot take 0"):
        await blocks.take("tickets", 0)


async def test_many_who_come_at_once_share_one_block(database: Database) -> None:
    blocks = IdBlocks(database, block=100)
    before = await _plain_id(database)
    async with trio.open_nursery() as nursery:
        for _ in range(50):
            nursery.start_soon(blocks.take, "messages")
    assert await _plain_id(database) == before + 101
