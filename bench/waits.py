"""`python -m bench waits`: how long another task waits while one event goes to N sockets.

A task in the server's process asks for its next turn every 2 ms. Its wait is what the loop does
before that turn, in CPU time of the thread, so that other programs on the machine do not count,
and by the clock; measured quiet and during a fan-out, for several chunk sizes (sends between two
checkpoints).
"""

import argparse
import resource
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from bench.children import child
from bench.fanout import commands, running


class Waits(msgspec.Struct):
    """One line of the table; milliseconds."""

    chunk: int
    clients: int
    quiet_p99_ms: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    clock_p99_ms: float
    deliveries_per_s: int


def measure(chunk: int, clients: int, seconds: float) -> Waits:
    """One server with one chunk size."""
    server = [*commands()["chatia"], "waits", "chunk", str(chunk)]
    with running(server) as (_, port), child(["-m", "bench.load.listeners"]) as load:
        load.say(msgspec.json.encode({"port": port, "clients": clients, "burst": 1}))
        load.line()  # they are connected
        found: list[Any] = []
        for order in ("go 1", "waits", "quiet 2", "waits", f"go {seconds}", "waits"):
            load.say(order.encode())
            found.append(load.answer(object))
    quiet, _ = found[3]
    fired, (busy, clock) = found[4:]
    return Waits(
        chunk=chunk,
        clients=clients,
        quiet_p99_ms=round(quiet[int(len(quiet) * 0.99)], 2),
        p50_ms=round(busy[len(busy) // 2], 2),
        p99_ms=round(busy[int(len(busy) * 0.99)], 2),
        max_ms=round(busy[-1], 2),
        clock_p99_ms=round(clock[int(len(clock) * 0.99)], 2),
        deliveries_per_s=round(fired["deliveries"] / fired["seconds"]),
    )


def main(argv: Sequence[str]) -> int:
    """Run the bench; returns the exit status."""
    parser = argparse.ArgumentParser(prog="bench waits")
    parser.add_argument("--clients", type=int, default=4000)
    parser.add_argument("--chunk", type=int, nargs="*", default=[32, 64, 128])
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(argv)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    print(
        f"{'chunk':>6}{'quiet p99':>11}{'p50 ms':>8}{'p99 ms':>8}{'max ms':>8}{'clock p99':>11}"
        f"{'deliv./s':>10}"
    )
    results = []
    for chunk in options.chunk:
        line = measure(chunk, options.clients, options.seconds)
        results.append(line)
        print(
            f"{chunk:6}{line.quiet_p99_ms:11.2f}{line.p50_ms:8.2f}{line.p99_ms:8.2f}"
            f"{line.max_ms:8.2f}{line.clock_p99_ms:11.2f}{line.deliveries_per_s:10}"
        )
    if options.json:
        options.json.write_bytes(msgspec.json.encode(results))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
