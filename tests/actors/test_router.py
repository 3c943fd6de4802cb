"""The router: who is meant, what waits for whom, and in which order things are handed on."""

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import wait_all_tasks_blocked

from actors.channels.base import Identity
from actors.router import DeleteContact
from actors.router.aliases import Alias, KnownNames
from actors.tickets.commands import (
    Absorb,
    ContactRenewed,
    Delivered,
    Retire,
)
from storage.contact_book import Named
from storage.errors import DatabaseUnavailable, Duplicate, OutcomeUnknown, Poisoned
from storage.ids import CompanyId, ContactId
from tests.actors.company import COMPANY, contact
from tests.actors.router_kit import PHONE, open_router

AWAY = DatabaseUnavailable("away")
BSUID = Identity(bsuid="US.1")
BOTH = Identity(phone="5511", bsuid="US.1")


async def test_an_unknown_sender_is_committed_before_anything_is_decided() -> None:
    async with open_router() as routing:
        assert await routing.deliver(PHONE, "hi", name="Zoe") == Delivered(stored=1)
        (row,) = routing.memory.rows("contacts")
        assert (row["name"], row["number"]) == ("Zoe", "5511")
        assert routing.taken() == [(row["id"], "hi")]
        assert [event.kind for _, event in routing.memory.events] == ["contact.changed"]


async def test_a_known_sender_costs_no_query() -> None:
    async with open_router() as routing:
        await routing.deliver(PHONE, "1")
        before = routing.store.look_ups
        for number in range(2, 9):
            await routing.deliver(PHONE, str(number))
        assert routing.store.look_ups == before
        assert [body for _, body in routing.taken()] == list("12345678")


async def test_deliveries_of_a_new_sender_wait_and_keep_their_order() -> None:
    async with open_router() as routing, trio.open_nursery() as nursery:
        gate = trio.Event()
        saved = routing.memory.save

        async def slow(unit: object) -> object:
            await gate.wait()
            return await saved(unit)

        routing.memory.save = slow
        for number in range(1, 6):
            nursery.start_soon(routing.deliver, PHONE, str(number))
            await wait_all_tasks_blocked()
        assert routing.taken() == []
        gate.set()
        await wait_all_tasks_blocked()
        assert [body for _, body in routing.taken()] == list("12345")
        assert len(routing.memory.rows("contacts")) == 1


async def test_a_new_sender_delays_nobody_else() -> None:
    async with open_router() as routing, trio.open_nursery() as nursery:
        await routing.deliver(Identity(phone="5522"), "known")
        gate = trio.Event()
        saved = routing.memory.save

        async def slow(unit: object) -> object:
            await gate.wait()
            return await saved(unit)

        routing.memory.save = slow
        nursery.start_soon(routing.deliver, PHONE, "new")
        await wait_all_tasks_blocked()
        assert await routing.deliver(Identity(phone="5522"), "more") == Delivered(stored=1)
        gate.set()


async def test_a_failed_commit_of_the_name_fails_everything_that_waits_for_it() -> None:
    async with open_router() as routing, trio.open_nursery() as nursery:
        outcomes: list[object] = []

        async def deliver(body: str) -> None:
            try:
                outcomes.append(await routing.deliver(PHONE, body))
            except DatabaseUnavailable as error:
                outcomes.append(type(error))

        routing.memory.script.append(DatabaseUnavailable("away"))
        for body in "123":
            nursery.start_soon(deliver, body)
        await wait_all_tasks_blocked()
        assert outcomes == [DatabaseUnavailable] * 3
        assert routing.taken() == []
        assert await routing.deliver(PHONE, "1") == Delivered(stored=1)


async def test_a_sender_that_cannot_be_stored_is_kept_raw() -> None:
    async with open_router() as routing:
        routing.memory.script.append(Poisoned("name"))
        assert await routing.deliver(PHONE, "1", "2") == Delivered(parked=2)
        assert len(routing.memory.parked) == 2


