"""Folders that an unprivileged Postgres reaches, and the proven server with all that is around it."""

import shutil
import tempfile
from collections.abc import Iterator
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
