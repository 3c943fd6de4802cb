"""Who owns the data: one process, by an advisory lock and an epoch on every shard's row.

The lock keeps a second server from starting. The epoch keeps a paused or cut-off owner from
writing after its successor began: every batch names the epoch, and raising it waits for the batch
that is under way.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial

import trio

from storage import faults
from storage.database import Database
from storage.errors import StorageError
from storage.ownership import Claim, Claimant, Holder

SHARDS = 2
"""Shards of an installation, hence lanes of its only process."""


class AlreadyOwned(StorageError):
    """Another process owns the data; `holder` says which."""

    code = "ERR_ALREADY_OWNED"

    def __init__(self, holder: Holder | None) -> None:
        super().__init__(f"the database is owned by {holder or 'another process'}")
        self.holder = holder


class Owner:
    """The ownership of all shards under one epoch each, until `lost` is set."""

    def __init__(self, claim: Claim) -> None:
        self.epochs = claim.epochs
        self.application_name = claim.application_name
        self.lost = trio.Event()
        """Set when another process took over: stop writing, stop the actors."""


@asynccontextmanager
async def owner_lock(
    database: Database, name: str = "chatia", *, take_over: bool = False, patience: float = 3.0
) -> AsyncGenerator[Owner]:
    """Own the data for the length of the block (Installation-wide: one process, every company).

    The epoch is raised, and that is committed, before the block runs: what an earlier owner had
    under way is committed or rolled back by then, and nothing of it can follow.

    Args:
        database: where the shards are.
        name: what is owned; one lock per name and database.
        take_over: end the present owner's connections instead of giving way to it.
        patience: seconds to wait for an owner that is just going away.

    Raises:
        AlreadyOwned: another process holds the lock, and lives.
        DatabaseUnavailable: Postgres does not answer.
    """
    bridge = database.bridge
    claimant = Claimant(database.dsn, name, shards=SHARDS)
    try:
        claim = await bridge.call(
            partial(claimant.claim, take_over=take_over, patience=patience), shield=True
        )
        if not isinstance(claim, Claim):
            raise AlreadyOwned(claim)
        faults.hit("takeover.bumped")
        owner = Owner(claim)
        await bridge.call(partial(claimant.watch, lambda: bridge.trio_call_soon(owner.lost.set)))
        yield owner
    finally:
        with trio.CancelScope(shield=True):
            await bridge.call(claimant.release, shield=True)
