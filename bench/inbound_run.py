"""One run of the inbound bench: server, sockets and sender in processes of their own, and readings."""

import time
import urllib.request
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import psutil

from api.settings import Settings
from bench.children import Child, child
from bench.inbound_direct import Target
from bench.inbound_profile import profiling
from bench.inbound_seed import Seeded
from bench.load import agents, sender

JOINS = [["joinNotification"], ["joinTickets", "pending"]]
SETTLE = 1.0


class Reading(msgspec.Struct, frozen=True):
    """Running totals at one moment; seconds of CPU, counts of the writer."""

    server_cpu: float
    postgres_cpu: float
    units: float
    round_trips: float
    batches: float


@contextmanager
def server(settings: Settings, dsn: str, *, direct: bool) -> Generator[tuple[Child, int]]:
    """The server on the seeded database, with the port it listens on."""
    folder = str(settings.data_dir)
    own = ["-m", "api", "serve", "--data", folder, "--port", "0"]
    command = ["-m", "bench.inbound_direct", folder] if direct else own
    environment = {"DATABASE_URL": dsn, "LOG_LEVEL": "WARNING"}
    with child(command, environment) as running:
        if direct:
            yield running, int(running.line())
            return
        address = running.line().split()[-1].decode()
        while b"console" not in running.line():
            pass
        yield running, int(address.rstrip("/").rpartition(":")[2])


def read(pid: int, port: int, postgres: psutil.Process) -> Reading:
    """Take every total."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as response:
        lines = response.read().decode().splitlines()
    values = dict(line.rsplit(" ", 1) for line in lines)
    return Reading(
        server_cpu=cpu_of(psutil.Process(pid)),
        postgres_cpu=tree_cpu(postgres),
        units=float(values["chatia_writer_units"]),
        round_trips=float(values["chatia_writer_round_trips"]),
        batches=float(values["chatia_writer_batches"]),
    )


def cpu_of(process: psutil.Process) -> float:
    """User and system seconds of a process, all its threads included."""
    times = process.cpu_times()
    return float(times.user + times.system)


def tree_cpu(process: psutil.Process) -> float:
    """A process and its children, the ended ones included."""
    times = process.cpu_times()
    total = float(times.user + times.system + times.children_user + times.children_system)
    for one in process.children():
        try:
            total += cpu_of(one)
        except psutil.NoSuchProcess:
            continue
    return total


def conversations(world: Sequence[Seeded], *, direct: bool) -> list[sender.Conversation]:
    """Every customer as the sender needs it."""
    found = []
    for company in world:
        target = msgspec.json.encode(Target(company.company_id, company.connection_id)).decode()
        found += [
            sender.Conversation(
                name=customer.name,
                number=customer.number,
                phone_number_id=company.phone_number_id,
                path=target if direct else company.path,
                secret=company.secret,
            )
            for customer in company.customers
        ]
    return found


def sockets_of(world: Sequence[Seeded], port: int) -> agents.Plan:
    """Everybody who looks; admins are the witnesses."""
    clients = [
        agents.ClientPlan(token=token, joins=JOINS, witness=token in company.admins)
        for company in world
        for token in (*company.admins, *company.agents)
    ]
    return agents.Plan(host="127.0.0.1", port=port, clients=clients)


class Load:
    """The sender: over HTTP in a process of its own, or inside the server."""

    def __init__(self, running: Child, plan: sender.Plan, *, direct: bool) -> None:
        self._server = running
        self._plan = plan
        self._direct = direct
        self._counts: dict[str, int] = {}

    def drive(self, seconds: float) -> sender.Findings:
        """Send for so long, going on where the last call ended."""
        plan = msgspec.structs.replace(self._plan, seconds=seconds, starts=self._counts)
        if self._direct:
            found = self._ask(self._server, plan)
        else:
            with child(["-m", "bench.load.sender"]) as process:
                found = self._ask(process, plan)
        self._counts = found.counts
        return found

    def _ask(self, process: Child, plan: sender.Plan) -> sender.Findings:
        process.say(msgspec.json.encode(plan))
        return process.answer(sender.Findings)


class Measured(msgspec.Struct, frozen=True):
    """What one run found."""

    before: Reading
    after: Reading
    sent: sender.Findings
    seen: agents.Findings


def measure(
    running: Child,
    port: int,
    postgres: psutil.Process,
    load: Load,
    watch: Child,
    *,
    warm: float,
    seconds: float,
    profile: Path | None,
) -> Measured:
    """Warm up, send, let everything arrive."""
    load.drive(warm)
    time.sleep(SETTLE)
    watch.say(b"mark")
    time.sleep(0.1)
    pid = running.process.pid
    before = read(pid, port, postgres)
    with profiling(pid, seconds, profile):
        sent = load.drive(seconds)
    time.sleep(SETTLE)
    after = read(pid, port, postgres)
    watch.say(b"stop")
    return Measured(before, after, sent, watch.answer(agents.Findings))
