"""The checker has teeth, and every mechanism of the commit path is needed."""

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from typing import Any
from uuid import UUID

import pytest
import trio

from storage import ownership
from storage.database import open_database
from storage.errors import Fenced
from storage.ids import CompanyId
from storage.owner import owner_lock
from storage.unit import Committed, Unit
from storage.writer import group, lane, open_writer, refusals, rows
from storage.writer.entry import Entry
from storage.writer.frame import Frame
from storage.writer.session import Marker, Session
from tests._postgres import TEMPLATE, TestServer
from tests.storage import scenarios
from tests.storage.checker import History, doctored
from tests.storage.scenarios import Scenario
from tests.storage.wire_proxy import At, open_proxy
from tests.storage.writer_kit import Rig, made, open_rig, prepare

Mutation = Callable[[pytest.MonkeyPatch], None]


async def test_every_doctored_history_is_rejected(dsn: str) -> None:
    history = History()
    async with open_rig(dsn) as rig:
        for n in range(6):
            await history.save(rig, f"k{n}", company=1 + n % 2)
        await history.save(rig, "k0")
        history.published.append(rig.published)
        await history.read(rig)
    assert history.violations() == []
    for what, wrong in doctored(history):
        assert wrong.violations(), what


HEALTHY: list[Scenario] = [
    scenarios.load_with_cuts,
    scenarios.twin_of_a_refused_unit,
    scenarios.poison_in_a_crowd,
    scenarios.late_answer,
    scenarios.pending_commit,
    scenarios.raises_of_one_row,
]


@pytest.mark.prove
@pytest.mark.parametrize("scenario", HEALTHY)
async def test_the_whole_writer_passes(scenario: Scenario, dsn: str) -> None:
    assert await scenario(dsn) == []


def no_barrier(patch: pytest.MonkeyPatch) -> None:
    """I7: the successor raises no epoch, so it waits for nothing."""
    patch.setattr(
        ownership, "RAISE_EPOCHS", "SELECT id, epoch FROM shards WHERE id < $2 AND $1 <> ''"
    )
    # Even the ordinary statement waits for the old batch.
    patch.setattr(
        ownership,
        "ADD_SHARDS",
        "INSERT INTO shards (id) SELECT g FROM generate_series(0, $1 - 1) AS g"
        " WHERE NOT EXISTS (SELECT FROM shards)",
    )
    patch.setattr(ownership, "END_WRITERS", "SELECT $1::text, $2::text")


def guess_committed(patch: pytest.MonkeyPatch) -> None:
    """I10: a lost answer is taken for a yes."""

    async def look_up(self: lane.Lane, attempt: Frame, _: Exception) -> lane.Parts:
        self._drop_session()
        self._verdicts.commit(attempt.left)
        return []

    patch.setattr(lane.Lane, "_look_up", look_up)


def guess_not_committed(patch: pytest.MonkeyPatch) -> None:
    """I10: a lost answer is taken for a no."""

    async def look_up(self: lane.Lane, attempt: Frame, _: Exception) -> lane.Parts:
        self._drop_session()
        return [attempt.left]

    patch.setattr(lane.Lane, "_look_up", look_up)


def guard_by_reading(patch: pytest.MonkeyPatch) -> None:
    """I8: the epoch is read, not held; and nobody ends the old owner's connections."""

    async def begin(self: Session, shard: int, epoch: int, batch: UUID) -> None:
        del batch
        status = await self._connection.execute(
            f"BEGIN; SELECT FROM shards WHERE id = {shard} AND epoch = {epoch}"
        )
        if status != "SELECT 1":
            raise Fenced

    patch.setattr(Session, "begin", begin)
    only_the_fence(patch)


def only_the_fence(patch: pytest.MonkeyPatch) -> None:
    """No mutation of its own: the fence alone must keep a stopped owner out."""
    patch.setattr(ownership, "END_WRITERS", "SELECT $1::text, $2::text")


def two_batches_per_lane(patch: pytest.MonkeyPatch) -> None:
    """I5: two connections write one shard at the same time."""

    class Two(lane.Lane):
        twin: lane.Lane
        turn = 0

        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            self.twin = lane.Lane(*args, **options)

        def submit(self, entry: Entry) -> None:
            self.turn += 1
            if self.turn % 2:
                super().submit(entry)
            else:
                self.twin.submit(entry)

        async def close(self) -> None:
            await super().close()
            await self.twin.close()

    patch.setattr(group, "Lane", Two)


