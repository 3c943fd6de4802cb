"""`python -m bench engine`: mailboxes, asks, spawning, memory and restarts, beside other engines.

Every (system, work) runs in a process of its own; with `--rounds` they take turns, and medians
are shown. `us` is wall time per operation, `cpu` the process's own.
"""

import argparse
import importlib
import importlib.util
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from bench.engines import erlang
from bench.engines.measure import Measure

ROOT = Path(__file__).parents[1]
OUT = Path(__file__).parent / "out"
WORKS = {
    "tell": "1 -> 1, sync",
    "tell_by_address": "the same, looked up by address",
    "send": "1 -> 1, bounded",
    "fan_in": "100 -> 1, bounded",
    "fan_out": "1 -> 10,000",
    "few": "1 -> 100",
    "few_of_many": "1 -> 100 of 100,000 live",
    "ask_1": "ask, one asker",
    "ask_100": "ask, 100 askers",
    "ring": "ring of 1,000",
    "spawn": "spawn 100,000",
    "spawn_million": "spawn 1,000,000",
    "weigh_million": "1,000,000 weighed",
    "memory": "idle actor",
    "restart": "crash and restart",
    "blocking": "handlers that wait",
    "neighbour": "another task's wait",
    "watched": "the same, while looked at",
}
SYSTEMS = {
    "chatia": "bench.engines.ours:run",
    "trio": "bench.engines.trio_channels:run",
    "asyncio": "bench.engines.asyncio_queue:run",
    "uvloop": "bench.engines.asyncio_queue:run_uvloop",
    "pykka": "bench.engines.pykka_actors:run",
    "xoscar": "bench.engines.xoscar_actors:run",
    "erlang": "bench.engines.erlang:run",
}
NEEDS = {"uvloop": "uvloop", "pykka": "pykka", "xoscar": "xoscar"}
SLOW = ("spawn_million", "weigh_million")  # only when asked for by name


class Row(msgspec.Struct, omit_defaults=True):
    """One line of the JSON file. Times are microseconds per operation."""

    system: str
    work: str
    us_per_op: float
    cpu_us_per_op: float
    bytes_per_actor: float | None = None
    p50_us: float | None = None
    p99_us: float | None = None
    rounds: int = 1
    note: str = ""


def missing(system: str) -> str | None:
    """Why a system cannot run here, or None."""
    if system == "erlang":
        return None if erlang.installed() else "erl and erlc not found (Debian: erlang-base)"
    package = NEEDS.get(system)
    if package is not None and importlib.util.find_spec(package) is None:
        return f"{package} is not installed"
    return None


def works_of(system: str) -> Sequence[str]:
    """The works a system has."""
    module = importlib.import_module(SYSTEMS[system].split(":")[0])
    more = ("spawn_million", "weigh_million", "neighbour", "watched") if system == "chatia" else ()
    return (*module.WORKS, *more)


def run_here(system: str, work: str) -> Measure:
    """Run one work of one system in this process."""
    module, function = SYSTEMS[system].split(":")
    measure: Measure = getattr(importlib.import_module(module), function)(work)
    return measure


