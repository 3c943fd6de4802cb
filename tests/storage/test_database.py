"""Statements, transactions and the pool under them, against a real Postgres."""

from collections.abc import Sequence

import msgspec
import pytest
import sqlalchemy as sa
import trio
import trio.testing

from storage.database import Database, Tx, open_database
from storage.errors import (
    Conflict,
    DatabaseUnavailable,
    NotFound,
    OutcomeUnknown,
    Retryable,
    UniqueViolation,
)
from storage.events import DomainEvent
from storage.ids import CompanyId
from storage.sql import prepared

COMPANY = CompanyId(7)
OTHER = CompanyId(8)
items = sa.Table(
    "items",
    sa.MetaData(),
    sa.Column("id", sa.BigInteger, primary_key=True),
    sa.Column("name", sa.Text),
)
BY_ID = prepared(sa.select(items).where(items.c.id == sa.bindparam("id")))
SLEEP = sa.select(sa.func.pg_sleep(60))
BACKENDS = sa.text(
    "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(%' AND state = 'active' AND pid <> pg_backend_pid() AND datname = current_database()"
)
END_OTHERS = sa.text(
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database() AND backend_type = 'client backend'"
)


class Item(msgspec.Struct, frozen=True):
    id: int
    name: str | None


class Noted(DomainEvent, frozen=True, kw_only=True):
    kind = "item.noted"
    item: int

    def ids(self) -> dict[str, int | str]:
        return {"item": self.item}


Seen = list[tuple[CompanyId, int, int]]


@pytest.fixture
async def db(database: Database) -> Database:
    await database.execute(
        sa.text("CREATE TABLE items (id bigint CONSTRAINT pk_items PRIMARY KEY, name text)")
    )
    for company in (COMPANY, OTHER):
        await database.execute(
            sa.text(
                "INSERT INTO companies (id, name) OVERRIDING SYSTEM VALUE VALUES (:id, 'x')"
            ).bindparams(sa.bindparam("id", type_=sa.BigInteger)),
            id=company,
        )
    return database


@pytest.fixture
def seen(db: Database) -> Seen:
    published: Seen = []

    def publish(events: Sequence[tuple[int, DomainEvent]]) -> None:
        for seq, event in events:
            assert isinstance(event, Noted)
            published.append((event.company_id, seq, event.item))

    db.publisher = publish
    return published


def add(number: int, name: str | None = None) -> sa.Insert:
    return sa.insert(items).values(id=number, name=name)


async def count(db: Database) -> int:
    found: int = await db.value(sa.select(sa.func.count()).select_from(items))
    return found


async def test_the_five_ways_to_run_a_statement(db: Database) -> None:
    assert await db.execute(add(1, "one")) == 1
    assert await db.execute(add(2, "two")) == 1
    assert await db.one(BY_ID, id=1, into=Item) == Item(1, "one")
    assert await db.first(BY_ID, id=3, into=Item) is None
    assert [i.id for i in await db.all(sa.select(items).order_by(items.c.id), into=Item)] == [1, 2]
    assert await db.value(BY_ID, id=2) == 2
    assert await db.value(BY_ID, id=3) is None
    assert await db.execute(sa.update(items).values(name="x")) == 2


async def test_one_refuses_none_and_many(db: Database) -> None:
    with pytest.raises(NotFound):
        await db.one(BY_ID, id=1, into=Item)
    await db.execute(add(1))
    await db.execute(add(2))
    with pytest.raises(ValueError, match="2 rows"):
        await db.one(sa.select(items), into=Item)


async def test_a_unique_violation_names_its_constraint(db: Database) -> None:
    await db.execute(add(1))
    with pytest.raises(UniqueViolation) as caught:
        await db.execute(add(1))
    assert caught.value.constraint == "pk_items"


async def test_a_missing_parent_is_a_conflict(db: Database) -> None:
    with pytest.raises(Conflict):
        await db.execute(
            sa.text("INSERT INTO company_stream (company_id, last_seq) VALUES (999, 0)")
        )


async def test_a_cancelled_read_ends_on_the_server_and_frees_its_connection(dsn: str) -> None:
    async with open_database(dsn, pool=1) as narrow, open_database(dsn, pool=1) as watcher:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(narrow.rows, SLEEP)
            while not await watcher.value(BACKENDS):
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
        assert await narrow.value(sa.select(sa.literal(5))) == 5
        assert await watcher.value(BACKENDS) == 0


