"""The audit log: written with what it tells of, chained without gaps, and doctoring is found."""

import pytest
import sqlalchemy as sa
import trio

from actors.router import DeleteContact
from storage import audit_log, helps, tags
from storage.acts import Act, acting, current
from storage.audit_chain import GENESIS
from storage.audit_log import Verdict
from storage.database import Database, open_database
from storage.errors import Duplicate, UniqueViolation
from storage.ids import CompanyId, ContactId, UserId
from storage.tags import TagPatch
from tests.storage.world import found
from tests.storage.writer_kit import (
    ADD,
    ADD_PART,
    COMPANY,
    SET_BODY,
    adding,
    next_id,
    open_rig,
    unit,
)

KEY = b"k" * 32
OTHER = Act(company_id=COMPANY, user_id=UserId(8))
PERSON = Act(company_id=COMPANY, user_id=UserId(7), noun="things", action="create")


async def verdict(database: Database, company_id: CompanyId, **since: tuple[int, bytes]) -> Verdict:
    return await audit_log.verify(database, company_id, key=database.audit_key, **since)


async def entries(database: Database, company_id: CompanyId) -> list[audit_log.Entry]:
    rows, _ = await audit_log.page(database, company_id, limit=200)
    return rows[::-1]


@pytest.fixture
async def company(database: Database) -> CompanyId:
    return (await found(database, "ours")).company_id


async def tagged(database: Database, company_id: CompanyId, name: str) -> int:
    with acting(PERSON):
        async with database.begin(company_id) as tx:
            return (await tags.create(tx, company_id, TagPatch(name=name))).id


async def test_a_transaction_under_an_act_bears_one_entry_and_one_without_none(
    database: Database, company: CompanyId
) -> None:
    assert await entries(database, company) == []
    tag = await tagged(database, company, "a")
    (entry,) = await entries(database, company)
    assert entry.seq == 1
    assert entry.entry["changes"] == [["insert", "tags", tag]]
    assert (entry.entry["user_id"], entry.entry["noun"]) == (7, "things")


async def test_what_is_rolled_back_or_only_read_leaves_no_entry(
    database: Database, company: CompanyId
) -> None:
    await tagged(database, company, "a")
    with acting(PERSON):
        with pytest.raises(UniqueViolation):
            async with database.begin(company) as tx:
                await tags.create(tx, company, TagPatch(name="a"))
        async with database.begin(company) as tx:
            await helps.rows.all_of(tx, company)
            await tx.execute(sa.update(tags.tags).where(sa.false()).values(name="x"))
    assert [entry.seq for entry in await entries(database, company)] == [1]


async def test_an_act_is_its_tasks_alone_and_does_not_outlive_its_block() -> None:
    async def look() -> None:
        seen.append(current())
        with acting(OTHER):
            seen.append(current())

    seen: list[Act | None] = []
    with acting(PERSON):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(look)
        seen.append(current())
    assert (seen, current()) == ([None, OTHER, PERSON], None)


async def test_many_commits_at_once_make_one_chain(database: Database, company: CompanyId) -> None:
    async with trio.open_nursery() as nursery:
        for place in range(24):
            nursery.start_soon(tagged, database, company, f"tag {place}")
    assert await verdict(database, company) == Verdict(
        head=(await audit_log.heads(database))[0], entries=24
    )


async def test_units_and_transactions_share_the_chain_and_a_refused_unit_is_not_in_it(
    dsn: str,
) -> None:
    async with open_rig(dsn) as rig:
        await rig.writer.save(adding("inbound"))
        with acting(PERSON):
            await rig.writer.save(adding("one"))
            with pytest.raises(Duplicate):
                await rig.writer.save(adding("one"))
            await tagged(rig.database, COMPANY, "between")
            silent = unit(SET_BODY(1, 1, 1, "no event"))
        thing = next_id()
        with acting(PERSON):
            await rig.writer.save(unit(ADD(1, thing, None, "two", "", 0), ADD_PART(1, 5, thing)))
        assert silent.act == PERSON
        found = await entries(rig.database, COMPANY)
        assert [len(entry.entry["changes"]) for entry in found] == [1, 1, 2]
        assert found[2].entry["changes"] == [["insert", "things", thing], ["insert", "parts", 5]]
        assert (await verdict(rig.database, COMPANY)).faults == ()
        await rig.check_streams()


async def test_a_crowded_batch_with_refusals_leaves_a_chain_without_gaps(dsn: str) -> None:
    async with open_rig(dsn) as rig:

        async def save(company: int, key: str) -> None:
            with acting(Act(company_id=CompanyId(company), user_id=UserId(1))):
                try:
                    await rig.writer.save(adding(key, company=company))
                except Duplicate:
                    refused.append(key)

        refused: list[str] = []
        async with trio.open_nursery() as nursery:
            for place in range(300):
                nursery.start_soon(save, 1 + place % 3, f"k{place % 90}")
        assert len(refused) == 210
        for company in (1, 2, 3):
            seen = await verdict(rig.database, CompanyId(company))
            assert (seen.entries, seen.faults) == (30, ())


