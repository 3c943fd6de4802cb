"""Webhook events: raw deliveries that could not be parsed or belong to nobody, kept for people."""

from typing import Final

import sqlalchemy as sa

from storage.database import Database
from storage.ids import CompanyId, ConnectionId
from storage.metadata import at, document, metadata, reference, string
from storage.sql import prepared

webhook_events = sa.Table(
    "webhook_events",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("company_id", sa.BigInteger, sa.ForeignKey("companies.id", ondelete="CASCADE")),
    reference("connection_id"),
    string("source"),
    string("reason"),
    document("headers"),
    sa.Column("body", sa.LargeBinary, nullable=False),
    at("received_at"),
    sa.Index(None, "company_id"),
    sa.Index(None, "received_at"),
)


_KEEP: Final = prepared(
    sa.insert(webhook_events).values(
        company_id=sa.bindparam("company", type_=sa.BigInteger),
        connection_id=sa.bindparam("connection", type_=sa.BigInteger),
        source=sa.bindparam("origin", type_=sa.Text),
        reason=sa.bindparam("why", type_=sa.Text),
        body=sa.bindparam("raw", type_=sa.LargeBinary),
    )
)


async def keep(
    database: Database,
    company_id: CompanyId | None,
    *,
    connection_id: ConnectionId | None,
    source: str,
    reason: str,
    body: bytes,
) -> None:
    """Store a raw delivery with the reason why it had no effect; None: no company is known."""
    await database.execute(
        _KEEP,
        company=company_id,
        connection=connection_id,
        origin=source,
        why=reason,
        raw=body,
    )
