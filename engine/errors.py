"""What can go wrong, split by who has to act.

A *refusal* is an expected "no": it is the reply, the actor lives on. Everything else an actor
raises is a *crash*: the asker gets `ActorCrashed`, the incarnation ends and its supervisor (or,
for a virtual actor, the budget of its address) decides what follows.
"""

from collections.abc import Hashable, Sequence
from typing import Any

import msgspec


class Address(msgspec.Struct, frozen=True, array_like=True):
    """The stable name of an actor: a kind and a key that is unique within the kind.

    Keys are ints, strings, or tuples of these, so that an address can be encoded. A Struct and
    no NamedTuple, because every `tell` by address makes one: 45 ns instead of 190.
    """

    kind: str
    key: Hashable

    def __str__(self) -> str:
        return f"{self.kind}/{self.key}"


def said(error: BaseException | None) -> str:
    """The repr of an error; its type where it has none, since `__repr__` may fail too."""
    try:
        return repr(error)
    except Exception:  # noqa: BLE001 - an error that cannot say itself is still to be told of
        return f"<{type(error).__name__} without text>"


class EngineError(Exception):
    """Root of every exception the engine itself raises."""


class DefinitionError(EngineError, TypeError):
    """An actor class, command or tree is declared wrongly; raised when it is defined."""


class Refusal(EngineError):
    """An expected domain answer: raised by a handler, it reaches the asker unchanged."""


class ActorCrashed(EngineError):
    """The actor failed while it held this command; `error` is what it raised.

    Whether the command took effect is unknown to the engine. The command is not repeated.
    """

    def __init__(self, address: Address, error: BaseException) -> None:
        super().__init__(f"{address} crashed: {said(error)}")
        self.address = address
        self.error = error


class ActorStopped(EngineError):
    """The actor is stopped or stopping and did not (finish to) work on the command."""

    def __init__(self, address: Address, reason: str = "stopped") -> None:
        super().__init__(f"{address} is {reason}")
        self.address = address
        self.reason = reason


class UnknownAddress(ActorStopped):
    """No actor of this kind is declared in the running tree."""

    def __init__(self, address: Address) -> None:
        super().__init__(address, "not in the tree")


class Unavailable(Refusal):
    """The address backs off after crashes or a failed activation; try after `retry_after` s."""

    def __init__(self, address: Address, retry_after: float, cause: BaseException | None) -> None:
        super().__init__(f"{address} is unavailable for {retry_after:.3g} s (after {said(cause)})")
        self.address = address
        self.retry_after = retry_after
        self.cause = cause


class MailboxFull(Refusal):
    """The mailbox was full and its policy refuses (or the command was dropped from it)."""

    def __init__(self, address: Address, capacity: int) -> None:
        super().__init__(f"mailbox of {address} is full ({capacity} commands)")
        self.address = address
        self.capacity = capacity


class DeadlineExceeded(Refusal):
    """The deadline that travelled with the command has passed before a reply came."""

    def __init__(self, address: Address) -> None:
        super().__init__(f"deadline passed before {address} replied")
        self.address = address


class AskCycle(EngineError):
    """This ask would wait for an actor that (through `chain`) is waiting for the asker."""

    def __init__(self, chain: Sequence[Address]) -> None:
        super().__init__("ask cycle: " + " -> ".join(map(str, chain)))
        self.chain = tuple(chain)


class NotAccepted(EngineError):
    """The actor at this address has no handler for this type of command."""

    def __init__(self, address: Address, command_type: type[Any]) -> None:
        super().__init__(f"{address} has no handler for {command_type.__name__}")
        self.address = address
        self.command_type = command_type


class NoReply(EngineError):
    """A fold handler ended without settling (or deferring) this turn."""

    def __init__(self, address: Address) -> None:
        super().__init__(f"{address} did not settle a turn of its fold handler")
        self.address = address


class Parked(Refusal):
    """The command crashed its actor too often and was handed to the parking hook.

    Raised to the asker only after the hook returned, so the command is as durable as the hook
    makes it.
    """

    def __init__(self, address: Address, crashes: int) -> None:
        super().__init__(f"command parked after crashing {address} {crashes} times")
        self.address = address
        self.crashes = crashes


class RestartsExhausted(ExceptionGroup[Exception]):
    """A supervisor gave up: the crashes of its window, whole, oldest first."""
