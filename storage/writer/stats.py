"""What the writer counts: for the metrics page, the health check and the bench."""

import msgspec


class LaneCounters:
    """Counters of one lane, written on the database thread, read anywhere."""

    __slots__ = (
        "batches",
        "bisected",
        "deferred",
        "largest",
        "lookups",
        "passes",
        "refused",
        "retries",
        "round_trips",
        "units",
    )

    def __init__(self) -> None:
        self.batches = 0
        self.passes = 0
        self.round_trips = 0
        self.units = 0
        self.refused = 0
        self.deferred = 0
        self.bisected = 0
        self.retries = 0
        self.lookups = 0
        self.largest = 0


class WriterStats(msgspec.Struct, frozen=True, kw_only=True):
    """A moment of the writer. Counts are totals since it was opened.

    `queued_units` and `queued_bytes` cover every unit without a verdict, those in flight included.
    `oldest_s` is the age of the oldest unit still queued, `unavailable_s` how long Postgres has
    been refusing writes. `passes` exceeds `batches` by retries, bisections and repeated passes.
    `lookups` counts COMMITs whose outcome had to be looked up.
    """

    queued_units: int
    queued_bytes: int
    oldest_s: float
    drain_per_s: float
    unavailable_s: float
    stopped: tuple[int, ...]
    units: int
    batches: int
    passes: int
    round_trips: int
    largest_batch: int
    refused: int
    deferred: int
    bisected: int
    retries: int
    lookups: int
    publish_errors: int
