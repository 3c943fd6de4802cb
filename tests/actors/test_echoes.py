"""Own messages that come back: stored once, whoever is first, and nothing overtakes them."""

from datetime import datetime, timedelta

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.channels.base import Accepted, OutText
from actors.router import MergeContacts
from actors.stores import PgContacts
from actors.tickets.commands import Delivered, Retire, SendMessage, TakeInbound
from storage.database import Database
from storage.errors import DatabaseUnavailable
from storage.ids import UserId
from tests.actors.company import COMPANY, LINE, NOW
from tests.actors.router_kit import PHONE, Routing, open_router
from tests.actors.sessions_kit import FarEnd
from tests.actors.world import ONE, open_world

ANN = UserId(1001)


def now() -> datetime:
    return NOW + timedelta(seconds=trio.current_time())


async def sending(routing: Routing, outbox_id: int = 1) -> dict[str, object]:
    """PHONE is known, and a send to it is under way."""
    if not routing.memory.rows("contacts"):
        await routing.deliver(PHONE, "hi")
    row = {
        "id": outbox_id,
        "company_id": COMPANY,
        "connection_id": LINE,
        "contact_id": routing.memory.rows("contacts")[0]["id"],
        "state": "sending",
        "sending_at": now(),
    }
    routing.memory.rows("outbox")
    routing.memory.tables["outbox"].append(row)
    return row


async def test_an_echo_waits_for_the_send_it_may_be_and_nothing_overtakes_it(
    autojump_clock: MockClock,
) -> None:
    async with open_router(now) as routing, trio.open_nursery() as nursery:
        row = await sending(routing)

        async def deliver(body: str, *, from_me: bool = False) -> None:
            await routing.deliver(PHONE, body, from_me=from_me)

        for body, from_me in (("echo", True), ("after", False), ("again", True), ("last", False)):
            nursery.start_soon(lambda b=body, f=from_me: deliver(b, from_me=f))
            await wait_all_tasks_blocked()
        await routing.deliver(PHONE, "elsewhere", group_id="g1")
        await trio.sleep(5)
        assert [body for _, body in routing.taken()] == ["hi", "elsewhere"]
        row["state"] = "sent"
        await trio.sleep(1)
        assert [body for _, body in routing.taken()][2:] == ["echo", "after", "again", "last"]


async def test_an_echo_of_a_known_message_does_not_wait(autojump_clock: MockClock) -> None:
    async with open_router(now) as routing:
        await sending(routing)
        routing.memory.rows("messages")
        routing.memory.tables["messages"].append(
            {"connection_id": LINE, "provider_id": "w-echo", "from_me": True}
        )
        began = trio.current_time()
        await routing.deliver(PHONE, "echo", from_me=True)
        assert trio.current_time() == began


async def test_an_echo_waits_no_longer_than_half_a_minute_after_the_send_began(
    autojump_clock: MockClock,
) -> None:
    async with open_router(now) as routing:
        row = await sending(routing)
        began = trio.current_time()
        row["state"] = "unknown"
        await trio.sleep(25)
        assert await routing.deliver(PHONE, "echo", from_me=True) == Delivered(stored=1)
        assert 29 <= trio.current_time() - began <= 31


async def test_sends_begun_after_the_echo_are_not_waited_for(autojump_clock: MockClock) -> None:
    async with open_router(now) as routing, trio.open_nursery() as nursery:
        row = await sending(routing)
        nursery.start_soon(lambda: routing.deliver(PHONE, "echo", from_me=True))
        await trio.sleep(1)
        await sending(routing, 2)
        row["state"] = "sent"
        await trio.sleep(1)
        assert [body for _, body in routing.taken()] == ["hi", "echo"]


async def test_when_it_cannot_be_told_the_echo_and_all_behind_it_fail(
    autojump_clock: MockClock,
) -> None:
    async with open_router(now) as routing, trio.open_nursery() as nursery:
        await sending(routing)
        failed: list[str] = []

        async def deliver(body: str, *, from_me: bool = False) -> None:
            try:
                await routing.deliver(PHONE, body, from_me=from_me)
            except DatabaseUnavailable:
                failed.append(body)

        async def away(*_: object) -> object:
            message = "away"
            raise DatabaseUnavailable(message)

        nursery.start_soon(lambda: deliver("echo", from_me=True))
        await wait_all_tasks_blocked()
        nursery.start_soon(deliver, "behind")
        await wait_all_tasks_blocked()
        routing.store.unsettled = away
        await trio.sleep(1)
        assert sorted(failed) == ["behind", "echo"]
        assert await routing.deliver(PHONE, "next") == Delivered(stored=1)


async def test_a_merge_waits_until_a_held_contact_is_free(autojump_clock: MockClock) -> None:
    async with open_router(now) as routing, trio.open_nursery() as nursery:
        row = await sending(routing)
        await routing.deliver(PHONE, "other", group_id="g1")
        winner, loser = (contact["id"] for contact in routing.memory.rows("contacts"))
        nursery.start_soon(lambda: routing.deliver(PHONE, "echo", from_me=True))
        await wait_all_tasks_blocked()
        merge = MergeContacts(company_id=COMPANY, winner=winner, loser=loser)
        nursery.start_soon(routing.system.ask, merge)
        await trio.sleep(1)
        assert not any(isinstance(command, Retire) for command in routing.heard)
        row["state"] = "sent"
        await trio.sleep(1)
        told = [type(command) for command in routing.heard]
        assert told.index(Retire) > max(i for i, kind in enumerate(told) if kind is TakeInbound)


async def test_our_own_message_that_comes_back_is_stored_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    far = FarEnd()
    far.name = "simulator"
    begun, go = trio.Event(), trio.Event()

    async def answer() -> object:
        begun.set()
        await go.wait()
        return Accepted(provider_id="wamid.own")

    far.answers = [answer]
    async with open_world(database, channels=(far,)) as world:
        await world.say("5511", "hi")
        contact, ticket = await world.ticket_of("5511")
        await world.ask(
            SendMessage(
                company_id=ONE,
                contact_id=contact,
                ticket_id=ticket,
                by=ANN,
                content=OutText(body="ours"),
            )
        )
        await begun.wait()
        outcomes: list[object] = []

        async def echo() -> None:
            outcomes.append(await world.say("5511", "ours", ids=["wamid.own"], from_me=True))

        looked, look = trio.Event(), PgContacts.unsettled

        async def noting(*args: object) -> object:
            found = await look(*args)
            looked.set()
            return found

        monkeypatch.setattr(PgContacts, "unsettled", noting)
        with trio.fail_after(20):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(echo)
                await looked.wait()
                go.set()
        assert outcomes == [Delivered(duplicates=1)]
        rows = await world.rows("SELECT body, provider_id FROM messages WHERE from_me")
        assert rows == [{"body": "ours", "provider_id": "wamid.own"}]
