"""Sends: order, doubt, refusals, reports in any order, and what a restart finds."""

from datetime import timedelta

import pytest
import trio
from trio.testing import MockClock

from actors.channels.base import Accepted, Rejected, Unknown
from actors.sessions import CancelSend, ResolveUnknown, StartSession, StopSession
from actors.sessions.sending import pause_before
from tests.actors.company import COMPANY, LINE, NOW
from tests.actors.memory import Memory, Numbers
from tests.actors.sessions_kit import FarEnd, Link, open_link, status

LOST = Unknown(reason="time-out after the request was written")


async def test_sending_is_committed_before_the_first_byte(autojump_clock: MockClock) -> None:
    async with open_link() as link:
        seen: list[object] = []
        link.far.seen = lambda outbox_id: seen.append(dict(link.row(outbox_id)))
        order = link.order("hi")
        await link.state(order, "sent")
        assert [(row["state"], row["attempt"], row["epoch"]) for row in seen] == [("sending", 1, 7)]
        assert link.row(order)["provider_id"] == f"wamid.{order}"
        assert link.message(order)["provider_id"] == f"wamid.{order}"
        assert link.message(order)["ack"] == 2


async def test_one_in_flight_per_conversation_and_conversations_in_parallel(
    autojump_clock: MockClock,
) -> None:
    async with open_link() as link:
        orders = [
            link.order(str(number), phone=phone)
            for number in range(20)
            for phone in ("5511", "5522", "5533")
        ]
        await link.until(lambda: all(link.row(order)["state"] == "sent" for order in orders))
        assert set(link.far.widest.values()) == {1}
        starts = [at for *_, at in link.far.calls]
        assert len(set(starts[:3])) == 1, "three conversations begin together"
        sent: dict[int, list[str]] = {}
        for outbox_id, body, _, _ in link.far.calls:
            sent.setdefault(link.row(outbox_id)["contact_id"], []).append(body)
        assert all(bodies == [str(n) for n in range(20)] for bodies in sent.values())


async def test_a_doubtful_send_is_never_repeated_and_holds_its_conversation_for_a_while(
    autojump_clock: MockClock,
) -> None:
    async with open_link() as link:
        link.far.answers = [LOST]
        first = link.order("maybe")
        second = link.order("later")
        await link.state(first, "unknown")
        began = trio.current_time()
        await link.state(second, "sent")
        assert 29 <= trio.current_time() - began <= 31
        await trio.sleep(7200)
        assert link.row(first)["state"] == "unknown"
        assert [body for _, body, _, _ in link.far.calls] == ["maybe", "later"]
        assert link.message(first)["error"]["code"] == "ERR_SEND_UNKNOWN"


async def test_a_report_resolves_the_doubt_and_lets_the_conversation_go_on(
    autojump_clock: MockClock,
) -> None:
    async with open_link() as link:
        link.far.answers = [LOST]
        first = link.order("maybe")
        second = link.order("later")
        await link.state(first, "unknown")
        began = trio.current_time()
        await link.report(status("wamid.real", "sent", outbox_id=first))
        assert link.row(first)["state"] == "sent"
        assert link.message(first)["provider_id"] == "wamid.real"
        assert link.message(first)["error"] is None
        await link.state(second, "sent")
        assert trio.current_time() - began < 1


async def test_a_report_during_the_call_decides_what_the_call_could_not(
    autojump_clock: MockClock,
) -> None:
    async with open_link() as link:

        async def report_then_lose() -> object:
            await link.report(status("wamid.early", "delivered", outbox_id=order))
            return LOST

        link.far.answers = [report_then_lose]
        order = link.order("hi")
        await link.state(order, "sent")
        assert link.row(order)["provider_id"] == "wamid.early"
        assert link.message(order)["ack"] == 3
        assert link.message(order)["error"] is None


async def test_a_report_before_its_id_is_known_is_kept_until_it_is(
    autojump_clock: MockClock,
) -> None:
    async with open_link() as link:

        async def report_then_accept() -> object:
            await link.report(status("wamid.x", "read"))
            return Accepted(provider_id="wamid.x")

        link.far.answers = [report_then_accept]
        order = link.order("hi")
        await link.state(order, "sent")
        assert link.message(order)["ack"] == 4
        assert link.memory.rows("early_statuses") == []


