"""Webhook events: raw deliveries that could not be parsed or belong to nobody, kept for people."""

from datetime import datetime

import msgspec
import sqlalchemy as sa

from storage.ids import CompanyId, ConnectionId, WebhookEventId
from storage.metadata import at, document, metadata, reference, string

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


class WebhookEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A raw delivery. `company_id` is None when no company could be told from the URL."""

    id: WebhookEventId
    company_id: CompanyId | None
    connection_id: ConnectionId | None
    source: str
    reason: str
    headers: dict[str, str] | None
    body: bytes
    received_at: datetime
