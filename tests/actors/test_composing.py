"""The indicator that an agent writes: shown at most once, and never in the way of a message."""

from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.channels.base import Rejected, SendResult, Unknown
from actors.sessions import ShowComposing, StopSession
from actors.sessions.composing import MOST, PATIENCE, REST, Composing
from actors.sessions.pacing import TokenBucket
from tests.actors.company import COMPANY, LINE
from tests.actors.sessions_kit import Accounts, FarEnd, Link, open_link

ANA, RUI = 5511, 5522


async def compose(link: Link, contact_id: int = ANA, message_id: str = "wamid.in") -> None:
    """An agent types; returns when the session has decided about it."""
    await link.system.ask(
        ShowComposing(
            company_id=COMPANY, connection_id=LINE, contact_id=contact_id, message_id=message_id
        )
    )


async def hang() -> SendResult:
    """A provider that does not answer."""
    await trio.sleep_forever()
    raise AssertionError


async def test_it_is_shown_and_leaves_no_trace(autojump_clock: MockClock) -> None:
    async with open_link() as link:
        await compose(link)
        await link.until(lambda: link.composing.shown == 1)
        assert link.far.composed == ["wamid.in"]
        assert link.memory.rows("outbox") == []
        assert link.far.calls == []


async def test_a_contact_to_whom_a_message_is_on_its_way_is_shown_nothing(
    autojump_clock: MockClock,
) -> None:
    async with open_link() as link:
        answered = trio.Event()
        link.far.answers = [answered.wait]
        order = link.order("hi")
        await link.until(lambda: bool(link.far.calls))
        await compose(link, ANA, "to ana")
        await compose(link, RUI, "to rui")
        answered.set()
        await link.state(order, "sent")
        assert link.far.composed == ["to rui"]
        assert (link.composing.shown, link.composing.dropped) == (1, 1)
        await compose(link, ANA, "to ana, later")
        await link.until(lambda: link.composing.shown == 2)


async def test_a_provider_that_does_not_answer_holds_no_message_up(
    autojump_clock: MockClock,
) -> None:
    async with open_link() as link:
        link.far.composing = hang
        await compose(link)
        await link.until(lambda: bool(link.far.composed))
        began = trio.current_time()
        orders = [link.order(str(number)) for number in range(3)]
        await link.state(orders[-1], "sent")
        assert trio.current_time() - began < 1
        assert [body for _, body, _, _ in link.far.calls] == ["0", "1", "2"]
        assert link.composing.failed == 0
        await trio.sleep(PATIENCE)
        assert link.composing.failed == 1


async def broken() -> SendResult:
    """A defect of a channel."""
    message = "defect"
    raise ValueError(message)


@pytest.mark.parametrize(
    ("provider", "rest"),
    [
        (Rejected(code="131026", message="no", permanent=True), REST),
        (Rejected(code="130429", message="slow", retry_after=120.0, scope="number"), 120.0),
        (Unknown(reason="time-out"), REST),
        (broken, REST),
    ],
)
async def test_a_failure_is_counted_and_told_and_that_connection_rests(
    provider: SendResult | Callable[[], Awaitable[SendResult]],
    rest: float,
    autojump_clock: MockClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def result() -> SendResult:
        return await provider() if callable(provider) else provider

    async with open_link() as link:
        link.far.composing = result
        await compose(link)
        await link.until(lambda: link.composing.failed == 1)
        assert "a contact was not shown that an agent writes" in caplog.text
        order = link.order("goes on")
        await link.state(order, "sent")
        link.far.composing = None
        await compose(link)
        assert (link.composing.shown, link.composing.dropped) == (0, 1)
        await trio.sleep(rest)
        await compose(link)
        await link.until(lambda: link.composing.shown == 1)


async def test_a_session_that_does_not_send_shows_nothing(autojump_clock: MockClock) -> None:
    async with open_link() as link:
        await link.system.ask(StopSession(company_id=COMPANY, connection_id=LINE))
        await compose(link)
        assert (link.far.composed, link.composing.dropped) == ([], 1)


async def test_of_the_numbers_pace_only_what_is_left_over_is_taken(
    autojump_clock: MockClock,
) -> None:
    bucket = TokenBucket(1.0, burst=4.0)
    assert [bucket.spare() for _ in range(5)] == [True, True, True, False, False]
    began = trio.current_time()
    await bucket.take()  # messages find their half untouched
    assert trio.current_time() == began
    await trio.sleep(10)
    bucket.pause(5)
    assert not bucket.spare()
    await trio.sleep(5)
    assert bucket.spare()


async def test_no_more_than_some_are_under_way_at_once(autojump_clock: MockClock) -> None:
    composing, far = Composing(), FarEnd()
    far.composing = hang
    account = await Accounts().account(COMPANY, LINE)
    async with trio.open_nursery() as nursery:
        for _ in range(MOST):
            assert composing.may(LINE)
            nursery.start_soon(composing.show, far, account, "wamid.in")
        await wait_all_tasks_blocked()
        assert not composing.may(LINE)
        nursery.cancel_scope.cancel()
    assert composing.may(LINE)
    await composing.show(FarEnd(), account, "wamid.in")
    assert (composing.stats.shown, composing.stats.failed) == (1, 0)
