"""Folders that an unprivileged Postgres reaches, and the proven server with all that is around it."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests._postgres import roomy_memory


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder of this test alone, in memory where there is room."""
    made = Path(tempfile.mkdtemp(prefix="chatia-proof-", dir=roomy_memory()))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


FIGURES = pytest.StashKey[list[str]]()
Report = Callable[[str], None]


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Report:
    """Figures to be shown at the end of the run."""
    kept = request.config.stash.setdefault(FIGURES, [])
    return lambda text: kept.append(f"{request.node.name}\n{text}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what was measured."""
    for text in terminalreporter.config.stash.get(FIGURES, []):
        terminalreporter.section("figures")
        terminalreporter.write_line(text)
