"""A program that saves units until it is killed; prints each acknowledged key at once.

Run as `python -m tests.storage.doomed DSN FAULT PREFIX`.
"""

import sys

import trio

from storage import faults
from storage.database import open_database
from storage.owner import owner_lock
from storage.writer import open_writer
from tests.storage import writer_kit
from tests.storage.writer_kit import Rig, adding


async def main(dsn: str, fault: str, prefix: str) -> None:
    """Own the database, save with twenty producers, die."""
    async with (
        open_database(dsn, pool=1) as database,
        owner_lock(database) as owner,
        open_writer(database, owner, publisher=lambda _: None) as writer,
    ):
        rig = Rig(database, owner, writer, dsn)
        highest = await rig.sql("SELECT coalesce(max(id), 0) FROM things")
        writer_kit.number_from(highest[0][0] + 1)
        faults.arm(fault)
        async with trio.open_nursery() as nursery:
            for producer in range(20):
                nursery.start_soon(_produce, rig, f"{prefix}.{producer}", 1 + producer % 4)


async def _produce(rig: Rig, prefix: str, company: int) -> None:
    for n in range(100_000):
        key = f"{prefix}.{n}"
        await rig.writer.save(adding(key, company=company))
        sys.stdout.write(f"{key}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    trio.run(main, *sys.argv[1:])