def run_apart(system: str, work: str) -> Measure | None:
    """Run it in a fresh process; None (and the reason on stderr) if that fails."""
    command = [sys.executable, "-m", "bench", "engine", "--inside", f"{system}/{work}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, timeout=900)
    if done.returncode:
        tail = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        print(f"  {system}/{work} failed: {''.join(tail)}", file=sys.stderr)
        return None
    return msgspec.json.decode(done.stdout.splitlines()[-1], type=Measure)


def row(system: str, work: str, measures: list[Measure]) -> Row:
    """Medians over the rounds."""

    def median(values: list[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        return round(statistics.median(known), 3) if known else None

    return Row(
        system=system,
        work=work,
        us_per_op=median([m.wall / m.ops * 1e6 for m in measures]) or 0.0,
        cpu_us_per_op=median([m.cpu / m.ops * 1e6 for m in measures]) or 0.0,
        bytes_per_actor=median([m.bytes_per_actor for m in measures]),
        p50_us=median([m.p50_us for m in measures]),
        p99_us=median([m.p99_us for m in measures]),
        rounds=len(measures),
        note=measures[-1].note,
    )


def show(rows: list[Row]) -> None:
    """The table, with each figure's ratio to this engine's."""
    ours = {r.work: r for r in rows if r.system == "chatia"}
    print(f"\n{'work':<32}{'system':<9}{'us/op':>9}{'cpu us':>9}{'x':>7}  more")
    for work, title in WORKS.items():
        for each in [r for r in rows if r.work == work]:
            mine = ours.get(work)
            ratio = each.us_per_op / mine.us_per_op if mine and mine.us_per_op else 0.0
            more = [f"{each.bytes_per_actor:,.0f} B/actor"] if each.bytes_per_actor else []
            if each.p50_us is not None and each.p99_us is not None:
                more.append(f"p50 {each.p50_us:,.1f} us, p99 {each.p99_us:,.1f} us")
            more += [each.note] if each.note else []
            print(
                f"{title:<32}{each.system:<9}{each.us_per_op:>9.2f}{each.cpu_us_per_op:>9.2f}"
                f"{ratio:>7.2f}  {'; '.join(more)}"
            )


def plot(rows: list[Row]) -> Path | None:
    """Bars per work and system, on a logarithmic axis; None without matplotlib."""
    if importlib.util.find_spec("matplotlib") is None:
        return None
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    shown = [work for work in WORKS if any(r.work == work and r.us_per_op for r in rows)]
    systems = [name for name in SYSTEMS if any(r.system == name for r in rows)]
    figure, axes = pyplot.subplots(figsize=(12, 5))
    for place, system in enumerate(systems):
        found = {r.work: r.us_per_op for r in rows if r.system == system}
        spots = [shown.index(w) + place * 0.8 / len(systems) for w in shown if w in found]
        axes.bar(spots, [found[w] for w in shown if w in found], 0.8 / len(systems), label=system)
    axes.set_yscale("log")
    axes.set_ylabel("microseconds per operation")
    axes.set_xticks([n + 0.4 for n in range(len(shown))], [WORKS[w] for w in shown], rotation=30)
    axes.legend()
    figure.tight_layout()
    OUT.mkdir(exist_ok=True)
    path = OUT / "engine.png"
    figure.savefig(path, dpi=110)
    return path


def parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench engine", description=__doc__)
    parser.add_argument("--only", help="one work (or several, comma-separated)")
    parser.add_argument("--systems", help="only these systems, comma-separated")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is run (3)")
    parser.add_argument("--json", type=Path, help="write the rows here")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def main(argv: list[str]) -> None:
    """Run the bench."""
    options = parse(argv)
    if options.inside:
        system, work = options.inside.split("/")
        sys.stdout.write(msgspec.json.encode(run_here(system, work)).decode() + "\n")
        return
    systems = options.systems.split(",") if options.systems else list(SYSTEMS)
    wanted = options.only.split(",") if options.only else [w for w in WORKS if w not in SLOW]
    jobs: list[tuple[str, str]] = []
    for system in systems:
        reason = missing(system)
        if reason is not None:
            print(f"{system} left out: {reason}")
            continue
        available = works_of(system)
        jobs += [(system, work) for work in wanted if work in available]
    jobs.sort(key=lambda job: wanted.index(job[1]))
    measures: dict[tuple[str, str], list[Measure]] = {}
    for turn in range(options.rounds):
        for job in jobs:
            measure = run_apart(*job)
            if measure is not None:
                measures.setdefault(job, []).append(measure)
        print(f"round {turn + 1} of {options.rounds} done", flush=True)
    rows = [row(system, work, found) for (system, work), found in measures.items()]
    show(rows)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_bytes(msgspec.json.encode(rows))
    path = plot(rows)
    if path is not None:
        print(f"\nplot: {path.relative_to(ROOT)}")
