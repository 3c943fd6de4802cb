"""The server and the provider's stand-in as processes of their own, to be killed and paused."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import trio

from bench.fake_graph.witness import Line as Accepted
from bench.fake_graph.witness import read
from tests.proofs.lines import Line, Lost

ROOT = Path(__file__).parents[2]
APP_SECRET = "app-secret-of-the-installation"
START_LIMIT = 60.0


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Program:
    """A Python module run as a process; its output goes to a file."""

    def __init__(self, arguments: list[str], environment: Mapping[str, str], log: Path) -> None:
        self.log = log
        self._file: IO[bytes] = log.open("ab")
        self._process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            cwd=ROOT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
            stdin=subprocess.DEVNULL,
            stdout=self._file,
            stderr=self._file,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def status(self) -> int | None:
        """Exit status once it has ended (negative: the signal that ended it)."""
        return self._process.poll()

    def send(self, how: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(how)

    def kill(self) -> None:
        """End it without warning; harmless when it has ended."""
        self._process.kill()
        self._process.wait()
        self._file.close()

    async def ended(self, limit: float = START_LIMIT) -> int:
        """Wait for its end; returns the exit status."""
        with trio.fail_after(limit):
            status = await trio.to_thread.run_sync(self._process.wait, abandon_on_cancel=True)
        self._file.close()
        return status

    def said(self) -> str:
        """Everything it has printed."""
        return self.log.read_text(errors="replace")


class Server:
    """`python -m api serve` on one data folder and port, started again and again."""

    def __init__(self, folder: Path, graph: str, dsn: str | None, **environment: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.program: Program | None = None
        self.module = "api"
        self._log = folder / f"server-{self.port}.log"
        self._environment = {
            "BCRYPT_ROUNDS": "4",
            "FACEBOOK_APP_SECRET": APP_SECRET,
            "GRAPH_API_URL": graph,
            "LOG_LEVEL": "WARNING",
            **({"DATABASE_URL": dsn} if dsn else {}),
            **environment,
        }

    def start(self, *options: str, **more: str) -> Program:
        """Start it without waiting; `more` are environment variables of this start alone."""
        self.program = Program(
            [
                *(self.module, "--data", str(self.folder / "data")),
                *("serve", "--port", str(self.port), *options),
            ],
            self._environment | more,
            self._log,
        )
        return self.program

    async def ready(self) -> None:
        """Wait until it serves. Raises AssertionError with its log when it ended instead."""
        line = Line(self.port)
        with trio.move_on_after(START_LIMIT):
            while self.program is not None and self.program.status is None:
                try:
                    if (await line.call("GET", "/health")).status == 200:
                        await line.close()
                        return
                except Lost:
                    pass
                await trio.sleep(0.02)
        message = f"the server does not serve:\n{self.said()[-4000:]}"
        raise AssertionError(message)

    async def stop(self) -> int:
        """Ask it to stop; returns the exit status."""
        assert self.program is not None
        self.program.send(signal.SIGTERM)
        return await self.program.ended()

    def kill(self) -> None:
        """kill -9."""
        if self.program is not None:
            self.program.kill()

    def said(self) -> str:
        """Everything that all its lives have logged."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""


class FakeGraph:
    """The provider's stand-in, with its synced witness file."""

    def __init__(self, folder: Path, *, behaviour: str = "{}") -> None:
        self.witness = folder / "witness.jsonl"
        self.port = free_port()
        self.program = Program(
            [
                *f"bench.fake_graph --witness {self.witness} --port {self.port}".split(),
                *("--set", behaviour),
            ],
            {},
            folder / "graph.log",
        )

    @property
    def url(self) -> str:
        """The Graph API's base address."""
        return f"http://127.0.0.1:{self.port}"

    async def control(self, body: bytes = b"") -> dict[str, int]:
        """Read its counters, or change it first."""
        line = Line(self.port)
        answer = await line.call("POST" if body else "GET", "/_control", body)
        await line.close()
        assert answer.status == 200, answer.body
        found: dict[str, int] = answer.json  # type: ignore[assignment]
        return found

    async def ready(self) -> None:
        """Wait until it answers."""
        with trio.fail_after(START_LIMIT):
            while True:
                try:
                    await self.control()
                except Lost:
                    assert self.program.status is None, self.program.said()
                    await trio.sleep(0.05)
                else:
                    return

    def accepted(self) -> list[Accepted]:
        """Every send it accepted, in order."""
        return read(self.witness)


@contextmanager
def fake_graph(folder: Path, behaviour: str = "{}") -> Iterator[FakeGraph]:
    """A running stand-in for the length of the block."""
    graph = FakeGraph(folder, behaviour=behaviour)
    try:
        yield graph
    finally:
        graph.program.kill()


@contextmanager
def served(folder: Path, graph: str, dsn: str | None, **environment: str) -> Iterator[Server]:
    """A server that is surely gone after the block."""
    server = Server(folder, graph, dsn, **environment)
    try:
        yield server
    finally:
        server.kill()
