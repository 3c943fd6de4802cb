"""One decoder for every body, query and form.

The family's clients send numbers as text, booleans as "true", lists as JSON text, empty strings
for "nothing" and whole objects with fields that are not theirs to set. `Lenient` takes all of
that: unknown and read-only fields are ignored, values are coerced to the declared type. `Strict`,
for routes of our own, refuses them.
"""

from collections.abc import Mapping
from typing import Any, Generic, Protocol, TypeVar
from urllib.parse import parse_qsl

import msgspec
from msgspec import inspect as types

from api.errors import BadRequest, Detail, Invalid, Malformed

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Form = Mapping[str, list[str]]

_ABSENT: Any = object()
_NOTHING = frozenset({"", "null", "undefined"})
_TRUE = frozenset({"true", "1", "enabled", "enable", "on", "yes"})
_FALSE = frozenset({"false", "0", "disabled", "disable", "off", "no", ""})
_MAX_FIELDS = 500
_NUL = b"\\u0000"


class Decoder(Protocol[T_co]):
    """Turns bytes of a body, or the fields of a query or form, into one Struct."""

    def body(self, raw: bytes) -> T_co:
        """Decode a JSON body; an empty one counts as `{}`."""
        ...

    def fields(self, form: Form) -> T_co:
        """Decode a query's or a form's fields."""
        ...


class Lenient(Generic[T]):
    """The family's decoder: coerces what can be coerced, ignores what is not declared."""

    def __init__(self, struct: type[T]) -> None:
        self._struct = struct
        self._node = types.type_info(struct)
        self._fast = msgspec.json.Decoder(struct, strict=False)

    def body(self, raw: bytes) -> T:
        """Decode JSON; raises BadRequest for malformed JSON and Invalid for values that never fit."""
        if not raw.strip():
            raw = b"{}"
        if _NUL not in raw:
            try:
                return self._fast.decode(raw)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                pass  # the slow way either coerces it or names what is wrong
        return self._convert(parse_json(raw))

    def fields(self, form: Form) -> T:
        """Decode text fields; a repeated or bracketed name (`tags[]`) is a list."""
        values = {
            name: value
            for name, texts in form.items()
            if (value := _text_value(texts)) is not _ABSENT
        }
        return self._convert(values)

    def _convert(self, value: Any) -> T:
        return _convert(_coerce(value, self._node), self._struct)


class Strict(Generic[T]):
    """Our own routes' decoder: unknown fields and wrong types are refused."""

    def __init__(self, struct: type[T]) -> None:
        node = types.type_info(struct)
        if not isinstance(node, types.StructType) or not node.forbid_unknown_fields:
            message = f"{struct.__name__} must set forbid_unknown_fields to be decoded strictly"
            raise TypeError(message)
        self._struct = struct

    def body(self, raw: bytes) -> T:
        """Decode JSON into exactly the declared Struct."""
        return _convert(parse_json(raw.strip() or b"{}"), self._struct, strict=True)

    def fields(self, form: Form) -> T:
        """Decode text fields; only their textual nature is coerced."""
        values = {name: texts[-1] if len(texts) == 1 else texts for name, texts in form.items()}
        return _convert(values, self._struct)


def parse_json(raw: bytes) -> Any:
    """JSON to builtins, NUL characters dropped (no text column holds them).

    Raises BadRequest for everything that is not JSON or is nested beyond reason.
    """
    try:
        return _without_nul(msgspec.json.decode(raw)) if _NUL in raw else msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed(Detail("$", str(error))) from error
    except RecursionError as error:
        raise Malformed(Detail("$", "nested too deeply")) from error


