"""Situations in which a writer that lacks one of its mechanisms does something wrong.

Each runs a writer, and returns the violations that a checker finds.
"""

import os
import random
import signal
from collections.abc import Awaitable, Callable

import trio
import trio.testing

from storage.errors import OutcomeUnknown, StorageError
from storage.owner import owner_lock
from storage.unit import Unit
from tests._postgres import TestServer
from tests.storage.checker import History
from tests.storage.wire_proxy import At, open_proxy
from tests.storage.writer_kit import (
    ADD,
    RANK,
    RECEIPT,
    SET_BODY,
    Rig,
    adding,
    next_id,
    open_rig,
    unit,
)

Scenario = Callable[[str], Awaitable[list[str]]]

SLOW_COMMIT = """
CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF NEW.weight = 77 THEN PERFORM pg_sleep(0.6); END IF;
  RETURN NEW;
END $$;
CREATE CONSTRAINT TRIGGER slow AFTER INSERT OR UPDATE ON things DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION slow();
"""
COMMITTING = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query = 'COMMIT'"


async def _finish(rig: Rig, history: History) -> list[str]:
    history.published.append(rig.published)
    await history.read(rig)
    return history.violations()


async def load_with_cuts(dsn: str) -> list[str]:
    """Random units, twins and poison, with connections cut at COMMIT."""
    rng = random.Random(3)
    history = History()
    fates = [At.PASS] * 6 + [At.CUT_BEFORE, At.CUT_AFTER, At.CUT_REPLY]
    async with open_proxy(dsn) as proxy, open_rig(dsn, through=proxy.dsn) as rig:
        proxy.decide = lambda _: rng.choice(fates)

        async def produce(producer: int) -> None:
            for n in range(10):
                twin = rng.random() < 0.2
                await history.save(
                    rig,
                    f"twin {rng.randrange(8)}" if twin else f"{producer}.{n}",
                    company=1 + producer % 3,
                    weight=-1 if rng.random() < 0.05 else 0,
                )

        with trio.move_on_after(20):
            async with trio.open_nursery() as nursery:
                for producer in range(30):
                    nursery.start_soon(produce, producer)
        return await _finish(rig, history)


async def twin_of_a_refused_unit(dsn: str) -> list[str]:
    """Two units with one claim in a batch, one of them stale: the other one must be stored."""
    async with open_rig(dsn) as rig:
        thing = next_id()
        await rig.writer.save(unit(ADD(1, thing, None, "thing", "", 0)))
        for n in range(12):
            stale = unit(RECEIPT(1, f"k{n}"), SET_BODY(1, thing, 7, ""))
            verdicts = await save_together(rig, [stale, unit(RECEIPT(1, f"k{n}"))])
            if verdicts != ["StaleVersion", "Committed"]:
                return [f"the twins heard {verdicts}"]
        return []


async def save_together(rig: Rig, units: list[Unit]) -> list[str]:
    """Save at once; returns the names of the verdicts."""
    heard = ["none"] * len(units)

    async def save(place: int) -> None:
        try:
            heard[place] = type(await rig.writer.save(units[place])).__name__
        except StorageError as error:
            heard[place] = type(error).__name__

    async with trio.open_nursery() as nursery:
        for place in range(len(units)):
            nursery.start_soon(save, place)
    return heard


async def poison_in_a_crowd(dsn: str) -> list[str]:
    """Bad units among many: every other one must be stored."""
    history = History()
    async with open_rig(dsn) as rig:
        with trio.move_on_after(5):
            async with trio.open_nursery() as nursery:
                for n in range(40):
                    weight = -1 if n % 13 == 6 else 0

                    async def save(key: str = f"k{n}", weight: int = weight) -> None:
                        await history.save(rig, key, weight=weight)

                    nursery.start_soon(save)
        return await _finish(rig, history)


async def late_answer(dsn: str) -> list[str]:
    """The answer to the first COMMIT is late, while more units of the company come."""
    history = History()
    async with open_proxy(dsn) as proxy, open_rig(dsn, through=proxy.dsn) as rig:
        proxy.decide = lambda n: At.HOLD_REPLY if n == 1 else At.PASS
        async with trio.open_nursery() as nursery:

            async def save(key: str) -> None:
                await history.save(rig, key)

            nursery.start_soon(save, "first")
            await proxy.held.wait()
            for n in range(5):
                nursery.start_soon(save, f"k{n}")
                await trio.testing.wait_all_tasks_blocked(0.05)
            proxy.gate.set()
        return await _finish(rig, history)


