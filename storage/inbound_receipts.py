"""Inbound receipts: claims of inputs that leave no message row (edits, reactions, statuses)."""

import sqlalchemy as sa

from storage.metadata import at, company, metadata

inbound_receipts = sa.Table(
    "inbound_receipts",
    metadata,
    company(),
    sa.Column("connection_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("provider_id", sa.Text, primary_key=True),
    at("created_at"),
    sa.Index(None, "created_at"),
)
