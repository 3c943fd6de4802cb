"""The migrations and the declared metadata are the same schema, up and down."""

import importlib
import io
import pkgutil
from types import SimpleNamespace

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

import storage
from storage import migrate
from storage.bridge import connect, open_bridge
from storage.errors import DatabaseUnavailable, Retryable
from storage.metadata import metadata
from storage.migrate import _migrations, steps, upgrade
from storage.tables import ALL

CATALOG = """
SELECT 'column ' || c.relname || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
       || ' notnull=' || a.attnotnull || ' identity=' || a.attidentity::text
       || ' default=' || coalesce(pg_get_expr(d.adbin, d.adrelid), '')
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
UNION ALL
SELECT 'constraint ' || conrelid::regclass || '.' || conname || ' ' || pg_get_constraintdef(oid)
FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND conrelid <> 0
UNION ALL
SELECT 'index ' || pg_get_indexdef(i.indexrelid)
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE c.relnamespace = 'public'::regnamespace
UNION ALL
SELECT 'relation ' || relkind::text || ' ' || relname || ' ' || coalesce(reloptions::text, '')
       || ' ' || coalesce(pg_get_expr(relpartbound, oid), '')
FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'S', 'v')
ORDER BY 1
"""


SEARCHABLE = """
CREATE EXTENSION unaccent;
CREATE EXTENSION pg_trgm;
CREATE EXTENSION btree_gin;
CREATE FUNCTION searchable(value text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN lower(public.unaccent('public.unaccent'::regdictionary, value))
"""


def _declared_tables() -> list[str]:
    dialect = postgresql.dialect()
    statements = [SEARCHABLE]
    for table in metadata.sorted_tables:
        statements.append(str(CreateTable(table).compile(dialect=dialect)))
        statements.extend(
            str(CreateIndex(index).compile(dialect=dialect)) for index in table.indexes
        )
    statements.append("CREATE TABLE events_default PARTITION OF events DEFAULT")
    return statements


def _down(to: str = "base") -> list[str]:
    """The steps that lead down from the newest revision."""
    text = io.StringIO()
    config = Config(output_buffer=text)
    config.set_main_option("script_location", str(_migrations()))
    head = ScriptDirectory.from_config(config).get_current_head()
    command.downgrade(config, f"{head}:{to}", sql=True)
    left = ["DROP TABLE alembic_version"] if to == "base" else []
    return steps(text.getvalue()) + left


async def _run(dsn: str, *scripts: str) -> list[str]:
    async with open_bridge() as bridge:
        connection = await bridge.call(connect, dsn)
        try:
            for script in scripts:
                await bridge.call(connection.execute, script)
            rows = await bridge.call(connection.fetch, CATALOG)
        finally:
            await bridge.call(connection.close)
    return [row[0] for row in rows if "alembic_version" not in row[0]]


async def test_the_migrated_database_is_the_declared_one(dsn: str) -> None:
    migrated = await _run(dsn)
    assert any("uq_tickets_active" in line for line in migrated)
    empty = await _run(dsn, *_down())
    assert empty == []
    assert await _run(dsn, *_declared_tables()) == migrated


async def test_the_migrations_run_again_after_a_downgrade(dsn: str) -> None:
    before = await _run(dsn)
    await _run(dsn, *_down())
    await upgrade(dsn)
    assert await _run(dsn) == before


async def test_a_lock_that_others_hold_is_given_up_and_nothing_is_half_done(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = await _run(dsn)
    before = await _run(dsn, *_down("0006"))
    monkeypatch.setattr(migrate, "LOCK_TIMEOUT", "1ms")
    monkeypatch.setattr(migrate, "PAUSE", 0.0)
    async with open_bridge() as bridge:
        other = await bridge.call(connect, dsn)
        await bridge.call(other.execute, "BEGIN; LOCK TABLE messages IN ROW EXCLUSIVE MODE")
        with pytest.raises(DatabaseUnavailable):
            await upgrade(dsn)
        assert await _run(dsn) == before
        await bridge.call(other.close)
    await upgrade(dsn)
    assert await _run(dsn) == whole


async def test_an_index_whose_build_was_cut_off_is_built_again(dsn: str) -> None:
    whole = await _run(dsn)
    await _run(
        dsn,
        *_down("0007"),
        "CREATE INDEX ix_contacts_text ON contacts (number)",
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_contacts_text'::regclass",
    )
    await upgrade(dsn)
    assert await _run(dsn) == whole


async def test_answers_with_a_cookie_in_the_clear_are_forgotten_and_their_keys_stay_used(
    dsn: str,
) -> None:
    answer = (
        "INSERT INTO idempotency_keys (company_id, user_id, key, request_digest, state, status,"
    )
    answer += " headers, reply) SELECT 1, 1, {}, ''::bytea, 'done', 200, '{}'::jsonb, 'x'::bytea"
    await _run(
        dsn,
        *_down("0016"),
        "INSERT INTO companies (id, name) VALUES (1, 'a')",
        "INSERT INTO users (company_id, id, email, password_hash) VALUES (1, 1, 'a@a.test', '-')",
        answer.format("'told ' || n", '{"set-cookie": "jrt=x"}')
        + " FROM generate_series(1, 1001) n",
        answer.format("'other'", '{"content-type": "x"}'),
    )
    await upgrade(dsn)
    async with open_bridge() as bridge:
        connection = await bridge.call(connect, dsn)
        found = await bridge.call(
            connection.fetch,
            "SELECT left(key, 4) AS key, state, status, reply, headers::text, count(*) AS n"
            " FROM idempotency_keys GROUP BY 1, 2, 3, 4, 5 ORDER BY 1",
        )
        await bridge.call(connection.close)
    assert [tuple(row) for row in found] == [
        ("othe", "done", 200, b"x", '{"content-type": "x"}', 1),
        ("told", "done", None, None, None, 1001),
    ]


def test_no_table_is_declared_that_the_list_of_tables_does_not_load() -> None:
    for module in pkgutil.walk_packages(storage.__path__, "storage."):
        importlib.import_module(module.name)
    assert set(metadata.tables.values()) == set(ALL)


async def test_a_build_that_lost_a_deadlock_is_dropped_before_it_is_built_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(migrate, "PAUSE", 0.0)
    said: list[str] = []

    class Losing:
        async def call(self, _: object, statement: str, *, shield: bool = False) -> None:
            said.append(statement)
            if statement == "CREATE INDEX CONCURRENTLY b" and said.count(statement) == 1:
                raise Retryable(statement)

    script = "DROP INDEX IF EXISTS b;\n\nCREATE INDEX CONCURRENTLY b;\n\nBEGIN;\nX;\nCOMMIT;\n"
    build, whole = (step for step in migrate._steps(script) if step)
    for step in (build, whole):
        await migrate._run(Losing(), SimpleNamespace(execute=None), step)
    assert [line for line in said if "INDEX" in line or line.startswith("BEGIN")] == [
        *build,
        *build,
        *whole,
    ]
