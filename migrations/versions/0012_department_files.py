"""A file beside a department's greeting."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add columns that are null: no row is rewritten."""
    op.execute("ALTER TABLE departments ADD COLUMN media_path TEXT, ADD COLUMN media_name TEXT")


def downgrade() -> None:
    """Drop them."""
    op.execute("ALTER TABLE departments DROP COLUMN media_path, DROP COLUMN media_name")
