"""`python -m bench fanout`: one event to N sockets, beside Node's socket.io and python-socketio.

Servers and load clients run in processes of their own. A burst of W events is fired, every socket
receives it, the next one; the servers take turns at that. CPU is the server's own, user and system.
`python -m bench sockets` is the same with events from the clients.
"""

import argparse
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from statistics import median

import msgspec
import psutil

from bench.children import ROOT, Child

PEERS = Path(__file__).parent / "peers"
NODE_MODULES = ROOT / "tests" / "node"


class Result(msgspec.Struct):
    """One line of the table."""

    server: str
    clients: int
    burst: int
    cpu_us_per_delivery: float
    deliveries_per_s: float
    p50_ms: float
    p99_ms: float
    kib_per_connection: float
    client_cpu_s: float


def commands() -> dict[str, list[str]]:
    """How to start each server that this machine has."""
    found = {"chatia": [sys.executable, "-m", "bench.peers.ours"]}
    node = shutil.which("node")
    if node and (NODE_MODULES / "node_modules" / "socket.io").exists():
        script = str(PEERS / "node_socketio.mjs")
        found["node socket.io"] = [node, script, str(NODE_MODULES)]
        found["node socket.io, recovery"] = [node, script, str(NODE_MODULES), "recovery"]
    with suppress(ImportError):
        import socketio  # noqa: F401
        import uvicorn  # noqa: F401

        found["python-socketio"] = [sys.executable, "-m", "bench.peers.python_socketio"]
    return found


@contextmanager
def running(command: Sequence[str]) -> Iterator[tuple[psutil.Process, int]]:
    """A server process and its port."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            message = f"{command[0]} did not start"
            raise RuntimeError(message)
        yield psutil.Process(process.pid), int(line)
    finally:
        process.kill()
        process.wait()


def spent(process: psutil.Process) -> float:
    """CPU seconds so far."""
    times = process.cpu_times()
    return float(times.user + times.system)


class Run:
    """One server with its clients: `go` as often as you like, then `result`."""

    def __init__(
        self, name: str, server: psutil.Process, port: int, plan: dict[str, object]
    ) -> None:
        self.name = name
        self._plan = plan
        self._server = server
        before = server.memory_info().rss
        self._load = Child(["-m", "bench.load.listeners"])
        self._load.say(msgspec.json.encode({**plan, "port": port}))
        self._load.line()  # they are connected
        self._kib = (server.memory_info().rss - before) / int(str(plan["clients"])) / 1024
        self._rounds: list[tuple[float, dict[str, float]]] = []

    def go(self, seconds: float, *, counted: bool = True) -> None:
        """One round."""
        cpu = spent(self._server)
        self._load.say(f"go {seconds}".encode())
        found = self._load.answer(dict[str, float])
        if counted:
            self._rounds.append((spent(self._server) - cpu, found))

    def stop(self) -> None:
        """End the clients."""
        self._load.stop()

    def result(self) -> Result:
        """All rounds together; of the latencies the round in the middle."""
        cpu = sum(round_cpu for round_cpu, _ in self._rounds)
        found = [figures for _, figures in self._rounds]
        deliveries = sum(figures["deliveries"] for figures in found)
        return Result(
            server=self.name,
            clients=int(str(self._plan["clients"])),
            burst=int(str(self._plan["burst"])),
            cpu_us_per_delivery=round(cpu / deliveries * 1e6, 3),
            deliveries_per_s=round(deliveries / sum(figures["seconds"] for figures in found)),
            p50_ms=round(median(figures["p50_ms"] for figures in found), 3),
            p99_ms=round(median(figures["p99_ms"] for figures in found), 3),
            kib_per_connection=round(self._kib, 2),
            client_cpu_s=round(sum(figures["cpu_s"] for figures in found), 2),
        )


def measure(
    plan: dict[str, object], names: Sequence[str], seconds: float, rounds: int
) -> list[Result]:
    """Servers side by side, their rounds in turns: what else the machine does meets them alike."""
    with ExitStack() as stack:
        runs: list[Run] = []
        for name in names:
            server, port = stack.enter_context(running(commands()[name]))
            run = Run(name, server, port, plan)
            stack.callback(run.stop)
            run.go(seconds / 3, counted=False)  # warm up
            runs.append(run)
        for _ in range(rounds):
            for run in runs:
                run.go(seconds / rounds)
        return [run.result() for run in runs]


def table(results: Sequence[Result]) -> Iterator[str]:
    """The results as text, with the ratio to Node's default server in the same run."""
    yield (
        f"{'server':26}{'clients':>8}{'burst':>6}{'µs/deliv.':>11}{'x node':>8}"
        f"{'deliv./s':>10}{'p50 ms':>9}{'p99 ms':>9}{'KiB/conn':>9}"
    )
    node = {
        (r.clients, r.burst): r.cpu_us_per_delivery for r in results if r.server == "node socket.io"
    }
    for r in results:
        base = node.get((r.clients, r.burst))
        ratio = f"{r.cpu_us_per_delivery / base:8.2f}" if base else f"{'':8}"
        yield (
            f"{r.server:26}{r.clients:8}{r.burst:6}{r.cpu_us_per_delivery:11.2f}{ratio}"
            f"{r.deliveries_per_s:10.0f}{r.p50_ms:9.2f}{r.p99_ms:9.2f}{r.kib_per_connection:9.2f}"
        )


def main(argv: Sequence[str], *, inbound: bool = False) -> int:
    """Run the bench; returns the exit status."""
    parser = argparse.ArgumentParser(prog=f"bench {'sockets' if inbound else 'fanout'}")
    parser.add_argument("--clients", type=int, nargs="*", default=[200, 1000, 4000])
    parser.add_argument("--burst", type=int, nargs="*", default=[1, 8])
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--server", action="append", help="only these (repeatable)")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(argv)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    results: list[Result] = []
    names = [name for name in commands() if not options.server or name in options.server]
    for clients in options.clients:
        for burst in options.burst:
            plan: dict[str, object] = {"clients": clients, "burst": burst, "inbound": inbound}
            results += measure(plan, names, options.seconds, options.rounds)
    print("\n".join(table(results)))
    if options.json:
        options.json.write_bytes(msgspec.json.encode(results))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
