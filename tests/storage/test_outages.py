"""What callers see when the link to Postgres breaks at the worst moment, through a real proxy."""

from collections.abc import AsyncIterator, Sequence

import pytest
import sqlalchemy as sa
import trio

from storage.database import Database, open_database
from storage.errors import DatabaseUnavailable, OutcomeUnknown
from storage.events import DomainEvent
from storage.ids import CompanyId
from tests.storage.wire_proxy import At, WireProxy, open_proxy

COMPANY = CompanyId(1)
TWO = sa.select(sa.literal(2))
ROWS = sa.text("SELECT count(*) FROM items")
INSERT = sa.text("INSERT INTO items VALUES (1)")


@pytest.fixture
async def proxy(database: Database) -> AsyncIterator[WireProxy]:
    await database.execute(sa.text("CREATE TABLE items (id bigint)"))
    async with open_proxy(database.dsn) as opened:
        yield opened


@pytest.mark.parametrize(("fate", "rows"), [(At.CUT_BEFORE, 0), (At.CUT_REPLY, 1)])
async def test_a_link_cut_at_commit_leaves_the_outcome_unknown(
    database: Database, proxy: WireProxy, fate: At, rows: int
) -> None:
    async def commit_once(through: Database) -> None:
        async with through.begin(COMPANY) as tx:
            await tx.execute(INSERT)

    proxy.decide = lambda n: fate if n == 1 else At.PASS
    async with open_database(proxy.dsn) as through:
        with pytest.raises(OutcomeUnknown):
            await commit_once(through)
        assert await through.value(ROWS) == rows
        await commit_once(through)  # the pool has recovered by itself
    assert await database.value(ROWS) == rows + 1


@pytest.mark.parametrize("fate", [At.HOLD, At.HOLD_REPLY])
async def test_a_cancel_that_meets_a_commit_on_its_way_waits_for_it(
    database: Database, proxy: WireProxy, fate: At
) -> None:
    proxy.decide = lambda _: fate
    left: list[str] = []

    async def commit(through: Database) -> None:
        async with through.begin(COMPANY) as tx:
            await tx.execute(INSERT)
        left.append("committed")

    async with open_database(proxy.dsn) as through, trio.open_nursery() as nursery:
        nursery.start_soon(commit, through)
        await proxy.held.wait()
        nursery.cancel_scope.cancel()
        assert left == []
        proxy.gate.set()
    assert left == ["committed"]
    assert await database.value(ROWS) == 1


class Happened(DomainEvent, frozen=True, kw_only=True):
    kind = "item.happened"

    def ids(self) -> dict[str, int | str]:
        return {"item": 1}


async def happen(through: Database) -> None:
    async with through.begin(COMPANY) as tx:
        tx.publish(Happened(company_id=COMPANY))


@pytest.mark.parametrize(("fate", "told"), [(At.CUT_BEFORE, [1]), (At.CUT_REPLY, [1, 2])])
async def test_events_of_an_unknown_outcome_are_published_if_they_were_committed(
    database: Database, proxy: WireProxy, fate: At, told: list[int]
) -> None:
    published: list[int] = []

    def publish(events: Sequence[tuple[int, DomainEvent]]) -> None:
        published.extend(seq for seq, _ in events)

    await database.execute(
        sa.text("INSERT INTO companies (id, name) OVERRIDING SYSTEM VALUE VALUES (1, 'x')")
    )
    proxy.decide = lambda n: fate if n == 1 else At.PASS
    async with open_database(proxy.dsn) as through:
        through.publisher = publish
        with pytest.raises(OutcomeUnknown):
            await happen(through)
        with trio.fail_after(30):
            while through.doubts:
                await trio.lowlevel.checkpoint()
        await happen(through)
    assert published == told


async def test_a_short_outage_is_latency(proxy: WireProxy) -> None:
    answers: list[int] = []

    async def ask(through: Database) -> None:
        answers.append(await through.value(TWO))

    async with open_database(proxy.dsn, patience=60.0) as through:
        assert await through.value(TWO) == 2
        proxy.refuse = True
        await proxy.cut_all()
        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(ask, through)
            while through.pool._last_error is None:  # until a new connection was refused
                await trio.lowlevel.checkpoint()
            assert answers == []
            proxy.refuse = False
    assert answers == [2] * 20


async def test_a_long_outage_is_refused_at_once_and_ends_by_itself(proxy: WireProxy) -> None:
    async with open_database(proxy.dsn, patience=60.0) as through:
        through.pool._patience = 0.0
        proxy.refuse = True
        await proxy.cut_all()
        for _ in range(2):
            with pytest.raises(DatabaseUnavailable) as caught:
                await through.value(TWO)
            assert caught.value.retry_after > 0
        proxy.refuse = False
        while True:
            try:
                assert await through.value(TWO) == 2
            except DatabaseUnavailable:
                await trio.lowlevel.checkpoint()
            else:
                break
