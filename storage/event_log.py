"""The log of committed events: where each company's numbers stand, and what came after one."""

import sqlalchemy as sa

from storage.commit_tables import company_stream
from storage.database import Database
from storage.events import StoredEvent, events
from storage.ids import CompanyId
from storage.metadata import columns_of
from storage.sql import prepared

POSITIONS = prepared(sa.select(company_stream.c.company_id, company_stream.c.last_seq))
SINCE = prepared(
    sa.select(*columns_of(events, StoredEvent))
    .where(
        events.c.company_id == sa.bindparam("company_id", type_=sa.BigInteger),
        events.c.seq > sa.bindparam("seq", type_=sa.BigInteger),
    )
    .order_by(events.c.seq)
    .limit(sa.bindparam("limit", type_=sa.Integer))
)


async def stream_positions(database: Database) -> dict[CompanyId, int]:
    """Installation-wide: the last number of every company that has had an event."""
    return {row[0]: row[1] for row in await database.rows(POSITIONS)}


async def events_since(
    database: Database, company_id: CompanyId, seq: int, limit: int
) -> list[StoredEvent]:
    """At most `limit` events of a company after number `seq`, in order."""
    return await database.all(SINCE, company_id=company_id, seq=seq, limit=limit, into=StoredEvent)
