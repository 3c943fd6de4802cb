"""Whether Postgres answers, and keeps what it confirms."""

from typing import Final

import sqlalchemy as sa

from storage.database import Database
from storage.sql import prepared

DURABILITY: Final = ("fsync", "full_page_writes", "synchronous_commit")
"""Settings without which a confirmed commit may be lost."""

_settings = sa.table("pg_settings", sa.column("name", sa.Text), sa.column("setting", sa.Text))
_NAMES: Final = sa.bindparam("names", type_=sa.ARRAY(sa.Text))
_LOOK: Final = prepared(
    sa.select(_settings.c.name, _settings.c.setting).where(_settings.c.name == sa.any_(_NAMES))
)


async def weakened(database: Database) -> tuple[str, ...]:
    """Installation-wide: the durability settings that are switched off; () is healthy.

    Raises DatabaseUnavailable when Postgres does not answer.
    """
    rows = await database.rows(_LOOK, names=list(DURABILITY))
    return tuple(row[0] for row in rows if row[1] in ("off", "local"))
