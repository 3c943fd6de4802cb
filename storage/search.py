"""Accent- and case-insensitive search by the database's own `searchable`."""

from typing import Any, Final

import sqlalchemy as sa

FOUND: Final = 10_000
"""A text that more rows than this contain is looked for in the newest of them."""


def contains(column: sa.ColumnElement[Any], text: str) -> sa.ColumnElement[bool]:
    """Whether the column contains `text`, accents and case aside; `%` and `_` are plain letters."""
    return resembles(column, sa.literal(pattern(text), sa.Text))


def resembles(column: sa.ColumnElement[Any], like: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
    """Whether the column has the form of `like`, a `pattern`; accents and case aside."""
    return sa.func.searchable(column).like(sa.func.searchable(like))


def one_of(column: sa.ColumnElement[Any], values: object, kind: Any) -> sa.ColumnElement[bool]:
    """Whether the column is one of `values`, as one array parameter."""
    return column == sa.any_(sa.literal(values, sa.ARRAY(kind)))


def digits_of(text: str) -> str:
    """The digits of a text that may be a number, in its order; a text with letters is none."""
    if any(letter.isalpha() for letter in text):
        return ""
    return "".join(letter for letter in text if letter.isascii() and letter.isdigit())


def pattern(text: str) -> str:
    """The LIKE pattern of what contains `text`."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def by_name(column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """Sort key for names as people expect it: accents and case aside."""
    return sa.func.searchable(column)


def newest(
    column: sa.ColumnElement[Any],
    row_id: sa.ColumnElement[Any],
    *conditions: sa.ColumnElement[bool],
) -> sa.Select[Any]:
    """A column of the newest FOUND rows that meet `conditions`."""
    most: sa.ColumnElement[int] = sa.literal_column(str(FOUND))
    return sa.select(column.label("id")).where(*conditions).order_by(row_id.desc()).limit(most)


def is_in(column: sa.ColumnElement[Any], found: sa.FromClause) -> sa.ColumnElement[bool]:
    """Whether the column is one of the ids of `found`, which is worked out once."""
    ids = sa.func.array(sa.select(found.c.id).scalar_subquery(), type_=sa.ARRAY(sa.BigInteger))
    return column == sa.any_(ids)
