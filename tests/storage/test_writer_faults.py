"""What the writer does when the wire, the server or the owner fails at the worst moment."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from storage.errors import DatabaseUnavailable, Fenced, OutcomeUnknown
from storage.events import DomainEvent
from storage.owner import owner_lock
from storage.writer import frame, lane, open_writer
from tests.storage.wire_proxy import At, WireProxy, open_proxy
from tests.storage.writer_kit import Rig, adding, open_rig, sql, unit

ACTIVE = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query = 'COMMIT'"


@asynccontextmanager
async def proxied(dsn: str) -> AsyncIterator[tuple[Rig, WireProxy]]:
    """A writer whose connections go through a proxy."""
    async with open_proxy(dsn) as proxy, open_rig(dsn, through=proxy.dsn) as rig:
        yield rig, proxy


async def in_background(nursery: trio.Nursery, rig: Rig, key: str, address: str) -> trio.Event:
    """Save in a task of its own; returns an event set when it has its verdict."""
    done = trio.Event()

    async def run() -> None:
        await rig.writer.save(adding(key, address=address))
        done.set()

    nursery.start_soon(run)
    await trio.testing.wait_all_tasks_blocked(0.05)
    return done


@pytest.mark.parametrize("cut", [At.CUT_BEFORE, At.CUT_AFTER, At.CUT_REPLY])
async def test_a_connection_cut_at_commit_neither_loses_nor_doubles(dsn: str, cut: At) -> None:
    async with proxied(dsn) as (rig, proxy):
        proxy.decide = lambda n: cut if n % 3 == 2 else At.PASS

        async def produce(producer: int) -> None:
            for n in range(12):
                await rig.writer.save(adding(f"{producer}.{n}", company=1 + producer % 4))

        async with trio.open_nursery() as nursery:
            for producer in range(8):
                nursery.start_soon(produce, producer)
        await rig.check_streams()
        assert await rig.sql("SELECT count(*), count(DISTINCT key) FROM things") == [(96, 96)]
        assert len(rig.published) == 96
        for company in range(1, 5):
            mine = [seq for seq, event in rig.published if event.company_id == company]
            assert mine == list(range(1, 25))
        assert rig.writer.stats().lookups >= 8


async def test_random_cuts_at_commit_a_hundred_times(dsn: str) -> None:
    async with proxied(dsn) as (rig, proxy):
        rng = random.Random(7)
        fates = (At.PASS, At.CUT_BEFORE, At.CUT_AFTER, At.CUT_REPLY)
        proxy.decide = lambda _: rng.choice(fates)

        async def produce(producer: int) -> None:
            n = 0
            while rig.writer.stats().lookups < 100:
                await rig.writer.save(adding(f"{producer}.{n}", company=1 + producer % 4))
                counts[producer] = n = n + 1

        counts = [0] * 6
        async with trio.open_nursery() as nursery:
            for producer in range(6):
                nursery.start_soon(produce, producer)
        total = sum(counts)
        assert await rig.sql("SELECT count(*), count(DISTINCT key) FROM things") == [(total, total)]
        assert len(rig.published) == total
        await rig.check_streams()


async def test_a_lost_answer_is_looked_up_after_the_watchdog(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frame, "COMMIT_LIMIT", 0.2)
    async with proxied(dsn) as (rig, proxy):
        proxy.decide = lambda n: At.HOLD_REPLY if n == 1 else At.PASS
        committed = await rig.writer.save(adding("a"))
        assert committed.first_seq == 1
        assert await rig.keys() == [(1, "a")]
        assert rig.writer.stats().lookups == 1


async def test_a_commit_that_never_arrived_is_repeated_once_its_transaction_ended(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old transaction holds the shard's row until the server ends it: no verdict before."""
    monkeypatch.setattr(frame, "COMMIT_LIMIT", 0.2)
    async with proxied(dsn) as (rig, proxy):
        proxy.decide = lambda n: At.HOLD if n == 1 else At.PASS
        committed = await rig.writer.save(adding("a"))
        proxy.gate.set()
        assert committed.first_seq == 1
        assert await rig.keys() == [(1, "a")]
        assert len(rig.published) == 1


