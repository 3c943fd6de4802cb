"""Driver rows to frozen Structs by one generated constructor per (columns, Struct).

`msgspec.convert` would check again what Postgres has already checked, for several times the cost.
Only what a column cannot carry natively is converted: jsonb text, arrays, enums.
"""

import datetime
import decimal
import enum
import types
import typing
import uuid
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar, get_args, get_origin

import msgspec

R = TypeVar("R", bound=msgspec.Struct)
Row = Any
Convert = Callable[[Any], Any]

NATIVE = (
    bool, int, float, str, bytes, decimal.Decimal, uuid.UUID,
    datetime.datetime, datetime.date, datetime.time, datetime.timedelta, type(None),
)  # fmt: skip
"""What the driver already returns as the right type; a timestamptz comes as an aware UTC time."""


@cache
def constructor(into: type[R], columns: tuple[str, ...]) -> Callable[[Row], R]:
    """Return `make(row)` for rows with these columns; columns without a field are ignored.

    A field gets the column of its own name (`rename` is for the wire). jsonb and array columns are
    converted to the field's type, which must then not be bare `Any`.

    Raises:
        TypeError: a field without a default has no column of its name.
    """
    scope: dict[str, Any] = {"into": into}
    places = {name: index for index, name in reversed(list(enumerate(columns)))}
    arguments: list[str] = []
    missing: list[str] = []
    for field in msgspec.structs.fields(into):
        place = places.get(field.name)
        if place is None:
            if field.required:
                missing.append(field.name)
            continue
        convert = converter(field.type)
        value = f"row[{place}]"
        if convert is not None:
            scope[f"to_{field.name}"] = convert
            value = f"None if (v := row[{place}]) is None else to_{field.name}(v)"
        arguments.append(f"{field.name}=({value})")
    if missing:
        message = f"{into.__name__} needs columns {missing}, the statement has {list(columns)}"
        raise TypeError(message)
    # Generated as namedtuple and dataclass generate: names come from Struct fields only.
    make: Callable[[Row], R] = eval(f"lambda row: into({', '.join(arguments)})", scope)
    return make


def converter(annotation: Any) -> Convert | None:
    """Return what turns a driver value into the field's type, None when nothing has to."""
    members = _members(annotation)
    if all(_is_native(member) for member in members):
        return None
    if len(members) == 1 and isinstance(members[0], type) and issubclass(members[0], enum.Enum):
        return members[0]
    if msgspec.Raw in members:
        return _raw
    return _structured(annotation)


def _members(annotation: Any) -> list[Any]:
    """Flatten aliases, NewTypes, Annotated and unions to the bare types, without None."""
    if isinstance(annotation, typing.NewType):
        return _members(annotation.__supertype__)
    origin = get_origin(annotation)
    if origin is typing.Annotated:
        return _members(get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        flat = [member for part in get_args(annotation) for member in _members(part)]
        return [member for member in flat if member is not type(None)]
    return [annotation]


def _is_native(member: Any) -> bool:
    return (
        member in NATIVE
        or member in (Any, object, msgspec.UnsetType)
        or (get_origin(member) is typing.Literal)
    )


def _raw(value: str) -> msgspec.Raw:
    return msgspec.Raw(value.encode())


def _structured(annotation: Any) -> Convert:
    decode = msgspec.json.Decoder(annotation).decode

    def convert(value: Any) -> Any:
        if isinstance(value, str):  # the driver leaves json and jsonb as text
            return decode(value)
        return msgspec.convert(value, annotation)

    return convert
