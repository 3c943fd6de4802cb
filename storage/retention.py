"""What is forgotten in time: answered requests, ended login sessions, letters, and what providers
told that led to nothing (events: partitions)."""

from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from storage import mails
from storage.database import Database
from storage.early_statuses import early_statuses
from storage.idempotency import idempotency_keys
from storage.inbound_receipts import inbound_receipts
from storage.outbox import outbox
from storage.password_resets import password_resets
from storage.refresh_families import refresh_families
from storage.sql import Query, prepared
from storage.webhook_events import webhook_events

_AT_ONCE: Final = 5_000
_BEFORE: Final = sa.bindparam("before", type_=sa.DateTime(timezone=True))


def _deletion(
    table: sa.Table, moment: sa.ColumnElement[Any], *conditions: sa.ColumnElement[bool]
) -> sa.Delete:
    """Delete a bounded number of the rows that are older, so that no lock is held for long."""
    keys = list(table.primary_key.columns)
    old = sa.select(*keys).where(moment < _BEFORE, *conditions).limit(_AT_ONCE)
    return sa.delete(table).where(sa.tuple_(*keys).in_(old))


_KEYS: Final = prepared(_deletion(idempotency_keys, idempotency_keys.c.created_at))
_FAMILIES: Final = prepared(_deletion(refresh_families, refresh_families.c.expires_at))
_TOLD: Final = tuple(
    prepared(_deletion(table, table.c.created_at)) for table in (early_statuses, inbound_receipts)
)
_RAW: Final = prepared(_deletion(webhook_events, webhook_events.c.received_at))
_RESETS: Final = prepared(_deletion(password_resets, password_resets.c.expires_at))
_MAILS: Final = prepared(
    _deletion(
        outbox,
        outbox.c.finished_at,
        outbox.c.kind == sa.literal_column(f"'{mails.KIND}'"),
        outbox.c.connection_id.is_(None),
    )
)


async def forget_mails(database: Database, before: datetime) -> int:
    """Installation-wide: drop letters that were done with, and password tokens that ended,
    before that time; returns how many.
    """
    resets = await _until_done(database, _RESETS, before)
    return resets + await _until_done(database, _MAILS, before)


async def forget_requests(database: Database, before: datetime) -> int:
    """Installation-wide: drop idempotency keys from before that time; returns how many."""
    return await _until_done(database, _KEYS, before)


async def forget_sessions(database: Database, before: datetime) -> int:
    """Installation-wide: drop login sessions that expired before that time; returns how many."""
    return await _until_done(database, _FAMILIES, before)


async def forget_told(database: Database, before: datetime) -> int:
    """Installation-wide: drop what providers told before that time and can tell again no more.

    Reports whose message never came, the claims of edits and revocations, and deliveries that were
    kept raw because nobody here was meant. Returns how many.
    """
    return sum([await _until_done(database, deletion, before) for deletion in (*_TOLD, _RAW)])


async def _until_done(database: Database, deletion: Query, before: datetime) -> int:
    gone = 0
    while count := await database.execute(deletion, before=before):
        gone += count
    return gone
