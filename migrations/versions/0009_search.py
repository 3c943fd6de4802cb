"""Trigram indexes: names, numbers and texts are found by any part of them."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

INDEXES = {
    "ix_contacts_text": "contacts USING gin"
    " (company_id, searchable(name) gin_trgm_ops, number gin_trgm_ops)",
    "ix_messages_text": "messages USING gin (company_id, searchable(left(body, 1000)) gin_trgm_ops)"
    " WITH (gin_pending_list_limit=16384)",
}


def upgrade() -> None:
    """Build the indexes beside running writes; both modules come with Postgres and are trusted."""
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    op.execute("CREATE EXTENSION IF NOT EXISTS btree_gin")  # puts company_id into the same index
    with op.get_context().autocommit_block():
        for name, columns in INDEXES.items():
            # A build that was cut off leaves an index that nothing uses.
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(f"CREATE INDEX CONCURRENTLY {name} ON {columns}")


def downgrade() -> None:
    """Drop the indexes and what they need."""
    with op.get_context().autocommit_block():
        for name in INDEXES:
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
    op.execute("DROP EXTENSION btree_gin")
    op.execute("DROP EXTENSION pg_trgm")
