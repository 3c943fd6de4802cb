"""Login sessions in which an operator acts as a user."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; they are empty, so nothing is rewritten."""
    op.execute("ALTER TABLE refresh_families ADD COLUMN impersonator_id BIGINT")
    op.execute("ALTER TABLE refresh_families ADD COLUMN impersonator_company_id BIGINT")
    op.execute("ALTER TABLE refresh_families ADD COLUMN origin_family TEXT")
    op.execute("""
CREATE INDEX ix_refresh_families_impersonator
ON refresh_families (impersonator_company_id, impersonator_id) WHERE origin_family is not null
""")


def downgrade() -> None:
    """Drop the columns."""
    op.execute("DROP INDEX ix_refresh_families_impersonator")
    for column in ("impersonator_id", "impersonator_company_id", "origin_family"):
        op.execute(f"ALTER TABLE refresh_families DROP COLUMN {column}")
