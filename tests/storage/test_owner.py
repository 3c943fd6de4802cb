"""One owner at a time: who holds the database is named, dead holders are succeeded."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from storage.bridge import AsyncpgConnection, connect
from storage.database import Database
from storage.owner import AlreadyOwned, owner_lock
from storage.ownership import Claimant, Holder, this_process
from tests.storage.writer_kit import sql

LOCKS = (
    "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)"
    " WHERE locktype = 'advisory' AND granted AND application_name = $1"
)


@asynccontextmanager
async def held_by(database: Database, dsn: str, application_name: str) -> AsyncIterator[None]:
    """Hold the owner's lock on a connection that calls itself `application_name`."""
    key = Claimant(dsn, "chatia", shards=2)._key

    async def hold() -> AsyncpgConnection:
        connection = await connect(dsn, application_name=application_name)
        await connection.execute(f"SELECT pg_advisory_lock({key})")
        return connection

    connection = await database.bridge.call(hold)
    try:
        yield
    finally:
        database.bridge.loop_call_soon(connection.terminate)


async def test_a_second_owner_is_refused_and_told_who_holds_the_database(
    database: Database,
) -> None:
    async with owner_lock(database):
        with pytest.raises(AlreadyOwned, match=f"pid {this_process().pid}, since 20") as refusal:
            async with owner_lock(database, patience=0):
                pytest.fail("there are two owners")
        assert refusal.value.holder is not None


async def test_each_owner_has_a_higher_epoch_than_the_one_before(database: Database) -> None:
    async with owner_lock(database) as first:
        assert set(first.epochs.values()) == {1}
    async with owner_lock(database) as second:
        assert set(second.epochs.values()) == {2}
        assert second.application_name != first.application_name


async def test_a_takeover_tells_the_one_before_and_ends_its_writers(
    database: Database, dsn: str
) -> None:
    async with owner_lock(database) as first:
        writer = await database.bridge.call(
            lambda: connect(dsn, application_name=first.application_name)
        )
        async with owner_lock(database, take_over=True) as second:
            assert second.epochs == {shard: epoch + 1 for shard, epoch in first.epochs.items()}
            with trio.fail_after(10):
                await first.lost.wait()
            left = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1"
            assert await sql(database, dsn, left, first.application_name) == [(0,)]
            assert not second.lost.is_set()
        database.bridge.loop_call_soon(writer.terminate)


async def test_a_lost_lock_connection_is_replaced_while_nobody_else_took_over(
    database: Database, dsn: str
) -> None:
    me = this_process().application_name
    kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1"
    async with owner_lock(database) as owner:
        await sql(database, dsn, kill, me)
        with trio.fail_after(10):
            while await sql(database, dsn, LOCKS, me) != [(1,)]:
                await trio.lowlevel.checkpoint()
        assert not owner.lost.is_set()
        with pytest.raises(AlreadyOwned):
            async with owner_lock(database, patience=0):
                pytest.fail("there are two owners")


async def test_the_lock_of_a_dead_process_of_this_machine_is_taken(
    database: Database, dsn: str
) -> None:
    dead = this_process()._replace(pid=2**22 + 1, started=5)
    async with held_by(database, dsn, dead.application_name), owner_lock(database) as owner:
        assert owner.epochs == {0: 1, 1: 1}


@pytest.mark.parametrize(
    "stranger",
    [
        this_process()._replace(host="elsewhere", pid=2**22 + 1),
        this_process()._replace(namespace=1, pid=2**22 + 1),
        this_process(),
    ],
)
async def test_a_process_that_may_live_keeps_its_lock(
    database: Database, dsn: str, stranger: Holder
) -> None:
    async with held_by(database, dsn, stranger.application_name):
        with pytest.raises(AlreadyOwned, match=f"{stranger.host}, pid {stranger.pid}"):
            async with owner_lock(database, patience=0):
                pytest.fail("there are two owners")


async def test_somebody_who_is_no_server_of_ours_is_not_named(database: Database, dsn: str) -> None:
    async with held_by(database, dsn, "psql"):
        with pytest.raises(AlreadyOwned, match="another process"):
            async with owner_lock(database, patience=0):
                pytest.fail("there are two owners")


def test_a_reused_process_id_is_not_taken_for_the_old_process() -> None:
    assert not this_process().is_dead()
    assert this_process()._replace(started=1).is_dead()
