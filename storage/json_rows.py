"""Several tables in one round trip: Postgres builds one JSON text, msgspec decodes it to records."""

from typing import Any

import sqlalchemy as sa

AnySelect = sa.Select[*tuple[Any, ...]]


def rows_of(source: AnySelect) -> sa.ScalarSelect[Any]:
    """Make a JSON array of a query's rows in its order, [] when there is none.

    Column names become the objects' keys, so a record with the same fields decodes each.
    """
    rows = source.subquery()
    items = sa.func.coalesce(sa.func.json_agg(rows.table_valued()), sa.literal_column("'[]'::json"))
    return sa.select(items).select_from(rows).scalar_subquery()


def row_of(source: AnySelect) -> sa.ScalarSelect[Any]:
    """Make a JSON object of a query's only row, null when there is none."""
    row = source.subquery()
    return sa.select(sa.func.to_json(row.table_valued())).select_from(row).scalar_subquery()


def document(**parts: sa.ColumnElement[Any] | sa.ScalarSelect[Any]) -> sa.Select[str]:
    """Select one JSON text with a key for each part."""
    pairs = [
        item for name, part in parts.items() for item in (sa.literal_column(f"'{name}'"), part)
    ]
    return sa.select(sa.cast(sa.func.json_build_object(*pairs), sa.Text))
