"""What the actors need from the world, as Protocols; the composition root supplies the real ones."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Protocol

from storage.ids import CompanyId
from storage.snapshots import CompanySnapshot
from storage.unit import Unit

Clock = Callable[[], datetime]
"""The time of a decision, with time zone UTC."""


def utc_now() -> datetime:
    """The clock of a running system."""
    return datetime.now(UTC)


class Receipt(Protocol):
    """What a committed unit got: the number of its first event, and all of them in order."""

    @property
    def first_seq(self) -> int: ...

    @property
    def seqs(self) -> Sequence[int]: ...


class Saver(Protocol):
    """Commits units; the group-commit writer.

    `save` returns only after COMMIT. Raises Duplicate (dropped whole: these claims exist),
    StaleVersion (a guarded row changed), Poisoned (Postgres refuses this unit's data), Retryable
    (surely not committed), OutcomeUnknown and Fenced (no verdict: reload before deciding).
    """

    async def save(self, unit: Unit) -> Receipt: ...

    async def settled(self, address: str) -> None:
        """Returns when no unit of `address` can still commit."""
        ...


class Load(Protocol):
    """How much waits to be committed: units, the age of the oldest in seconds, units per second."""

    @property
    def queued_units(self) -> int: ...

    @property
    def oldest_s(self) -> float: ...

    @property
    def drain_per_s(self) -> float: ...


class Writer(Saver, Protocol):
    """A saver that says how busy it is."""

    def stats(self) -> Load: ...


class Ids(Protocol):
    """Row ids reserved in blocks; unique over the installation and growing within a process."""

    def next_nowait(self, table: str) -> int:
        """The next id. Raises LookupError when the reserved block is used up."""
        ...

    async def take(self, table: str, n: int = 1) -> int:
        """The first of `n` consecutive ids, after reserving more if need be."""
        ...


class Snapshots(Protocol):
    """The configuration of companies."""

    def peek(self, company_id: CompanyId) -> CompanySnapshot | None: ...

    async def current(self, company_id: CompanyId) -> CompanySnapshot: ...


class DeadLetters(Protocol):
    """Where inputs go that Postgres refuses to store as what they are."""

    async def park(self, company_id: CompanyId, source: str, cause: str, payload: bytes) -> None:
        """Stores `payload` raw with its cause; returns when that is committed."""
        ...
