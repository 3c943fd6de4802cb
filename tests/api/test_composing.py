"""`presenceUpdate` from an agent's browser to what the customer sees, over real sockets."""

import msgspec
import pytest
import sqlalchemy as sa
import trio

from tests.api.conftest import Company, World
from tests.api.realtime.raw_client import RawClient
from tests.api.test_bad_sockets import joined, served


async def say(client: RawClient, ticket: object, presence: object = "composing") -> list[object]:
    """Say that the agent types; what the acknowledgement carries."""
    said = msgspec.json.encode(["presenceUpdate", {"ticketId": ticket, "presence": presence}])
    await client.say(b"427" + said)
    with trio.fail_after(10):
        while not (text := await client.text()).startswith(b"437["):
            pass
    answered: list[object] = msgspec.json.decode(text[3:])
    return answered


async def opened(world: World, company: Company) -> None:
    """The company's ticket is the admin's."""
    accepted = {"status": "open", "userId": company.admin_id}
    path = f"/tickets/{company.ticket_id}"
    assert (await world.call("PUT", path, accepted, token=company.admin)).status == 200


async def shown(world: World, count: int) -> list[int]:
    """The connections by which something was shown, once it was `count` times."""
    with trio.fail_after(10):
        while len(world.app.simulator.composing) < count:  # noqa: ASYNC110 - another actor's time
            await trio.sleep(0.01)
    return [connection_id for connection_id, _ in world.app.simulator.composing]


async def test_the_customer_sees_that_an_agent_types(world: World) -> None:
    await opened(world, world.a)
    async with served(world) as port:
        client = await joined(port, world.a.admin)
        assert await say(client, world.a.ticket_id) == []
        assert await shown(world, 1) == [world.a.connection_id]
        wid = await world.call("GET", f"/messages/{world.a.ticket_id}", token=world.a.admin)
        [(_, message_id)] = world.app.simulator.composing
        assert message_id in {message["wid"] for message in wid.json()["messages"]}
        for _ in range(5):
            assert await say(client, world.a.ticket_id) == []  # it is still shown
        assert await say(client, world.a.uuid) == []
        assert await shown(world, 2) == [world.a.connection_id] * 2
    text = (await world.call("GET", "/metrics", token=world.super)).body.decode()
    assert "chatia_composing_shown 2\n" in text


async def test_messages_go_on_beside_it_in_their_order(world: World) -> None:
    await opened(world, world.a)
    path = f"/messages/{world.a.ticket_id}"
    async with served(world) as port:
        client = await joined(port, world.a.admin)
        for number in range(5):
            await client.say(
                b'42["presenceUpdate",{"ticketId":%d,"presence":"composing"}]' % world.a.ticket_id
            )
            sent = await world.call("POST", path, {"body": str(number)}, token=world.a.admin)
            assert sent.status == 200
        with trio.fail_after(10):
            while world.app.simulator.distinct < 5:  # noqa: ASYNC110 - another actor's time
                await trio.sleep(0.01)
    bodies = [sent.message.body for sent in world.app.simulator.sent.values()]
    assert bodies == ["0", "1", "2", "3", "4"]


async def test_nothing_is_shown_of_a_ticket_that_the_agent_may_not_see(world: World) -> None:
    await opened(world, world.a)
    await opened(world, world.b)
    async with served(world) as port:
        admin, colleague = await joined(port, world.a.admin), await joined(port, world.a.user)
        for client, key in (
            (colleague, world.a.ticket_id),
            (admin, world.b.ticket_id),
            (admin, world.b.uuid),
            (admin, 10**9),
        ):
            assert await say(client, key) == ["ERR_NO_PERMISSION"]
        assert await say(admin, world.a.ticket_id) == []
        assert await shown(world, 1) == [world.a.connection_id]


@pytest.mark.parametrize("reference", [None, "", "undefined", [], {}, True, -1, "x" * 65])
async def test_what_is_no_ticket_is_told_so(world: World, reference: object) -> None:
    async with served(world) as port:
        client = await joined(port, world.a.admin)
        assert await say(client, reference) == ["ERR_NO_TICKET_FOUND"]


async def test_a_pause_and_a_ticket_that_waits_show_nothing(world: World) -> None:
    async with served(world) as port:
        client = await joined(port, world.a.admin)
        assert await say(client, world.a.ticket_id) == []  # nobody has accepted it: it is not read
        await opened(world, world.a)
        for presence in ("paused", None, 1, {}):
            assert await say(client, world.a.uuid, presence) == []
        assert await say(client, world.a.uuid, "recording") == []
        await shown(world, 1)
    assert len(world.app.simulator.composing) == 1


async def test_a_conversation_of_long_ago_is_left_in_peace(world: World) -> None:
    await opened(world, world.a)
    stats = world.app.parts.metrics
    long_ago = sa.text("update messages set created_at = now() - interval '40 days'")
    await world.app.parts.database.execute(long_ago)
    async with served(world) as port:
        client = await joined(port, world.a.admin)
        assert await say(client, world.a.ticket_id) == []
    assert "chatia_composing_shown 0\nchatia_composing_dropped 0\n" in stats.text()
