"""Sending while the database is away, cut off, or says that somebody else was quicker."""

import trio
from trio.testing import MockClock

from actors.sessions.ledger import Entry, Ledger
from actors.sessions.settling import step
from storage.errors import DatabaseUnavailable, OutcomeUnknown, StaleVersion
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
