"""What the retention settings no longer keep is forgotten, and nothing else."""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from api.housekeeping import clean_up
from tests.api.conftest import World


async def count(world: World, table: str) -> int:
    found = sa.text(f"select count(*) from {table}")
    return await world.app.parts.database.value(found)


async def test_only_old_rows_are_forgotten(world: World):
    database = world.app.parts.database
    await world.call(
        "POST",
        "/tags",
        {"name": "new", "color": "#000"},
        token=world.a.admin,
        headers={"idempotency-key": "k"},
    )
    before = [await count(world, t) for t in ("events", "idempotency_keys", "refresh_families")]
    assert all(before)
    await clean_up(world.settings, database, datetime.now(UTC))
    after = [await count(world, t) for t in ("events", "idempotency_keys", "refresh_families")]
    assert after == before
    await clean_up(world.settings, database, datetime.now(UTC) + timedelta(days=400))
    for table in ("events", "idempotency_keys", "refresh_families"):
        assert await count(world, table) == 0
    assert await count(world, "messages") > 0
