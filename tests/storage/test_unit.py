"""Statements and values of units: their SQL, what is refused at once, how columns travel."""

import asyncio
import datetime as dt
import uuid
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Any

import asyncpg
import msgspec
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from storage.array_literals import array_literal
from storage.database import Database
from storage.errors import Poisoned
from storage.unit import EVENT_SEQ, Committed, delete, insert, raise_to, update, upsert
from tests.storage.writer_kit import sql

tables = sa.MetaData()
owners = sa.Table("owners", tables, sa.Column("id", sa.BigInteger, primary_key=True))
rows = sa.Table(
    "every_type",
    tables,
    sa.Column("company_id", sa.BigInteger, primary_key=True),
    sa.Column("id", sa.BigInteger, primary_key=True),
    sa.Column("owner_id", sa.ForeignKey("owners.id"), nullable=False),
    sa.Column("small", sa.SmallInteger),
    sa.Column("medium", sa.Integer),
    sa.Column("text", sa.Text),
    sa.Column("short", sa.String(5)),
    sa.Column("flag", sa.Boolean),
    sa.Column("ratio", sa.Double),
    sa.Column("price", sa.Numeric),
    sa.Column("at", sa.DateTime(timezone=True)),
    sa.Column("local", sa.DateTime),
    sa.Column("day", sa.Date),
    sa.Column("token", sa.Uuid),
    sa.Column("raw", sa.LargeBinary),
    sa.Column("data", JSONB(none_as_null=True)),
    sa.Column("version", sa.Integer, nullable=False, server_default="1"),
    sa.Index("uq_text", "company_id", "text", unique=True, postgresql_where=sa.text("flag")),
)
NAMES = [column.name for column in rows.columns if column.name not in ("owner_id", "version")]
STORE = insert(rows, *NAMES)


def test_an_insert_with_a_claim_names_its_index_and_tells_which_rows_it_took() -> None:
    statement = insert(rows, "company_id", "id", "text", claim=("company_id", "text"))
    assert statement.sql == (
        "INSERT INTO every_type (company_id, id, text) SELECT u.c0, u.c1, u.c2"
        " FROM unnest($1::text::bigint[], $2::text::bigint[], $3::text::text[]) AS u (c0, c1, c2)"
        " ON CONFLICT (company_id, text) WHERE flag DO NOTHING RETURNING id"
    )


def test_a_guarded_update_matches_the_version_and_raises_it() -> None:
    assert update(rows, "medium", "data").sql == (
        "UPDATE every_type AS t SET medium = u.c3, data = u.c4::jsonb, version = t.version + 1"
        " FROM unnest($1::text::bigint[], $2::text::bigint[], $3::text::integer[],"
        " $4::text::integer[], $5::text::text[]) AS u (c0, c1, c2, c3, c4)"
        " WHERE t.company_id = u.c0 AND t.id = u.c1 AND t.version = u.c2"
        " RETURNING t.company_id, t.id"
    )


def test_statements_run_parents_first_and_deletes_last() -> None:
    add_owner, add_row = insert(owners, "id"), insert(rows, "company_id", "id", "owner_id")
    remove_owner, remove_row = delete(owners, key=("id",)), delete(rows)
    set_row, early = update(rows, "medium"), update(rows, "text", stage=5)
    keep = upsert(rows, "company_id", "id", "text", key=("company_id", "id"), set=("text",))
    expected = [early, add_owner, add_row, keep, set_row, remove_row, remove_owner]
    assert sorted(reversed(expected), key=lambda statement: statement.order) == expected


def test_a_declaration_that_cannot_work_fails_at_once() -> None:
    lists = sa.Table("lists", sa.MetaData(), sa.Column("items", ARRAY(sa.Text)))
    with pytest.raises(TypeError, match="cannot be written"):
        insert(lists, "items")
    with pytest.raises(ValueError, match="no unique constraint"):
        insert(rows, "company_id", "small", claim=("company_id", "small"))
    with pytest.raises(ValueError, match="key columns first"):
        upsert(rows, "id", "company_id", "text", key=("company_id", "id"), set=("text",))
    with pytest.raises(KeyError):
        update(rows, "no_such_column")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("id", None),
        ("id", "7"),
        ("id", True),
        ("id", 2**63),
        ("small", 2**15),
        ("medium", -(2**31) - 1),
        ("medium", 1.5),
        ("text", "a\0b"),
        ("text", "\ud83d"),
        ("text", b"bytes"),
        ("short", "longer"),
        ("flag", 1),
        ("price", 1.5),
        ("local", dt.datetime(2026, 1, 1, tzinfo=dt.UTC)),
        ("token", "not a uuid"),
        ("raw", "text"),
        ("data", {"deep": ["a\0"]}),
        ("data", {"\0": 1}),
        ("data", "\ud83d"),
        ("data", object()),
        ("text", EVENT_SEQ(0)),
    ],
)
def test_a_value_that_postgres_would_refuse_is_poison_at_submission(
    column: str, value: object
) -> None:
    statement = insert(rows, "company_id", "id", column) if column != "id" else None
    statement = statement or insert(rows, "company_id", "id")
    values = (1, value) if column == "id" else (1, 2, value)
    with pytest.raises(Poisoned, match=column):
        statement.encoder.encode(values)


