"""The chain of a company's audit log: how an entry is written and tied to the one before it.

Each link is an HMAC over the link before, the entry's company, number and time, and the entry
itself, so that a row that was changed, taken out, put in or moved does not fit any more. The key
comes from the installation's data key: who can write to the database alone cannot forge a chain.
"""

import hmac
import struct
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from storage.acts import MOST_CHANGES, Act, Change
from storage.ids import CompanyId

GENESIS: Final = bytes(32)
"""What the first entry of a company is tied to."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_encode = msgspec.json.Encoder(order="sorted").encode


def written(act: Act, changes: Sequence[Change]) -> str:
    """The entry of one commit as JSON with sorted keys, the form that is signed."""
    entry: dict[str, Any] = msgspec.to_builtins(act)
    entry.pop("once", None)
    entry["changes"] = changes[:MOST_CHANGES]
    if len(changes) > MOST_CHANGES:
        entry["more"] = len(changes) - MOST_CHANGES
    return _encode(entry).decode()


def link(
    key: bytes, before: bytes | None, company_id: CompanyId, seq: int, at: datetime, entry: bytes
) -> bytes:
    """The 32 bytes that tie entry number `seq` to the one before; `entry` has sorted keys."""
    place = struct.pack(">qqq", company_id, seq, (at - _EPOCH) // _MICROSECOND)
    return hmac.digest(key, (before or GENESIS) + place + entry, "sha256")


def again(entry: dict[str, Any]) -> bytes:
    """A stored entry in the form that was signed."""
    return _encode(entry)
