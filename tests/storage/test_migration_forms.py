"""No migration since the first release holds up a live system, whoever writes the next one."""

import pytest

from storage.migrate import newest, render, steps
from tests.storage.migration_forms import created, faults

BASE = 6
"""Migrations up to this one made a database that nobody had used yet."""


def _revisions() -> list[str]:
    last = newest()
    assert last is not None
    return [f"{number:04}" for number in range(BASE + 1, int(last) + 1)]


def _script(revision: str, *, up: bool) -> str:
    """The SQL of one revision alone."""
    before = f"{int(revision) - 1:04}"
    return (render(before, revision) if up else render(revision, before))[1]


@pytest.mark.parametrize("revision", _revisions())
@pytest.mark.parametrize("up", [True, False], ids=["up", "down"])
def test_no_step_locks_a_table_for_as_long_as_it_is_read(revision: str, up: bool) -> None:
    new: frozenset[str] = frozenset()
    for step in steps(_script(revision, up=up)):
        assert list(faults(step, new)) == []
        new |= created(step)


BLOCKING = (
    "CREATE INDEX ix ON messages (body)",
    "CREATE UNIQUE INDEX ix ON ONLY messages (body)",
    "ALTER TABLE messages ALTER COLUMN ack TYPE BIGINT",
    "ALTER TABLE messages ALTER ack SET DATA TYPE BIGINT",
    "ALTER TABLE messages ADD COLUMN a INT, ALTER COLUMN body SET NOT NULL",
    "ALTER TABLE messages ADD COLUMN n BIGINT GENERATED ALWAYS AS IDENTITY",
    "ALTER TABLE messages ADD COLUMN u UUID DEFAULT gen_random_uuid() NOT NULL",
    "ALTER TABLE messages ADD CONSTRAINT c CHECK (ack > 0)",
    "ALTER TABLE messages ADD CONSTRAINT f FOREIGN KEY (user_id) REFERENCES users (id)",
    "ALTER TABLE messages ADD CONSTRAINT u UNIQUE (body)",
    "ALTER TABLE messages SET UNLOGGED",
    "LOCK TABLE messages",
    "CLUSTER messages USING pk_messages",
    "REINDEX TABLE messages",
    "DROP INDEX ix_messages_ticket",
    "DROP INDEX ix_that_was",
    "ALTER TABLE messages ADD COLUMN a INT;\nALTER TABLE tickets ADD COLUMN a INT",
    "UPDATE messages SET ack = 0",
    "DELETE FROM messages",
)
HARMLESS = (
    "CREATE INDEX ix ON users (name)",
    "CREATE TABLE fresh (id BIGINT);\nCREATE INDEX ix ON fresh (id)",
    "ALTER TABLE messages ADD COLUMN note TEXT DEFAULT '' NOT NULL",
    "ALTER TABLE messages ADD COLUMN seen_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL",
    "ALTER TABLE messages ADD CONSTRAINT c CHECK (ack > 0) NOT VALID",
    "ALTER TABLE messages ADD CONSTRAINT u UNIQUE USING INDEX ix",
    "ALTER TABLE messages VALIDATE CONSTRAINT c",
    "DROP TABLE old_messages",
    "DROP INDEX ix_refresh_families_impersonator",
    "UPDATE alembic_version SET version_num = '0009'",
)


@pytest.mark.parametrize("statement", BLOCKING)
def test_what_blocks_is_found(statement: str) -> None:
    assert len(list(faults(f"BEGIN;\n{statement};\nCOMMIT;"))) == 1


@pytest.mark.parametrize("statement", HARMLESS)
def test_what_does_not_block_is_let_through(statement: str) -> None:
    assert list(faults(f"BEGIN;\n{statement};\nCOMMIT;")) == []


def test_an_index_beside_running_writes_stands_outside_a_transaction() -> None:
    alone = "CREATE INDEX CONCURRENTLY ix ON messages (body)"
    assert list(faults(alone)) == []
    assert len(list(faults(f"BEGIN;\n{alone};\nCOMMIT;"))) == 1


def test_a_constraint_is_validated_in_a_step_of_its_own() -> None:
    added = "ALTER TABLE messages ADD CONSTRAINT c CHECK (ack > 0) NOT VALID"
    validated = "ALTER TABLE messages VALIDATE CONSTRAINT c"
    assert len(list(faults(f"BEGIN;\n{added};\n{validated};\nCOMMIT;"))) == 1
