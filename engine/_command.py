"""Commands, their destinations, and the two things a handler may hand back.

A command names its reply type (`class CloseTicket(Command[Ticket])`) and its destination (`to`),
which is all `System.ask` needs to be fully inferred by a type checker.
"""

from typing import Generic, TypeVar

import msgspec

from engine.errors import Address

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class Command(msgspec.Struct, Generic[R_co], frozen=True, kw_only=True):
    """A request to one actor, answered with an `R_co`.

    Subclasses are frozen Structs and override `to`. Fields should be encodable by msgspec, so
    that the command can travel (`engine.codec`).
    """

    @property
    def to(self) -> Address:
        """Where this command goes; must be a pure function of the fields."""
        raise NotImplementedError


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A past-tense fact for `System.publish`; subscribers get it, nobody replies."""


class Forward(Generic[R_co]):
    """Returned by a handler: pass `command` on, with the reply slot, deadline and ask chain.

    The forwarder goes on with its next command at once; the asker is answered by the new
    recipient. If that mailbox is full, the forwarder waits or the asker is refused, by the
    mailbox's policy.
    """

    __slots__ = ("command",)

    def __init__(self, command: Command[R_co]) -> None:
        self.command = command


class Died(Command[None], frozen=True, kw_only=True):
    """Death notice to an actor that watches `address` (see `Actor.watch`).

    `error` is the repr of what ended the incarnation, or None after an orderly stop.
    Sent once per watch; overtakes nothing.
    """

    watcher: Address
    address: Address
    error: str | None = None

    @property
    def to(self) -> Address:
        return self.watcher