async def test_a_queued_job_is_withdrawn_by_a_cancel(dsn: str) -> None:
    async with open_database(dsn, pool=1) as narrow:
        async with narrow.begin(COMPANY):
            with trio.CancelScope() as scope:
                scope.cancel()
                await narrow.execute(sa.text("CREATE TABLE never (id int)"))
            assert scope.cancelled_caught
        assert await narrow.value(sa.text("SELECT to_regclass('never')::text")) is None


async def test_a_write_that_was_taken_is_finished_before_the_cancel_shows(db: Database) -> None:
    write = sa.text("INSERT INTO items SELECT 1, 'slow' FROM pg_sleep(0.2)")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(db.execute, write)
        while not await db.value(BACKENDS):
            await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    assert await count(db) == 1


async def test_many_tasks_share_few_connections(dsn: str) -> None:
    answers: list[int] = []

    async def ask(database: Database, number: int) -> None:
        answers.append(await database.value(sa.select(sa.literal(number))))

    async with open_database(dsn, pool=3) as database:
        async with trio.open_nursery() as nursery:
            for number in range(200):
                nursery.start_soon(ask, database, number)
        used = await database.value(
            sa.text(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'chatia'"
                " AND datname = current_database()"
            )
        )
    assert sorted(answers) == list(range(200))
    assert 1 <= used <= 3


async def test_leaving_the_block_commits_and_then_publishes_in_order(
    db: Database, seen: Seen
) -> None:
    async with db.begin(COMPANY) as tx:
        await tx.execute(add(1))
        tx.publish(Noted(company_id=COMPANY, item=1))
        tx.publish(Noted(company_id=COMPANY, item=2))
        assert await count(db) == 0
        assert seen == []
    assert await count(db) == 1
    assert seen == [(COMPANY, 1, 1), (COMPANY, 2, 2)]
    stored = await db.rows(sa.text("SELECT company_id, seq, kind, ids FROM events ORDER BY seq"))
    assert [tuple(row) for row in stored] == [
        (COMPANY, 1, "item.noted", '{"item": 1}'),
        (COMPANY, 2, "item.noted", '{"item": 2}'),
    ]


async def test_an_exception_rolls_back_and_publishes_nothing(db: Database, seen: Seen) -> None:
    async def fail_halfway() -> None:
        async with db.begin(COMPANY) as tx:
            await tx.execute(add(1))
            tx.publish(Noted(company_id=COMPANY, item=1))
            raise LookupError

    with pytest.raises(LookupError):
        await fail_halfway()
    assert await count(db) == 0
    assert seen == []
    async with db.begin(COMPANY) as tx:
        tx.publish(Noted(company_id=COMPANY, item=9))
    assert seen == [(COMPANY, 1, 9)]  # the rolled back event took no number


async def test_a_cancel_inside_the_block_rolls_back(db: Database, seen: Seen) -> None:
    with trio.CancelScope() as scope:
        async with db.begin(COMPANY) as tx:
            await tx.execute(add(1))
            tx.publish(Noted(company_id=COMPANY, item=1))
            scope.cancel()
            await trio.lowlevel.checkpoint()
    assert scope.cancelled_caught
    assert await count(db) == 0
    assert seen == []


async def test_a_cancel_during_the_commit_does_not_undo_it(db: Database, seen: Seen) -> None:
    with trio.CancelScope() as scope:
        async with db.begin(COMPANY) as tx:
            await tx.execute(add(1))
            tx.publish(Noted(company_id=COMPANY, item=1))
            scope.cancel()  # nothing awaits before the exit
    assert await count(db) == 1
    assert seen == [(COMPANY, 1, 1)]


async def test_concurrent_transactions_number_without_gaps_and_publish_each_its_own_together(
    db: Database, seen: Seen
) -> None:
    async def write(company: CompanyId, number: int) -> None:
        async with db.begin(company) as tx:
            await tx.execute(add(number))
            for _ in range(number % 3 + 1):
                tx.publish(Noted(company_id=company, item=number))

    async with trio.open_nursery() as nursery:
        for number in range(60):
            nursery.start_soon(write, COMPANY if number % 2 else OTHER, number)
    for company in (COMPANY, OTHER):
        seqs = [seq for owner, seq, _ in seen if owner == company]
        # Answers of two commits can overtake each other on their way here: the hub orders them.
        assert sorted(seqs) == list(range(1, len(seqs) + 1))
        assert len(seqs) >= 30
    for number in range(60):
        own = [seq for _, seq, item in seen if item == number]
        assert own == list(range(own[0], own[0] + number % 3 + 1))
    assert len(seen) == await db.value(sa.text("SELECT count(*) FROM events"))


