"""HTTP requests over kept connections, each open one at a time; a process of its own.

Reads a JSON plan from standard input, asks in turn what it says, and prints findings as JSON.
"""

import asyncio
import itertools
import resource
import time
from collections import Counter
from collections.abc import Iterator

import msgspec
import uvloop

from bench.load.lines import answer, read_plan


class Asked(msgspec.Struct):
    """One request; an empty token sends none."""

    method: str
    path: str
    token: str = ""
    body: str = ""


class Plan(msgspec.Struct):
    """What to ask for how many seconds, with `concurrency` requests open at a time."""

    port: int
    asked: list[Asked]
    seconds: float
    concurrency: int = 50


class Findings(msgspec.Struct):
    """Latencies in milliseconds, from the first byte sent to the last one read."""

    seconds: float = 0.0
    latencies_ms: list[float] = []
    statuses: dict[str, int] = {}
    cpu_s: float = 0.0


def head_and_body(asked: Asked) -> bytes:
    """The bytes of a request."""
    body = asked.body.encode()
    lines = [f"{asked.method} {asked.path} HTTP/1.1", "Host: bench"]
    if asked.token:
        lines.append(f"Authorization: Bearer {asked.token}")
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def worker(
    port: int, requests: Iterator[bytes], until: float, times: list[float], codes: Counter[str]
) -> None:
    """Ask over one connection until the time is over."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for request in requests:
        began = time.perf_counter()
        if began >= until:
            break
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        _, _, rest = head.lower().partition(b"content-length:")
        if rest:
            await reader.readexactly(int(rest.partition(b"\r\n")[0]))
        times.append((time.perf_counter() - began) * 1e3)
        codes[head[9:12].decode()] += 1
    writer.close()


async def run(plan: Plan) -> Findings:
    """Everything in the plan."""
    requests = itertools.cycle([head_and_body(asked) for asked in plan.asked])
    times: list[float] = []
    codes: Counter[str] = Counter()
    began = time.perf_counter()
    until = began + plan.seconds
    workers = [worker(plan.port, requests, until, times, codes) for _ in range(plan.concurrency)]
    await asyncio.gather(*workers)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return Findings(
        seconds=time.perf_counter() - began,
        latencies_ms=times,
        statuses=dict(codes),
        cpu_s=usage.ru_utime + usage.ru_stime,
    )


if __name__ == "__main__":
    found = uvloop.run(run(read_plan(Plan)))
    answer(found)
