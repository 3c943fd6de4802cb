"""Processes that benches start and speak to in lines."""

import os
import signal
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import msgspec

ROOT = Path(__file__).parents[1]
T = TypeVar("T")


class Child:
    """A process that is spoken to in lines."""

    def __init__(self, command: Sequence[str], environment: dict[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
        )
        self.name = " ".join(command[:3])

    def say(self, line: bytes) -> None:
        """Send one line."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()

    def line(self) -> bytes:
        """The next line it prints, whole. Raises RuntimeError, which says how it ended instead."""
        assert self.process.stdout is not None
        found = self.process.stdout.readline()
        if found.endswith(b"\n"):
            return found
        try:
            status = f"with status {self.process.wait(20)}"
        except subprocess.TimeoutExpired:
            status = "its output alone"
        message = f"{self.name} ended, {status}, {len(found)} bytes into its answer"
        raise RuntimeError(message)

    def answer(self, kind: type[T]) -> T:
        """The next line as JSON."""
        return msgspec.json.decode(self.line(), type=kind)

    def stop(self) -> None:
        """Ask it to end, then make it."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            with suppress(BrokenPipeError):  # it ended with something unread, which is well known
                if pipe is not None:
                    pipe.close()


@contextmanager
def child(command: Sequence[str], environment: dict[str, str] | None = None) -> Generator[Child]:
    """A process for the length of the block."""
    running = Child(command, environment)
    try:
        yield running
    finally:
        running.stop()
