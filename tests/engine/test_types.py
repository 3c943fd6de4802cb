"""What a type checker infers: the reply type of an ask comes from the command."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

SNIPPET = """
from typing import assert_type
from engine import Address, Command, Forward, System
from engine._command import R_co

class TicketCommand(Command[R_co], frozen=True, kw_only=True):
    ticket: int
    @property
    def to(self) -> Address:
        return Address("ticket", self.ticket)

class Close(TicketCommand[str | None], frozen=True, kw_only=True): ...

async def good(system: System) -> None:
    assert_type(await system.ask(Close(ticket=1)), str | None)

def forward() -> Forward[str | None]:
    return Forward(Close(ticket=1))

async def bad(system: System) -> int:
    return await system.ask(Close(ticket=1))
"""


@pytest.mark.gate
def test_mypy_infers_the_reply_type_from_the_command(tmp_path: Path) -> None:
    source = tmp_path / "snippet.py"
    source.write_text(SNIPPET, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path), str(source)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    errors = [line for line in done.stdout.splitlines() if ": error:" in line]
    assert len(errors) == 1, done.stdout
    assert "Close" in errors[0]  # in `bad`, which wants an int
