"""`python -m bench inbound`: a customer's message until it is committed and on the agents' screens.

Signed Cloud API webhooks over HTTP from one process, Socket.IO clients in another, the server as
it is run, on a Postgres of its own that flushes every commit. `lost`, `doubled` and `reordered`
are judged by the rows' numbers and by what two admins' sockets saw; they must be 0.
"""

import argparse
import os
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
import psutil
import trio

from api.settings import read_settings
from bench.children import child
from bench.inbound_check import Verdict, check
from bench.inbound_profile import report
from bench.inbound_run import Load, Measured, conversations, measure, server, sockets_of
from bench.inbound_seed import ADMINS, Shape, seed
from bench.load import sender
from storage.embedded import EmbeddedPostgres

OUT = Path(__file__).parent / "out"


class Result(msgspec.Struct, kw_only=True):
    """The figures of one run, as in the JSON file."""

    acknowledged_per_s: float
    p50_commit_ms: float
    p99_commit_ms: float
    p50_socket_ms: float
    p99_socket_ms: float
    cpu_ms_per_message: float
    sql_per_message: float
    deliveries_per_message: float
    deliveries_per_s: float
    client_cpu_s: float
    lost: int
    doubled: int
    reordered: int
    postgres_ms_per_message: float
    messages_per_batch: float
    refused: dict[str, int]
    load_average: float


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` (0 to 1) of the values lie; 0 of none."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def summed(found: Measured, verdict: Verdict) -> Result:
    """The figures out of the readings."""
    before, after, sent, seen = found.before, found.after, found.sent, found.seen
    count = max(sent.acknowledged, 1)
    units = max(after.units - before.units, 1)
    unseen = max(sent.acknowledged * ADMINS - seen.messages, seen.missed, 0)
    return Result(
        acknowledged_per_s=round(sent.acknowledged / sent.seconds, 1),
        p50_commit_ms=round(percentile(sent.latencies_ms, 0.5), 2),
        p99_commit_ms=round(percentile(sent.latencies_ms, 0.99), 2),
        p50_socket_ms=round(percentile(seen.latencies_ms, 0.5), 2),
        p99_socket_ms=round(percentile(seen.latencies_ms, 0.99), 2),
        cpu_ms_per_message=round((after.server_cpu - before.server_cpu) / count * 1e3, 3),
        sql_per_message=round((after.round_trips - before.round_trips) / count, 3),
        deliveries_per_message=round(seen.frames / count, 2),
        deliveries_per_s=round(seen.frames / sent.seconds, 1),
        client_cpu_s=round(sent.cpu_s + seen.cpu_s, 2),
        lost=verdict.lost + unseen,
        doubled=verdict.doubled + seen.doubled,
        reordered=verdict.reordered + seen.reordered,
        postgres_ms_per_message=round((after.postgres_cpu - before.postgres_cpu) / count * 1e3, 3),
        messages_per_batch=round(units / max(after.batches - before.batches, 1), 1),
        refused=sent.refused,
        load_average=round(os.getloadavg()[0], 1),
    )


def once(options: argparse.Namespace) -> tuple[Result, Measured]:
    """Seed, serve, measure, check; in a data folder that is thrown away."""
    shape = Shape(
        companies=options.companies,
        agents=options.agents,
        departments=options.departments,
        contacts=options.contacts,
        all_see_all=options.all_see_all,
    )
    with tempfile.TemporaryDirectory(prefix="chatia-bench-") as folder:
        settings = read_settings({}, data_dir=Path(folder), port=0)
        postgres = EmbeddedPostgres(settings.data_dir).start()
        try:
            world = trio.run(seed, settings, postgres.dsn, shape)
            plan = sender.Plan(
                host="127.0.0.1",
                port=0,
                conversations=conversations(world, direct=options.direct),
                seconds=0.0,
                rate=options.rate or 0.0,
                connections=options.connections,
            )
            with server(settings, postgres.dsn, direct=options.direct) as (running, port):
                plan.port = port
                load = Load(running, plan, direct=options.direct)
                with child(["-m", "bench.load.agents"]) as watch:
                    watch.say(msgspec.json.encode(sockets_of(world, port)))
                    watch.line()
                    found = measure(
                        running,
                        port,
                        postmaster(settings.data_dir),
                        load,
                        watch,
                        warm=options.warm,
                        seconds=options.seconds,
                        profile=options.profile,
                    )
            verdict = trio.run(check, postgres.dsn, world, found.sent.counts)
        finally:
            postgres.stop()
    return summed(found, verdict), found


def postmaster(data: Path) -> psutil.Process:
    """The process whose children are our Postgres."""
    pid = (data / "postgres" / "postmaster.pid").read_text(encoding="ascii").splitlines()[0]
    return psutil.Process(int(pid))


ROWS = (
    ("acknowledged", "acknowledged_per_s", "msg/s"),
    ("request to commit, p50", "p50_commit_ms", "ms"),
    ("request to commit, p99", "p99_commit_ms", "ms"),
    ("request to sockets, p50", "p50_socket_ms", "ms"),
    ("request to sockets, p99", "p99_socket_ms", "ms"),
    ("server CPU per message", "cpu_ms_per_message", "ms"),
    ("Postgres CPU per message", "postgres_ms_per_message", "ms"),
    ("SQL round trips per message", "sql_per_message", ""),
    ("messages per commit", "messages_per_batch", ""),
    ("socket events per message", "deliveries_per_message", ""),
    ("socket events", "deliveries_per_s", "/s"),
    ("load clients' CPU", "client_cpu_s", "s"),
    ("lost", "lost", ""),
    ("doubled", "doubled", ""),
    ("reordered", "reordered", ""),
    ("load average", "load_average", ""),
)


def table(results: Sequence[Result]) -> Iterator[str]:
    """One column a run, and their median when there are several."""
    for label, name, unit in ROWS:
        values = [getattr(result, name) for result in results]
        cells = "".join(f"{value:>11,.10g}" for value in values)
        middle = f"{statistics.median(values):>11,.10g}" if len(values) > 1 else ""
        yield f"{label:30}{cells}{middle}  {unit}"
    refused = [result.refused for result in results if result.refused]
    if refused:
        yield f"refused and repeated: {refused}"


def plot(found: Measured, name: str) -> None:
    """Latencies as cumulative curves into `bench/out/`, where matplotlib is installed."""
    with suppress(ImportError):
        import matplotlib

        matplotlib.use("Agg")
        from matplotlib import pyplot

        figure, axes = pyplot.subplots(figsize=(7, 4))
        for values, label in (
            (found.sent.latencies_ms, "committed and answered"),
            (found.seen.latencies_ms, "on the admins' sockets"),
        ):
            ordered = sorted(values)
            axes.plot(ordered, [i / len(ordered) for i in range(len(ordered))], label=label)
        axes.set(xlabel="ms since the request", ylabel="share of messages", title=name)
        axes.legend()
        axes.grid(visible=True, alpha=0.3)
        OUT.mkdir(exist_ok=True)
        figure.savefig(OUT / f"{name.replace(' ', '-')}.png", dpi=120)
        pyplot.close(figure)


def main(argv: Sequence[str]) -> int:
    """Run the bench; 1 when a message was lost, doubled or reordered."""
    parser = argparse.ArgumentParser(prog="bench inbound")
    pace = parser.add_mutually_exclusive_group()
    pace.add_argument("--rate", type=float, help="messages a second; default: as fast as it goes")
    pace.add_argument("--max", action="store_true", help="as fast as answers come")
    parser.add_argument("--agents", type=int, default=100)
    parser.add_argument("--departments", type=int, default=10, help="in each company")
    parser.add_argument("--companies", type=int, default=1)
    parser.add_argument("--contacts", type=int, default=1000)
    parser.add_argument("--connections", type=int, default=200, help="requests open at once")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--warm", type=float, default=3.0)
    parser.add_argument("--all-see-all", action="store_true")
    parser.add_argument("--direct", action="store_true", help="drive the router, without HTTP")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument(
        "--profile", type=Path, help="where py-spy's stacks go; summed up below the table"
    )
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(argv)
    pace_name = f"rate {options.rate:g}" if options.rate else "max"
    name = f"inbound {pace_name}{' direct' if options.direct else ''}"
    results: list[Result] = []
    for _ in range(options.rounds):
        result, found = once(options)
        results.append(result)
        plot(found, name)
    print(f"{name}, {options.agents} agents in {options.departments} departments, {ADMINS} admins")
    print("\n".join(table(results)))
    if options.profile and options.profile.exists():
        print("\n".join(report(options.profile)))
    if options.json:
        shown = results[0] if len(results) == 1 else results
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(shown)))
    return int(any(result.lost or result.doubled or result.reordered for result in results))
