"""One unit in, one true verdict out: what the group-commit writer promises its producers."""

from collections.abc import AsyncIterator

import pytest
import trio
import trio.testing

from storage.errors import Duplicate, Overloaded, Poisoned, StaleVersion, UniqueViolation
from storage.unit import EVENT_SEQ, Unit
from storage.writer import Limits
from tests.storage.writer_kit import (
    ADD,
    ADD_PART,
    ADD_SLOT,
    FORCE_BODY,
    KEEP,
    RANK,
    RECEIPT,
    REMOVE,
    SET_BODY,
    SET_WEIGHT,
    Rig,
    adding,
    made,
    next_id,
    open_rig,
    unit,
)


@pytest.fixture
async def rig(dsn: str) -> AsyncIterator[Rig]:
    async with open_rig(dsn) as opened:
        yield opened


async def save_all(rig: Rig, units: list[Unit]) -> list[object]:
    """Save every unit at once; returns each one's verdict."""
    verdicts: list[object] = [None] * len(units)

    async def save(place: int) -> None:
        try:
            verdicts[place] = await rig.writer.save(units[place])
        except Exception as error:  # noqa: BLE001
            verdicts[place] = error

    async with trio.open_nursery() as nursery:
        for place in range(len(units)):
            nursery.start_soon(save, place)
    return verdicts


async def test_a_saved_unit_is_stored_with_its_events_numbers(rig: Rig) -> None:
    row = ADD(1, next_id(), EVENT_SEQ(1), "a", "hello", 0)
    committed = await rig.writer.save(unit(row, events=[made("x"), made("a")]))
    assert list(committed.seqs) == [1, 2]
    assert await rig.keys() == [(2, "a")]
    assert await rig.sql("SELECT seq, kind, ids->>'key' FROM events ORDER BY seq") == [
        (1, "thing.made", "x"),
        (2, "thing.made", "a"),
    ]


async def test_events_are_published_in_order_before_the_producer_goes_on(rig: Rig) -> None:
    committed = await rig.writer.save(adding("a"))
    assert rig.published == [(committed.first_seq, made("a"))]


async def test_numbers_are_gapless_per_company_over_many_batches(rig: Rig) -> None:
    for turn in range(5):
        units = [adding(f"{turn}.{n}", company=1 + n % 3) for n in range(60)]
        assert not [v for v in await save_all(rig, units) if isinstance(v, Exception)]
    await rig.check_streams()
    for company in (1, 2, 3):
        seqs = [seq for seq, event in rig.published if event.company_id == company]
        assert seqs == list(range(1, 101))


async def test_a_committed_claim_refuses_the_whole_unit(rig: Rig) -> None:
    await rig.writer.save(adding("a"))
    twin = unit(
        ADD(1, next_id(), EVENT_SEQ(0), "b", "", 0),
        ADD(1, next_id(), EVENT_SEQ(1), "a", "", 0),
        RECEIPT(1, "r"),
        events=[made("b"), made("a")],
    )
    with pytest.raises(Duplicate) as refusal:
        await rig.writer.save(twin)
    assert refusal.value.keys == ((1, "a"),)
    assert await rig.keys() == [(1, "a")]
    assert await rig.sql("SELECT * FROM receipts") == []
    assert len(rig.published) == 1
    await rig.writer.save(adding("c"))
    await rig.check_streams()


async def test_of_equal_claims_in_a_batch_one_wins_and_the_rest_hear_so_after_it(rig: Rig) -> None:
    units = [adding("same") for _ in range(10)] + [adding(f"other {n}") for n in range(10)]
    verdicts = await save_all(rig, units)
    assert sum(isinstance(verdict, Duplicate) for verdict in verdicts) == 9
    assert sum(not isinstance(verdict, Exception) for verdict in verdicts) == 11
    await rig.check_streams()
    assert len(await rig.keys()) == 11


async def test_a_duplicate_of_a_unit_that_fails_is_not_refused(rig: Rig) -> None:
    """The first claimant is poison: the second one must be stored, not told of a twin."""
    poison, healthy = adding("same", weight=-1), adding("same")
    verdicts = await save_all(rig, [poison, healthy])
    kinds = sorted(type(verdict).__name__ for verdict in verdicts)
    assert kinds == ["Committed", "Poisoned"]
    assert [key for _, key in await rig.keys()] == ["same"]


async def test_two_statements_with_one_claim_do_not_deceive_each_other(rig: Rig) -> None:
    other = KEEP(1, 77, "z", "")
    await rig.writer.save(unit(other))
    for _ in range(10):
        key = f"k{next_id()}"
        verdicts = await save_all(rig, [adding(key), unit(RECEIPT(1, key)), adding(key)])
        assert sum(isinstance(verdict, Duplicate) for verdict in verdicts) == 1


