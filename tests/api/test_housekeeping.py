"""What the retention settings no longer keep is forgotten, and nothing else."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
import trio
from trio.testing import MockClock

from api.housekeeping import ANEW_AFTER, clean_up, tended
from tests.api.conftest import World


async def count(world: World, table: str) -> int:
    found = sa.text(f"select count(*) from {table}")
    return await world.app.parts.database.value(found)


FORGOTTEN = (
    "events",
    "idempotency_keys",
    "refresh_families",
    "password_resets",
    "early_statuses",
    "inbound_receipts",
    "webhook_events",
)


async def test_only_old_rows_are_forgotten(world: World):
    database = world.app.parts.database
    await world.call(
        "POST",
        "/tags",
        {"name": "new", "color": "#000"},
        token=world.a.admin,
        headers={"idempotency-key": "k"},
    )
    for statement in (
        "insert into early_statuses (company_id, connection_id, provider_id, ack) values (1, 1, 'x', 2)",
        "insert into inbound_receipts (company_id, connection_id, provider_id) values (1, 1, 'x')",
        "insert into password_resets (company_id, user_id, digest, expires_at)"
        f" values ({world.a.id}, {world.a.user_id}, 'x', now() + interval '1 hour')",
        "insert into webhook_events (source, reason, body) values ('s', 'nobody', 'x')",
    ):
        await database.execute(sa.text(statement))
    before = [await count(world, table) for table in FORGOTTEN]
    assert all(before)
    await clean_up(world.settings, database, datetime.now(UTC))
    assert [await count(world, table) for table in FORGOTTEN] == before
    await clean_up(world.settings, database, datetime.now(UTC) + timedelta(days=400))
    assert [await count(world, table) for table in FORGOTTEN] == [0] * len(FORGOTTEN)
    assert await count(world, "messages") > 0


async def test_a_defect_beside_the_requests_is_told_and_the_work_begins_anew(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    began: list[float] = []

    async def work(name: str) -> None:
        began.append(trio.current_time())
        if len(began) < 3:
            raise ValueError(name)

    await tended(work, "defect")
    assert [moment - began[0] for moment in began] == [0, ANEW_AFTER, 2 * ANEW_AFTER]
    assert caplog.text.count("begins anew") == 2
    with trio.move_on_after(1) as scope:
        await tended(trio.sleep_forever)
    assert scope.cancelled_caught
