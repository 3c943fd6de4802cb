"""What a work returns, and how it is clocked."""

import gc
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec


class Measure(msgspec.Struct):
    """One work of one system. `ops` operations took `wall` and `cpu` seconds of this process."""

    ops: int = 1
    wall: float = 0.0
    cpu: float = 0.0
    bytes_per_actor: float | None = None
    p50_us: float | None = None
    p99_us: float | None = None
    note: str = ""


@contextmanager
def clocked(ops: int) -> Iterator[Measure]:
    """Clock the block as `ops` operations.

    The cycle collector is set as the server sets it after its start (`api.serving`): what is there
    is frozen, and it looks less often, at what the block makes. The same for every system of this
    language.
    """
    measure = Measure(ops=ops)
    gc.collect()
    gc.freeze()
    thresholds = gc.get_threshold()
    gc.set_threshold(20_000, 20, 20)
    cpu, wall = time.process_time(), time.perf_counter()
    yield measure
    measure.wall = time.perf_counter() - wall
    measure.cpu = time.process_time() - cpu
    gc.set_threshold(*thresholds)
    gc.unfreeze()


@contextmanager
def weighed(measure: Measure, actors: int) -> Iterator[None]:
    """Note what the block left allocated, per actor."""
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    yield
    gc.collect()
    measure.bytes_per_actor = (tracemalloc.get_traced_memory()[0] - before) / actors
    tracemalloc.stop()


def quantiles(measure: Measure, samples: list[float]) -> None:
    """Note p50 and p99 of samples in seconds."""
    ranked = sorted(samples)
    measure.p50_us = ranked[len(ranked) // 2] * 1e6
    measure.p99_us = ranked[min(len(ranked) - 1, int(len(ranked) * 0.99))] * 1e6


Work = Callable[[], Any]