async def test_a_publisher_that_fails_does_not_take_the_program_with_it(
    db: Database, seen: Seen, caplog: pytest.LogCaptureFixture
) -> None:
    hand_over, failures = db.publisher, 1

    def failing(pairs: Sequence[tuple[int, DomainEvent]]) -> None:
        nonlocal failures
        failures -= 1
        if failures >= 0:
            raise ZeroDivisionError
        hand_over(pairs)

    db.publisher = failing
    for number in (1, 2):
        async with db.begin(COMPANY) as tx:
            await tx.execute(add(number))
            tx.publish(Noted(company_id=COMPANY, item=number))
    assert await count(db) == 2
    assert seen == [(COMPANY, 2, 2)]
    assert "the publisher failed on 1 events" in caplog.text


async def test_an_event_of_another_company_is_refused(db: Database) -> None:
    with pytest.raises(ValueError, match="company 8"):
        async with db.begin(COMPANY) as tx:
            tx.publish(Noted(company_id=OTHER, item=1))


async def test_a_transaction_that_is_over_runs_nothing(db: Database) -> None:
    async with db.begin(COMPANY) as tx:
        pass
    with pytest.raises(RuntimeError, match="not open"):
        await tx.execute(add(1))


async def test_a_deadlock_is_retryable(db: Database) -> None:
    await db.execute(add(1))
    await db.execute(add(2))
    verdicts: list[str] = []
    both = trio.testing.Sequencer()

    async def take(tx: Tx, number: int) -> None:
        await tx.execute(sa.update(items).where(items.c.id == number).values(name="x"))

    async def cross(first: int, second: int, place: int) -> None:
        try:
            async with db.begin(COMPANY) as tx:
                async with both(place):
                    await take(tx, first)
                if place == 0:
                    async with both(2):
                        pass
                await take(tx, second)
            verdicts.append("committed")
        except Retryable:
            verdicts.append("retry")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(cross, 1, 2, 0)
        nursery.start_soon(cross, 2, 1, 1)
    assert sorted(verdicts) == ["committed", "retry"]


async def test_reads_survive_a_broken_connection(db: Database) -> None:
    async with open_database(db.dsn, pool=1) as victim:
        assert await victim.value(sa.select(sa.literal(1))) == 1
        await db.value(END_OTHERS)
        assert await victim.value(sa.select(sa.literal(2))) == 2


async def test_a_write_whose_connection_breaks_on_its_way_is_unknown(db: Database) -> None:
    verdicts: list[type[BaseException]] = []

    async def slow(victim: Database) -> None:
        try:
            await victim.execute(sa.text("INSERT INTO items SELECT 1, 'x' FROM pg_sleep(60)"))
        except (DatabaseUnavailable, OutcomeUnknown) as error:
            verdicts.append(type(error))

    async with open_database(db.dsn, pool=1) as victim, trio.open_nursery() as nursery:
        nursery.start_soon(slow, victim)
        while not await db.value(BACKENDS):
            await trio.lowlevel.checkpoint()
        await db.value(END_OTHERS)
    assert verdicts == [OutcomeUnknown]
    assert await count(db) == 0


async def test_a_transaction_whose_connection_breaks_was_not_committed(db: Database) -> None:
    async def broken_halfway(victim: Database) -> None:
        async with victim.begin(COMPANY) as tx:
            await tx.execute(add(1))
            await db.value(END_OTHERS)
            await tx.execute(add(2))

    async with open_database(db.dsn, pool=1) as victim:
        with pytest.raises(DatabaseUnavailable):
            await broken_halfway(victim)
        assert await count(victim) == 0


async def test_no_server_is_unavailable_within_the_patience() -> None:
    with pytest.raises(DatabaseUnavailable, match="no connection"):
        async with open_database("postgresql://postgres@/x?host=/nowhere", patience=0.05):
            raise AssertionError


async def test_a_wrong_database_name_is_told_at_once(dsn: str) -> None:
    missing = dsn.replace("/test_", "/absent_")
    with pytest.raises(DatabaseUnavailable, match="does not exist"):
        async with open_database(missing, patience=600.0):
            raise AssertionError


async def test_the_pooled_session_is_set_up_for_durability(database: Database) -> None:
    for setting in ("fsync", "full_page_writes", "synchronous_commit"):
        assert await database.value(sa.text(f"SHOW {setting}")) == "on"
    assert await database.value(sa.text("SHOW timezone")) == "UTC"


async def test_a_closed_database_answers_late_callers(dsn: str) -> None:
    async with open_database(dsn) as closed:
        pass
    for late in (closed.pool.lease, closed.begin(CompanyId(1)).__aenter__):
        with pytest.raises(DatabaseUnavailable):
            await late()
