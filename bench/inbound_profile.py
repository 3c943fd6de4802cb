"""What the server's time goes to: py-spy's stacks of a run, summed up by part of the program.

A sample counts for the innermost frame that belongs to a part; what the standard library, trio or
a codec does there is that part's cost. Waiting threads do not count.
"""

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

PARTS = {
    "socket fan-out": r"\(api/realtime/",
    "webhook: signature and parse": r"\(actors/channels/whatsapp_cloud/",
    "SQL on the database thread": r"\(storage/writer/(lane|frame|session|rows|streams)|\(asyncpg/",
    "units: checks, encoding, hand-over": r"\(storage/(writer/|encoding|column_types|array_lit)",
    "views": r"\(storage/views/",
    "ticket: rules and decision": r"\(actors/tickets/",
    "router, intake, hub": r"\(actors/",
    "engine": r"\(engine/",
    "endpoint machinery": r"\(api/(endpoint|webhooks|logs|metrics|app|http_types)",
    "HTTP: parse, frame, socket calls": r"\(api/edge/",
    "thread border": r"\(storage/bridge",
}
REST = "trio itself and the rest"
_PATTERNS = {part: re.compile(pattern) for part, pattern in PARTS.items()}
_IDLE = re.compile(r"^(Bridge\._run|WorkerThread\._work|EpollIOManager\.get_events) ")
_LINE = re.compile(r":\d+\)")


@contextmanager
def profiling(pid: int, seconds: float, target: Path | None) -> Generator[None]:
    """Record beside the block when asked for; it costs the server some of its speed."""
    found = shutil.which("py-spy", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if target is None or found is None:
        yield
        return
    command = [found, "record", "-p", str(pid), "-d", str(int(seconds)), "-r", "400", "-t"]
    recorder = subprocess.Popen(
        [*command, "-f", "raw", "-o", str(target)], stdout=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        recorder.wait()


def shares(stacks: Iterable[str]) -> tuple[Counter[str], Counter[str]]:
    """Samples by part and by innermost function, from py-spy's raw lines."""
    parts: Counter[str] = Counter()
    functions: Counter[str] = Counter()
    for line in stacks:
        stack, _, count = line.rpartition(" ")
        frames = stack.split(";")
        if _IDLE.match(frames[-1]):
            continue
        parts[_part(frames)] += int(count)
        functions[_LINE.sub(")", frames[-1])] += int(count)
    return parts, functions


def _part(frames: list[str]) -> str:
    for frame in reversed(frames):
        for part, pattern in _PATTERNS.items():
            if pattern.search(frame):
                return part
    return REST


def report(target: Path, top: int = 15) -> Iterator[str]:
    """The parts, then the functions that cost most themselves, in per cent of the busy time."""
    parts, functions = shares(target.read_text(encoding="utf-8").splitlines())
    total = max(parts.total(), 1)
    yield "where the server's time goes"
    for name, count in parts.most_common():
        yield f"{count / total:7.1%}  {name}"
    yield "functions by their own time"
    for name, count in functions.most_common(top):
        yield f"{count / total:7.1%}  {name}"
