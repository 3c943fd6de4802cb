"""Partitions of the event log: made a week ahead, and dropped when the retention has passed."""

from datetime import UTC, datetime, timedelta
from typing import Final

import sqlalchemy as sa

from storage.database import Database
from storage.sql import prepared

_WEEK: Final = timedelta(days=7)
_PARTITIONS: Final = prepared(
    sa.text(
        "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
        " WHERE i.inhparent = 'events'::regclass AND c.relname <> 'events_default' ORDER BY 1"
    ).columns(sa.column("relname", sa.Text))
)


async def partitions(database: Database) -> list[str]:
    """Installation-wide: names of the dated partitions, oldest first."""
    return [row[0] for row in await database.rows(_PARTITIONS)]


async def roll_partitions(database: Database, now: datetime, *, keep_days: int) -> list[str]:
    """Installation-wide: make the coming two weeks' partitions and drop what is too old.

    Call it at start and daily. Only weeks that have not begun are made, so no stored event has
    to move; what came before the first of them is in the default partition. Events older than
    `keep_days` are gone afterwards. Returns the names of the dated partitions.
    """
    known = set(await partitions(database))
    for start in _coming_weeks(now):
        if _name(start) not in known:
            await _create(database, start)
    oldest = now - timedelta(days=keep_days)
    for name in sorted(known):
        if _start(name) + _WEEK <= oldest:
            await database.execute(sa.text(f'DROP TABLE "{name}"'))
    await database.execute(
        sa.text("DELETE FROM events_default WHERE created_at < :oldest").bindparams(
            sa.bindparam("oldest", oldest, sa.DateTime(timezone=True))
        )
    )
    return await partitions(database)


async def _create(database: Database, start: datetime) -> None:
    # DDL takes no parameters: the name and bounds come from the clock, not from anybody's text.
    await database.execute(
        sa.text(
            f'CREATE TABLE IF NOT EXISTS "{_name(start)}" PARTITION OF events'
            f" FOR VALUES FROM ('{start:%Y-%m-%d}T00\\:00\\:00Z')"
            f" TO ('{start + _WEEK:%Y-%m-%d}T00\\:00\\:00Z')"
        )
    )


def _coming_weeks(now: datetime) -> list[datetime]:
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    monday = midnight + timedelta(days=7 - midnight.weekday())
    return [monday, monday + _WEEK]


def _name(start: datetime) -> str:
    return f"events_{start:%Y%m%d}"


def _start(name: str) -> datetime:
    return datetime.strptime(name, "events_%Y%m%d").replace(tzinfo=UTC)
