"""Accent- and case-insensitive search by the database's own `searchable`."""

from typing import Any

import sqlalchemy as sa


def contains(column: sa.ColumnElement[Any], text: str) -> sa.ColumnElement[bool]:
    """Whether the column contains `text`, accents and case aside; `%` and `_` are plain letters."""
    pattern = sa.func.searchable(sa.literal(_pattern(text), sa.Text))
    return sa.func.searchable(column).like(pattern)


def digits_contain(column: sa.ColumnElement[Any], text: str) -> sa.ColumnElement[bool]:
    """Whether the column contains the digits of `text`; false when it has none."""
    digits = "".join(letter for letter in text if letter.isascii() and letter.isdigit())
    return column.like(_pattern(digits)) if digits else sa.false()


def one_of(column: sa.ColumnElement[Any], values: object, kind: Any) -> sa.ColumnElement[bool]:
    """Whether the column is one of `values`, as one array parameter."""
    return column == sa.any_(sa.literal(values, sa.ARRAY(kind)))


def _pattern(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def by_name(column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """Sort key for names as people expect it: accents and case aside."""
    return sa.func.searchable(column)
