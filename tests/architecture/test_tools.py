"""The whole-tree checks: lint, format, types and import contracts are part of the test run."""

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = Path(sysconfig.get_path("scripts"))
PACKAGES = ("engine", "storage", "actors", "api", "migrations", "bench", "tests")

pytestmark = pytest.mark.gate


def run(*command: str) -> None:
    program = SCRIPTS / command[0]
    done = subprocess.run(
        [str(program), *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-8000:]}{done.stderr[-4000:]}"


def test_ruff_finds_nothing() -> None:
    run("ruff", "check", *PACKAGES)


def test_the_tree_is_formatted() -> None:
    run("ruff", "format", "--check", *PACKAGES)


def test_mypy_strict_is_clean() -> None:
    run("mypy")


def test_basedpyright_strict_is_clean() -> None:
    run("basedpyright", "--pythonpath", sys.executable)


def test_the_layers_hold() -> None:
    run("lint-imports")
