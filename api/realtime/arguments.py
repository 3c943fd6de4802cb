"""What clients give as arguments, read with patience: odd ones are nobody's fault."""

from typing import Any, Final

from api.realtime.transports import MAX_TOKEN, Handshake

_MAX_REFERENCE: Final = 64


def offered_token(handshake: Handshake, auth: dict[str, Any]) -> str | None:
    """The token of a CONNECT: its auth object first, then the query; `Bearer ` is dropped."""
    for offered in (auth.get("token"), handshake.token):
        if isinstance(offered, str):
            token = offered.removeprefix("Bearer ").strip()
            if token and token not in ("undefined", "null") and len(token) <= MAX_TOKEN:
                return token
    return None


def reference_of(args: list[Any]) -> str | None:
    """A ticket id or uuid as clients write it; None for what is certainly no ticket."""
    given = args[1] if len(args) > 1 else None
    if isinstance(given, int) and not isinstance(given, bool) and given > 0:
        return str(given)
    if not isinstance(given, str) or not 0 < len(given) <= _MAX_REFERENCE:
        return None
    return None if given in ("undefined", "null", "NaN") else given


def status_of(args: list[Any]) -> str:
    """The list that a client names; "" for what is no name."""
    return args[1] if len(args) > 1 and isinstance(args[1], str) else ""
