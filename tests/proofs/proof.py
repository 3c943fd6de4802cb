"""One proof: a served world under load, hurt from outside, then judged by the checker."""

import os
import signal
import statistics
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import trio

from tests.proofs.browser import watch
from tests.proofs.checker import check
from tests.proofs.load import Load, numbers
from tests.proofs.processes import FakeGraph, Server, fake_graph, served
from tests.proofs.world import Company, Look, found

SETTLE = 120.0
"""Seconds that everything ordered may take to leave; doubt holds a conversation back for 30."""

LONGEST_RECOVERY = 5.0
PER_COMPANY = 30
Hurt = Callable[[], Awaitable[None]]


class Proof:
    """What is proven: the processes, the load, and the look into the database."""

    def __init__(self, server: Server, graph: FakeGraph, look: Look, load: Load) -> None:
        self.server = server
        self.graph = graph
        self.look = look
        self.load = load
        self.recoveries: list[float] = []
        self.states: Counter[str] = Counter()
        self.tickets: dict[tuple[int, str], int] = {}

    async def begin(self, *, hooks: bool = True) -> None:
        """Start the server, let the admins in, and have every customer say hello."""
        self.server.start()
        await self.server.ready()
        await self.load.login()
        if hooks:
            await self.graph.control(self._hooks())
        async with trio.open_nursery() as nursery:
            for company in self.load.companies:
                for number in numbers(PER_COMPANY):
                    nursery.start_soon(self.load.say_once, company, number)
        self.tickets = await self.look.tickets()
        assert len(self.tickets) == PER_COMPANY * len(self.load.companies)

    def _hooks(self) -> bytes:
        base = f"http://127.0.0.1:{self.server.port}"
        urls = {c.phone_number_id: base + c.webhook for c in self.load.companies}
        secrets = {c.phone_number_id: c.secret for c in self.load.companies}
        return msgspec.json.encode({"hooks": {"urls": urls, "secrets": secrets}})

    async def under_load(
        self, hurt: Hurt, *, rate: float = 200.0, replies: float = 20.0, settle: bool = True
    ) -> None:
        """Run `hurt` while customers, agents and browsers are busy, then let everything end.

        Without `settle` what is still to be sent is left where it is; every promise holds midway.
        """
        async with trio.open_nursery() as browsers:
            for company in self.load.companies:
                await browsers.start(watch, self.load, company.id)
            async with trio.open_nursery() as people:
                people.start_soon(self.load.customers, PER_COMPANY, rate)
                people.start_soon(self.load.agents, self.tickets, replies)
                await hurt()
                self.load.stopping = True
                people.cancel_scope.deadline = trio.current_time() + SETTLE
            if settle:
                await self.settle()
            browsers.cancel_scope.cancel()

    async def settle(self) -> None:
        """Wait until every order is sent or in doubt and every status has arrived."""
        with trio.fail_after(SETTLE):
            while True:
                if await self._settled():
                    return
                await trio.sleep(0.3)

    async def _settled(self) -> bool:
        reports = (await self.graph.control())["reports_open"]
        return not reports and not await self.look.unsettled()

    async def kill_and_restart(self, **environment: str) -> None:
        """kill -9, start again, and wait until a customer is served."""
        begun = trio.current_time()
        self.server.kill()
        self.server.start(**environment)
        await self.load.fates.next_success()
        self.recoveries.append(trio.current_time() - begun)

    async def stop_and_restart(self) -> None:
        """SIGTERM, start again, and wait until a customer is served."""
        status = await self.server.stop()
        assert status == 0, f"{status}\n{self.server.said()[-2000:]}"
        self.server.start()
        await self.load.fates.next_success()

    def back_soon(self) -> bool:
        """Whether every recovery took under five seconds, more where the machine is crowded."""
        crowd = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
        return max(self.recoveries) < LONGEST_RECOVERY * crowd

    async def die_at(self, fault: str) -> None:
        """Start again with one fault armed, and wait until the server has died of it."""
        self.server.kill()
        self.server.start(CHATIA_FAULT=fault)
        assert self.server.program is not None
        status = await self.server.program.ended()
        assert status == -signal.SIGKILL, f"{fault}: {status}\n{self.server.said()[-2000:]}"

    async def verdict(self) -> list[str]:
        """Every violated promise."""
        history = self.load.history
        await self.look.into(history, self.graph)
        self.states = Counter(row.state for row in history.outbox)
        wrong = check(history)
        fates = self.load.fates
        wrong += [f"a customer got {s}" for s in fates.customers if s not in ("200", "503", "lost")]
        wrong += [f"an agent got {s}" for s in fates.agents if s not in ("200", "503", "lost")]
        wrong += [f"never answered: {path}" for path in fates.silent]
        wrong += [
            f"503 without Retry-After: {answer.body!r}"
            for answer in fates.refusals
            if answer.status == 503 and "retry-after" not in answer.headers
        ]
        return wrong

    def figures(self) -> str:
        """What was observed, in one paragraph."""
        history, fates = self.load.history, self.load.fates
        waits = sorted(fates.latencies)
        lines = [
            f"inbound acknowledged {len(history.sent)}, repeated {dict(fates.customers)}",
            f"acknowledged after p50 {waits[len(waits) // 2] * 1e3:.0f} ms, max {waits[-1]:.2f} s",
            f"replies {len(history.replies)} {dict(fates.agents)}; outbox {dict(self.states)};"
            f" accepted by the provider {len(history.accepted)}",
            f"refusals {Counter(a.body for a in fates.refusals).most_common(4)}",
            f"events {len(history.events)}, seen by browsers {len(history.seen)},"
            f" batches {len(history.batches)}",
        ]
        if self.recoveries:
            lines.append(
                f"back in p50 {statistics.median(self.recoveries):.2f} s,"
                f" max {max(self.recoveries):.2f} s over {len(self.recoveries)}"
            )
        return "\n".join(lines)


@asynccontextmanager
async def open_proof(
    folder: Path,
    dsn: str,
    *,
    companies: list[Company] | None = None,
    server_dsn: str | None = None,
    behaviour: str = "{}",
    **environment: str,
) -> AsyncGenerator[Proof]:
    """A proof on the database `dsn`, founded unless its `companies` are given.

    The server connects to `server_dsn`, by default to `dsn`; "" means to its own Postgres.
    """
    people = companies or await found(dsn, folder)
    theirs = dsn if server_dsn is None else server_dsn or None
    with (
        fake_graph(folder, behaviour) as graph,
        served(folder, graph.url, theirs, **environment) as server,
    ):
        await graph.ready()
        yield Proof(server, graph, Look(dsn), Load(server.port, people))
