"""Reports: when a person first replied, and indexes by time."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

INDEXES = {
    "ix_ticket_trackings_begun": "ticket_trackings (company_id, created_at)",
    "ix_messages_created": "messages (company_id, created_at) INCLUDE (from_me)",
    "ix_contacts_created": "contacts (company_id, created_at, id)",
}


def upgrade() -> None:
    """Add a column that is null, then build the indexes beside running writes."""
    column = "ADD COLUMN IF NOT EXISTS first_reply_at TIMESTAMP WITH TIME ZONE"
    op.execute(f"ALTER TABLE ticket_trackings {column}")
    with op.get_context().autocommit_block():
        for name, columns in INDEXES.items():
            # A build that was cut off leaves an index that nothing uses.
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(f"CREATE INDEX CONCURRENTLY {name} ON {columns}")


def downgrade() -> None:
    """Drop the indexes and the column."""
    with op.get_context().autocommit_block():
        for name in INDEXES:
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
    op.execute("ALTER TABLE ticket_trackings DROP COLUMN first_reply_at")
