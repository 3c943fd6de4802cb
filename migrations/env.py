"""Alembic's entry point: renders migrations as SQL text; `storage.migrate` runs the text.

Nothing connects here: the driver of this program speaks asyncio only. Each migration is rendered
as a transaction of its own, so that its locks are short. `alembic upgrade head --sql` prints the same text for an operator.
"""

from alembic import context


def render() -> None:
    """Write the SQL of the asked-for revisions to the configured output."""
    context.configure(
        dialect_name="postgresql",
        dialect_opts={"paramstyle": "named"},
        literal_binds=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


if not context.is_offline_mode():
    message = "migrations are rendered, not run, by alembic: use --sql, or `chatia migrate`"
    raise RuntimeError(message)
render()
