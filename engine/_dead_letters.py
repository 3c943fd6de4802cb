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


class DeadLetters:
    """Counts every dead letter; keeps the latest `keep` of each reason."""

    def __init__(self, keep: int = 64) -> None:
        self.total = 0
        self.by_reason: Counter[str] = Counter()
        self._keep = keep
        self._kept: dict[str, deque[tuple[float, Address, Command[Any]]]] = {}

    def add(self, address: Address, command: Command[Any], reason: str, at: float) -> None:
        """Count and keep a dead letter."""
        self.total += 1
        self.by_reason[reason] += 1
        kept = self._kept.get(reason)
        if kept is None:
            kept = self._kept[reason] = deque(maxlen=self._keep)
        kept.append((at, address, command))

    def latest(self, reason: str | None = None) -> list[DeadLetter]:
        """The kept letters, oldest first, of one reason or of all."""
        letters = [
            DeadLetter(address=address, command=command, reason=why, at=at)
            for why, kept in self._kept.items()
            if reason is None or why == reason
            for at, address, command in kept
        ]
        return sorted(letters, key=lambda letter: letter.at)
