"""Stored answers that hold a cookie in the clear are forgotten.

Such a cookie opens an operator's login session, and lay there for the 48 hours that answers are
kept. Their keys stay used: a repetition is told that its answer is lost, and does nothing twice.
"""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Clear them in portions, each a transaction of its own."""
    with op.get_context().autocommit_block():
        op.execute(
            "DO $$ BEGIN LOOP"
            " UPDATE idempotency_keys SET status = NULL, headers = NULL, reply = NULL"
            " WHERE (company_id, user_id, key) IN (SELECT company_id, user_id, key"
            " FROM idempotency_keys WHERE headers ? 'set-cookie' LIMIT 1000);"
            " EXIT WHEN NOT FOUND; COMMIT; END LOOP; END $$"
        )


def downgrade() -> None:
    """What was forgotten stays so."""
