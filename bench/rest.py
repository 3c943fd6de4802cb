"""`python -m bench rest`: what agents' screens ask all day, on a long history.

The server as it is run, on a Postgres of its own that flushes every commit; 50 requests open at a
time from another process. `sql` is what Postgres itself counts: a read is one, a transaction is one,
and a send is the writer's round trips; the server's own two a second are in it. Postgres adds a busy
session's transactions up once a second and an idle one's after ten, so it is asked that much later:
asked sooner, the warm-up's last second was taken for the case's, and two reads for 2.2.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import msgspec
import psutil
import trio

from api.settings import read_settings
from bench.children import child
from bench.inbound import percentile
from bench.inbound_profile import profiling, report
from bench.inbound_run import Reading, read, server
from bench.inbound_seed import Seeded, Shape, seed
from bench.load.requester import Asked, Findings, Plan
from bench.rest_seed import PASSWORD, fill, settle, transactions
from storage.embedded import EmbeddedPostgres

FLUSHED = 11.0  # seconds; PGSTAT_IDLE_INTERVAL is ten
ROUNDS = 10


class Case(msgspec.Struct, kw_only=True):
    """The figures of one kind of request."""

    case: str
    rps: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    sql: float
    postgres_ms: float
    refused: int
    load_average: float


def cases(world: Seeded, tickets: list[int]) -> dict[str, list[Asked]]:
    """What is asked, case by case."""
    admin, agents = world.admins[0], world.agents
    some = tickets[:: max(len(tickets) // 997, 1)]
    live = [ticket for ticket in tickets if ticket % 10 < 8]
    logins = [
        msgspec.json.encode({"email": f"agent.0.{n}@bench.test", "password": PASSWORD}).decode()
        for n in range(len(agents))
    ]
    page = "/tickets?pageNumber={}&status={}&showAll={}"
    return {
        "ticket list (admin)": [
            Asked("GET", page.format(number, status, "true"), admin)
            for status in ("open", "pending")
            for number in (1, 1, 1, 2, 3)
        ],
        "ticket list (agent)": [
            Asked("GET", page.format(1, status, "false"), token)
            for token in agents
            for status in ("open", "pending")
        ],
        "message page": [
            Asked("GET", f"/messages/{ticket}?pageNumber={1 + place % 3}&markAsRead=false", admin)
            for place, ticket in enumerate(some)
        ],
        "contact search": [
            Asked("GET", f"/contacts?pageNumber=1&searchParam={quote(item.name[:5])}", admin)
            for item in world.customers[::37]
        ],
        "message send": [
            Asked("POST", f"/messages/{ticket}", admin, '{"body":"Thank you, it is on its way."}')
            for ticket in live
        ],
        "login": [Asked("POST", "/auth/login", "", body) for body in logins],
    }


class Meter:
    """Readings of one server on its Postgres."""

    def __init__(self, pid: int, port: int, postgres: EmbeddedPostgres) -> None:
        self.pid = pid
        self.port = port
        self.dsn = postgres.dsn
        self.postgres = psutil.Process(postgres.pid)

    def used(self) -> Reading:
        """What has been used so far."""
        return read(self.pid, self.port, self.postgres)

    def committed(self) -> int:
        """How many transactions there were, after the statistics have come in."""
        time.sleep(FLUSHED)
        return trio.run(transactions, self.dsn)


def measured(
    name: str,
    asked: list[Asked],
    meter: Meter,
    seconds: float,
    open_at: int,
    profile: Path | None = None,
) -> Case:
    """One case, after a short warm-up that is not counted."""
    run(Plan(port=meter.port, asked=asked, seconds=min(1.0, seconds), concurrency=open_at))
    trio.run(settle, meter.dsn)
    began, before = meter.committed(), meter.used()
    with profiling(meter.pid, seconds, profile):
        found = run(Plan(port=meter.port, asked=asked, seconds=seconds, concurrency=open_at))
    after, ended = meter.used(), meter.committed()
    count = max(len(found.latencies_ms), 1)
    batches = after.batches - before.batches
    sql = ended - began - batches + after.round_trips - before.round_trips
    return Case(
        case=name,
        rps=round(count / found.seconds, 1),
        p50_ms=round(percentile(found.latencies_ms, 0.5), 1),
        p99_ms=round(percentile(found.latencies_ms, 0.99), 1),
        cpu_ms=round((after.server_cpu - before.server_cpu) / count * 1e3, 3),
        sql=round(sql / count, 2),
        postgres_ms=round((after.postgres_cpu - before.postgres_cpu) / count * 1e3, 3),
        refused=sum(n for status, n in found.statuses.items() if status != "200"),
        load_average=round(os.getloadavg()[0], 1),
    )


def run(plan: Plan) -> Findings:
    """Ask from another process."""
    with child(["-m", "bench.load.requester"]) as requester:
        requester.say(msgspec.json.encode(plan))
        return requester.answer(Findings)


def bench(options: argparse.Namespace, say: Callable[[Case], None]) -> list[Case]:
    """Seed, serve, and measure every case, in a data folder that is thrown away."""
    shape = Shape(contacts=options.tickets)
    with tempfile.TemporaryDirectory(prefix="chatia-bench-") as folder:
        os.chmod(folder, 0o711)
        settings = read_settings({}, data_dir=Path(folder) / "data", port=0)
        postgres = EmbeddedPostgres(settings.data_dir).start()
        try:
            (world,) = trio.run(seed, settings, postgres.dsn, shape)
            tickets = trio.run(fill, postgres.dsn, options.messages, ROUNDS)
            found = []
            with server(settings, postgres.dsn, direct=False) as (running, port):
                meter = Meter(running.process.pid, port, postgres)
                for name, asked in cases(world, tickets).items():
                    if options.case not in name:
                        continue
                    figures = measured(
                        name, asked, meter, options.seconds, options.concurrency, options.profile
                    )
                    found.append(figures)
                    say(figures)
                    if options.profile and options.profile.exists():
                        print("\n".join(report(options.profile)), flush=True)
            return found
        finally:
            postgres.stop()


def show(case: Case) -> None:
    """One line of the table."""
    print(
        f"{case.case:20} {case.rps:9.1f} {case.p50_ms:8.1f} {case.p99_ms:8.1f} {case.cpu_ms:8.2f}"
        f" {case.postgres_ms:8.2f} {case.sql:6.2f} {case.refused:8d}",
        flush=True,
    )


def main(arguments: list[str]) -> int:
    """Run the cases and print their table."""
    parser = argparse.ArgumentParser(prog="python -m bench rest", description=__doc__)
    parser.add_argument("--tickets", type=int, default=10_000)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--concurrency", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each case")
    parser.add_argument("--case", default="", help="only cases whose name has this in it")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument(
        "--profile", type=Path, metavar="FILE", help="py-spy's stacks of each case, summed up"
    )
    options = parser.parse_args(arguments)
    print(
        f"{'case':20} {'req/s':>9} {'p50 ms':>8} {'p99 ms':>8} {'cpu ms':>8} {'pg ms':>8}"
        f" {'sql':>6} {'refused':>8}"
    )
    found = bench(options, show)
    if options.json:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(found)))
    return 0