async def pending_commit(dsn: str) -> list[str]:
    """An owner dies while its COMMIT is under way; what its successor reads must not change."""
    history = History()
    async with open_proxy(dsn) as proxy, open_rig(dsn, through=proxy.dsn) as rig:
        await rig.script(SLOW_COMMIT)
        async with trio.open_nursery() as nursery:

            async def doomed() -> None:
                await history.save(rig, "old", weight=77)

            nursery.start_soon(doomed)
            while not (await rig.sql(COMMITTING))[0][0]:
                await trio.lowlevel.checkpoint()
            proxy.refuse = True
            await proxy.cut_all()
            async with owner_lock(rig.database, take_over=True):
                before = await rig.keys()
                while (await rig.sql(COMMITTING))[0][0]:
                    await trio.lowlevel.checkpoint()
                after = await rig.keys()
                proxy.refuse = False
        return [] if before == after else [f"the successor read {before}, then {after} was there"]


async def stopped_owner(dsn: str) -> list[str]:
    """An owner stops before COMMIT and goes on after its successor has begun."""
    async with open_proxy(dsn) as proxy, open_rig(dsn, through=proxy.dsn) as rig:
        proxy.decide = lambda n: At.HOLD if n == 1 else At.PASS
        async with trio.open_nursery() as nursery:

            async def stopped() -> None:
                try:
                    await rig.writer.save(adding("old"))
                except StorageError as error:
                    heard.append(error)

            heard: list[StorageError] = []
            nursery.start_soon(stopped)
            await proxy.held.wait()
            async with owner_lock(rig.database, take_over=True):
                before = await rig.keys()
                proxy.gate.set()
                while not heard and not await rig.keys():
                    await trio.lowlevel.checkpoint()
                after = await rig.keys()
        if before != after:
            return [f"a stopped owner wrote {after} after its successor had begun"]
        return [] if isinstance(heard[0], OutcomeUnknown) else [f"the stopped owner heard {heard}"]


async def raises_of_one_row(dsn: str) -> list[str]:
    """Several raises of a row in one batch, in every order."""
    async with open_rig(dsn) as rig:
        for ranks in ((1, 5, 3), (5, 1, 3), (3, 1, 5)):
            thing = next_id()
            await rig.writer.save(unit(ADD(1, thing, None, f"k{thing}", "", 0)))
            await rig.writer.save(unit(*[RANK(1, thing, rank, str(rank)) for rank in ranks]))
            stored = await rig.sql("SELECT rank FROM things WHERE id = $1", thing)
            if stored != [(5,)]:
                return [f"raises to {ranks} ended at {stored}"]
        return []


async def crash_with_a_commit_held_back(server: TestServer, dsn: str) -> list[str]:
    """The server dies before COMMIT reaches it; its transaction ids are then used again."""
    history = History()
    violations: list[str] = []
    async with (
        trio.open_nursery() as nursery,
        open_proxy(dsn) as proxy,
        open_rig(dsn, through=proxy.dsn) as rig,
    ):
        restarted = trio.Event()
        nursery.start_soon(server.postgres.supervise, restarted.set)
        await history.save(rig, "before")
        held = proxy.commits + 1
        proxy.decide = lambda n: At.HOLD if n == held else At.PASS

        async def save() -> None:
            await history.save(rig, "doubtful")

        async with trio.open_nursery() as saving:
            saving.start_soon(save)
            await proxy.held.wait()
            proxy.refuse = True
            assert server.postgres.pid is not None
            os.kill(server.postgres.pid, signal.SIGQUIT)
            await restarted.wait()
            await proxy.cut_all()
            for n in range(20):
                await rig.sql(f"INSERT INTO receipts VALUES (1, 'filler {n}')")
            proxy.refuse = False
        violations = await _finish(rig, history)
        nursery.cancel_scope.cancel()
    return violations