async def test_reports_only_move_forward_in_any_order(autojump_clock: MockClock) -> None:
    async with open_link() as link:
        order = link.order("hi")
        await link.state(order, "sent")
        wid = f"wamid.{order}"
        await link.report(status(wid, "read"), status(wid, "delivered"), status(wid, "sent"))
        again = await link.report(status(wid, "delivered"))
        assert (again.applied, again.ignored) == (0, 1)
        assert link.message(order)["ack"] == 4
        acks = [
            event.message.ack for _, event in link.memory.events if event.kind == "message.changed"
        ]
        assert acks == sorted(acks)


async def test_a_failure_report_is_shown_unless_the_message_arrived(
    autojump_clock: MockClock,
) -> None:
    async with open_link() as link:
        lost, arrived = link.order("a"), link.order("b", phone="5522")
        await link.state(lost, "sent")
        await link.state(arrived, "sent")
        await link.report(status(f"wamid.{arrived}", "delivered"))
        await link.report(status(f"wamid.{lost}", "failed"), status(f"wamid.{arrived}", "failed"))
        assert link.message(lost)["error"] == {"code": "failed", "message": ""}
        assert link.message(arrived)["error"] is None


async def test_a_report_nobody_asked_for_is_kept_and_answered(autojump_clock: MockClock) -> None:
    async with open_link() as link:
        outcome = await link.report(status("wamid.foreign"), status("wamid.foreign"))
        assert outcome.early == 2
        assert len(link.memory.rows("early_statuses")) == 1


async def test_a_sure_refusal_is_tried_again_in_its_place(autojump_clock: MockClock) -> None:
    async with open_link() as link:
        busy = Rejected(code="130429", retry_after=5, scope="pair")
        link.far.answers = [busy, busy]
        first, second = link.order("a"), link.order("b")
        await link.state(second, "sent")
        assert [body for _, body, _, _ in link.far.calls] == ["a", "a", "a", "b"]
        assert link.row(first)["attempt"] == 3
        times = [at for *_, at in link.far.calls]
        assert times[1] - times[0] >= 5


async def test_a_refusal_for_good_fails_the_message_and_the_next_one_goes(
    autojump_clock: MockClock,
) -> None:
    async with open_link() as link:
        link.far.answers = [Rejected(code="131026", message="not on network", permanent=True)]
        first, second = link.order("a"), link.order("b")
        await link.state(second, "sent")
        assert link.row(first)["state"] == "failed"
        assert link.message(first)["error"] == {"code": "131026", "message": "not on network"}


async def test_repeated_refusals_end_as_dead(autojump_clock: MockClock) -> None:
    async with open_link() as link:
        link.far.answers = [Rejected(code="1")] * 20
        order = link.order("a")
        await link.state(order, "dead")
        assert len(link.far.calls) == 8
        assert link.message(order)["error"]["code"] == "1"


async def test_what_the_channel_can_never_send_is_not_attempted(
    autojump_clock: MockClock,
) -> None:
    async with open_link() as link:
        order = link.order("unsendable")
        await link.state(order, "failed")
        assert link.far.calls == []
        assert link.message(order)["error"]["code"] == "ERR_TOO_LONG"


async def test_a_channel_with_our_ids_is_asked_again_under_the_same_id(
    autojump_clock: MockClock,
) -> None:
    async with open_link(far=FarEnd(takes_our_id=True)) as link:
        link.far.answers = [LOST, LOST]
        order = link.order("hi", provider_id="OURS1")
        await link.state(order, "sent")
        assert [wid for _, _, wid, _ in link.far.calls] == ["OURS1"] * 3


@pytest.mark.parametrize(
    ("policy", "state", "calls"),
    [("ask", "unknown", 1), ("drop", "dead", 1), ("resend", "dead", 2)],
)
async def test_the_policy_decides_when_no_report_came(
    autojump_clock: MockClock, policy: str, state: str, calls: int
) -> None:
    async with open_link() as link:
        link.far.answers = [LOST]
        order = link.order("hi", policy=policy)
        await link.state(order, "unknown")
        await trio.sleep(700)
        assert link.row(order)["state"] == state
        assert len(link.far.calls) == calls
        if policy == "resend":
            (again,) = link.memory.rows("outbox", retry_of=order)
            assert again["state"] == "sent"
            assert link.message(order)["provider_id"] == f"wamid.{again['id']}"


