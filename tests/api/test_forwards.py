"""Messages passed on, messages with something to tap, and the texts that edited ones had."""

import pytest
import sqlalchemy as sa

from tests.api.conftest import World
from tests.api.test_conversations import FORM, messages


async def other_contact(world: World) -> int:
    body = {"name": "Other", "number": "5511955550000"}
    return (await world.call("POST", "/contacts", body, token=world.a.admin)).json()["id"]


@pytest.mark.parametrize("path", ["/message/forward", "/messages/forward"])
async def test_a_message_is_passed_on_into_a_ticket_of_the_forwarder(world: World, path: str):
    contact_id = await other_contact(world)
    body = {"messageId": world.a.message_id, "contactId": contact_id, "signMessage": True}
    sent = (await world.call("POST", path, body, token=world.a.admin)).json()
    assert (sent["body"], sent["isForwarded"]) == ("*Admin:*\nhello a", True)
    ticket = await world.call("GET", f"/tickets/{sent['ticketId']}", token=world.a.admin)
    assert (ticket.json()["contactId"], ticket.json()["status"]) == (contact_id, "open")
    again = (await world.call("POST", path, body, token=world.a.admin)).json()
    assert again["ticketId"] == sent["ticketId"]
    assert len(await messages(world, sent["ticketId"], world.a.admin)) == 2


async def test_a_forwarded_file_is_the_same_stored_file(world: World):
    kind = {"content-type": "multipart/form-data; boundary=x"}
    path = f"/messages/{world.a.ticket_id}"
    first = await world.client("POST", path, body=FORM, headers=kind, token=world.a.admin)
    body = {"messageId": first.json()["id"], "contactId": await other_contact(world)}
    second = await world.call("POST", "/message/forward", body, token=world.a.admin)
    assert second.json()["mediaUrl"] == first.json()["mediaUrl"]
    assert (second.json()["body"], second.json()["mediaType"]) == ("look", "image")


async def test_what_cannot_be_passed_on_is_refused_and_nothing_is_opened(world: World):
    contact_id = await other_contact(world)
    note = {"body": "secret", "isPrivate": True}
    path = f"/messages/{world.a.ticket_id}"
    made = (await world.call("POST", path, note, token=world.a.admin)).json()
    before = await world.rows_of(world.a)
    for body, refused in (
        ({"messageId": made["id"], "contactId": contact_id}, (400, "ERR_FETCH_WAPP_MSG")),
        ({"messageId": world.a.message_id}, (400, "ERR_VALIDATION")),
        ({"messageId": world.b.message_id, "contactId": contact_id}, (404, None)),
        ({"messageId": world.a.message_id, "contactId": world.b.contact_id}, (404, None)),
        ({"messageId": world.a.message_id, "ticketId": world.b.ticket_id}, (404, None)),
    ):
        answer = await world.call("POST", "/message/forward", body, token=world.a.admin)
        assert answer.status == refused[0], answer.body
        assert refused[1] in (None, answer.json()["error"])
    assert await world.rows_of(world.a) == before


async def test_nobody_quotes_what_is_hidden_from_him(world: World):
    a = world.a
    limits = {"allTicket": "disable", "allHistoric": "disabled", "queueIds": []}
    await world.call("PUT", f"/users/{a.user_id}", limits, token=a.admin)
    hidden = {"status": "closed", "queueId": a.department_id, "userId": a.admin_id}
    await world.call("PUT", f"/tickets/{a.ticket_id}", hidden, token=a.admin)
    mine = {"contactId": a.contact_id, "userId": a.user_id, "status": "open"}
    ticket_id = (await world.call("POST", "/tickets", mine, token=a.user)).json()["id"]
    quoted = {"quotedMsg": {"id": a.message_id}}
    own = await world.call("POST", f"/messages/{ticket_id}", {"body": "mine"}, token=a.user)
    for path, body in (
        (f"/messages/{ticket_id}", {"body": "note", "isPrivate": True}),
        (f"/messages/{ticket_id}", {"body": "text"}),
        ("/message/forward", {"messageId": own.json()["id"], "ticketId": ticket_id}),
    ):
        refused = await world.call("POST", path, body | quoted, token=a.user)
        assert refused.status == 403, path
        assert b"hello a" not in refused.body
        allowed = await world.call("POST", path, body | quoted, token=a.admin)
        assert (allowed.status, allowed.json()["quotedMsg"]["body"]) == (200, "hello a"), path
    foreign = {"body": "text", "quotedMsg": {"id": world.b.message_id}}
    sent = await world.call("POST", f"/messages/{ticket_id}", foreign, token=a.admin)
    assert (sent.status, sent.json()["quotedMsg"]) == (200, None)