def parse_query(text: str) -> dict[str, list[str]]:
    """The fields of a query string, in order of appearance; `tags[]` counts as `tags`."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MAX_FIELDS)
    except ValueError as error:
        raise BadRequest(Detail("$", str(error)), code="ERR_MALFORMED_QUERY") from error
    fields: dict[str, list[str]] = {}
    for name, value in pairs:
        fields.setdefault(name.removesuffix("[]"), []).append(value.replace("\x00", ""))
    return fields


def _convert(value: Any, struct: type[T], *, strict: bool = False) -> T:
    try:
        return msgspec.convert(value, struct, strict=strict)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `")
        raise Invalid(Detail(path.rstrip("`") or "$", message)) from error


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\x00", "")
    if isinstance(value, list):
        return [_without_nul(item) for item in value]
    if isinstance(value, dict):
        return {str(key).replace("\x00", ""): _without_nul(item) for key, item in value.items()}
    return value


def _text_value(texts: list[str]) -> Any:
    if len(texts) > 1:
        return texts
    return _ABSENT if texts[0] in ("undefined", "null") else texts[0]


def _coerce(value: Any, node: types.Type) -> Any:
    """`value` as near to `node` as it comes; what does not fit is left for convert to refuse."""
    if isinstance(node, types.Metadata):
        return _coerce(value, node.type)
    if isinstance(node, types.UnionType):
        return _coerce_union(value, node)
    handler = _COERCIONS.get(type(node))
    return handler(value, node) if handler else value


def _coerce_union(value: Any, node: types.UnionType) -> Any:
    members = [m.type if isinstance(m, types.Metadata) else m for m in node.types]
    kinds = {type(member) for member in members}
    if value is None:
        return None if types.NoneType in kinds else _ABSENT
    if isinstance(value, str) and value in _NOTHING and types.StrType not in kinds:
        return None if types.NoneType in kinds else _ABSENT
    real = [m for m in members if not isinstance(m, types.NoneType)]
    return _coerce(value, real[0]) if len(real) == 1 else value


def _coerce_struct(value: Any, node: types.StructType) -> Any:
    if isinstance(value, str) and value[:1] == "{":
        value = _embedded(value)
    if not isinstance(value, dict):
        return value
    known: dict[str, Any] = {}
    for field in node.fields:
        if field.encode_name not in value:
            continue
        item = value[field.encode_name]
        coerced = _coerce(item, field.type)
        if coerced is None and not field.required and not _takes_none(field.type):
            continue  # null for "leave it"
        if coerced is not _ABSENT:
            known[field.encode_name] = coerced
    return known


def _takes_none(node: types.Type) -> bool:
    if isinstance(node, types.Metadata):
        return _takes_none(node.type)
    return isinstance(node, types.NoneType | types.AnyType) or (
        isinstance(node, types.UnionType) and any(_takes_none(member) for member in node.types)
    )


def _coerce_list(value: Any, node: Any) -> Any:
    if isinstance(value, str):
        value = _embedded(value) if value[:1] == "[" else [] if value in _NOTHING else [value]
    elif isinstance(value, int | float | dict):
        value = [value]
    if not isinstance(value, list):
        return value
    items = (_coerce(item, node.item_type) for item in value)
    return [item for item in items if item is not _ABSENT and item is not None]


def _coerce_int(value: Any, node: types.Type) -> Any:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str):
        return _ABSENT if value in _NOTHING else value.strip()
    return value


def _coerce_bool(value: Any, node: types.Type) -> Any:
    if isinstance(value, str) and value.lower() in _TRUE | _FALSE:
        return value.lower() in _TRUE
    if isinstance(value, int | float) and value in (0, 1):
        return bool(value)
    return value


def _coerce_text(value: Any, node: types.Type) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


def _embedded(text: str) -> Any:
    """JSON inside a text value; garbage stays text and is refused by its type."""
    try:
        return _without_nul(msgspec.json.decode(text))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return text


_COERCIONS: dict[type[types.Type], Any] = {
    types.StructType: _coerce_struct,
    types.ListType: _coerce_list,
    types.VarTupleType: _coerce_list,
    types.IntType: _coerce_int,
    types.FloatType: _coerce_int,
    types.BoolType: _coerce_bool,
    types.StrType: _coerce_text,
    types.DateTimeType: _coerce_int,
}
