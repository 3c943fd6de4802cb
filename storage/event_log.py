"""The log of committed events: where each company's numbers stand, and what came after one."""

import msgspec
import sqlalchemy as sa

from storage.commit_tables import company_stream
from storage.database import Database
from storage.events import StoredEvent, events
from storage.ids import CompanyId
from storage.metadata import columns_of
from storage.sql import prepared

POSITIONS = prepared(sa.select(company_stream.c.company_id, company_stream.c.last_seq))
_POSITION = prepared(
    sa.select(company_stream.c.last_seq).where(
        company_stream.c.company_id == sa.bindparam("company_id", type_=sa.BigInteger)
    )
)
SINCE = prepared(
    sa.select(*columns_of(events, StoredEvent))
    .where(
        events.c.company_id == sa.bindparam("company_id", type_=sa.BigInteger),
        events.c.seq > sa.bindparam("seq", type_=sa.BigInteger),
    )
    .order_by(events.c.seq)
    .limit(sa.bindparam("limit", type_=sa.Integer))
)


class EventPage(msgspec.Struct, frozen=True, kw_only=True):
    """Part of a company's log. `last_seq` is at least what was committed before the reading began.

    `complete`: these are all events after the number asked for, without a gap. It is False when
    old events were forgotten meanwhile, or the number is one that this log never gave.
    """

    events: tuple[StoredEvent, ...]
    has_more: bool
    complete: bool
    last_seq: int


async def stream_positions(database: Database) -> dict[CompanyId, int]:
    """Installation-wide: the last number of every company that has had an event."""
    return {row[0]: row[1] for row in await database.rows(POSITIONS)}


async def events_since(
    database: Database, company_id: CompanyId, seq: int, limit: int
) -> list[StoredEvent]:
    """At most `limit` events of a company after number `seq`, in order."""
    return await database.all(SINCE, company_id=company_id, seq=seq, limit=limit, into=StoredEvent)


async def page(database: Database, company_id: CompanyId, seq: int, limit: int) -> EventPage:
    """At most `limit` events of a company after number `seq`, and whether that is all of them.

    The position is read first: whatever it counts had been committed when the rows were read.
    """
    found = await database.rows(_POSITION, company_id=company_id)
    last = found[0][0] if found else 0
    rows = await events_since(database, company_id, seq, limit + 1)
    shown = tuple(rows[:limit])
    reached = shown[-1].seq if shown else seq
    return EventPage(
        events=shown,
        has_more=len(rows) > limit,
        complete=reached - seq == len(shown) and (bool(shown) or seq == last),
        last_seq=max(last, reached) if shown else last,
    )
