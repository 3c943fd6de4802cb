"""Starting a session: the provider is asked first, and has the word about its account."""

import pytest
import trio
from trio.testing import MockClock

from actors.channels.base import Rejected
from actors.errors import AccountRefused, NotConnected
from actors.sessions import HandOver, StartSession, StopSession
from actors.sessions.actor import session_actor
from engine import Virtual
from engine.testing import open_system
from storage.errors import OutcomeUnknown
from tests.actors.company import COMPANY, LINE
from tests.actors.memory import Memory, Numbers
from tests.actors.sessions_kit import FarEnd, Link, open_link, session_ports, status

START = StartSession(company_id=COMPANY, connection_id=LINE)


async def test_an_account_that_the_provider_refuses_is_disconnected_with_its_reason(
    autojump_clock: MockClock,
) -> None:
    async with open_link() as link:
        link.far.refuses = Rejected(code="190", message="expired", permanent=True)
        with pytest.raises(AccountRefused) as refused:
            await link.system.ask(START)
        assert (refused.value.reason, refused.value.code) == ("190", "ERR_WAPP_NOT_INITIALIZED")
        changed = [event for _, event in link.memory.events if event.kind == "session.changed"]
        assert [event.connection.status for event in changed] == ["DISCONNECTED"]
        order = link.order("a")
        await trio.sleep(60)
        assert link.row(order)["state"] == "pending"
        link.far.refuses = None
        await link.system.ask(START)
        await link.state(order, "sent")


async def test_while_the_provider_is_asked_reports_go_on_and_a_stop_wins(
    autojump_clock: MockClock,
) -> None:
    async with open_link() as link, trio.open_nursery() as nursery:
        order = link.order("a")
        await link.state(order, "sent")
        outcomes: list[object] = []

        async def silent(_account: object) -> None:
            await trio.sleep_forever()

        async def start() -> None:
            try:
                outcomes.append(await link.system.ask(START))
            except NotConnected as error:
                outcomes.append(error)

        link.far.refusal = silent
        nursery.start_soon(start)
        await trio.sleep(1)
        began = trio.current_time()
        await link.report(status(f"wamid.{order}", "read"))
        assert trio.current_time() - began < 1
        await link.system.ask(StopSession(company_id=COMPANY, connection_id=LINE))
        await trio.sleep(20)
        assert [type(outcome) for outcome in outcomes] == [NotConnected]
        assert (await link.system.ask(START)).status == "CONNECTED"


@pytest.mark.parametrize("_turn", range(25))
async def test_a_session_that_ends_while_the_relay_is_busy_with_it_is_woken_all_the_same(
    autojump_clock: MockClock, _turn: int
) -> None:
    async with open_link() as link:
        link.memory.after.append(OutcomeUnknown("cut"))
        order = link.order("a")
        await link.until(lambda: link.row(order)["state"] == "unknown", seconds=60)
        assert link.far.calls == []


async def test_a_session_takes_nothing_before_it_has_the_oldest_orders(
    autojump_clock: MockClock,
) -> None:
    memory, numbers, far = Memory(), Numbers(), FarEnd()
    first, second = (Link.stored(memory, numbers, body) for body in ("a", "b"))
    ports = session_ports(memory, far, numbers)
    sessions = Virtual("session", lambda address: session_actor(ports, address), resident=True)
    to = {"company_id": COMPANY, "connection_id": LINE}
    async with open_system({"session": sessions}) as system:
        assert await system.ask(HandOver(**to, rows=(second,))) == (second.id,)
        assert await system.ask(HandOver(**to, rows=(first, second), oldest=True)) == ()
        await trio.sleep(1)
    assert [body for _, body, _, _ in far.calls] == ["a", "b"]
