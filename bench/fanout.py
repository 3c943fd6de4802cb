"""`python -m bench fanout`: one event to N sockets, beside Node's socket.io and python-socketio.

Servers and load clients run in processes of their own. Rounds follow each other: a burst of W
events is fired, every socket receives it, the next one. CPU is the server's own, user and system.
`python -m bench sockets` is the same with events from the clients.
"""

import argparse
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
import psutil

ROOT = Path(__file__).parents[1]
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


def measure(
    name: str, command: Sequence[str], clients: int, burst: int, seconds: float, *, inbound: bool
) -> Result:
    """One server, one number of clients, one size of burst."""
    with running(command) as (server, port):
        before = server.memory_info().rss
        load = subprocess.Popen(
            [sys.executable, "-m", "bench.load.listeners"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        assert load.stdin is not None
        assert load.stdout is not None
        try:
            plan = {"port": port, "clients": clients, "burst": burst, "inbound": inbound}
            print(msgspec.json.encode(plan).decode(), file=load.stdin, flush=True)
            if load.stdout.readline().strip() != "ready":
                message = f"the clients of {name} could not connect"
                raise RuntimeError(message)
            kib = (server.memory_info().rss - before) / clients / 1024
            print("go", seconds / 3, file=load.stdin, flush=True)  # warm up
            load.stdout.readline()
            cpu = spent(server)
            print("go", seconds, file=load.stdin, flush=True)
            found = msgspec.json.decode(load.stdout.readline())
            cpu = spent(server) - cpu
        finally:
            load.kill()
            load.wait()
    return Result(
        server=name,
        clients=clients,
        burst=burst,
        cpu_us_per_delivery=round(cpu / found["deliveries"] * 1e6, 3),
        deliveries_per_s=round(found["deliveries"] / found["seconds"]),
        p50_ms=round(found["p50_ms"], 3),
        p99_ms=round(found["p99_ms"], 3),
        kib_per_connection=round(kib, 2),
        client_cpu_s=round(found["cpu_s"], 2),
    )


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
    parser.add_argument("--server", action="append", help="only these (repeatable)")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(argv)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    results: list[Result] = []
    for clients in options.clients:
        for burst in options.burst:
            for name, command in commands().items():
                if not options.server or name in options.server:
                    results.append(
                        measure(name, command, clients, burst, options.seconds, inbound=inbound)
                    )
    print("\n".join(table(results)))
    if options.json:
        options.json.write_bytes(msgspec.json.encode(results))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