async def test_a_name_that_somebody_else_commits_meanwhile_is_looked_up_again() -> None:
    async with open_router() as routing:

        def meanwhile() -> None:
            routing.memory.add_contact(contact(7, number="5511"))
            routing.memory.tables.setdefault("contact_aliases", []).append(
                {"channel": "whatsapp", "alias": "phone:5511", "contact_id": 7}
            )
            raise Duplicate(((COMPANY, "5511"),))

        routing.memory.script.append(meanwhile)
        await routing.deliver(PHONE, "hi")
        assert routing.taken() == [(7, "hi")]


async def test_a_contact_that_was_typed_in_gets_the_name_it_comes_under() -> None:
    async with open_router() as routing:
        routing.memory.add_contact(contact(7, name="Typed", number="5511"))
        await routing.deliver(PHONE, "hi", name="Push")
        assert routing.taken() == [(7, "hi")]
        assert routing.memory.rows("contacts", id=7)[0]["name"] == "Typed"


async def test_a_name_learned_together_with_a_known_one_means_the_same_contact() -> None:
    async with open_router() as routing:
        await routing.deliver(PHONE, "1")
        await routing.deliver(BOTH, "2")
        await routing.deliver(BSUID, "3")
        assert len({who for who, _ in routing.taken()}) == 1
        assert len(routing.memory.rows("contacts")) == 1


async def test_two_contacts_that_turn_out_to_be_one_are_merged() -> None:
    async with open_router() as routing:
        await routing.deliver(PHONE, "1")
        await routing.deliver(BSUID, "2")
        winner, loser = (row["id"] for row in routing.memory.rows("contacts"))
        await routing.deliver(BOTH, "3")
        await routing.deliver(BSUID, "4")
        assert routing.taken()[2:] == [(winner, "3"), (winner, "4")]
        merging = [type(command) for command in routing.heard[2:4]]
        assert merging == [Retire, Absorb]
        assert routing.heard[2].contact_id == loser


async def test_a_number_gets_the_persons_name_once_it_is_known() -> None:
    async with open_router() as routing:
        await routing.deliver(PHONE, "1")
        await routing.deliver(PHONE, "2", name="Zoe")
        await wait_all_tasks_blocked()
        (row,) = routing.memory.rows("contacts")
        assert row["name"] == "Zoe"
        await routing.deliver(PHONE, "3", name="Another")
        await wait_all_tasks_blocked()
        assert routing.memory.rows("contacts")[0]["name"] == "Zoe"
        assert any(isinstance(command, ContactRenewed) for command in routing.heard)


async def test_what_is_queued_behind_a_failed_look_up_does_not_overtake_it() -> None:
    async with open_router() as routing, trio.open_nursery() as nursery:
        gate, answers, found = trio.Event(), [], routing.store.by_alias

        async def away(*_: object) -> None:
            await gate.wait()
            routing.store.by_alias = found
            raise AWAY

        async def deliver(body: str) -> None:
            try:
                await routing.deliver(PHONE, body)
                answers.append(body)
            except DatabaseUnavailable:
                answers.append("away")

        routing.store.by_alias = away
        for body in ("1", "2"):
            nursery.start_soon(deliver, body)
            await wait_all_tasks_blocked()
        gate.set()
        await wait_all_tasks_blocked()
        assert (answers, routing.taken()) == (["away", "away"], [])


async def test_a_contact_whose_end_is_not_known_is_not_looked_up_before_it_is() -> None:
    async with open_router() as routing, trio.open_nursery() as nursery:
        await routing.deliver(PHONE, "1")
        (old,) = {contact_id for contact_id, _ in routing.taken()}
        memory, known = routing.memory, trio.Event()
        saved, answers = memory.save, []

        async def cut(unit: object) -> None:
            raise OutcomeUnknown

        async def settled(address: str) -> None:
            assert address == f"contact:{COMPANY}:{old}"
            await known.wait()

        async def delete() -> None:
            try:
                await routing.system.ask(DeleteContact(company_id=COMPANY, contact_id=old))
            except OutcomeUnknown:
                answers.append("unknown")

        memory.save, memory.settled = cut, settled
        nursery.start_soon(delete)
        await wait_all_tasks_blocked()
        nursery.start_soon(routing.deliver, PHONE, "2")
        await wait_all_tasks_blocked()
        assert [body for _, body in routing.taken()] == ["1"]
        memory.tables["contacts"].clear()
        memory.tables["contact_aliases"].clear()
        memory.save = saved
        known.set()
        await wait_all_tasks_blocked()
        await routing.deliver(PHONE, "3")
        assert [body for contact_id, body in routing.taken() if contact_id != old] == ["2", "3"]
        assert answers == ["unknown"]


