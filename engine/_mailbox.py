"""What happens when commands come faster than they are handled."""

from dataclasses import dataclass
from typing import Literal

from engine.errors import DefinitionError

Overflow = Literal["backpressure", "reject", "drop_oldest"]


@dataclass(frozen=True, slots=True)
class MailboxPolicy:
    """Bound of a mailbox and what a full one does.

    `backpressure`: `tell` and `ask` wait for room, first come first served; `tell_nowait` raises
    `MailboxFull`. `reject`: all three raise `MailboxFull`. `drop_oldest`: the oldest queued
    command makes room; its asker gets `MailboxFull`, it is counted and kept as a dead letter.
    System messages (stop, timers' and children's ends) are not bounded and overtake commands.
    """

    capacity: int = 1024
    overflow: Overflow = "backpressure"

    def __post_init__(self) -> None:
        if self.capacity < 1:
            message = "a mailbox holds at least one command"
            raise DefinitionError(message)
        if self.overflow not in ("backpressure", "reject", "drop_oldest"):
            message = f"unknown overflow policy {self.overflow!r}"
            raise DefinitionError(message)