async def test_only_healthy_intake_counts_towards_the_policy(
    autojump_clock: MockClock,
) -> None:
    async with open_link() as link:
        link.far.answers = [LOST]
        order = link.order("hi", policy="drop")
        await link.state(order, "unknown")
        await trio.sleep(100)
        link.health.refused()
        await trio.sleep(7200)
        assert link.row(order)["state"] == "unknown"
        link.health.took()
        await trio.sleep(490)
        assert link.row(order)["state"] == "unknown"
        await trio.sleep(620)
        assert link.row(order)["state"] == "dead"


async def test_the_time_in_which_nothing_ran_does_not_count(autojump_clock: MockClock) -> None:
    memory, numbers = Memory(), Numbers()
    long_ago = NOW - timedelta(hours=5)
    order = Link.stored(
        memory, numbers, "hi", state="unknown", policy="drop", sending_at=long_ago, version=2
    ).id
    async with open_link(memory, numbers=numbers) as link:
        await trio.sleep(590)
        assert link.row(order)["state"] == "unknown"
        await link.state(order, "dead")


async def test_a_person_may_resend_what_stayed_unknown(autojump_clock: MockClock) -> None:
    async with open_link() as link:
        link.far.answers = [LOST]
        order = link.order("hi")
        await link.state(order, "unknown")
        resend = ResolveUnknown(
            company_id=COMPANY, connection_id=LINE, outbox_id=order, resend=True
        )
        await link.system.ask(resend)
        await link.system.ask(resend)
        await link.until(lambda: len(link.far.calls) == 2)
        assert len(link.memory.rows("outbox", retry_of=order)) == 1


async def test_a_cancelled_order_does_not_leave(autojump_clock: MockClock) -> None:
    async with open_link() as link:
        link.far.answers = [Rejected(code="1", retry_after=60)]
        order = link.order("a")
        await link.until(lambda: link.row(order)["attempt"] == 1 and len(link.far.calls) == 1)
        await link.state(order, "pending")
        cancel = CancelSend(company_id=COMPANY, connection_id=LINE, outbox_id=order)
        assert await link.system.ask(cancel) is True
        await trio.sleep(200)
        assert link.row(order)["state"] == "cancelled"
        assert len(link.far.calls) == 1
        done = link.order("b")
        await link.state(done, "sent")
        late = CancelSend(company_id=COMPANY, connection_id=LINE, outbox_id=done)
        assert await link.system.ask(late) is False


async def test_a_lost_hint_is_found_by_the_scan_and_nothing_overtakes_it(
    autojump_clock: MockClock,
) -> None:
    async with open_link() as link:
        first = link.order("a", told=False)
        link.hints.missed.add((COMPANY, LINE))
        second = link.order("b")
        await link.state(second, "sent")
        assert link.row(first)["state"] == "sent"
        assert [body for _, body, _, _ in link.far.calls] == ["a", "b"]


async def test_a_stopped_session_keeps_its_orders_until_it_is_started(
    autojump_clock: MockClock,
) -> None:
    async with open_link() as link:
        stop = await link.system.ask(StopSession(company_id=COMPANY, connection_id=LINE))
        assert stop.status == "DISCONNECTED"
        order = link.order("a")
        await trio.sleep(60)
        assert link.row(order)["state"] == "pending"
        view = await link.system.ask(StartSession(company_id=COMPANY, connection_id=LINE))
        assert view.status == "CONNECTED"
        await link.state(order, "sent")
        assert [e.kind for _, e in link.memory.events if e.kind == "session.changed"] == [
            "session.changed",
            "session.changed",
        ]


async def test_pacing_keeps_the_rate_of_the_number(autojump_clock: MockClock) -> None:
    async with open_link(far=FarEnd(rate=10)) as link:
        orders = [link.order(str(n), phone=str(5500 + n)) for n in range(60)]
        await link.until(lambda: all(link.row(order)["state"] == "sent" for order in orders))
        times = sorted(at for *_, at in link.far.calls)
        assert times[-1] - times[0] >= 4.8


@pytest.mark.parametrize(("attempt", "pause"), [(2, 2.0), (3, 4.0), (5, 16.0), (20, 600.0)])
def test_pauses_double_up_to_a_limit(attempt: int, pause: float) -> None:
    assert pause_before(attempt) == pause
    assert pause_before(attempt, asked=1000) == 1000