def test_names_in_memory_are_bounded_over_all_companies() -> None:
    names = KnownNames(kept=10)
    for company_id in range(1, 6):
        rows = [Named("whatsapp", f"phone:{n}", ContactId(n), "Zoe", str(n)) for n in range(4)]
        names.read(CompanyId(company_id), rows)
    assert len(names) == 10
    zoe = Alias("whatsapp", "phone:3")
    assert names.get(CompanyId(1), zoe) is None
    assert names.get(CompanyId(5), zoe).contact_id == 3
    names.read(CompanyId(5), [Named("whatsapp", "bsuid:x", ContactId(3), "3", "3")])
    assert names.get(CompanyId(5), zoe).unnamed
    names.forget(CompanyId(5), ContactId(3))
    assert names.get(CompanyId(5), zoe) is None
    assert names.get(CompanyId(5), Alias("whatsapp", "bsuid:x")) is None
    assert names.get(CompanyId(4), zoe) is not None


def test_a_name_that_became_another_contacts_is_forgotten_with_that_one_alone() -> None:
    names, company_id, alias = KnownNames(), CompanyId(1), Alias("whatsapp", "phone:1")
    names.read(company_id, [Named("whatsapp", "phone:1", ContactId(1), "Zoe", "1")])
    names.read(company_id, [Named("whatsapp", "phone:1", ContactId(2), "Zoe", "1")])
    names.forget(company_id, ContactId(1))
    assert names.get(company_id, alias).contact_id == 2
    names.forget(company_id, ContactId(2))
    assert names.get(company_id, alias) is None


async def test_a_group_is_one_contact_whoever_writes() -> None:
    async with open_router() as routing:
        await routing.deliver(PHONE, "1", group_id="g1")
        await routing.deliver(Identity(phone="5522"), "2", group_id="g1")
        (row,) = routing.memory.rows("contacts")
        assert (row["number"], row["is_group"]) == ("g1", True)


async def test_a_database_that_is_away_refuses_without_a_crash() -> None:
    async with open_router() as routing:

        async def away(*_: object) -> object:
            raise AWAY

        kept = routing.store.by_alias
        routing.store.by_alias = away
        with pytest.raises(DatabaseUnavailable):
            await routing.deliver(PHONE, "1")
        routing.store.by_alias = kept
        assert await routing.deliver(PHONE, "1") == Delivered(stored=1)


identities = st.sampled_from([PHONE, BSUID, BOTH, Identity(phone="5522"), Identity(lid="9")])


@given(
    st.lists(
        st.tuples(identities, st.sampled_from(["ok", "ok", "ok", "later", "poison"])), max_size=20
    )
)
@settings(max_examples=60, deadline=None)
def test_any_history_keeps_order_and_one_contact_per_name(
    history: list[tuple[Identity, str]],
) -> None:
    async def play() -> None:
        async with open_router() as routing:
            acknowledged: list[str] = []
            for number, (who, verdict) in enumerate(history):
                routing.memory.script.clear()
                if verdict == "later":
                    routing.memory.script.append(DatabaseUnavailable("away"))
                elif verdict == "poison":
                    routing.memory.script.append(Poisoned("bad"))
                try:
                    outcome = await routing.deliver(who, f"{number:03}")
                except DatabaseUnavailable:
                    continue
                assert isinstance(outcome, Delivered)
                if outcome.stored:
                    acknowledged.append(f"{number:03}")
            assert [body for _, body in routing.taken()] == acknowledged
            names = [
                (row["channel"], row["alias"]) for row in routing.memory.rows("contact_aliases")
            ]
            assert len(names) == len(set(names))

    trio.run(play)
