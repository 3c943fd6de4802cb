"""Old events leave by dropping a week; new ones always find a partition."""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from storage.database import Database
from storage.event_log import events_since
from storage.event_partitions import partitions, roll_partitions
from storage.events import events
from storage.ids import CompanyId

COMPANY = CompanyId(7)


async def _store(database: Database, seq: int, at: datetime) -> None:
    row = {"company_id": COMPANY, "seq": seq, "kind": "x.happened", "created_at": at}
    await database.execute(sa.insert(events).values(row))


async def test_weeks_are_made_ahead_once(database: Database) -> None:
    tuesday = datetime(2026, 11, 24, 15, tzinfo=UTC)
    made = await roll_partitions(database, tuesday, keep_days=30)
    assert made == ["events_20261130", "events_20261207"]
    assert await roll_partitions(database, tuesday + timedelta(hours=1), keep_days=30) == made
    sunday_night = datetime(2026, 11, 29, 23, 59, 59, tzinfo=UTC)
    assert await roll_partitions(database, sunday_night, keep_days=30) == made
    monday = await roll_partitions(database, sunday_night + timedelta(seconds=1), keep_days=30)
    assert monday == [*made, "events_20261214"]


async def test_events_are_stored_and_read_across_partitions(database: Database) -> None:
    now = datetime(2026, 11, 24, 15, tzinfo=UTC)
    await roll_partitions(database, now, keep_days=30)
    for seq in range(1, 6):
        await _store(database, seq, now + timedelta(days=4 * seq))
    stored = await events_since(database, COMPANY, 1, 3)
    assert [event.seq for event in stored] == [2, 3, 4]
    assert stored[0].ids == {}


async def test_what_is_older_than_the_retention_is_gone(database: Database) -> None:
    start = datetime(2026, 11, 24, 15, tzinfo=UTC)
    await roll_partitions(database, start, keep_days=30)
    await _store(database, 1, start)
    await _store(database, 2, start + timedelta(days=7))
    await _store(database, 3, start + timedelta(days=14))
    later = datetime(2026, 12, 31, tzinfo=UTC)
    await roll_partitions(database, later, keep_days=25)
    assert "events_20261130" in await partitions(database)
    assert [event.seq for event in await events_since(database, COMPANY, 0, 9)] == [2, 3]
    await roll_partitions(database, datetime(2027, 1, 2, tzinfo=UTC), keep_days=25)
    assert "events_20261130" not in await partitions(database)
    assert [event.seq for event in await events_since(database, COMPANY, 0, 9)] == [3]
