"""JSON → Struct that keeps every well-formed field and drops the rest; never raises.

The typed decoder goes first, because well-formed bodies are the rule. Only when it refuses is
the value taken apart field by field, over raw slices, so that one odd field costs itself alone.
"""

import re
import types
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin

import msgspec

T = TypeVar("T", bound=msgspec.Struct)

#: What the decoder raises for bytes that are no JSON, the wrong JSON, too deep or too big.
BAD_JSON = (msgspec.MsgspecError, ValueError, RecursionError, OverflowError)

_ESCAPE = re.compile(rb"\\(?:u([0-9a-fA-F]{4})(?:\\u([dD][c-fC-F][0-9a-fA-F]{2}))?|.)", re.DOTALL)
_REPLACEMENT = rb"\ufffd"
_MISSING = object()


@cache
def decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    """The decoder of a type, made once; numbers and flags in quotes are accepted."""
    return msgspec.json.Decoder(kind, strict=False)


def clean(body: bytes) -> bytes:
    r"""`body` as UTF-8 without NULs and lone surrogates, which Postgres stores in no text.

    Each becomes U+FFFD. Only escapes are looked at: a raw NUL is no JSON.
    """
    if not body.isascii():
        body = body.decode("utf-8", "replace").encode()
    if b"\\u" in body and (b"\\u0000" in body or b"\\ud" in body.lower()):
        body = _ESCAPE.sub(_mend, body)
    return body


def _mend(match: "re.Match[bytes]") -> bytes:
    first, low = match.group(1), match.group(2)
    if first is None:
        return match.group()
    code = int(first, 16)
    if 0xD800 <= code < 0xDC00:
        return match.group() if low is not None else _REPLACEMENT
    mended = _REPLACEMENT if code == 0 or 0xDC00 <= code < 0xE000 else b"\\u" + first
    return mended if low is None else mended + _REPLACEMENT


def tolerant(kind: type[T], raw: bytes | msgspec.Raw) -> T:
    """`raw` as `kind`; what does not fit is left at its default."""
    try:
        value: T = decoder(kind).decode(raw)
    except BAD_JSON:
        return _by_field(kind, raw)
    return value


def _by_field(kind: type[T], raw: bytes | msgspec.Raw) -> T:
    try:
        members: dict[str, msgspec.Raw] = decoder(dict[str, msgspec.Raw]).decode(raw)
    except BAD_JSON:
        return kind()
    values: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        member = members.get(field.encode_name, _MISSING)
        if isinstance(member, msgspec.Raw):
            found = _field(field.type, member)
            if found is not _MISSING:
                values[field.name] = found
    return kind(**values)


def _field(kind: Any, raw: msgspec.Raw) -> Any:
    try:
        return decoder(kind).decode(raw)
    except BAD_JSON:
        pass
    if get_origin(kind) in (Union, types.UnionType):
        kind = next(option for option in get_args(kind) if option is not types.NoneType)
    if get_origin(kind) is list:
        return _elements(get_args(kind)[0], raw)
    if kind is str:
        return _text(raw)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and bytes(raw)[:1] == b"{":
        return _by_field(kind, raw)
    return _MISSING


def _elements(kind: Any, raw: msgspec.Raw) -> Any:
    try:
        parts: list[msgspec.Raw] = decoder(list[msgspec.Raw]).decode(raw)
    except BAD_JSON:
        return _MISSING
    found = (_field(kind, part) for part in parts)
    return [element for element in found if element is not _MISSING]


def _text(raw: msgspec.Raw) -> Any:
    """A number or flag where text belongs is its text: ids come as both."""
    try:
        value = decoder(int | float | bool).decode(raw)
    except BAD_JSON:
        return _MISSING
    return str(value) if isinstance(value, bool | int | float) else _MISSING
