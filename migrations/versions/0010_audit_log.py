"""The audit log, and where each company's chain ends."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table; a column with a constant default rewrites nothing."""
    op.execute("""
ALTER TABLE company_stream
    ADD COLUMN audit_seq BIGINT DEFAULT 0 NOT NULL,
    ADD COLUMN audit_hash BYTEA
""")
    op.execute("""
CREATE TABLE audit_log (
    company_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    entry JSONB NOT NULL,
    hash BYTEA NOT NULL,
    CONSTRAINT pk_audit_log PRIMARY KEY (company_id, seq)
)
""")


def downgrade() -> None:
    """Drop it."""
    op.execute("DROP TABLE audit_log")
    op.execute("ALTER TABLE company_stream DROP COLUMN audit_hash, DROP COLUMN audit_seq")
