"""In a group everybody is shown as themselves: in events, pages, quotes and what changes later."""

import msgspec
import sqlalchemy as sa

from actors.channels.base import Conversation, Identity, InboundMessage
from actors.events import MessageCreated
from actors.revival import PgEventLog
from tests.api.conftest import World
from tests.api.test_conversations import messages

ANA, BEN = Identity(phone="5521911110001"), Identity(phone="5521911110002")


async def said(
    world: World, who: Identity, name: str, body: str, wid: str, quoted: str = ""
) -> None:
    """Somebody writes into the group."""
    plain: InboundMessage = world.app.simulator.text(who, body, name=name)
    inbound = msgspec.structs.replace(
        plain, provider_id=wid, group_id="g1", participant=who, quoted_id=quoted
    )
    talk = Conversation(key="g", contact=who, inbounds=(inbound,), group_id="g1", name="Group")
    await world.app.parts.intake.deliver(world.a.id, world.a.connection_id, talk)


async def group(world: World) -> int:
    """A group in which Ana wrote and Ben answered her; its ticket."""
    path = f"/whatsapp/{world.a.connection_id}"
    allowed = await world.call("PUT", path, {"allowGroup": True}, token=world.a.admin)
    assert allowed.status == 200, allowed
    await said(world, ANA, "Ana", "hi", "m1")
    await said(world, BEN, "Ben", "hello Ana", "m2", quoted="m1")
    query = "status=group&showAll=true"
    listed = await world.call("GET", "/tickets", token=world.a.admin, query=query)
    (ticket,) = listed.json()["tickets"]
    assert (ticket["contact"]["name"], ticket["isGroup"]) == ("Group", True)
    return ticket["id"]


async def people(world: World) -> dict[str, int]:
    listed = await world.call("GET", "/contacts", token=world.a.admin)
    return {contact["name"]: contact["id"] for contact in listed.json()["contacts"]}


async def test_pages_show_who_wrote_and_whom_they_answer(world: World):
    ticket_id = await group(world)
    known = await people(world)
    first, second = await messages(world, ticket_id, world.a.admin)
    for shown, name in ((first, "Ana"), (second, "Ben"), (second["quotedMsg"], "Ana")):
        assert (shown["contact"]["name"], shown["contactId"]) == (name, known[name])
        assert shown["contact"]["id"] == known[name]
        assert shown["contact"]["isGroup"] is False
    renamed = {"name": "Ana Silva"}
    await world.call("PUT", f"/contacts/{known['Ana']}", renamed, token=world.a.admin)
    (again, _) = await messages(world, ticket_id, world.a.admin)
    assert again["contact"]["name"] == "Ana Silva"


async def test_answers_and_events_that_are_read_again_show_them_too(world: World):
    ticket_id = await group(world)
    known = await people(world)
    first, _ = await messages(world, ticket_id, world.a.admin)
    body = {"body": "welcome", "quotedMsg": {"id": first["id"]}}
    sent = await world.call("POST", f"/messages/{ticket_id}", body, token=world.a.admin)
    assert sent.json()["quotedMsg"]["contactId"] == known["Ana"]
    assert sent.json()["contactId"] is None
    parts = world.app.parts
    log = PgEventLog(parts.database, parts.snapshots, {})
    told = [
        (event.message.body, event.message.contact_id)
        for _, event in await log.since(world.a.id, 0, 100)
        if isinstance(event, MessageCreated)
    ]
    assert ("hi", known["Ana"]) in told
    assert ("hello Ana", known["Ben"]) in told
    assert ("welcome", None) in told


async def test_two_who_turn_out_to_be_one_are_shown_as_one(world: World):
    ticket_id = await group(world)
    known = await people(world)
    moved = sa.text("UPDATE contact_aliases SET contact_id = :ana WHERE contact_id = :ben")
    await world.app.parts.database.execute(moved.bindparams(ana=known["Ana"], ben=known["Ben"]))
    shown = await messages(world, ticket_id, world.a.admin)
    assert [message["contactId"] for message in shown] == [known["Ana"], known["Ana"]]
