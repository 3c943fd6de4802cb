"""Early statuses: delivery states that arrived before the message's provider id was committed."""

from datetime import datetime

import msgspec
import sqlalchemy as sa

from storage.ids import CompanyId, ConnectionId, OutboxId
from storage.metadata import at, company, document, metadata, moment, reference

# ack is part of the key: a repeated status inserts nothing, a later one its own row.
early_statuses = sa.Table(
    "early_statuses",
    metadata,
    company(),
    sa.Column("connection_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("provider_id", sa.Text, primary_key=True),
    sa.Column("ack", sa.Integer, primary_key=True, autoincrement=False),
    reference("outbox_id"),
    document("error"),
    moment("occurred_at"),
    at("created_at"),
    sa.Index(None, "created_at"),
)


class EarlyStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery state kept until the unit that commits its provider id consumes it."""

    company_id: CompanyId
    connection_id: ConnectionId
    provider_id: str
    ack: int
    outbox_id: OutboxId | None = None
    error: dict[str, object] | None = None
    occurred_at: datetime | None = None
    created_at: datetime
