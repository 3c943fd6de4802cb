"""The lane's queue: fair between companies, in order within one; and the bounds in front of it."""

from collections import Counter
from collections.abc import Sequence
from threading import Lock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.errors import Overloaded
from storage.ids import CompanyId
from storage.writer.bounds import Bounds, Limits
from storage.writer.entry import Entry
from storage.writer.fair_queue import QUANTUM, FairQueue
from tests.storage.writer_kit import unit


def entry(company: int, size: int = 256) -> Entry:
    made = Entry(unit(company=company), Lock(), lambda _: None)
    made.size = size
    return made


def filled(*companies: Sequence[Entry]) -> FairQueue:
    queue = FairQueue(Lock())
    for entries in companies:
        queue.inbox.extend(entries)
    return queue


def test_a_batch_keeps_each_companys_order() -> None:
    entries = [entry(1 + n % 3) for n in range(90)]
    batch = filled(entries).take()
    for company in (1, 2, 3):
        assert [e for e in batch if e.company_id == company] == [
            e for e in entries if e.company_id == company
        ]
    assert all(e.state == "taken" for e in batch)


def test_one_companys_flood_leaves_the_next_batch_to_the_others() -> None:
    flood, late = [entry(1) for _ in range(5_000)], [entry(2) for _ in range(10)]
    queue = filled(flood)
    assert len(queue.take(units=100)) == 100
    queue.inbox.extend(late)
    batch = queue.take(units=100)
    assert sum(e.company_id == 2 for e in batch) == 10
    assert len(batch) == 100, "what the others leave is lent to the flood"


def test_two_backlogged_companies_share_every_batch_by_bytes() -> None:
    small, large = [entry(1, 256) for _ in range(4_000)], [entry(2, 1_024) for _ in range(1_000)]
    queue = filled(small, large)
    taken: Counter[int] = Counter()
    for _ in range(10):
        for e in queue.take(size=8 * QUANTUM):
            taken[e.company_id] += e.size
    assert abs(taken[1] - taken[2]) <= 2 * QUANTUM


def test_a_unit_larger_than_a_round_still_gets_its_turn() -> None:
    queue = filled([entry(1, 100 * QUANTUM), entry(1)], [entry(2) for _ in range(3)])
    batches = [queue.take(size=QUANTUM) for _ in range(4)]
    assert sum(map(len, batches)) == 5
    assert not queue


def test_entries_given_back_come_first_and_can_be_withdrawn_again() -> None:
    first, second, third = entry(1), entry(1), entry(1)
    queue = filled([first, second])
    batch = queue.take()
    queue.inbox.append(third)
    queue.give_back(batch)
    assert first.state == "queued"
    assert queue.take() == [first, second, third]


def test_a_withdrawn_entry_leaves_with_the_batch_but_is_not_taken() -> None:
    one, two = entry(1), entry(1)
    queue = filled([one, two])
    one.abort(None)
    assert [e.state for e in queue.take()] == ["withdrawn", "taken"]


@given(
    st.lists(st.tuples(st.integers(1, 5), st.integers(1, 3 * QUANTUM)), max_size=200),
    st.integers(1, 20),
    st.integers(1, 6 * QUANTUM),
)
def test_nothing_is_lost_doubled_or_reordered_whatever_the_sizes(
    work: list[tuple[int, int]], units: int, size: int
) -> None:
    entries = [entry(company, cost) for company, cost in work]
    queue = filled(entries)
    seen: list[Entry] = []
    while queue:
        batch = queue.take(units=units, size=size)
        assert 0 < len(batch) <= units
        seen += batch
    assert len(seen) == len(entries)
    for company in range(1, 6):
        assert [e for e in seen if e.company_id == company] == [
            e for e in entries if e.company_id == company
        ]


@pytest.mark.parametrize(
    ("limits", "sizes", "company"),
    [
        (Limits(company_units=2), [1, 1], True),
        (Limits(company_bytes=100), [60, 30], True),
        (Limits(node_units=2), [1, 1], False),
        (Limits(node_bytes=100), [60, 30], False),
    ],
)
def test_each_bound_refuses_what_exceeds_it_until_something_leaves(
    limits: Limits, sizes: list[int], company: bool
) -> None:
    bounds = Bounds(limits)
    for size in sizes:
        bounds.admit(CompanyId(1), size)
    with pytest.raises(Overloaded) as refusal:
        bounds.admit(CompanyId(1), 20)
    assert refusal.value.company is company
    assert 1 <= refusal.value.retry_after <= 30
    bounds.leave(CompanyId(1), sizes[0])
    bounds.admit(CompanyId(1), 20)
    assert (bounds.units, bounds.size) == (2, sizes[1] + 20)


def test_retry_after_is_the_time_the_queue_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    bounds = Bounds(Limits(node_units=10))
    for _ in range(10):
        bounds.admit(CompanyId(1), 1)
    for rate, expected in ((0.0, 30.0), (1_000.0, 1.0), (2.0, 5.0)):
        monkeypatch.setattr(bounds, "drain_rate", lambda rate=rate: rate)
        with pytest.raises(Overloaded) as refusal:
            bounds.admit(CompanyId(1), 1)
        assert refusal.value.retry_after == expected
