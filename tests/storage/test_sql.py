"""Compiling Core, decoding rows."""

import enum
from datetime import datetime, timedelta, timezone
from typing import Annotated, Literal, NewType

import msgspec
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from storage.database import Database
from storage.records import constructor, converter
from storage.sql import bound, prepared, rows_affected

metadata = sa.MetaData()
things = sa.Table(
    "things",
    metadata,
    sa.Column("id", sa.BigInteger, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("meta", JSONB(none_as_null=True)),
    sa.Column("tags", ARRAY(sa.Text)),
    sa.Column("at", sa.DateTime(timezone=True)),
)
CREATE = sa.text(
    "CREATE TABLE things (id bigint PRIMARY KEY, kind text NOT NULL, meta jsonb, tags text[],"
    " at timestamptz)"
)
ThingId = NewType("ThingId", int)


class Meta(msgspec.Struct, frozen=True):
    colour: str
    size: int = 1


class Kind(enum.Enum):
    BIG = "big"
    SMALL = "small"


class Thing(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    id: ThingId
    kind: Kind
    meta: Meta | None = None
    tags: tuple[str, ...] = ()
    at: datetime | None = None


def test_parameters_are_bound_in_the_order_of_the_text() -> None:
    query = prepared(
        sa.select(things.c.id).where(
            things.c.kind == sa.bindparam("kind"), things.c.id > sa.bindparam("after")
        )
    )
    assert query.arguments({"after": 3, "kind": "big"}) == ["big", 3]
    assert "$1" in query.sql
    assert "$2" in query.sql


def test_constants_of_a_read_are_written_out_and_named_values_never() -> None:
    named = sa.bindparam("kind", "small", type_=sa.Text)
    query = prepared(
        sa.select(things.c.id)
        .where(things.c.kind == "it's :big %", things.c.id > 7, things.c.kind != named)
        .limit(3)
    )
    assert query.arguments({"kind": "x"}) == ["x"]
    assert "'it''s :big %'" in query.sql
    assert "> 7" in query.sql
    assert "LIMIT 3" in query.sql


async def test_a_constant_with_every_awkward_letter_is_found(database: Database) -> None:
    awkward = 'it\'s :a %s %% $1 \\ "é"\n😀'
    query = prepared(sa.select(sa.literal(awkward) == sa.bindparam("given", type_=sa.Text)))
    assert await database.value(query, given=awkward) is True


def test_one_name_used_twice_is_one_parameter() -> None:
    x = sa.bindparam("x", type_=sa.BigInteger)
    query = prepared(sa.select(things.c.id).where(sa.or_(things.c.id == x, things.c.id == x + 1)))
    assert query.arguments({"x": 5})[0] == 5
    assert query.sql.count("$1") == 2


@pytest.mark.parametrize("params", [{}, {"id": 1, "other": 2}, {"other": 1}])
def test_missing_and_unknown_parameters_are_refused(params: dict[str, object]) -> None:
    query = prepared(sa.select(things).where(things.c.id == sa.bindparam("id")))
    with pytest.raises(TypeError, match="parameters"):
        query.arguments(params)


def test_a_prepared_statement_refuses_an_in_list() -> None:
    with pytest.raises(TypeError, match="any_"):
        prepared(sa.select(things).where(things.c.id.in_([1, 2])))


def test_a_default_that_only_python_could_run_is_refused() -> None:
    table = sa.Table("d", sa.MetaData(), sa.Column("n", sa.Integer, default=lambda: 1))
    with pytest.raises(TypeError, match="server_default"):
        prepared(sa.insert(table).values())


def test_statements_of_one_shape_share_their_compiled_sql() -> None:
    first, one = bound(sa.select(things).where(things.c.id == 1), {})
    second, two = bound(sa.select(things).where(things.c.id == 2), {})
    assert first is second
    assert (one, two) == ([1], [2])


def test_only_a_pure_select_counts_as_a_read() -> None:
    write = sa.insert(things).values(id=1, kind="x").returning(things.c.id).cte("w")
    assert bound(sa.select(things), {})[0].is_read
    assert not bound(sa.select(write.c.id), {})[0].is_read
    assert not bound(sa.delete(things), {})[0].is_read
    assert not bound(sa.text("SELECT 1"), {})[0].is_read


@pytest.mark.parametrize(
    ("tag", "count"), [("INSERT 0 3", 3), ("UPDATE 0", 0), ("CREATE TABLE", 0), ("SELECT 12", 12)]
)
def test_the_command_tag_tells_the_rows(tag: str, count: int) -> None:
    assert rows_affected(tag) == count


@pytest.mark.parametrize(
    "annotation",
    [int, str | None, ThingId, Annotated[str, msgspec.Meta(max_length=3)], datetime | None,
     Literal["a", "b"], bytes],
)  # fmt: skip
def test_native_types_are_not_converted(annotation: object) -> None:
    assert converter(annotation) is None


def test_a_struct_field_without_its_column_is_an_error_that_names_it() -> None:
    with pytest.raises(TypeError, match="kind"):
        constructor(Thing, ("id", "meta"))


def test_raw_json_is_kept_as_it_came() -> None:
    convert = converter(msgspec.Raw)
    assert convert is not None
    assert bytes(convert('{"a": 1}')) == b'{"a": 1}'


async def test_rows_become_structs_with_json_arrays_enums_and_aware_times(
    database: Database,
) -> None:
    await database.execute(CREATE)
    at = datetime(2026, 3, 1, 12, tzinfo=timezone(timedelta(hours=-3)))
    insert = sa.insert(things).values(id=1, kind="big", meta=Meta("red", 4), tags=["a", "b"], at=at)
    assert await database.execute(insert) == 1
    thing = await database.one(sa.select(things), into=Thing)
    assert thing == Thing(id=ThingId(1), kind=Kind.BIG, meta=Meta("red", 4), tags=("a", "b"), at=at)
    assert thing.at is not None
    assert thing.at.utcoffset() == timedelta(0)
    await database.execute(sa.update(things).values(meta=None, at=None))
    bare = await database.one(sa.select(things), into=Thing)
    assert bare.meta is None
    assert bare.at is None


async def test_in_lists_and_array_parameters_find_the_same_rows(database: Database) -> None:
    await database.execute(CREATE)
    for number in range(5):
        await database.execute(sa.insert(things).values(id=number, kind="big"))
    listed = sa.select(things.c.id).where(things.c.id.in_([1, 3])).order_by(things.c.id)
    ids = sa.bindparam("ids", type_=ARRAY(sa.BigInteger))
    query = prepared(
        sa.select(things.c.id).where(things.c.id == sa.any_(ids)).order_by(things.c.id)
    )
    assert [row[0] for row in await database.rows(listed)] == [1, 3]
    assert [row[0] for row in await database.rows(query, ids=[1, 3])] == [1, 3]
    none = sa.select(things.c.id).where(things.c.id.in_([]))
    assert await database.rows(none) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(
        st.characters(exclude_categories=["Cs"], exclude_characters="\0")
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=3), inner),
    max_leaves=8,
)  # fmt: skip


class Box(msgspec.Struct, frozen=True):
    meta: dict[str, object] | None


async def test_any_json_survives_the_round_trip(database: Database) -> None:
    await database.execute(CREATE)
    await database.execute(sa.insert(things).values(id=1, kind="big"))
    values: list[dict[str, object]] = []

    @given(st.dictionaries(st.text("abc", max_size=3), JSON))
    @settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
    def collect(value: dict[str, object]) -> None:
        values.append(value)

    collect()
    for value in values:
        await database.execute(sa.update(things).values(meta=value))
        assert (await database.one(sa.select(things.c.meta), into=Box)).meta == value
