"""`python -m bench hostile`: what 200 good clients notice while others mean harm.

The good clients hear one event after the other, 100 a second; their latency under each kind of
harm is compared with the one before it. Beside it, how long another task of the server waits for
its turn, in CPU time of the loop: what the server itself does about the harm, without what the
harmful process takes from the machine. Memory and refusals are printed too.
"""

import argparse
import resource
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import psutil

from bench.children import Child, child
from bench.fanout import commands, running
from bench.load.hostile import KINDS, Deed


class Harm(msgspec.Struct):
    """One line of the table: milliseconds, MiB."""

    kind: str
    p50_ms: float
    p99_ms: float
    quiet_p99_ms: float
    ratio: float
    loop_p99_ms: float
    quiet_loop_p99_ms: float
    peak_mib: float
    done: int
    refused: int


class Good:
    """The well-behaved clients, in a process of their own."""

    def __init__(self, port: int, clients: int) -> None:
        self._process = Child(["-m", "bench.load.listeners"])
        plan = {"port": port, "clients": clients, "burst": 1, "pause": 0.01}
        self._process.say(msgspec.json.encode(plan))
        self._process.line()  # they are connected

    def listen(self, seconds: float) -> dict[str, float]:
        """Hear events for a while; their latencies."""
        self._process.say(f"go {seconds}".encode())
        return self._process.answer(dict[str, float])

    def loop_p99(self) -> float:
        """How long another task waited for its turn since the last look, in CPU milliseconds."""
        self._process.say(b"waits")
        cpu = self._process.answer(list[list[float]])[0]
        return round(cpu[int(len(cpu) * 0.99)], 2)

    def stop(self) -> None:
        """End the process."""
        self._process.stop()


def suffer(kind: str, server: psutil.Process, port: int, good: Good, seconds: float) -> Harm:
    """One kind of harm, after a quiet time to compare with."""
    good.loop_p99()
    quiet = good.listen(seconds / 2)
    quiet_loop = good.loop_p99()
    with child(["-m", "bench.load.hostile", kind, str(port), str(seconds + 2)]) as hostile:
        found = good.listen(seconds)
        loop = good.loop_p99()
        peak = server.memory_info().rss / 2**20
        deed = hostile.answer(Deed)
    if not server.is_running():
        message = f"the server died of: {kind}"
        raise RuntimeError(message)
    return Harm(
        kind=kind,
        p50_ms=round(found["p50_ms"], 2),
        p99_ms=round(found["p99_ms"], 2),
        quiet_p99_ms=round(quiet["p99_ms"], 2),
        ratio=round(found["p99_ms"] / quiet["p99_ms"], 2),
        loop_p99_ms=loop,
        quiet_loop_p99_ms=quiet_loop,
        peak_mib=round(peak, 1),
        done=deed.done,
        refused=deed.refused,
    )


def main(argv: Sequence[str]) -> int:
    """Run the bench; returns the exit status."""
    parser = argparse.ArgumentParser(prog="bench hostile")
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--only", choices=KINDS, action="append")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(argv)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    results: list[Harm] = []
    with running([*commands()["chatia"], "waits"]) as (server, port):
        good = Good(port, options.clients)
        try:
            good.listen(1.0)
            start = server.memory_info().rss / 2**20
            print(f"{options.clients} good clients; the server has {start:.1f} MiB")
            print(
                f"{'harm':18}{'p50 ms':>8}{'p99 ms':>8}{'quiet':>8}{'ratio':>7}"
                f"{'loop p99':>10}{'quiet':>8}{'MiB':>8}  deeds"
            )
            for kind in options.only or KINDS:
                harm = suffer(kind, server, port, good, options.seconds)
                results.append(harm)
                print(
                    f"{kind:18}{harm.p50_ms:8.2f}{harm.p99_ms:8.2f}{harm.quiet_p99_ms:8.2f}"
                    f"{harm.ratio:7.2f}{harm.loop_p99_ms:10.2f}{harm.quiet_loop_p99_ms:8.2f}"
                    f"{harm.peak_mib:8.1f}  {harm.done} done, {harm.refused} refused"
                )
        finally:
            good.stop()
    if options.json:
        options.json.write_bytes(msgspec.json.encode(results))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
