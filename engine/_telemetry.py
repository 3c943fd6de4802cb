"""Figures: a histogram per kind, counts and sums per actor, and the structs of a snapshot."""

from math import ceil

import msgspec

_BUCKETS = 64  # powers of two of a microsecond: no duration falls outside


class KindStats:
    """Counters of one kind and a histogram of handling times (powers of two of 1 us).

    A run of commands that never wait is clocked as one and attributed evenly, so a percentile
    is exact to a factor of two and to the mean of such a run; a command that waits is clocked by
    itself.
    """

    __slots__ = (
        "activations",
        "buckets",
        "crashes",
        "dropped",
        "expired",
        "parked",
        "passivated",
        "reads",
        "refused",
        "seconds",
    )

    def __init__(self) -> None:
        self.activations = self.passivated = 0
        self.reads = 0  # begun by a turn, which are clocked once more when they end
        self.crashes = self.refused = self.expired = self.dropped = self.parked = 0
        self.seconds = 0.0
        self.buckets = [0] * _BUCKETS

    def record(self, count: int, seconds: float) -> None:
        """Add `count` commands that took `seconds` together."""
        self.seconds += seconds
        self.buckets[int(seconds / count * 1e6).bit_length()] += count

    @property
    def handled(self) -> int:
        """Commands handled, refused and crashed ones included, expired ones not."""
        return sum(self.buckets) - self.expired - self.reads

    def percentile(self, fraction: float) -> float:
        """Upper bound in seconds of the handling time of this fraction of all commands."""
        wanted = ceil(sum(self.buckets) * fraction)
        seen = 0
        for power, count in enumerate(self.buckets):
            seen += count
            if seen >= wanted and count:
                return float(1 << power) * 1e-6
        return 0.0


class ActorSnapshot(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One actor. Times in seconds; `age` bounds how long the oldest queued command has waited."""

    kind: str
    key: object
    state: str
    depth: int
    age: float
    handled: int
    mean: float
    longest: float
    restarts: int
    idle: float
    last_error: str | None = None
    current: str | None = None
    current_for: float = 0.0


class KindSnapshot(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """All actors of one kind together. Times in seconds."""

    kind: str
    supervisor: str
    resident: bool
    actors: int
    live: int
    queued: int
    handled: int
    mean: float
    p50: float
    p99: float
    activations: int
    passivated: int
    crashes: int
    refused: int
    expired: int
    dropped: int
    parked: int


class SupervisorSnapshot(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One supervisor: path in the tree, restarts in the current window and in all."""

    path: str
    strategy: str
    state: str
    children: tuple[str, ...]
    restarts: int
    recent_restarts: int
    last_error: str | None = None


class Snapshot(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The whole system, with one page of actors."""

    supervisors: tuple[SupervisorSnapshot, ...]
    kinds: tuple[KindSnapshot, ...]
    actors: tuple[ActorSnapshot, ...]
    total_actors: int
    workers: int
    blocked: int
    dead_letters: int
    dead_letters_by_reason: dict[str, int]