async def test_a_unit_that_claims_one_key_twice_is_poison_not_a_duplicate(rig: Rig) -> None:
    rows = [ADD(1, next_id(), None, "a", "", 0) for _ in range(2)]
    with pytest.raises(Poisoned, match="twice"):
        await rig.writer.save(unit(*rows))
    assert await rig.keys() == []


async def test_a_guard_that_moved_refuses_the_unit(rig: Rig) -> None:
    thing = next_id()
    await rig.writer.save(unit(ADD(1, thing, None, "a", "old", 0)))
    await rig.writer.save(unit(SET_BODY(1, thing, 1, "new")))
    with pytest.raises(StaleVersion):
        await rig.writer.save(
            unit(SET_BODY(1, thing, 1, "newer"), RECEIPT(1, "r"), events=[made("a")])
        )
    assert await rig.sql("SELECT body, version FROM things") == [("new", 2)]
    assert await rig.sql("SELECT * FROM receipts") == []
    assert rig.published == []


async def test_two_writers_of_one_guarded_row_in_a_batch_get_one_verdict_each(rig: Rig) -> None:
    thing = next_id()
    await rig.writer.save(unit(ADD(1, thing, None, "a", "old", 0)))
    units = [unit(SET_BODY(1, thing, 1, f"b{n}")) for n in range(5)]
    units += [unit(SET_WEIGHT(1, thing, 1, n)) for n in range(5)]
    verdicts = await save_all(rig, units)
    assert sum(isinstance(verdict, StaleVersion) for verdict in verdicts) == 9
    assert await rig.sql("SELECT version FROM things") == [(2,)]


async def test_another_unique_constraint_is_a_conflict_of_that_unit_alone(rig: Rig) -> None:
    await rig.writer.save(unit(ADD_SLOT(1, next_id(), 7)))
    verdicts = await save_all(rig, [unit(ADD_SLOT(1, next_id(), slot)) for slot in (5, 6, 7, 8, 9)])
    assert isinstance(verdicts[2], UniqueViolation)
    assert verdicts[2].constraint == "uq_slot"
    assert sum(isinstance(verdict, Exception) for verdict in verdicts) == 1


async def test_a_poisonous_unit_among_500_fails_alone_and_the_rest_keep_their_order(
    rig: Rig,
) -> None:
    units = [adding(f"k{n}", weight=-1 if n == 250 else 0) for n in range(500)]
    verdicts = await save_all(rig, units)
    assert isinstance(verdicts[250], Poisoned)
    assert sum(isinstance(verdict, Exception) for verdict in verdicts) == 1
    stored = await rig.keys()
    assert [seq for seq, _ in stored] == list(range(1, 500))
    assert {key for _, key in stored} == {f"k{n}" for n in range(500) if n != 250}
    assert [(seq, event.key) for seq, event in rig.published] == stored  # type: ignore[attr-defined]


async def test_bad_values_are_refused_before_they_reach_a_batch(rig: Rig) -> None:
    for bad in ("nul \0", "lone \ud800"):
        with pytest.raises(Poisoned):
            await rig.writer.save(unit(ADD(1, next_id(), None, bad, "", 0)))
    with pytest.raises(Poisoned):
        await rig.writer.save(unit(ADD(1, next_id(), None, "k", "", 2**31)))
    assert rig.writer.stats().batches == 0


async def test_a_unit_cannot_write_or_speak_for_another_company(rig: Rig) -> None:
    with pytest.raises(ValueError, match="company 2"):
        await rig.writer.save(unit(RECEIPT(2, "k")))
    with pytest.raises(ValueError, match="company 2"):
        await rig.writer.save(unit(events=[made("a", company=2)]))
    with pytest.raises(ValueError, match="event"):
        await rig.writer.save(unit(ADD(1, 1, EVENT_SEQ(0), "k", "", 0)))
    with pytest.raises(ValueError, match="twice"):
        await rig.writer.save(unit(SET_BODY(1, 1, 1, "a"), SET_WEIGHT(1, 1, 1, 2)))


async def test_parents_are_inserted_before_children_whatever_the_units_order(rig: Rig) -> None:
    thing = next_id()
    await rig.writer.save(
        unit(
            ADD_PART(1, next_id(), thing),
            ADD(1, thing, None, "a", "", 0),
            SET_BODY(1, thing, 1, "b"),
        )
    )
    assert await rig.sql("SELECT body, version FROM things") == [("b", 2)]