def publish_from_actors(patch: pytest.MonkeyPatch) -> None:
    """I5: every producer publishes when it wakes up."""
    save = group.GroupWriter.save

    async def save_and_publish(self: group.GroupWriter, unit: Unit) -> Committed:
        committed = await save(self, unit)
        self._publisher(list(zip(committed.seqs, unit.events, strict=True)))
        return committed

    patch.setattr(group.GroupWriter, "save", save_and_publish)
    patch.setattr(group.GroupWriter, "_publish", lambda *_: None)


def duplicates_from_memory(patch: pytest.MonkeyPatch) -> None:
    """I11: a unit that lost against an uncommitted neighbour is called a duplicate."""

    def judge(self: refusals.Refusals, statement: Any, entry: Entry, values: Any) -> None:
        self._winners.clear()
        original(self, statement, entry, values)

    original = refusals.Refusals._judge
    patch.setattr(refusals.Refusals, "_judge", judge)


def no_maximum_per_key(patch: pytest.MonkeyPatch) -> None:
    """I12: Postgres picks any of several raises of one row."""
    patch.setattr(rows, "reduced", lambda _statement, columns, _keys: columns)


def one_unit_lost_in_a_bisection(patch: pytest.MonkeyPatch) -> None:
    """I9: the halves do not add up."""
    failed = lane.Lane._failed

    async def losing(
        self: lane.Lane, session: Session, left: list[Entry], error: Exception
    ) -> lane.Parts:
        parts = await failed(self, session, left, error)
        return [parts[0][:-1], parts[1]] if len(parts) == 2 and len(parts[0]) > 1 else parts

    patch.setattr(lane.Lane, "_failed", losing)
    patch.setattr(group, "DRAIN", 0.1)


def commit_in_spite_of_refusals(patch: pytest.MonkeyPatch) -> None:
    """I2: a refused unit's events and numbers stay."""

    async def write(self: Frame, work: Any) -> None:
        refused = await original(self, work)
        if refused is not None:
            _, _, self.refused = refused.split(self.left)
            self.left = [entry for entry in self.left if entry not in self.refused]

    original = Frame._write
    patch.setattr(Frame, "_write", write)


MUTATIONS: list[tuple[Mutation, Scenario]] = [
    (no_barrier, scenarios.pending_commit),
    (guess_committed, scenarios.load_with_cuts),
    (guess_not_committed, scenarios.load_with_cuts),
    (guard_by_reading, scenarios.stopped_owner),
    (two_batches_per_lane, scenarios.late_answer),
    (publish_from_actors, scenarios.load_with_cuts),
    (duplicates_from_memory, scenarios.twin_of_a_refused_unit),
    (no_maximum_per_key, scenarios.raises_of_one_row),
    (one_unit_lost_in_a_bisection, scenarios.poison_in_a_crowd),
    (commit_in_spite_of_refusals, scenarios.load_with_cuts),
]


