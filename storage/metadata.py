"""One truth about the tables: the shared metadata and the shorthands every noun declares with.

A tenant table's primary key is (company_id, id) and its foreign keys carry company_id too, so
Postgres itself refuses a row that points into another company. Ids come from one sequence per
table (`<table>_id_seq`) and are therefore unique over the installation.
"""

from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB


def _own_column(constraint: sa.Constraint, _table: sa.Table) -> str:
    """Name a constraint by its last column: the ones before it are company_id."""
    assert isinstance(constraint, sa.ForeignKeyConstraint)
    return constraint.column_keys[-1]


metadata = sa.MetaData(
    naming_convention={
        "own_column": _own_column,
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(own_column)s",
        "pk": "pk_%(table_name)s",
    }
)


def company() -> sa.Column[int]:
    """Name the company that owns the row; first part of every tenant table's primary key."""
    return sa.Column("company_id", sa.BigInteger, primary_key=True, autoincrement=False)


def row_id() -> sa.Column[int]:
    """Number the row from the sequence `<table>_id_seq`; writers may supply ids taken from it."""
    return sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True)


def of_company() -> sa.ForeignKeyConstraint:
    """Tie the row to its company and delete it with the company."""
    return sa.ForeignKeyConstraint(["company_id"], ["companies.id"], ondelete="CASCADE")


def belongs_to(column: str, parent: str) -> sa.ForeignKeyConstraint:
    """Point at a row of the same company and disappear with it."""
    return sa.ForeignKeyConstraint(
        ["company_id", column], [f"{parent}.company_id", f"{parent}.id"], ondelete="CASCADE"
    )


def refers_to(column: str, parent: str) -> sa.ForeignKeyConstraint:
    """Point at a row of the same company and forget it when it is deleted."""
    return sa.ForeignKeyConstraint(
        ["company_id", column],
        [f"{parent}.company_id", f"{parent}.id"],
        ondelete=f"SET NULL ({column})",
    )


def reference(name: str) -> sa.Column[int | None]:
    """Hold another row's id, or none."""
    return sa.Column(name, sa.BigInteger)


def owner(name: str) -> sa.Column[int]:
    """Hold the id of the row this one belongs to."""
    return sa.Column(name, sa.BigInteger, nullable=False)


def string(name: str, default: str = "") -> sa.Column[str]:
    """Text that is never null."""
    return sa.Column(name, sa.Text, nullable=False, server_default=default)


def optional(name: str) -> sa.Column[str | None]:
    """Text that may be unknown."""
    return sa.Column(name, sa.Text)


def flag(name: str, *, default: bool = False) -> sa.Column[bool]:
    """Yes or no, never null."""
    return sa.Column(name, sa.Boolean, nullable=False, server_default=sa.text(str(default).lower()))


def number(name: str, default: int = 0) -> sa.Column[int]:
    """A small count, never null."""
    return sa.Column(name, sa.Integer, nullable=False, server_default=sa.text(str(default)))


def big(name: str, default: int = 0) -> sa.Column[int]:
    """A count that may pass two thousand million, never null."""
    return sa.Column(name, sa.BigInteger, nullable=False, server_default=sa.text(str(default)))


def moment(name: str) -> sa.Column[datetime | None]:
    """A point in time, or none."""
    return sa.Column(name, sa.DateTime(timezone=True))


def at(name: str) -> sa.Column[datetime]:
    """A point in time that defaults to the transaction's."""
    return sa.Column(
        name, sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")
    )


def document(name: str) -> sa.Column[Any]:
    """A JSON document, or none."""
    return sa.Column(name, JSONB(none_as_null=True))


def version() -> sa.Column[int]:
    """Count the writes of a row that an actor owns; guards every update of it."""
    return number("version", 1)


def columns_of(table: sa.FromClause, record: type[msgspec.Struct]) -> list[sa.ColumnElement[Any]]:
    """Select exactly the columns that a record's fields name, in the record's order."""
    return [table.c[field] for field in record.__struct_fields__]


def wire_columns_of(table: sa.Table, record: type[msgspec.Struct]) -> list[sa.ColumnElement[Any]]:
    """The same under the names that the record has in JSON, for rows that arrive as JSON."""
    fields = msgspec.structs.fields(record)
    return [table.c[item.name].label(item.encode_name) for item in fields]