async def test_a_raise_never_lowers_and_one_without_effect_refuses_the_unit(rig: Rig) -> None:
    thing = next_id()
    await rig.writer.save(unit(ADD(1, thing, None, "a", "", 0)))
    await rig.writer.save(unit(RANK(1, thing, 3, "three")))
    for rank in (2, 3):
        with pytest.raises(Duplicate) as refusal:
            await rig.writer.save(unit(RANK(1, thing, rank, "late"), events=[made("late")]))
        assert refusal.value.keys == ((1, thing),)
    assert await rig.sql("SELECT rank, body FROM things") == [(3, "three")]
    assert rig.published == []


async def test_raises_of_one_row_in_a_batch_end_at_the_highest(rig: Rig) -> None:
    thing = next_id()
    await rig.writer.save(unit(ADD(1, thing, None, "a", "", 0)))
    ranks = [4, 2, 9, 1, 9, 7]
    verdicts = await save_all(rig, [unit(RANK(1, thing, rank, str(rank))) for rank in ranks])
    assert await rig.sql("SELECT rank, body FROM things") == [(9, "9")]
    assert sum(not isinstance(verdict, Exception) for verdict in verdicts) >= 1
    assert {type(v) for v in verdicts if isinstance(v, Exception)} <= {Duplicate}
    within = unit(RANK(1, thing, 12, "12"), RANK(1, thing, 11, "11"))
    await rig.writer.save(within)
    assert await rig.sql("SELECT rank, body FROM things") == [(12, "12")]


async def test_unguarded_writes_of_one_row_end_with_the_last(rig: Rig) -> None:
    thing = next_id()
    await rig.writer.save(unit(KEEP(1, thing, "first", "1"), KEEP(1, thing, "second", "2")))
    assert await rig.sql("SELECT key, body FROM things") == [("first", "2")]
    await rig.writer.save(unit(FORCE_BODY(1, thing, "3"), FORCE_BODY(1, thing, "4")))
    await rig.writer.save(unit(FORCE_BODY(1, 10**9, "nobody")))
    assert await rig.sql("SELECT key, body FROM things") == [("first", "4")]
    await rig.writer.save(unit(REMOVE(1, thing), REMOVE(1, thing)))
    assert await rig.sql("SELECT key, body FROM things") == []


async def test_a_company_that_does_not_exist_poisons_only_its_own_units(rig: Rig) -> None:
    verdicts = await save_all(rig, [adding("a", company=n) for n in (1, 999, 3, 5)])
    assert [type(verdict).__name__ for verdict in verdicts] == [
        "Committed",
        "Poisoned",
        "Committed",
        "Committed",
    ]


@pytest.mark.parametrize("company", [True, False])
async def test_a_full_queue_refuses_and_says_when_to_come_back(dsn: str, company: bool) -> None:
    limits = Limits(company_units=5) if company else Limits(node_units=5)
    async with open_rig(dsn, limits=limits) as rig:
        verdicts = await save_all(rig, [adding(f"{n}") for n in range(9)])
        refused = [verdict for verdict in verdicts if isinstance(verdict, Overloaded)]
        assert [error.company for error in refused] == [company] * 4
        assert all(1 <= error.retry_after <= 30 for error in refused)
        assert rig.writer.stats().queued_units == 0
        await rig.writer.save(adding("later"))


async def test_a_second_unit_of_an_address_waits_for_the_firsts_verdict(rig: Rig) -> None:
    thing = next_id()
    await rig.writer.save(unit(ADD(1, thing, None, "a", "", 0)))
    units = [unit(FORCE_BODY(1, thing, str(n)), address="one") for n in range(10)]
    verdicts = await save_all(rig, units)
    assert not [verdict for verdict in verdicts if isinstance(verdict, Exception)]
    assert rig.writer.stats().batches >= 10
    assert rig.writer.is_settled("one")


async def test_closing_commits_what_is_queued(dsn: str) -> None:
    async with trio.open_nursery() as nursery:
        async with open_rig(dsn) as rig:
            for n in range(50):
                nursery.start_soon(rig.writer.save, adding(f"{n}"))
            await trio.testing.wait_all_tasks_blocked()
            before = rig.writer.stats().queued_units
        assert before <= 50
    async with open_rig(dsn, prepared=True) as again:
        assert len(await again.keys()) == 50


async def test_units_that_each_won_a_row_from_the_other_do_not_wait_for_ever(rig: Rig) -> None:
    """The later one gives way, whichever rows it won: so every batch gets on."""
    thing = next_id()
    await rig.writer.save(unit(ADD(1, thing, None, "a", "", 0)))
    for version in range(1, 9):
        key = f"k{version}"
        crossed = [
            unit(RECEIPT(1, key), SET_WEIGHT(1, thing, version, 1)),
            unit(RECEIPT(1, key), SET_BODY(1, thing, version, "b")),
        ]
        with trio.fail_after(10):
            verdicts = await save_all(rig, crossed)
        assert sum(isinstance(verdict, Exception) for verdict in verdicts) == 1