DOCTORED = {
    "an entry rewritten": "UPDATE audit_log SET entry = jsonb_set(entry, '{user_id}', '8') WHERE seq = 3",
    "a change taken out": "UPDATE audit_log SET entry = entry #- '{changes,0}' WHERE seq = 3",
    "a time moved": "UPDATE audit_log SET at = at + interval '1 microsecond' WHERE seq = 3",
    "a link replaced": "UPDATE audit_log SET hash = decode(repeat('ab', 32), 'hex') WHERE seq = 3",
    "one taken out": "DELETE FROM audit_log WHERE seq = 3",
    "the last ones taken out": "DELETE FROM audit_log WHERE seq >= 4",
    "the first ones taken out": "DELETE FROM audit_log WHERE seq <= 2",
    "two exchanged": "UPDATE audit_log a SET entry = b.entry FROM audit_log b WHERE a.seq + b.seq = 5 "
    "AND a.seq IN (2, 3)",
    "the end cut with its head": "WITH gone AS (DELETE FROM audit_log WHERE seq >= 4)"
    " UPDATE company_stream SET audit_seq = 3",
    "the head turned back": "UPDATE company_stream SET audit_seq = 3",
}


@pytest.mark.parametrize("harm", DOCTORED)
async def test_doctored_rows_are_found(database: Database, company: CompanyId, harm: str) -> None:
    for place in range(5):
        await tagged(database, company, f"tag {place}")
    assert (await verdict(database, company)).faults == ()
    await database.execute(sa.text(DOCTORED[harm]))
    assert len((await verdict(database, company)).faults) == 1


async def test_an_end_that_was_cut_with_its_head_is_found_by_a_head_kept_elsewhere(
    database: Database, company: CompanyId
) -> None:
    for place in range(5):
        await tagged(database, company, f"tag {place}")
    (kept,) = await audit_log.heads(database)
    assert kept.audit_hash is not None
    since = (kept.audit_seq, kept.audit_hash)
    assert (await verdict(database, company, since=since)).faults == ()
    third = (await entries(database, company))[2].hash
    await database.execute(sa.text("DELETE FROM audit_log WHERE seq > 3"))
    await database.execute(
        sa.text("UPDATE company_stream SET audit_seq = 3, audit_hash = :it").bindparams(
            sa.bindparam("it", third, sa.LargeBinary)
        )
    )
    assert (await verdict(database, company)).faults == ()
    assert (await verdict(database, company, since=since)).faults != ()


async def test_without_the_key_a_chain_can_neither_be_read_nor_forged(
    dsn: str, database: Database, company: CompanyId
) -> None:
    async with open_database(dsn, pool=1, audit_key=KEY) as keyed:
        await tagged(keyed, company, "a")
        assert (await verdict(keyed, company)).faults == ()
    assert (await verdict(database, company)).faults == ("entry 1 was altered",)


async def test_pages_go_back_and_filters_never_read_without_bound(
    database: Database, company: CompanyId, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in range(7):
        await tagged(database, company, f"tag {place}")
    first, before = await audit_log.page(database, company, limit=3)
    assert ([e.seq for e in first], before) == ([7, 6, 5], 5)
    second, before = await audit_log.page(database, company, limit=4, before=before)
    assert ([e.seq for e in second], before) == ([4, 3, 2, 1], None)
    monkeypatch.setattr(audit_log, "LOOKED_AT", 4)
    wanted = {"noun": "nothing"}
    empty, before = await audit_log.page(database, company, wanted=wanted)
    assert (empty, before) == ([], 4)
    empty, before = await audit_log.page(database, company, wanted=wanted, before=before)
    assert (empty, before) == ([], None)
    found, _ = await audit_log.page(database, company, wanted={"user_id": 7}, limit=2)
    assert [entry.seq for entry in found] == [7, 6]


def test_a_command_is_the_same_poison_whoever_asks_it() -> None:
    asked = [
        DeleteContact(company_id=COMPANY, contact_id=ContactId(1), act=act)
        for act in (PERSON, OTHER, Act(fields={"name": "x"}))
    ]
    assert len({hash(command) for command in asked}) == 1


def test_the_first_entry_is_tied_to_nothing() -> None:
    assert bytes(32) == GENESIS


async def test_units_and_transactions_at_once_wait_for_each_other_and_never_for_ever(
    dsn: str,
) -> None:
    async with open_rig(dsn, companies=3) as rig:
        database = rig.database

        async def write_units(company: int, name: str) -> None:
            for place in range(15):
                with acting(Act(company_id=CompanyId(company), user_id=UserId(1))):
                    await rig.writer.save(adding(f"{name} {place}", company=company))

        async def write_rows(company: int, name: str) -> None:
            for place in range(15):
                await tagged(database, CompanyId(company), f"{name} {place}")

        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                for company in (1, 2, 3):
                    for worker in range(3):
                        nursery.start_soon(write_units, company, f"u{worker}")
                        nursery.start_soon(write_rows, company, f"t{worker}")
        for company in (1, 2, 3):
            seen = await verdict(database, CompanyId(company))
            assert (seen.entries, seen.faults) == (90, ())
        await rig.check_streams()
