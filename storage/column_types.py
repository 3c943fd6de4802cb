"""How a column's values travel as one typed array, and which Python values they may be."""

import datetime as dt
import math
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from storage.errors import Poisoned

Check = Callable[[Any], Any]
"""Returns the value as it travels, or raises ValueError naming what is wrong with it."""

Types = tuple[type, ...]


class ColumnType(NamedTuple):
    """One column type: element type of its array, cast inside Postgres, accepted values."""

    array: str
    cast: str | None
    accepts: Types
    bounds: tuple[int, int] | None = None
    check: Check | None = None

    @property
    def is_text(self) -> bool:
        """Whether the value is plain text, which is checked for all columns at once."""
        return self.array == "text" and str in self.accepts


def _naive(value: dt.datetime) -> dt.datetime:
    if value.tzinfo is not None:
        message = "a time with a zone"
        raise ValueError(message)
    return value


def _holds_nul(value: object) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_holds_nul(key) or _holds_nul(item) for key, item in value.items())
    return isinstance(value, list) and any(map(_holds_nul, value))


def json_text(value: object) -> str:
    """Encode any msgspec-encodable value for a jsonb column.

    Raises:
        ValueError: it holds what jsonb cannot: U+0000, a lone surrogate, not a JSON value.
    """
    try:
        text = msgspec.json.encode(value).decode()
    except (TypeError, UnicodeError, OverflowError, RecursionError, msgspec.MsgspecError) as error:
        raise ValueError(str(error)) from error
    if "\\u0000" in text and _holds_nul(msgspec.json.decode(text)):
        message = "U+0000 inside JSON"
        raise ValueError(message)
    return text


def _finite(value: float) -> float | str:
    """JSON has no word for infinity and not-a-number; Postgres reads Python's."""
    return value if math.isfinite(value) else str(value)


def _hex(value: bytes | bytearray | memoryview) -> str:
    return "\\x" + value.hex()


def _at_most(length: int) -> Check:
    def check(value: str) -> str:
        if len(value) > length:
            message = f"longer than {length} characters"
            raise ValueError(message)
        return value

    return check


_INTEGERS: tuple[tuple[type[Any], str, int], ...] = (
    (sa.BigInteger, "bigint", 63),
    (sa.SmallInteger, "smallint", 15),
    (sa.Integer, "integer", 31),
)

_PLAIN: tuple[tuple[type[Any], ColumnType], ...] = (
    (sa.Boolean, ColumnType("boolean", None, (bool,))),
    (sa.Double, ColumnType("float8", None, (float, int), check=_finite)),
    (sa.Float, ColumnType("float8", None, (float, int), check=_finite)),
    (sa.Numeric, ColumnType("numeric", None, (Decimal, int))),
    (sa.Date, ColumnType("date", None, (dt.date,))),
    (sa.Uuid, ColumnType("uuid", None, (uuid.UUID,))),
    (sa.LargeBinary, ColumnType("bytea", None, (bytes, bytearray, memoryview), check=_hex)),
)


def column_type(column: sa.Column[Any]) -> ColumnType:
    """Find how `column` travels.

    Raises:
        TypeError: the writer cannot send this type (Postgres arrays do not survive `unnest`).
    """
    kind = column.type
    if isinstance(kind, sa.JSON):
        # As text with a cast: independent of any codec set on the connection.
        return ColumnType("text", "jsonb", (object,), check=json_text)
    if isinstance(kind, sa.Enum):
        cast = kind.name if kind.native_enum else None
        return ColumnType("text", cast, (str,))
    if isinstance(kind, sa.String):
        return ColumnType(
            "text", None, (str,), check=_at_most(kind.length) if kind.length else None
        )
    if isinstance(kind, sa.DateTime):
        array, check = ("timestamptz", None) if kind.timezone else ("timestamp", _naive)
        return ColumnType(array, None, (dt.datetime,), check=check)
    for sa_type, array, bits in _INTEGERS:
        if isinstance(kind, sa_type):
            return ColumnType(array, None, (int,), bounds=(-(2**bits), 2**bits - 1))
    for sa_type, plain in _PLAIN:
        if isinstance(kind, sa_type):
            return plain
    message = f"column {column} of type {kind!r} cannot be written in a unit"
    raise TypeError(message)


def refuse(column: str, why: str) -> Poisoned:
    """Build the verdict for a value that Postgres would refuse."""
    return Poisoned(f"{column}: {why}")
