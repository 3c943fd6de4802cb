"""Counters and gauges of this process in the Prometheus text format (version 0.0.4)."""

import resource
import time
from collections import Counter
from collections.abc import Callable, Iterable

Sample = tuple[str, float]
Gauge = Callable[[], Iterable[Sample]]


class Metrics:
    """Counts what the API does and asks the other parts for theirs when somebody looks."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._requests: Counter[tuple[str, int]] = Counter()
        self._gauges: list[Gauge] = []

    def count(self, endpoint: str, status: int) -> None:
        """Count one answered request."""
        self._requests[endpoint, status] += 1

    def add(self, gauge: Gauge) -> None:
        """Have `gauge()` give (name, value) samples whenever the metrics are read."""
        self._gauges.append(gauge)

    def text(self) -> str:
        """Everything there is, one sample per line."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        lines = [
            f"chatia_uptime_seconds {time.monotonic() - self._started:.3f}",
            f"chatia_cpu_seconds_total {usage.ru_utime + usage.ru_stime:.3f}",
            f"chatia_max_resident_bytes {usage.ru_maxrss * 1024}",
        ]
        for (endpoint, status), count in sorted(self._requests.items()):
            labels = f'{{endpoint="{endpoint}",status="{status}"}}'
            lines.append(f"chatia_requests_total{labels} {count}")
        for gauge in self._gauges:
            lines += [f"chatia_{name} {value:g}" for name, value in gauge()]
        return "\n".join(lines) + "\n"
