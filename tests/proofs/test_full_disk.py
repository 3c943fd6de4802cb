"""The disk that holds the messages is full for a while, under load.

Needs a small file system of its own: run as root where file systems may be mounted, else skipped.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
import trio

from storage.database import open_database
from storage.embedded.binaries import account
from tests.proofs.conftest import Report
from tests.proofs.proof import Proof, open_proof
from tests.proofs.test_postgres import crashed, hurt_postgres

SIZE = 16 * 1024**2
FULL_FOR = 6.0
"""Longer than a lane tries again by itself (3 s): senders are told."""


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Path]:
    """A file system of `size` bytes; skips the test where none can be made."""
    place = folder / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


async def move_messages(dsn: str, data: Path, disk: Path) -> None:
    """Keep the messages (table and indexes) on `disk`."""
    space = disk / "messages"
    space.mkdir(mode=0o700)
    account(data).own(space)
    async with open_database(dsn, pool=1) as database:
        await database.execute(sa.text(f"CREATE TABLESPACE small LOCATION '{space}'"))
        await database.execute(sa.text("ALTER TABLE messages SET TABLESPACE small"))


def fill(disk: Path) -> Path:
    """Take all the room there is; returns the file that holds it."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:  # that was the last block
            return filler


async def full_for_a_while(proof: Proof, disk: Path) -> None:
    await proof.begin()

    async def hurt() -> None:
        await trio.sleep(1.0)
        filler = fill(disk)
        with trio.fail_after(60):
            while not proof.load.fates.customers["503"]:  # noqa: ASYNC110 - nothing tells us
                await trio.sleep(0.1)
        await trio.sleep(FULL_FOR)
        filler.unlink()
        await proof.load.fates.next_success()
        await trio.sleep(1.0)

    await proof.under_load(hurt)


@pytest.mark.prove
async def test_a_full_disk_is_503_and_ends_when_there_is_room(folder: Path, report: Report) -> None:
    """Nobody is told that a message is kept which is not, and no actor dies of it."""
    async with hurt_postgres(folder) as postgres:
        with small_disk(folder, SIZE) as disk:
            await move_messages(postgres.dsn, postgres.data, disk)
            async with open_proof(folder, postgres.dsn) as proof:
                await full_for_a_while(proof, disk)
                assert await proof.verdict() == [], proof.figures()
                assert proof.load.fates.customers["503"]
                assert await crashed(proof) == {}
                report(proof.figures())
            postgres.stop(at_once=True)
