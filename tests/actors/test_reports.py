"""Delivery reports: early, late, doubled, in any order, the message ends in the same state."""

import itertools

import msgspec
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from actors.channels.base import Accepted, Ack, Identity, InboundStatus
from actors.events import MessageChanged
from actors.sessions import ProviderIdsKnown
from storage.database import Database
from storage.errors import StaleVersion, UniqueViolation
from tests.actors.company import COMPANY, LINE, NOW
from tests.actors.memory import Memory
from tests.actors.sessions_kit import FarEnd, Link, open_link, status
from tests.actors.world import FIRST, ONE, open_world

WORDS = ("sent", "delivered", "read", "failed")


def seen(link: Link, order: int) -> tuple[object, ...]:
    message = link.message(order)
    return message["ack"], message["error"], message["provider_id"]


def expected(words: tuple[str, ...]) -> tuple[object, ...]:
    ack = max([2, *({"sent": 2, "delivered": 3, "read": 4}.get(word, 0) for word in words)])
    failed = "failed" in words and ack < Ack.DELIVERED
    return ack, {"code": "failed", "message": ""} if failed else None, "wamid.x"


async def history(early: tuple[str, ...], during: tuple[str, ...], late: tuple[str, ...]) -> None:
    """Reports without our callback data come early, those with it while the call is under way."""
    far = FarEnd()
    async with open_link(far=far) as link:

        async def report_then_accept() -> object:
            await link.report(*(status("wamid.x", word) for word in early))
            await link.report(*(status("wamid.x", word, outbox_id=order) for word in during))
            return Accepted(provider_id="wamid.x")

        far.answers = [report_then_accept]
        order = link.order("hi")
        await link.state(order, "sent")
        await link.report(*(status("wamid.x", word) for word in late))
        told = (*early, *during, *late)
        assert seen(link, order) == expected(told)
        assert link.memory.rows("early_statuses") == []
        events, units = len(link.memory.events), len(link.memory.units)
        again = await link.report(*(status("wamid.x", word) for word in told))
        assert again.applied == again.early == 0
        assert (len(link.memory.events), len(link.memory.units)) == (events, units)


reports = st.lists(st.sampled_from(WORDS), max_size=4).map(tuple)


@given(early=reports, during=reports, late=reports)
@settings(max_examples=60, deadline=None)
def test_whenever_reports_come_the_message_ends_the_same(
    early: tuple[str, ...], during: tuple[str, ...], late: tuple[str, ...]
) -> None:
    trio.run(history, early, during, late, clock=MockClock(autojump_threshold=0))


@pytest.mark.parametrize("words", list(itertools.permutations(("sent", "delivered", "failed"))))
async def test_early_reports_in_any_order_apply_when_their_id_is_known(
    autojump_clock: MockClock, words: tuple[str, ...]
) -> None:
    await history(words, (), ())


async def test_a_repeated_early_delivery_is_kept_once(autojump_clock: MockClock) -> None:
    async with open_link() as link:
        early = [status("wamid.x", word) for word in WORDS]
        assert (await link.report(*early)).early == 4
        rows = [dict(row) for row in link.memory.rows("early_statuses")]
        assert (await link.report(*reversed(early))).early == 4
        assert link.memory.rows("early_statuses") == rows
        assert link.memory.events == []


@pytest.mark.parametrize("error", [StaleVersion("row"), UniqueViolation("provider")])
async def test_a_report_refused_once_is_decided_again(
    autojump_clock: MockClock, error: Exception
) -> None:
    async with open_link() as link:
        order = link.order("hi")
        await link.state(order, "sent")
        link.memory.script.append(error)
        assert (await link.report(status(f"wamid.{order}", "read"))).applied == 1
        assert link.message(order)["ack"] == 4


async def test_a_report_whose_id_another_message_has_counts_all_the_same(
    autojump_clock: MockClock,
) -> None:
    memory = Memory()
    save = memory.save

    async def taken(unit: object) -> object:
        if any(
            write.statement.kind == "update" and "wamid.taken" in write.values
            for write in unit.writes
            if write.statement.table.name == "messages"
        ):
            constraint = "provider_id"
            raise UniqueViolation(constraint)
        return await save(unit)

    memory.save = taken
    async with open_link(memory) as link:
        order = link.order("hi", told=False)
        link.row(order).update(state="unknown", sending_at=NOW)
        report = status("wamid.taken", "delivered", outbox_id=order)
        assert (await link.report(report)).applied == 1
        assert seen(link, order) == (3, None, None)
        assert link.row(order)["state"] == "sent"


def typed(link: Link, provider_id: str) -> int:
    """A message from the phone is stored, with a report about it that came before."""
    order = link.order("typed", told=False, state="cancelled")
    link.message(order)["provider_id"] = provider_id
    return order


async def test_reports_apply_when_somebody_else_commits_their_message(
    autojump_clock: MockClock,
) -> None:
    async with open_link() as link:
        await link.report(status("wamid.p", "delivered"), status("wamid.p", "read"))
        order = typed(link, "wamid.p")
        await link.system.ask(
            ProviderIdsKnown(
                company_id=COMPANY, connection_id=LINE, provider_ids=("wamid.p", "wamid.q")
            )
        )
        await link.until(lambda: link.message(order)["ack"] == 4)
        assert link.memory.rows("early_statuses") == []


async def test_a_session_that_starts_applies_what_was_left_over(
    autojump_clock: MockClock,
) -> None:
    async with open_link() as link:
        await link.report(status("wamid.p", "read"))
        order, memory = typed(link, "wamid.p"), link.memory
    async with open_link(memory) as link:
        await link.report(status("wamid.other"))
        assert link.message(order)["ack"] == 4


async def test_a_report_before_the_echo_of_the_phone_applies_to_it(database: Database) -> None:
    async with open_world(database) as world:
        await world.say("5511", "hi")
        early = InboundStatus(
            provider_id="wamid.typed",
            status="read",
            ack=Ack.READ,
            timestamp=NOW,
            recipient=Identity(phone="5511"),
        )
        kept = await world.intake.statuses(ONE, FIRST, [early])
        assert kept.early == 1
        await world.say("5511", "typed", ids=["wamid.typed"], from_me=True)
        changed = MessageChanged.kind
        await world.sink.until(lambda: bool(world.sink.of(ONE, changed)))
        assert await world.value("SELECT ack FROM messages WHERE from_me") == 4
        assert await world.value("SELECT count(*) FROM early_statuses") == 0
        again = await world.intake.statuses(ONE, FIRST, [early, msgspec.structs.replace(early)])
        assert (again.ignored, again.early) == (2, 0)
