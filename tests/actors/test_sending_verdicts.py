"""Sending while the database is away, cut off, or says that somebody else was quicker."""

import trio
from trio.testing import MockClock

from actors.channels.base import Accepted
from actors.sessions import CancelSend
from actors.sessions.ledger import Entry, Ledger
from actors.sessions.settling import step
from storage.errors import DatabaseUnavailable, OutcomeUnknown, StaleVersion, UniqueViolation
from tests.actors.company import COMPANY, LINE, NOW
from tests.actors.memory import Memory, Numbers
from tests.actors.sessions_kit import FarEnd, Link, open_link, session_ports


async def test_a_result_is_committed_however_long_postgres_is_away(
    autojump_clock: MockClock,
) -> None:
    async with open_link() as link:
        link.far.seen = lambda _: link.memory.script.extend([DatabaseUnavailable("away")] * 30)
        order = link.order("a")
        await link.state(order, "sent")
        assert len(link.far.calls) == 1


async def test_a_row_that_somebody_else_changed_is_left_to_them(
    autojump_clock: MockClock,
) -> None:
    async with open_link() as link:
        link.memory.script.append(StaleVersion("row"))
        order = link.order("a")
        following = link.order("b")
        await link.state(following, "sent")
        assert [body for _, body, _, _ in link.far.calls][-1] == "b"
        assert link.row(order)["state"] in ("pending", "sent")


async def test_an_unknown_commit_of_the_mark_does_not_send_twice(
    autojump_clock: MockClock,
) -> None:
    async with open_link() as link:
        link.memory.after.append(OutcomeUnknown("cut"))
        order = link.order("a")
        await link.state(order, "unknown")
        await trio.sleep(60)
        assert link.far.calls == []
        assert link.row(order)["state"] == "unknown"


async def test_two_steps_of_one_order_are_not_both_committed(autojump_clock: MockClock) -> None:
    memory, numbers = Memory(), Numbers()
    row = Link.stored(memory, numbers, "a")
    ledger = Ledger(session_ports(memory, FarEnd(), numbers), COMPANY, LINE, {}, lambda: None)
    entries = [Entry(rows=[step(row, NOW, state=state)]) for state in ("cancelled", "sent")]
    for entry in entries:
        ledger.submit(entry)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ledger.run)
        for entry in entries:
            await entry.done.wait()
        nursery.cancel_scope.cancel()
    assert [type(entry.error) for entry in entries] == [type(None), StaleVersion]
    assert memory.rows("outbox")[0]["state"] == "cancelled"


async def test_what_was_sent_stays_sent_where_another_message_has_its_id(
    autojump_clock: MockClock,
) -> None:
    async with open_link() as link:
        taken = UniqueViolation("uq_messages_company_id_connection_id_provider_id")
        link.far.seen = lambda _: link.memory.script.append(taken)
        order = link.order("a")
        await link.state(order, "sent")
        assert len(link.far.calls) == 1
        assert link.message(order)["provider_id"] is None
        assert link.message(order)["ack"] == 2


async def test_a_call_under_way_is_not_cancelled_where_its_beginning_is_not_committed(
    autojump_clock: MockClock,
) -> None:
    async with open_link(far=FarEnd(takes_our_id=True)) as link:
        begun, gate = trio.Event(), trio.Event()

        async def slow() -> Accepted:
            begun.set()
            await gate.wait()
            return Accepted(provider_id="OURS1")

        link.far.answers = [slow]
        order = link.order("a", provider_id="OURS1")
        await begun.wait()
        assert link.row(order)["state"] == "pending"
        cancel = CancelSend(company_id=COMPANY, connection_id=LINE, outbox_id=order)
        assert await link.system.ask(cancel) is False
        gate.set()
        await link.state(order, "sent")