async def test_nobody_forwards_out_of_or_into_a_colleagues_ticket(world: World):
    opened = {"status": "open", "userId": world.a.admin_id}
    await world.call("PUT", f"/tickets/{world.a.ticket_id}", opened, token=world.a.admin)
    body = {"messageId": world.a.message_id, "contactId": await other_contact(world)}
    out = await world.call("POST", "/message/forward", body, token=world.a.user)
    assert out.status == 403
    mine = {"contactId": body["contactId"], "status": "open", "userId": world.a.user_id}
    ticket = (await world.call("POST", "/tickets", mine, token=world.a.user)).json()
    said = {"body": "mine"}
    own = await world.call("POST", f"/messages/{ticket['id']}", said, token=world.a.user)
    into = {"messageId": own.json()["id"], "contactId": world.a.contact_id}
    refused = await world.call("POST", "/message/forward", into, token=world.a.user)
    assert refused.status == 403


LIST = {
    "title": "Menu",
    "text": "Escolha",
    "buttonText": "Abrir",
    "footer": "Loja",
    "sections": [{"title": "Doces", "rows": [{"title": "Bolo", "rowId": "b"}, {"title": "Pudim"}]}],
}
BUTTON = {"title": "Oi", "description": "Veja", "buttonText": "Abrir"}
PIX = {
    "sendkey_type": "email",
    "sendKey": "loja@x.test",
    "sendmerchant_name": "Loja",
    "title": "Pedido",
    "sendvalue": "1.234,50",
}
TAPPED = [
    ("lista", LIST, "Escolha"),
    ("url", BUTTON | {"copyText": "https://x.test"}, "Veja\nAbrir: https://x.test"),
    ("call", BUTTON | {"copyText": "+5511999990000"}, "Veja\nAbrir: +5511999990000"),
    ("copy", BUTTON | {"copyText": "ABC"}, "Veja\nAbrir: ABC"),
    ("PIX", PIX, "Pedido\nPix: loja@x.test"),
]


@pytest.mark.parametrize(("kind", "body", "shown"), TAPPED)
async def test_messages_with_something_to_tap_are_stored_and_sent(
    world: World, kind: str, body: dict[str, object], shown: str
):
    path = f"/messages/{kind}/{world.a.ticket_id}"
    answer = await world.call("POST", path, body, token=world.a.admin)
    assert answer.status == 200, answer.body
    assert answer.json()["newMsg"]["body"] == shown
    assert [m["body"] for m in await messages(world, world.a.ticket_id, world.a.admin)][1:] == [
        shown
    ]
    ordered = sa.text("SELECT payload->>'type' FROM outbox WHERE kind = 'send'")
    tag = {"lista": "list", "PIX": "pix"}.get(kind, f"{kind}_button")
    assert await world.app.parts.database.value(ordered) == tag


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("lista", LIST | {"sections": []}),
        ("url", BUTTON | {"copyText": "javascript:alert(1)"}),
        ("url", BUTTON | {"copyText": "https://x.test", "image": "data:image/png;base64,AA=="}),
        ("call", BUTTON | {"copyText": "nobody"}),
        ("copy", BUTTON | {"copyText": " "}),
        ("PIX", PIX | {"sendkey_type": "IBAN"}),
        ("PIX", PIX | {"sendvalue": "-1"}),
        ("PIX", {}),
    ],
)
async def test_what_could_not_be_tapped_is_refused(world: World, kind: str, body: object):
    path = f"/messages/{kind}/{world.a.ticket_id}"
    answer = await world.call("POST", path, body, token=world.a.admin)
    assert (answer.status, answer.json()["error"]) == (400, "ERR_VALIDATION")


async def test_a_channel_without_such_buttons_refuses_them_and_stores_nothing(world: World):
    made = {"name": "Cloud", "number": "5511944440000"}
    contact = (await world.call("POST", "/contacts", made, token=world.a.admin)).json()
    opened = {"contactId": contact["id"], "whatsappId": world.a.cloud_id, "status": "open"}
    ticket = (await world.call("POST", "/tickets", opened, token=world.a.admin)).json()
    for kind, body, _ in TAPPED:
        answer = await world.call(
            "POST", f"/messages/{kind}/{ticket['id']}", body, token=world.a.admin
        )
        if kind in ("lista", "url"):
            assert answer.status == 200, answer.body
        else:
            refused = (answer.status, answer.json()["error"])
            assert refused == (400, "ERR_NOT_SUPPORTED_BY_CHANNEL")
    assert len(await messages(world, ticket["id"], world.a.admin)) == 2


async def test_an_edited_message_shows_what_it_said_before(world: World):
    path = f"/messages/{world.a.ticket_id}"
    made = (await world.call("POST", path, {"body": "one"}, token=world.a.admin)).json()
    for text in ("two", "two", "three"):
        edited = await world.call(
            "POST", f"/messages/edit/{made['id']}", {"body": text}, token=world.a.admin
        )
        assert edited.status == 200, edited.body
    path = f"/messages/{made['id']}/history"
    shown = (await world.call("GET", path, token=world.a.user)).json()["oldMessages"]
    assert [old["body"] for old in shown] == ["one", "two"]
    assert {old["messageId"] for old in shown} == {made["id"]}
    assert (await world.call("GET", path, token=world.b.admin)).status == 404