async def test_a_short_outage_is_latency_and_a_long_one_a_refusal(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with proxied(dsn) as (rig, proxy):
        proxy.refuse = True
        await proxy.cut_all()
        async with trio.open_nursery() as nursery:
            done = await in_background(nursery, rig, "a", "short")
            assert not done.is_set()
            proxy.refuse = False
        monkeypatch.setattr(lane, "PATIENCE", 0.3)
        proxy.refuse = True
        await proxy.cut_all()
        with pytest.raises(DatabaseUnavailable):
            await rig.writer.save(adding("b"))
        assert rig.writer.stats().unavailable_s > 0
        proxy.refuse = False
        await rig.writer.save(adding("c"))
        assert [key for _, key in await rig.keys()] == ["a", "c"]
        assert rig.writer.stats().unavailable_s == 0


async def test_a_producer_is_told_unknown_in_time_and_its_address_stays_shut(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lane, "PATIENCE", 0.3)
    async with proxied(dsn) as (rig, proxy):
        proxy.decide = lambda n: At.CUT_REPLY if n == 1 else At.PASS

        def decide(_: int) -> At:
            proxy.refuse = True
            return At.CUT_REPLY

        proxy.decide = decide
        with pytest.raises(OutcomeUnknown):
            await rig.writer.save(adding("a", address="one"))
        assert not rig.writer.is_settled("one")
        assert rig.published == []
        proxy.decide = lambda _: At.PASS
        proxy.refuse = False
        await rig.writer.settled("one")
        assert await rig.keys() == [(1, "a")]
        assert [seq for seq, _ in rig.published] == [1]
        assert rig.writer.stats().queued_units == 0


async def test_told_unknown_and_found_uncommitted_is_never_written_later(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lane, "PATIENCE", 0.3)
    async with proxied(dsn) as (rig, proxy):

        def decide(_: int) -> At:
            proxy.refuse = True
            return At.CUT_BEFORE

        proxy.decide = decide
        with pytest.raises(OutcomeUnknown):
            await rig.writer.save(adding("a", address="one"))
        proxy.decide = lambda _: At.PASS
        proxy.refuse = False
        await rig.writer.settled("one")
        await rig.writer.save(adding("b", address="one"))
        assert await rig.keys() == [(1, "b")]


async def test_a_queued_unit_can_be_withdrawn_a_taken_one_cannot(dsn: str) -> None:
    async with proxied(dsn) as (rig, proxy), trio.open_nursery() as nursery:
        proxy.decide = lambda n: At.HOLD if n == 1 else At.PASS
        taken, queued = trio.CancelScope(), trio.CancelScope()

        async def save(scope: trio.CancelScope, key: str) -> None:
            with scope:
                await rig.writer.save(adding(key, address=key))

        nursery.start_soon(save, taken, "taken")
        await proxy.held.wait()
        nursery.start_soon(save, queued, "queued")
        await trio.testing.wait_all_tasks_blocked()
        taken.cancel()
        queued.cancel()
        await trio.testing.wait_all_tasks_blocked()
        assert rig.writer.is_settled("queued")
        assert not rig.writer.is_settled("taken")
        proxy.gate.set()
        await rig.writer.settled("taken")
        await rig.writer.save(adding("next"))
        assert await rig.keys() == [(1, "taken"), (2, "next")]
        assert rig.writer.stats().queued_units == 0


async def test_a_held_stream_row_delays_only_its_company(dsn: str) -> None:
    async with open_rig(dsn) as rig:
        await rig.writer.save(adding("a", company=1))
        async with trio.open_nursery() as nursery:
            async with rig.database.begin(unit().company_id) as tx:
                await rig.sql("SELECT 1")
                lock = "SELECT last_seq FROM company_stream WHERE company_id = 1 FOR UPDATE"
                await tx._lease.run(lambda c: c.fetch(lock), shield=True)  # type: ignore[union-attr]
                done = await in_background(nursery, rig, "b", "waiting")
                await rig.writer.save(adding("c", company=3))
                await rig.writer.save(adding("d", company=3))
                assert not done.is_set()
            with trio.fail_after(5):
                await done.wait()
        await rig.check_streams()
        assert await rig.keys(1) == [(1, "a"), (2, "b")]


async def test_units_and_plain_transactions_share_one_gapless_stream(dsn: str) -> None:
    async with open_rig(dsn) as rig:
        published: list[tuple[int, DomainEvent]] = []
        rig.database.publisher = published.extend
        company = unit().company_id

        async def plain(n: int) -> None:
            async with rig.database.begin(company) as tx:
                tx.publish(adding(f"tx {n}").events[0])

        async with trio.open_nursery() as nursery:
            for n in range(30):
                nursery.start_soon(plain, n)
                nursery.start_soon(rig.writer.save, adding(f"unit {n}"))
        await rig.check_streams()
        seen = sorted(seq for seq, _ in [*published, *rig.published])
        assert seen == list(range(1, 61))


FAIL_TWICE = """
CREATE SEQUENCE failures;
CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF NEW.body = 'fail' AND nextval('failures') <= 2 THEN
    RAISE EXCEPTION 'as asked' USING ERRCODE = '{state}';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER fail BEFORE INSERT ON things FOR EACH ROW EXECUTE FUNCTION fail();
"""


@pytest.mark.parametrize("state", ["40001", "40P01", "55P03", "53100", "57014", "25006"])
async def test_a_transient_error_is_repeated_with_the_same_batch(dsn: str, state: str) -> None:
    async with open_rig(dsn) as rig:
        await rig.script(FAIL_TWICE.format(state=state))
        await rig.writer.save(adding("a", body="fail"))
        assert await rig.keys() == [(1, "a")]
        assert rig.writer.stats().retries == 2
        assert rig.writer.stats().bisected == 0


async def test_damaged_data_stops_the_lane(dsn: str) -> None:
    async with open_rig(dsn) as rig:
        await rig.script(FAIL_TWICE.format(state="XX001"))
        for _ in range(2):
            with pytest.raises(DatabaseUnavailable, match="damaged"):
                await rig.writer.save(adding("a", body="fail"))
        assert rig.writer.stats().stopped == (1,)
        await rig.writer.save(adding("b", company=2))
        assert rig.writer.stats().retries == 0


SLOW_COMMIT = """
CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF NEW.body = 'slow' THEN PERFORM pg_sleep(0.6); END IF;
  RETURN NEW;
END $$;
CREATE CONSTRAINT TRIGGER slow AFTER INSERT OR UPDATE ON things DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION slow();
"""


async def test_a_successor_loads_only_after_a_dead_owners_pending_commit(dsn: str) -> None:
    """The old owner dies while its COMMIT is under way; that COMMIT lands, and is seen."""
    async with proxied(dsn) as (rig, proxy), trio.open_nursery() as nursery:
        await rig.script(SLOW_COMMIT)

        async def doomed() -> None:
            with pytest.raises(OutcomeUnknown):
                await rig.writer.save(adding("a", body="slow"))

        nursery.start_soon(doomed)
        while not (await rig.sql(ACTIVE))[0][0]:
            await trio.lowlevel.checkpoint()
        proxy.refuse = True
        await proxy.cut_all()
        async with owner_lock(rig.database, take_over=True) as successor:
            assert await rig.sql("SELECT key FROM things") == [("a",)]
            assert successor.epochs == {
                shard: epoch + 1 for shard, epoch in rig.owner.epochs.items()
            }
            proxy.refuse = False


async def test_a_stopped_owner_is_succeeded_and_writes_nothing_any_more(dsn: str) -> None:
    """Its COMMIT is held back, as if the process were stopped; then it goes on."""
    async with proxied(dsn) as (rig, proxy), trio.open_nursery() as nursery:
        proxy.decide = lambda n: At.HOLD if n == 1 else At.PASS

        async def stopped() -> None:
            with pytest.raises(OutcomeUnknown):
                await rig.writer.save(adding("old"))

        nursery.start_soon(stopped)
        await proxy.held.wait()
        async with owner_lock(rig.database, take_over=True) as successor:
            proxy.gate.set()
            async with open_writer(rig.database, successor, publisher=lambda _: None) as writer:
                await writer.save(adding("new"))
                with pytest.raises(Fenced):
                    await rig.writer.save(adding("late", company=1))
                with pytest.raises(Fenced):
                    await rig.writer.save(adding("late", company=2))
            with trio.fail_after(5):
                await rig.owner.lost.wait()
        assert await rig.sql("SELECT key FROM things") == [("new",)]
        assert rig.published == []


async def test_a_publisher_that_fails_does_not_take_the_verdict_with_it(
    dsn: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_rig(dsn) as rig:

        def broken(_: object) -> None:
            raise LookupError

        rig.writer._publisher = broken
        await rig.writer.save(adding("a"))
        assert await rig.keys() == [(1, "a")]
        assert rig.writer.stats().publish_errors == 1
        assert "publisher failed" in caplog.text


async def test_a_fault_in_the_lane_leaves_no_unit_without_an_answer(
    dsn: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_rig(dsn) as rig:

        def broken(*_: object) -> None:
            raise LookupError

        monkeypatch.setattr(lane.Lane, "_settle", broken)
        with pytest.raises(OutcomeUnknown):
            await rig.writer.save(adding("a"))
        with pytest.raises(OutcomeUnknown):
            await rig.writer.save(adding("b"))
        await rig.writer.settled("a")
        assert "writes nothing any more" in caplog.text


async def test_a_terminated_backend_costs_nobody_a_unit(dsn: str) -> None:
    async with open_rig(dsn) as rig:
        kill = (
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE application_name = $1"
        )

        async def produce(producer: int) -> None:
            for n in range(25):
                await rig.writer.save(adding(f"{producer}.{n}", company=1 + producer % 4))
                if n % 4 == producer % 4:
                    await sql(rig.database, dsn, kill, rig.owner.application_name)

        async with trio.open_nursery() as nursery:
            for producer in range(6):
                nursery.start_soon(produce, producer)
        assert await rig.sql("SELECT count(*), count(DISTINCT key) FROM things") == [(150, 150)]
        assert len(rig.published) == 150
        await rig.check_streams()
