"""SQLAlchemy Core to asyncpg: statements compiled once per shape to `$n` SQL.

Core is the one truth about tables; its own engine layers cost ten times the query, so statements
are compiled here and run by the driver directly.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, TypeVar, cast

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import asyncpg as dialects
from sqlalchemy.engine import Dialect
from sqlalchemy.sql import Executable, visitors
from sqlalchemy.sql.cache_key import CacheKey
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import BindParameter, ClauseElement, ColumnElement

from storage.bridge import AsyncpgConnection
from storage.records import constructor

R = TypeVar("R", bound=msgspec.Struct)
Processor = Callable[[Any], Any] | None

SHAPES = 1024
"""Plain statements of this many different shapes keep their compiled SQL."""


def _to_json(value: object) -> str:
    return msgspec.json.encode(value).decode()


_make_dialect: Callable[..., Dialect] = dialects.dialect
DIALECT = _make_dialect(json_serializer=_to_json)


class Query:
    """A compiled statement: SQL text, the order of its parameters, and how rows become Structs."""

    __slots__ = (
        "_constructors",
        "_converted",
        "_names",
        "_slots",
        "compiled",
        "effect",
        "fresh",
        "is_read",
        "required",
        "sql",
    )

    def __init__(
        self, statement: Executable, compiled: SQLCompiler, *, fresh: bool = False
    ) -> None:
        if compiled.insert_prefetch or compiled.update_prefetch:
            message = "Python-side column defaults are not run here: use server_default"
            raise TypeError(message)
        self.compiled = compiled
        self.fresh = fresh
        """Whether Postgres plans every call for its values."""
        self.sql = str(compiled)
        self.is_read = _is_read(statement, compiled)
        self.effect = _effect(statement)
        """What it does to which table, or None where it changes nothing that is named."""
        order = compiled.positiontup or []
        binds = [_bind(compiled, name) for name in order]
        self._slots = tuple((n, b.effective_value) for n, b in zip(order, binds, strict=True))
        self._names = frozenset(order)
        self.required = frozenset(bind.key for bind in binds if bind.required)
        processors = [_processor(bind) for bind in binds]
        self._converted = tuple((i, fn) for i, fn in enumerate(processors) if fn is not None)
        self._constructors: dict[type, Callable[[Any], Any]] = {}

    def arguments(self, params: Mapping[str, object]) -> list[Any]:
        """Positional arguments for the driver.

        Raises:
            TypeError: a parameter is missing or unknown.
        """
        given = params.keys()
        if not self.required <= given <= self._names:
            missing, unknown = sorted(self.required - given), sorted(given - self._names)
            message = f"parameters: missing {missing}, unknown {unknown}"
            raise TypeError(message)
        return self._convert([params.get(name, default) for name, default in self._slots])

    def chosen(self, values: Mapping[str, object]) -> dict[str, object]:
        """Of `values` those that this statement has parameters for."""
        return {name: values[name] for name in self.required}

    def extracted(self, key: CacheKey, params: Mapping[str, object]) -> list[Any]:
        """Positional arguments of another statement of the same shape."""
        values = self.compiled.construct_params(
            dict(params) or None, extracted_parameters=key.bindparams
        )
        return self._convert([values[name] for name, _ in self._slots])

    def decode(self, rows: Sequence[Any], into: type[R]) -> list[R]:
        """Rows as Structs."""
        if not rows:
            return []
        make = self._constructors.get(into)
        if make is None:
            make = self._constructors[into] = constructor(into, tuple(rows[0].keys()))
        return [make(row) for row in rows]

    def _convert(self, args: list[Any]) -> list[Any]:
        for index, convert in self._converted:
            args[index] = convert(args[index])
        return args


def prepared(statement: Executable, *, fresh: bool = False) -> Query:
    """Compile once, at import: `BY_ID = prepared(sa.select(t).where(t.c.id == sa.bindparam("id")))`.

    Call as `database.one(BY_ID, id=7, into=Ticket)`. Lists are one parameter
    (`column == sa.any_(sa.bindparam("ids", type_=ARRAY(BigInteger)))`); IN expands per call and is
    refused. What has no name is a constant and is written out in reads: Postgres' general plan,
    made once, may then use an index that is only for rows with this value.

    Where the best plan depends on the named values (a rare word, or a common one) `fresh` has the
    statement planned for each call, for one more round trip.
    """
    if isinstance(statement, sa.Select | sa.CompoundSelect):
        statement = cast("Executable", visitors.replacement_traverse(statement, {}, _constant))
    query = Query(statement, _compile(statement, None), fresh=fresh)
    if query.compiled.post_compile_params or query.compiled.literal_execute_params:
        message = "a prepared statement cannot expand IN: compare with sa.any_(array parameter)"
        raise TypeError(message)
    return query


def _constant(element: Any, **_: object) -> ColumnElement[Any] | None:
    """The SQL of a value without a name, where it is one that needs no parameter."""
    if not isinstance(element, BindParameter) or not element.unique or element.expanding:
        return None
    if type(element.value) not in (str, int, bool):
        return None
    text = str(element.compile(dialect=DIALECT, compile_kwargs={"literal_binds": True}))
    return sa.literal_column(text, element.type)


_shapes: dict[Any, Query] = {}


def bound(statement: Query | Executable, params: Mapping[str, object]) -> tuple[Query, list[Any]]:
    """Return the compiled statement and its positional arguments."""
    if isinstance(statement, Query):
        return statement, statement.arguments(params)
    key = cast("ClauseElement", statement)._generate_cache_key()  # noqa: SLF001 (the key its own engine uses)
    if key is None:
        return _once(statement, params)
    query = _shapes.get(key.key)
    if query is None:
        compiled = _compile(statement, key)
        if compiled.post_compile_params or compiled.literal_execute_params:
            return _once(statement, params)
        if len(_shapes) >= SHAPES:
            del _shapes[next(iter(_shapes))]
        query = _shapes[key.key] = Query(statement, compiled)
    return query, query.extracted(key, params)


def _once(statement: Executable, params: Mapping[str, object]) -> tuple[Query, list[Any]]:
    """Compile for this call alone: IN lists are written out, so the SQL depends on the values."""
    compiled = cast(
        "SQLCompiler",
        cast("ClauseElement", statement).compile(
            dialect=DIALECT, compile_kwargs={"render_postcompile": True}
        ),
    )
    query = Query(statement, compiled)
    values = dict(compiled.params, **params)
    return query, query.arguments({name: values[name] for name in compiled.positiontup or ()})


def _compile(statement: Executable, key: CacheKey | None) -> SQLCompiler:
    element = cast("ClauseElement", statement)
    return DIALECT.statement_compiler(DIALECT, element, cache_key=key)


def _is_read(statement: Executable, compiled: SQLCompiler) -> bool:
    """Tell whether cancelling or repeating the statement can do no harm."""
    if not isinstance(statement, sa.Select | sa.CompoundSelect):
        return False
    return all(getattr(cte.element, "is_select", False) for cte in compiled.ctes or ())


def _effect(statement: Executable) -> tuple[str, str] | None:
    """Name the kind of write and its table."""
    for kind, write in _WRITES:
        if isinstance(statement, write):
            # Exactly str: a quoted name has no JSON.
            return kind, str(cast("sa.Table", statement.table).name)
    return None


_WRITES: Final = (("insert", sa.Insert), ("update", sa.Update), ("delete", sa.Delete))


def _bind(compiled: SQLCompiler, name: str) -> BindParameter[Any]:
    """Find a parameter; the members of a written-out IN list are called `name_1`, `name_2`…"""
    while name not in compiled.binds:
        name = name.rpartition("_")[0]
    return compiled.binds[name]


def _processor(bind: BindParameter[Any]) -> Processor:
    return bind.type.dialect_impl(DIALECT).bind_processor(DIALECT)


async def fetch_all(connection: AsyncpgConnection, sql: str, args: list[Any]) -> list[Any]:
    """Run and return every row; on the loop thread."""
    return await connection.fetch(sql, *args)


async def fetch_fresh(connection: AsyncpgConnection, sql: str, args: list[Any]) -> list[Any]:
    """The same, planned for these very arguments: the unnamed statement is never planned twice."""
    statement = await connection.prepare(sql, name="")
    rows: list[Any] = await statement.fetch(*args)
    return rows


def fetching(query: Query) -> Callable[[AsyncpgConnection, str, list[Any]], Awaitable[list[Any]]]:
    """What runs a query and returns its rows."""
    return fetch_fresh if query.fresh else fetch_all


async def fetch_status(connection: AsyncpgConnection, sql: str, args: list[Any]) -> str:
    """Run and return the command tag, `UPDATE 3`; on the loop thread."""
    return await connection.execute(sql, *args)


def rows_affected(tag: str) -> int:
    """Read the row count off a command tag; 0 for commands that count nothing."""
    count = tag.rpartition(" ")[2]
    return int(count) if count.isdigit() else 0
