"""The SQL of a unit's statements: one array per column, one statement for any number of rows.

SQL is built from declared tables and columns only; values always travel as parameters, each column
as the text of an array literal (see `storage.array_literals`).
"""

from collections.abc import Callable, Sequence

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from storage.column_types import ColumnType

_make_dialect: Callable[[], sa.Dialect] = postgresql.dialect
_DIALECT = _make_dialect()
_QUOTE = _DIALECT.identifier_preparer.quote


def _names(columns: Sequence[str]) -> str:
    return ", ".join(map(_QUOTE, columns))


def _source(types: Sequence[ColumnType]) -> str:
    arrays = ", ".join(f"${place}::text::{kind.array}[]" for place, kind in enumerate(types, 1))
    names = ", ".join(f"c{place}" for place in range(len(types)))
    return f"unnest({arrays}) AS u ({names})"


def _values(types: Sequence[ColumnType]) -> list[str]:
    return [
        f"u.c{place}::{kind.cast}" if kind.cast else f"u.c{place}"
        for place, kind in enumerate(types)
    ]


def _matches(columns: Sequence[str]) -> str:
    return " AND ".join(f"t.{_QUOTE(name)} = u.c{place}" for place, name in enumerate(columns))


def _returning(columns: Sequence[str], prefix: str = "") -> str:
    return " RETURNING " + ", ".join(prefix + _QUOTE(name) for name in columns) if columns else ""


def conflict_target(table: sa.Table, columns: Sequence[str]) -> str:
    """Name the unique index on exactly these columns, with its predicate when it is partial.

    Raises:
        ValueError: the table declares no such index.
    """
    wanted = set(columns)
    for constraint in table.constraints:
        if not isinstance(constraint, sa.PrimaryKeyConstraint | sa.UniqueConstraint):
            continue
        if {column.name for column in constraint.columns} == wanted:
            return f"({_names(columns)})"
    for index in table.indexes:
        if index.unique and {str(getattr(e, "name", e)) for e in index.expressions} == wanted:
            where = index.dialect_options["postgresql"]["where"]
            if where is None:
                return f"({_names(columns)})"
            compiled = where.compile(dialect=_DIALECT, compile_kwargs={"literal_binds": True})
            text = str(compiled).replace(f"{table.name}.", "")
            return f"({_names(columns)}) WHERE {text}"
    message = f"{table.name} has no unique constraint on {tuple(columns)}"
    raise ValueError(message)


def insert_sql(
    table: sa.Table,
    columns: Sequence[str],
    types: Sequence[ColumnType],
    claim: Sequence[str],
    returns: Sequence[str],
) -> str:
    """INSERT that keeps the arrays' order, so the first of two equal claims is the one taken."""
    conflict = f" ON CONFLICT {conflict_target(table, claim)} DO NOTHING" if claim else ""
    return (
        f"INSERT INTO {_QUOTE(table.name)} ({_names(columns)})"
        f" SELECT {', '.join(_values(types))} FROM {_source(types)}{conflict}{_returning(returns)}"
    )


def update_sql(
    table: sa.Table,
    columns: Sequence[str],
    types: Sequence[ColumnType],
    key: Sequence[str],
    guard: str | None,
) -> str:
    """UPDATE by key; the guard must match and is incremented."""
    values = _values(types)
    skip = len(key) + (1 if guard else 0)
    sets = [f"{_QUOTE(columns[i])} = {values[i]}" for i in range(skip, len(columns))]
    where = _matches(key)
    if guard:
        name = _QUOTE(guard)
        sets.append(f"{name} = t.{name} + 1")
        where += f" AND t.{name} = u.c{len(key)}"
    return (
        f"UPDATE {_QUOTE(table.name)} AS t SET {', '.join(sets)} FROM {_source(types)}"
        f" WHERE {where}{_returning(key if guard else (), 't.')}"
    )


def raise_sql(
    table: sa.Table, columns: Sequence[str], types: Sequence[ColumnType], key_width: int
) -> str:
    """UPDATE by key where the stored value is lower."""
    values = _values(types)
    sets = [f"{_QUOTE(columns[i])} = {values[i]}" for i in range(key_width, len(columns))]
    name = f"t.{_QUOTE(columns[key_width])}"
    lower = f"({name} IS NULL OR {name} < {values[key_width]})"
    key = columns[:key_width]
    return (
        f"UPDATE {_QUOTE(table.name)} AS t SET {', '.join(sets)} FROM {_source(types)}"
        f" WHERE {_matches(key)} AND {lower}{_returning(key, 't.')}"
    )


def delete_sql(table: sa.Table, key: Sequence[str], types: Sequence[ColumnType]) -> str:
    """DELETE by key."""
    return f"DELETE FROM {_QUOTE(table.name)} AS t USING {_source(types)} WHERE {_matches(key)}"


def upsert_sql(
    table: sa.Table,
    columns: Sequence[str],
    types: Sequence[ColumnType],
    key: Sequence[str],
    settable: Sequence[str],
) -> str:
    """INSERT, or set some columns of the row in the way."""
    sets = ", ".join(f"{_QUOTE(name)} = excluded.{_QUOTE(name)}" for name in settable)
    return (
        f"INSERT INTO {_QUOTE(table.name)} ({_names(columns)})"
        f" SELECT {', '.join(_values(types))} FROM {_source(types)}"
        f" ON CONFLICT {conflict_target(table, key)} DO UPDATE SET {sets}"
    )
