"""The bytes of Engine.IO 4 and Socket.IO 5 packets; no sockets, no state, no clock.

Engine.IO: `<type digit><data>`; a polling body joins packets by the record separator and writes
binary as `b<base64>`. Socket.IO packets are the data of Engine.IO messages:
`<type digit>[<attachments>-][<namespace>,][<ack id>][<JSON>]`.
Public sources: the engine.io-protocol and socket.io-protocol repositories.
"""

from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec

OPEN, CLOSE, PING, PONG, MESSAGE, UPGRADE, NOOP = b"0123456"
CONNECT, DISCONNECT, EVENT, ACK, CONNECT_ERROR, BINARY_EVENT, BINARY_ACK = range(7)

SEPARATOR: Final = b"\x1e"
MAX_ATTACHMENTS: Final = 10
MAX_ACK_DIGITS: Final = 15
RESERVED: Final = frozenset(
    ("connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener")
)
ROOT: Final = "/"

Parts = tuple[bytes, ...]
"""One Socket.IO packet ready for Engine.IO: the text (`4` in front), then its attachments."""

_decode_json: Final = msgspec.json.Decoder().decode
encode_json: Final = msgspec.json.Encoder().encode


class PacketError(ValueError):
    """The peer sent bytes that are no packet, or a packet that its place does not allow."""


class Packet(NamedTuple):
    """A decoded Socket.IO packet; `attachments` says how many binary messages must follow."""

    kind: int
    namespace: str
    data: Any
    ack_id: int | None
    attachments: int


def split_payload(body: bytes) -> list[tuple[bytes, bool]]:
    """Split a polling body into (packet, is binary); binary packets come without a type byte.

    Raises `PacketError` for an empty packet or bad base64.
    """
    packets: list[tuple[bytes, bool]] = []
    for packet in body.split(SEPARATOR):
        if not packet:
            msg = "empty packet"
            raise PacketError(msg)
        if packet[0] == 98:  # "b"
            try:
                packets.append((b64decode(packet[1:], validate=True), True))
            except ValueError as error:
                msg = "bad base64"
                raise PacketError(msg) from error
        else:
            packets.append((packet, False))
    return packets


def join_payload(packets: Sequence[tuple[bytes, bool]]) -> bytes:
    """Write (packet, is binary) pairs as one polling body."""
    return SEPARATOR.join(
        b"b" + b64encode(packet) if binary else packet for packet, binary in packets
    )


def decode(text: bytes) -> Packet:
    """Decode the text of a Socket.IO packet (the Engine.IO type byte already removed).

    Raises `PacketError` for everything that the protocol does not allow.
    """
    if not text or not 48 <= text[0] <= 54:
        msg = "unknown packet type"
        raise PacketError(msg)
    kind = text[0] - 48
    attachments, position = _attachments(text) if kind >= BINARY_EVENT else (0, 1)
    namespace, position = _namespace(text, position)
    ack_id, position = _ack_id(text, position)
    data = None
    given = position < len(text)
    if given:
        try:
            data = _decode_json(text[position:])
        except (ValueError, RecursionError) as error:
            msg = "bad JSON"
            raise PacketError(msg) from error
    _check_payload(kind, data, given)
    return Packet(kind, namespace, data, ack_id, attachments)


def _attachments(text: bytes) -> tuple[int, int]:
    end = text.find(b"-", 1, 5)
    if end < 2 or not text[1:end].isdigit() or int(text[1:end]) > MAX_ATTACHMENTS:
        msg = "bad attachment count"
        raise PacketError(msg)
    return int(text[1:end]), end + 1


def _namespace(text: bytes, position: int) -> tuple[str, int]:
    if text[position : position + 1] != b"/":
        return ROOT, position
    end = text.find(b",", position)
    if end < 0:
        end = len(text)
    try:
        return text[position:end].decode(), end + 1
    except UnicodeDecodeError as error:
        msg = "namespace is not UTF-8"
        raise PacketError(msg) from error


def _ack_id(text: bytes, position: int) -> tuple[int | None, int]:
    end = position
    while end < len(text) and 48 <= text[end] <= 57:
        end += 1
    if end == position:
        return None, position
    if end - position > MAX_ACK_DIGITS:
        msg = "ack id is too long"
        raise PacketError(msg)
    return int(text[position:end]), end


def _check_payload(kind: int, data: Any, given: bool) -> None:
    match kind:
        case 0:
            valid = not given or isinstance(data, dict)
        case 1:
            valid = not given
        case 2 | 5:
            valid = isinstance(data, list) and bool(data) and _is_event_name(data[0])
        case 3 | 6:
            valid = isinstance(data, list)
        case _:
            valid = isinstance(data, str | dict)
    if not valid:
        msg = "bad payload"
        raise PacketError(msg)


def _is_event_name(name: object) -> bool:
    if isinstance(name, str):
        return name not in RESERVED
    return isinstance(name, int | float) and not isinstance(name, bool)


def fill(data: Any, attachments: Sequence[bytes]) -> Any:
    """Put the attachments where their placeholders stand; `PacketError` if one does not exist."""
    if isinstance(data, list):
        return [fill(item, attachments) for item in data]
    if not isinstance(data, dict):
        return data
    if data.get("_placeholder") is not True:
        return {key: fill(value, attachments) for key, value in data.items()}
    number = data.get("num")
    if not isinstance(number, int) or not 0 <= number < len(attachments):
        msg = "placeholder without attachment"
        raise PacketError(msg)
    return attachments[number]


def _take_binary(data: Any, attachments: list[bytes]) -> Any:
    if isinstance(data, bytes | bytearray | memoryview):
        attachments.append(bytes(data))
        return {"_placeholder": True, "num": len(attachments) - 1}
    if isinstance(data, list | tuple):
        return [_take_binary(item, attachments) for item in data]
    if isinstance(data, dict):
        return {key: _take_binary(value, attachments) for key, value in data.items()}
    return data


def encode(kind: int, namespace: str, data: Any = None, ack_id: int | None = None) -> Parts:
    """Encode one packet; bytes inside EVENT and ACK data become attachments.

    `data` None means no payload. Raises TypeError for values that JSON cannot carry.
    """
    attachments: list[bytes] = []
    if kind in (EVENT, ACK):
        data = _take_binary(data, attachments)
    head = str(kind + 3) + f"{len(attachments)}-" if attachments else str(kind)
    if namespace != ROOT:
        head += namespace + ","
    if ack_id is not None:
        head += str(ack_id)
    text = b"4" + head.encode()
    return (text if data is None else text + encode_json(data), *attachments)


def event_prefix(namespace: str) -> bytes:
    """What stands before the JSON of an event without ack: built once per namespace."""
    return b"42" if namespace == ROOT else b"42" + namespace.encode() + b","
