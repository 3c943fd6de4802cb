"""The configuration cache: one load for all who wait, never an old one after a committed write."""

import re

import msgspec
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.configuration import SnapshotCache
from actors.events import (
    ConnectionChanged,
    ConnectionRemoved,
    ContactRemoved,
    RecordChanged,
    SessionChanged,
    UserChanged,
    UserRemoved,
)
from storage import snapshots
from storage.errors import DatabaseUnavailable
from storage.events import DomainEvent
from storage.ids import CompanyId, ContactId, UserId
from storage.snapshots import GRACE, HELD, CompanySnapshot
from storage.tables import ALL
from storage.views import UserView, connection_view
from tests.actors.company import COMPANY, LINE, connection, record, snapshot

OTHER = CompanyId(2)
VIEW = connection_view(connection(LINE), snapshot())


class Source:
    def __init__(self) -> None:
        self.loads: list[CompanyId] = []
        self.gate = trio.Event()
        self.error: Exception | None = None

    async def load(self, company_id: CompanyId) -> CompanySnapshot:
        self.loads.append(company_id)
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return snapshot()


CHANGED = RecordChanged(company_id=COMPANY, noun="tag", action="update", record_id=1)


async def test_many_who_wait_share_one_load() -> None:
    source = Source()
    cache = SnapshotCache(source.load)
    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(cache.current, COMPANY)
        nursery.start_soon(cache.current, OTHER)
        await wait_all_tasks_blocked()
        source.gate.set()
    assert sorted(source.loads) == [COMPANY, OTHER]
    assert cache.peek(COMPANY) is not None


async def test_a_committed_change_is_seen_by_the_next_decision() -> None:
    source = Source()
    source.gate.set()
    cache = SnapshotCache(source.load)
    before = await cache.current(COMPANY)
    await cache.current(OTHER)
    cache.published([(1, CHANGED)])
    assert cache.peek(COMPANY) is None
    assert cache.peek(OTHER) is not None
    assert await cache.current(COMPANY) is not before


def seen(user_id: UserId, *, online: bool) -> UserChanged:
    user = record(UserView, id=user_id, company_id=COMPANY, departments=(), online=online)
    return UserChanged(company_id=COMPANY, user=user, presence=True)


async def test_who_comes_or_goes_is_seen_and_nothing_is_loaded_again() -> None:
    source = Source()
    source.gate.set()
    cache = SnapshotCache(source.load)
    before = await cache.current(COMPANY)
    user_id = next(iter(before.users))
    for online in (True, False, True):
        cache.published([(1, seen(user_id, online=online))])
        now = await cache.current(COMPANY)
        assert now.users[user_id] == msgspec.structs.replace(before.users[user_id], online=online)
        assert now == msgspec.structs.replace(before, users=now.users)
    assert source.loads == [COMPANY]
    assert not before.users[user_id].online


async def test_somebody_unknown_who_comes_is_loaded_with_everybody() -> None:
    source = Source()
    source.gate.set()
    cache = SnapshotCache(source.load)
    await cache.current(COMPANY)
    cache.published([(1, seen(UserId(999), online=True))])
    assert cache.peek(COMPANY) is None


async def test_who_comes_during_a_load_is_in_the_next_one() -> None:
    source = Source()
    cache = SnapshotCache(source.load)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(cache.current, COMPANY)
        await wait_all_tasks_blocked()
        cache.published([(1, seen(UserId(1), online=True))])
        source.gate.set()
    assert source.loads == [COMPANY, COMPANY]


async def test_a_change_during_a_load_discards_what_it_brings() -> None:
    source = Source()
    cache = SnapshotCache(source.load)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(cache.current, COMPANY)
        await wait_all_tasks_blocked()
        cache.published([(1, CHANGED)])
        source.gate.set()
    assert source.loads == [COMPANY, COMPANY]


@pytest.mark.parametrize(
    "event",
    [
        ContactRemoved(company_id=COMPANY, contact_id=ContactId(1)),
        RecordChanged(company_id=COMPANY, noun="quick_message", action="update", record_id=1),
        RecordChanged(company_id=COMPANY, noun="ticket_note", action="create", record_id=1),
    ],
)
async def test_events_about_what_a_snapshot_does_not_hold_change_nothing(
    event: DomainEvent,
) -> None:
    source = Source()
    source.gate.set()
    cache = SnapshotCache(source.load)
    kept = await cache.current(COMPANY)
    cache.published([(1, event)])
    assert cache.peek(COMPANY) is kept


@pytest.mark.parametrize(
    "event",
    [
        ConnectionChanged(company_id=COMPANY, connection=VIEW),
        ConnectionRemoved(company_id=COMPANY, connection_id=LINE),
        SessionChanged(company_id=COMPANY, connection=VIEW),
        UserRemoved(company_id=COMPANY, user_id=UserId(1)),
    ],
)
async def test_events_about_connections_and_users_have_the_snapshot_loaded_again(
    event: DomainEvent,
) -> None:
    source = Source()
    source.gate.set()
    cache = SnapshotCache(source.load)
    await cache.current(COMPANY)
    cache.published([(1, event)])
    assert cache.peek(COMPANY) is None


def test_every_table_of_a_snapshot_has_its_noun_among_those_held() -> None:
    """A table that a snapshot comes to hold must bring the noun of its events along."""
    own_events = {"connections", "connection_departments", "users", "user_departments"}
    nouns = {
        "companies": "company",
        "company_settings": "company_settings",
        "departments": "department",
        "plans": "plan",
        "settings": "setting",
        "tags": "tag",
    }
    read = set(re.findall(r"\b(?:FROM|JOIN) ([a-z_]+)", snapshots._LOAD.sql))
    tables = {table.name for table in ALL}
    assert {nouns.get(name, name) for name in (read & tables) - own_events} == HELD


@pytest.mark.parametrize(
    "event",
    [
        RecordChanged(company_id=COMPANY, noun="plan", action="update", record_id=7),
        RecordChanged(company_id=COMPANY, noun="plan", action="delete", record_id=7),
        RecordChanged(company_id=COMPANY, noun="setting", action="update", record_id=GRACE),
    ],
)
async def test_what_every_company_is_bound_by_is_seen_by_all_their_next_decisions(
    event: DomainEvent,
) -> None:
    source = Source()
    source.gate.set()
    cache = SnapshotCache(source.load)
    companies = [CompanyId(number) for number in range(COMPANY, COMPANY + 5)]
    for company_id in companies:
        await cache.current(company_id)
    late = CompanyId(99)
    source.gate = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(cache.current, late)
        await wait_all_tasks_blocked()
        cache.published([(1, event)])
        source.gate.set()
    assert [company_id for company_id in companies if cache.peek(company_id) is not None] == []
    assert source.loads.count(late) == 2


async def test_a_failed_load_fails_its_waiter_and_the_next_one_tries_again() -> None:
    source = Source()
    source.gate.set()
    source.error = DatabaseUnavailable("away")
    cache = SnapshotCache(source.load)
    with pytest.raises(DatabaseUnavailable):
        await cache.current(COMPANY)
    source.error = None
    assert await cache.current(COMPANY) is cache.peek(COMPANY)
