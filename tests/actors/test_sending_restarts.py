"""Restarts of a session: what had begun is in doubt, and nothing is overtaken."""

from datetime import timedelta

import pytest
import trio
from trio.testing import MockClock

from actors.outbox_relay import PAGE
from tests.actors.company import NOW
from tests.actors.memory import Memory, Numbers
from tests.actors.sessions_kit import Link, open_link, status


async def test_a_restart_finds_begun_sends_in_doubt_and_sends_the_rest(
    autojump_clock: MockClock,
) -> None:
    memory, numbers = Memory(), Numbers()
    begun = Link.stored(memory, numbers, "begun", state="sending", attempt=1, version=2).id
    waiting = Link.stored(memory, numbers, "waiting", phone="5522").id
    async with open_link(memory, numbers=numbers) as link:
        await link.state(begun, "unknown")
        await link.state(waiting, "sent")
        assert [body for _, body, _, _ in link.far.calls] == ["waiting"]
        await link.report(status("wamid.b", "delivered", outbox_id=begun))
        assert link.row(begun)["state"] == "sent"
        assert link.message(begun)["ack"] == 3


@pytest.mark.parametrize("state", ["sending", "unknown"])
async def test_a_restart_holds_the_conversation_of_a_doubtful_send_for_the_rest_of_the_while(
    autojump_clock: MockClock, state: str
) -> None:
    memory, numbers = Memory(), Numbers()
    twenty_ago = NOW - timedelta(seconds=20)
    doubtful = Link.stored(
        memory, numbers, "maybe", state=state, attempt=1, version=2, sending_at=twenty_ago
    ).id
    later = Link.stored(memory, numbers, "later").id
    other = Link.stored(memory, numbers, "other", phone="5522").id
    began = trio.current_time()
    async with open_link(memory, numbers=numbers) as link:
        await link.state(other, "sent")
        assert trio.current_time() - began < 2
        await link.state(later, "sent")
        assert 9 <= trio.current_time() - began <= 12
        assert [body for _, body, _, _ in link.far.calls] == ["other", "later"]
        assert link.row(doubtful)["state"] == "unknown"


async def test_a_report_after_a_restart_lets_the_conversation_go_on(
    autojump_clock: MockClock,
) -> None:
    memory, numbers = Memory(), Numbers()
    begun = Link.stored(
        memory, numbers, "begun", state="sending", attempt=1, version=2, sending_at=NOW
    ).id
    later = Link.stored(memory, numbers, "later").id
    began = trio.current_time()
    async with open_link(memory, numbers=numbers) as link:
        await link.state(begun, "unknown")
        await link.report(status("wamid.b", "sent", outbox_id=begun))
        await link.state(later, "sent")
        assert trio.current_time() - began < 5


async def test_after_a_restart_an_order_that_backs_off_is_not_overtaken(
    autojump_clock: MockClock,
) -> None:
    memory, numbers = Memory(), Numbers()
    in_twenty = NOW + timedelta(seconds=20)
    first = Link.stored(memory, numbers, "a", attempt=2, version=3, due_at=in_twenty).id
    other = Link.stored(memory, numbers, "other", phone="5522").id
    async with open_link(memory, numbers=numbers) as link:
        await link.state(other, "sent")
        await trio.sleep(5)
        second = link.order("b")
        await link.state(second, "sent")
        assert link.row(first)["state"] == "sent"
        assert [body for _, body, _, _ in link.far.calls] == ["other", "a", "b"]
        times = [at for *_, at in link.far.calls]
        assert times[1] - times[0] >= 19


async def test_a_conversation_that_backs_off_with_very_many_orders_holds_up_no_other(
    autojump_clock: MockClock,
) -> None:
    memory, numbers = Memory(), Numbers()
    in_ten_minutes = NOW + timedelta(seconds=600)
    Link.stored(memory, numbers, "first", attempt=7, version=9, due_at=in_ten_minutes)
    for number in range(PAGE + 100):
        Link.stored(memory, numbers, str(number))
    other = Link.stored(memory, numbers, "other", phone="5522").id
    began = trio.current_time()
    async with open_link(memory, numbers=numbers) as link:
        await link.state(other, "sent")
        assert trio.current_time() - began < 5
        assert [body for _, body, _, _ in link.far.calls] == ["other"]
