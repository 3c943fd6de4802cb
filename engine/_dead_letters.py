"""Commands nobody worked on: all counted by reason, the latest kept for inspection."""

from collections import Counter, deque
from typing import Any

import msgspec

from engine._command import Command
from engine.errors import Address


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """One command that was not handled, and why. `at` is trio time in seconds."""

    address: Address
    command: Command[Any]
    reason: str
    at: float


class _Reason:
    """The dead letters of one reason: how many, and the latest."""

    __slots__ = ("count", "kept")

    def __init__(self, keep: int) -> None:
        self.count = 0
        self.kept: deque[tuple[float, Address, Command[Any]]] = deque(maxlen=keep)


class DeadLetters:
    """Counts every dead letter; keeps the latest `keep` of each reason."""

    def __init__(self, keep: int = 64) -> None:
        self._keep = keep
        self._reasons: dict[str, _Reason] = {}

    @property
    def total(self) -> int:
        """All dead letters so far."""
        return sum(reason.count for reason in self._reasons.values())

    @property
    def by_reason(self) -> Counter[str]:
        """How many there are of each reason."""
        return Counter({name: reason.count for name, reason in self._reasons.items()})

    def add(self, address: Address, command: Command[Any], reason: str, at: float) -> None:
        """Count and keep a dead letter."""
        found = self._reasons.get(reason) or self._reason(reason)
        found.count += 1
        found.kept.append((at, address, command))

    def count(self, reason: str) -> None:
        """Count one of which nothing can be kept."""
        self._reason(reason).count += 1

    def _reason(self, name: str) -> _Reason:
        return self._reasons.setdefault(name, _Reason(self._keep))

    def latest(self, reason: str | None = None) -> list[DeadLetter]:
        """The kept letters, oldest first, of one reason or of all."""
        letters = [
            DeadLetter(address=address, command=command, reason=why, at=at)
            for why, found in self._reasons.items()
            if reason is None or why == reason
            for at, address, command in found.kept
        ]
        return sorted(letters, key=lambda letter: letter.at)
