"""An index of letters: they are few among all that the outbox sends."""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Build the index beside running writes."""
    with op.get_context().autocommit_block():
        # A build that was cut off leaves an index that nothing uses.
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_outbox_mail")
        op.execute("""
CREATE INDEX CONCURRENTLY ix_outbox_mail ON outbox (finished_at, due_at) WHERE kind = 'mail'
""")


def downgrade() -> None:
    """Drop it."""
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_outbox_mail")