def test_a_time_without_a_zone_is_poison_at_submission() -> None:
    with pytest.raises(Poisoned, match="naive"):
        insert(rows, "company_id", "id", "at").encoder.encode((1, 2, dt.datetime(2026, 1, 1)))  # noqa: DTZ001


def test_keys_guards_and_raised_values_may_not_be_null() -> None:
    for statement, values in (
        (update(rows, "text"), (1, 2, None, "a")),
        (raise_to(rows, "small"), (1, 2, None)),
        (delete(rows), (1, None)),
    ):
        with pytest.raises(Poisoned, match="NULL"):
            statement.encoder.encode(values)


def test_the_number_of_values_must_match_the_statement() -> None:
    with pytest.raises(TypeError, match="2 values for 3 columns"):
        insert(rows, "company_id", "id", "text").encoder.encode((1, 2))


def test_a_rows_size_grows_with_its_text() -> None:
    encoder = insert(rows, "company_id", "id", "text", "data").encoder
    sizes = [
        encoder.encode((1, 2, "x" * n, {"k": "y" * m}))[2] for n, m in ((0, 0), (100, 0), (0, 500))
    ]
    assert (sizes[1] - sizes[0], sizes[2] - sizes[0]) == (100, 500)


def test_committed_names_the_numbers_of_its_events() -> None:
    assert list(Committed(first_seq=7, events=3).seqs) == [7, 8, 9]
    assert list(Committed(first_seq=0, events=0).seqs) == []


TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=20)
TEXT |= st.sampled_from(
    ['{"}', "\\", '\\"', "\\n", "\n\t\r\b\f\x1b", "NULL", "null", "", " ,{}", "é\u2028😀"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
STAMPS = st.datetimes(dt.datetime(1, 1, 2), dt.datetime(9999, 12, 30))  # noqa: DTZ001
ROW = st.tuples(
    st.integers(-(2**15), 2**15 - 1),
    st.integers(-(2**31), 2**31 - 1),
    TEXT,
    TEXT.map(lambda text: text[:5]),
    st.booleans(),
    st.floats(allow_nan=False),
    st.decimals(
        allow_nan=False, allow_infinity=False, places=6, max_value=10**20, min_value=-(10**20)
    ),
    STAMPS.map(lambda at: at.replace(tzinfo=dt.UTC)),
    STAMPS,
    st.dates(),
    st.uuids(),
    st.binary(max_size=20),
    JSON,
)


BATCHES = st.lists(
    st.tuples(ROW, st.tuples(*[st.booleans()] * 13)).map(
        lambda pair: tuple(None if gone else v for v, gone in zip(*pair, strict=True))
    ),
    min_size=1,
    max_size=8,
)


def test_every_value_comes_back_from_postgres_as_it_was(dsn: str) -> None:
    source = STORE.sql.partition(" SELECT ")[2]
    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(dsn))

        @settings(max_examples=100, deadline=None)
        @given(batch=BATCHES)
        def check(batch: list[tuple[Any, ...]]) -> None:
            encoded = [STORE.encoder.encode((1, n, *row))[0] for n, row in enumerate(batch)]
            columns = [array_literal(column) for column in zip(*encoded, strict=True)]
            read = runner.run(connection.fetch(f"SELECT {source}", *columns))
            for row, back in zip(batch, read, strict=True):
                *plain, data = tuple(back)[2:]
                *sent, document = row
                assert plain == sent
                assert (None if data is None else msgspec.json.decode(data)) == document

        check()
        runner.run(connection.close())


class Colour(Enum):
    """A text column's named values."""

    RED = "red"


class Word(str):
    """A text of one's own make."""

    __slots__ = ()


class Level(IntEnum):
    """An integer column's named values."""

    HIGH = 3


async def test_named_values_travel_as_what_they_name(database: Database, dsn: str) -> None:
    assert await sql(database, dsn, "SELECT $1::text::int[]", array_literal([Level.HIGH])) == [
        ([3],)
    ]
    encoder = insert(rows, "company_id", "id", "text").encoder
    for stranger in (Colour.RED, Word("red")):
        with pytest.raises(Poisoned):
            encoder.encode((1, 2, stranger))


async def test_special_numbers_and_bytes_survive(database: Database, dsn: str) -> None:
    encoder = insert(rows, "company_id", "id", "ratio", "raw", "token", "price").encoder
    token = uuid.uuid4()
    row = encoder.encode((1, 2, float("-inf"), b"\\\x00\xff", token, Decimal("NaN")))[0]
    columns = [array_literal([value]) for value in row[2:]]
    read = await sql(
        database,
        dsn,
        "SELECT $1::text::float8[], $2::text::bytea[], $3::text::uuid[], $4::text::numeric[]",
        *columns,
    )
    assert read[0][0] == [float("-inf")]
    assert read[0][1] == [b"\\\x00\xff"]
    assert read[0][2] == [token]
    assert read[0][3][0].is_nan()
