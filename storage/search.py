"""Accent- and case-insensitive search by the database's own `searchable`."""

from typing import Any

import sqlalchemy as sa


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
    """The digits of `text`, in its order."""
    return "".join(letter for letter in text if letter.isascii() and letter.isdigit())


def pattern(text: str) -> str:
    """The LIKE pattern of what contains `text`."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def by_name(column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """Sort key for names as people expect it: accents and case aside."""
    return sa.func.searchable(column)
