"""Hypothesis against a server that runs in this event loop: examples come from a thread."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
import trio
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from msgspec import inspect as types

T = TypeVar("T")

HOSTILE = st.sampled_from(
    [
        "",
        "\x00",
        "a\x00b",
        "\ufeff",
        "\u202e",
        "😀" * 100,
        "x" * 5_000,
        "' OR 1=1 --",
        "{{name}} {{#if",
        "<script>alert(1)</script>",
        "../../etc/passwd",
        "=cmd|' /C calc'!A0",
        "1e400",
        "NaN",
        "null",
        "undefined",
        "[",
        '{"a":',
        "[1,2",
        "-0",
        "9" * 400,
        "2026-13-45T99:99:99Z",
        "0001-01-01T00:00:00+23:59",
        "٣",
    ]
)
NUMBERS = st.one_of(
    st.integers(-3, 3),
    st.sampled_from([2**31 - 1, 2**31, 2**53, 2**63 - 1, 2**63, -(2**63) - 1, 10**30]),
    st.floats(allow_nan=False, allow_infinity=False),
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, HOSTILE, st.text(max_size=20))
JSON = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
"""Any JSON value, hostile ones often."""


def near(node: types.Type) -> st.SearchStrategy[Any]:
    """Values that fit a declared type, now and then ones that do not."""
    return st.one_of(_fitting(node), _fitting(node), JSON)


def _fitting(node: types.Type) -> st.SearchStrategy[Any]:
    if isinstance(node, types.Metadata):
        return _fitting(node.type)
    if isinstance(node, types.UnionType):
        return st.one_of([_fitting(member) for member in node.types])
    if isinstance(node, types.ListType | types.VarTupleType):
        return st.lists(near(node.item_type), max_size=3)
    if isinstance(node, types.StructType):
        return bodies(node)
    if isinstance(node, types.LiteralType):
        return st.sampled_from(list(node.values))
    return _LEAVES.get(type(node), JSON)


_LEAVES: dict[type[types.Type], st.SearchStrategy[Any]] = {
    types.NoneType: st.none(),
    types.BoolType: st.booleans(),
    types.IntType: st.integers(1, 5),
    types.FloatType: st.floats(0, 10),
    types.StrType: st.one_of(st.text(max_size=12), HOSTILE),
    types.DateTimeType: st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
    types.DateType: st.dates().map(lambda day: day.isoformat()),
}


def bodies(node: types.StructType) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with the declared fields, each there or not, and sometimes one that is not."""
    known = {field.encode_name: near(field.type) for field in node.fields}
    own = st.fixed_dictionaries({}, optional=known)
    strangers = st.one_of(st.just({}), st.dictionaries(st.text(max_size=8), JSON, max_size=1))
    return st.tuples(own, strangers).map(lambda both: both[1] | both[0])


def encoded(value: object) -> bytes:
    """`value` as the JSON bytes that a client would send; lone surrogates stay escapes."""
    return msgspec.json.encode(value)


async def fuzz(
    strategy: st.SearchStrategy[T], check: Callable[[T], Awaitable[None]], examples: int
) -> None:
    """Run `check` on examples, each in this event loop, against the one server of the test."""

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
    )
    @given(strategy)
    def run(example: T) -> None:
        trio.from_thread.run(check, example)

    await trio.to_thread.run_sync(run)