@pytest.mark.prove
@pytest.mark.parametrize(("mutate", "scenario"), MUTATIONS)
async def test_a_writer_that_lacks_this_is_caught(
    mutate: Mutation, scenario: Scenario, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutate(monkeypatch)
    assert await scenario(dsn)


@pytest.mark.prove
async def test_the_fence_alone_keeps_a_stopped_owner_out(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    only_the_fence(monkeypatch)
    assert await scenarios.stopped_owner(dsn) == []


@pytest.mark.prove
async def test_the_marker_is_right_after_a_crash_of_the_server(hurt: TestServer) -> None:
    dsn = hurt.postgres.dsn_of(TEMPLATE)
    assert await scenarios.crash_with_a_commit_held_back(hurt, dsn) == []


@pytest.mark.prove
async def test_a_transaction_id_is_wrong_after_a_crash_of_the_server(
    hurt: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I10: the status of the transaction id is asked instead of the marker."""
    begin = Session.begin
    last: dict[str, Any] = {}

    async def noting(self: Session, shard: int, epoch: int, batch: UUID) -> None:
        await begin(self, shard, epoch, batch)
        xid = (await self.fetch("SELECT pg_current_xact_id()::text"))[0][0]
        last.update(xid=xid, epoch=epoch, batch=batch)

    async def status(self: Session, _: int) -> Marker:
        found = await self.fetch("SELECT pg_xact_status($1::text::xid8)", last["xid"])
        return Marker(last["epoch"], last["batch"] if found[0][0] == "committed" else None)

    monkeypatch.setattr(Session, "begin", noting)
    monkeypatch.setattr(Session, "marker", status)
    assert await scenarios.crash_with_a_commit_held_back(hurt, hurt.postgres.dsn_of(TEMPLATE))


@asynccontextmanager
async def _reign(dsn: str, through: str, history: History) -> AsyncIterator[Rig]:
    async with (
        open_database(through, pool=1) as proxied,
        open_database(dsn, pool=4) as direct,
        owner_lock(direct, take_over=True) as owner,
    ):
        published: list[Any] = []
        history.published.append(published)
        async with open_writer(proxied, owner, publisher=published.extend) as writer:
            yield Rig(direct, owner, writer, dsn)


@pytest.mark.prove
async def test_twenty_seconds_of_cuts_takeovers_twins_poison_and_plain_writes(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group, "DRAIN", 0.5)
    rng = random.Random(11)
    history = History()
    reigns = count(1)
    current: tuple[int, Rig] | None = None
    stop = trio.Event()

    async def rule(reign: int, through: str, *, task_status: trio.TaskStatus[None]) -> None:
        nonlocal current
        async with _reign(dsn, through, history) as rig:
            current = (reign, rig)
            task_status.started()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_first_of, nursery.cancel_scope, rig.owner.lost, stop)

    async def produce(producer: int, recent: list[str]) -> None:
        for n in count():
            if stop.is_set():
                return
            key = f"{producer}.{n}"
            if recent and rng.random() < 0.1:
                key = rng.choice(recent)
            recent.append(key)
            del recent[:-50]
            assert current is not None
            reign, rig = current
            weight = -1 if key.endswith("99") else 0
            await history.save(
                rig, key, company=1 + int(key.split(".")[0]) % 8, weight=weight, reign=reign
            )
            await trio.lowlevel.checkpoint()

    async def write_plainly(company: int) -> None:
        for n in count():
            if stop.is_set():
                return
            assert current is not None
            database = current[1].database
            seen: list[Any] = []
            database.publisher = seen.extend
            try:
                async with database.begin(CompanyId(company)) as tx:
                    tx.publish(made(f"tx {company}.{n}", company=company))
                    if rng.random() < 0.3:
                        raise LookupError
            except Exception:  # noqa: BLE001 (an owner's pool may close under it)
                await trio.lowlevel.checkpoint()
            await trio.sleep(0.003)

    async with open_database(dsn, pool=1) as first:
        await prepare(first, dsn)
    fates = [At.PASS] * 97 + [At.CUT_BEFORE, At.CUT_AFTER, At.CUT_REPLY]
    async with open_proxy(dsn) as proxy, trio.open_nursery() as nursery:
        proxy.decide = lambda _: rng.choice(fates)
        await nursery.start(rule, next(reigns), proxy.dsn)
        for producer in range(60):
            nursery.start_soon(produce, producer, [])
        for company in (1, 2, 3):
            nursery.start_soon(write_plainly, company)
        for _ in range(10):
            await trio.sleep(2)
            await nursery.start(rule, next(reigns), proxy.dsn)
        stop.set()
    async with open_rig(dsn, prepared=True) as rig:
        await history.read(rig)
        await rig.check_streams()
    assert history.violations() == []
    heard = {saved.outcome for saved in history.saved}
    assert {"ok", "duplicate", "poisoned", "unknown"} <= heard
    assert len(history.rows) > 1_000


async def _first_of(scope: trio.CancelScope, *events: trio.Event) -> None:
    async def wait(event: trio.Event) -> None:
        await event.wait()
        scope.cancel()

    async with trio.open_nursery() as nursery:
        for event in events:
            nursery.start_soon(wait, event)
