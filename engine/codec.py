"""Commands, replies and errors as bytes.

Every concrete command class has a tag, by default its qualified class name; a class may set
`tag: ClassVar[str]` to keep its wire name over a renaming. Two classes of one tag are an error.
Bodies are MessagePack. A command whose fields msgspec can encode comes back equal.
"""

from typing import Any, Final, TypeVar

import msgspec

from engine._command import Command
from engine._handlers import concrete_commands, reply_type
from engine.errors import DefinitionError, EngineError, Refusal

R = TypeVar("R")

_by_tag: Final[dict[str, type[Command[Any]]]] = {}
_decoders: Final[dict[Any, msgspec.msgpack.Decoder[Any]]] = {}
_encoder: Final = msgspec.msgpack.Encoder()


class UnknownTag(EngineError):
    """No command class with this tag is loaded in this process."""


class RemoteFailure(EngineError):
    """An error of the far side that is not a class of `engine`; `kind` is its class name."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(f"{kind}: {text}")
        self.kind = kind
        self.text = text


class RemoteRefusal(RemoteFailure, Refusal):
    """A refusal of the far side whose class is not known here."""


class _Body(msgspec.Struct, array_like=True, frozen=True):
    tag: str
    fields: msgspec.Raw


class _Failure(msgspec.Struct, array_like=True, frozen=True):
    kind: str
    refusal: bool
    text: str


def tag_of(command_type: type[Command[Any]]) -> str:
    """The wire name of a command class."""
    return str(getattr(command_type, "tag", None) or command_type.__qualname__)


def encode(command: Command[Any]) -> bytes:
    """A command as bytes."""
    raw = msgspec.Raw(_encoder.encode(command))
    return _encoder.encode(_Body(tag_of(type(command)), raw))


def decode(data: bytes) -> Command[Any]:
    """The command that `encode` was given.

    Raises:
        UnknownTag: its class is not loaded in this process.
        msgspec.DecodeError, msgspec.ValidationError: the bytes are not such a command.
    """
    body = _decoder(_Body).decode(data)
    if body.tag not in _by_tag:
        _register()
    command_type = _by_tag.get(body.tag)
    if command_type is None:
        raise UnknownTag(body.tag)
    command: Command[Any] = _decoder(command_type).decode(body.fields)
    return command


def encode_reply(value: object) -> bytes:
    """A reply as bytes."""
    return _encoder.encode(value)


def decode_reply(command: Command[R], data: bytes) -> R:
    """A reply to `command`, decoded as the reply type its class names."""
    value: R = _decoder(reply_type(type(command))).decode(data)
    return value


def encode_error(error: BaseException) -> bytes:
    """What of an error can travel: its class name, whether it is a refusal, its text."""
    return _encoder.encode(_Failure(type(error).__name__, isinstance(error, Refusal), str(error)))


def decode_error(data: bytes) -> RemoteFailure:
    """A `RemoteRefusal` or `RemoteFailure` in place of the original."""
    failure = _decoder(_Failure).decode(data)
    kind = RemoteRefusal if failure.refusal else RemoteFailure
    return kind(failure.kind, failure.text)


def _decoder(kind: Any) -> msgspec.msgpack.Decoder[Any]:
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.msgpack.Decoder(kind)
    return decoder


def _register() -> None:
    """Take up all command classes loaded so far."""
    found: dict[str, type[Command[Any]]] = {}
    for command_type in concrete_commands(Command):
        tag = tag_of(command_type)
        if tag in found and found[tag] is not command_type:
            message = f"{found[tag]!r} and {command_type!r} have one tag: {tag!r}"
            raise DefinitionError(message)
        found[tag] = command_type
    _by_tag.clear()
    _by_tag.update(found)
