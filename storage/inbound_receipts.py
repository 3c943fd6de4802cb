"""Inbound receipts: claims of inputs that leave no message row (edits, reactions, statuses)."""

import sqlalchemy as sa

from storage.database import Database
from storage.ids import CompanyId, ConnectionId
from storage.metadata import at, company, metadata
from storage.sql import prepared

inbound_receipts = sa.Table(
    "inbound_receipts",
    metadata,
    company(),
    sa.Column("connection_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("provider_id", sa.Text, primary_key=True),
    at("created_at"),
    sa.Index(None, "created_at"),
)

CLAIMED = prepared(
    sa.select(inbound_receipts.c.provider_id).where(
        inbound_receipts.c.company_id == sa.bindparam("company_id", type_=sa.BigInteger),
        inbound_receipts.c.connection_id == sa.bindparam("connection_id", type_=sa.BigInteger),
        inbound_receipts.c.provider_id == sa.bindparam("key", type_=sa.Text),
    )
)


async def is_claimed(
    database: Database, company_id: CompanyId, connection_id: ConnectionId, key: str
) -> bool:
    """Whether the input with this key was committed."""
    rows = await database.rows(CLAIMED, company_id=company_id, connection_id=connection_id, key=key)
    return bool(rows)
