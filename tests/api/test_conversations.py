"""An agent's day over REST: see, accept, answer, transfer, close; and what others may not."""

import pytest

from tests.api.conftest import World


async def messages(world: World, ticket_id: int, token: str) -> list[dict]:
    page = await world.call("GET", f"/messages/{ticket_id}", token=token)
    assert page.status == 200, page
    return page.json()["messages"]


async def test_lists_show_a_column_with_count_and_more(world: World):
    for n in range(3):
        await world.receive(world.a, f"55119777700{n:02}", "hi")
    listed = await world.call("GET", "/tickets/", token=world.a.user, query="status=pending")
    page = listed.json()
    assert (page["count"], page["hasMore"], len(page["tickets"])) == (4, False, 4)
    assert {t["companyId"] for t in page["tickets"]} == {world.a.id}
    newest = [t["updatedAt"] for t in page["tickets"]]
    assert newest == sorted(newest, reverse=True)


async def test_searching_finds_names_numbers_and_texts_without_accents(world: World):
    await world.receive(world.a, "5511977770001", "preciso de INFORMAÇÃO")
    query = "status=search&showAll=true&searchParam="
    for text, more, count in (
        ("informacao", "&searchOnMessages=true", 1),
        ("informacao", "", 0),
        ("97777", "", 1),
        ("cust", "", 2),
        ("%25", "", 0),
    ):
        found = await world.call("GET", "/tickets", token=world.a.admin, query=query + text + more)
        assert (text, found.json()["count"]) == (text, count)


async def test_accept_answer_and_resolve(world: World):
    a, path = world.a, f"/tickets/{world.a.ticket_id}"
    accept = {"status": "open", "userId": a.user_id, "queueId": a.department_id}
    accepted = (await world.call("PUT", path, accept, token=a.user)).json()
    assert (accepted["status"], accepted["userId"]) == ("open", a.user_id)
    body = {"read": 1, "fromMe": True, "mediaUrl": "", "body": "*User:*\nhi", "quotedMsg": None}
    sent = await world.call("POST", f"/messages/{a.ticket_id}", body, token=a.user)
    assert (sent.status, sent.json()["body"], sent.json()["fromMe"]) == (200, "*User:*\nhi", True)
    shown = await messages(world, a.ticket_id, a.user)
    assert [m["body"] for m in shown] == ["hello a", "*User:*\nhi"]
    closing = {"status": "closed", "userId": a.user_id, "justClose": True}
    closed = (await world.call("PUT", path, closing, token=a.user)).json()
    assert closed["status"] == "closed"
    reopened = (await world.call("PUT", path, {"status": "open"}, token=a.user)).json()
    assert reopened["status"] == "open"


async def test_returning_and_transferring(world: World):
    a, path = world.a, f"/tickets/{world.a.ticket_id}"
    await world.call("PUT", path, {"status": "open", "userId": a.admin_id}, token=a.admin)
    back = await world.call("PUT", path, {"status": "pending", "userId": None}, token=a.admin)
    assert (back.json()["status"], back.json()["userId"]) == ("pending", None)
    moved = {
        "userId": a.user_id,
        "queueId": a.department_id,
        "isTransfered": True,
        "status": "open",
    }
    transferred = (await world.call("PUT", path, moved, token=a.admin)).json()
    assert (transferred["userId"], transferred["queue"]["name"]) == (a.user_id, "Sales")


async def test_the_same_key_sends_once_and_another_request_under_it_is_refused(world: World):
    path, key = f"/messages/{world.a.ticket_id}", {"idempotency-key": "k-1"}
    first = await world.call("POST", path, {"body": "one"}, token=world.a.admin, headers=key)
    again = await world.call("POST", path, {"body": "one"}, token=world.a.admin, headers=key)
    assert first.body == again.body
    assert again.headers["idempotent-replayed"] == "true"
    other = await world.call("POST", path, {"body": "two"}, token=world.a.admin, headers=key)
    assert (other.status, other.json()["error"]) == (422, "ERR_IDEMPOTENCY_KEY_REUSED")
    shown = await messages(world, world.a.ticket_id, world.a.admin)
    assert [m["body"] for m in shown if m["fromMe"]] == ["one"]


async def test_a_refused_request_is_refused_again_under_its_key(world: World):
    key = {"idempotency-key": "k-2"}
    body = {"contactId": world.a.contact_id}
    first = await world.call("POST", "/tickets", body, token=world.a.admin, headers=key)
    again = await world.call("POST", "/tickets", body, token=world.a.admin, headers=key)
    assert first.status == again.status == 400
    assert first.json() == again.json() == {"error": "ERR_OTHER_OPEN_TICKET"}


async def test_private_notes_are_shown_not_sent_and_can_be_deleted(world: World):
    path = f"/messages/{world.a.ticket_id}"
    note = {"body": "check the contract", "isPrivate": "true"}
    made = (await world.call("POST", path, note, token=world.a.admin)).json()
    assert made["isPrivate"] is True
    assert not world.app.simulator.sent
    gone = await world.call("DELETE", f"/messages/{made['id']}", token=world.a.admin)
    assert gone.status == 200
    shown = await messages(world, world.a.ticket_id, world.a.admin)
    assert [m["body"] for m in shown] == ["hello a"]


FORM = (
    b'--x\r\ncontent-disposition: form-data; name="body"\r\n\r\nlook\r\n'
    b'--x\r\ncontent-disposition: form-data; name="medias"; filename="../../etc/p.png"\r\n'
    b"content-type: image/png\r\n\r\n\x89PNG\r\n\x1a\nrest\r\n--x--\r\n"
)


async def test_media_are_sent_kept_and_served_to_their_company_only(world: World):
    kind = {"content-type": "multipart/form-data; boundary=x"}
    path = f"/messages/{world.a.ticket_id}/"
    sent = await world.client("POST", path, body=FORM, headers=kind, token=world.a.admin)
    assert sent.status == 200, sent
    message = sent.json()
    assert (message["body"], message["mediaType"]) == ("look", "image")
    where = message["mediaUrl"].removeprefix(world.settings.public_url)
    assert where.startswith(f"/public/company{world.a.id}/")
    assert ".." not in where
    whole = await world.call("GET", where, token=world.a.user)
    assert (whole.status, whole.body) == (200, b"\x89PNG\r\n\x1a\nrest")
    assert whole.headers["x-content-type-options"] == "nosniff"
    part = await world.client("GET", where, token=world.a.user, headers={"range": "bytes=1-3"})
    assert (part.status, part.body) == (206, b"PNG")
    assert part.headers["content-range"] == "bytes 1-3/12"
    outside = await world.client("GET", where, token=world.a.user, headers={"range": "bytes=99-"})
    assert outside.status == 416
    assert (await world.call("GET", where)).status == 401
    assert (await world.call("GET", where, token=world.b.admin)).status == 404
    moved = where.replace(f"company{world.a.id}", f"company{world.b.id}")
    assert (await world.call("GET", moved, token=world.b.admin)).status == 404


@pytest.mark.parametrize(
    "form", [b"", b"--x", b"no boundary at all", FORM[:60], FORM.replace(b"name=", b"nam=")]
)
async def test_broken_forms_are_4xx(world: World, form: bytes):
    kind = {"content-type": "multipart/form-data; boundary=x"}
    path = f"/messages/{world.a.ticket_id}"
    answer = await world.client("POST", path, body=form, headers=kind, token=world.a.admin)
    assert 400 <= answer.status < 500, answer
    without = await world.client(
        "POST",
        path,
        body=FORM,
        headers={"content-type": "multipart/form-data"},
        token=world.a.admin,
    )
    assert 400 <= without.status < 500, without


async def test_an_empty_message_is_refused(world: World):
    path = f"/messages/{world.a.ticket_id}"
    for body in ({}, {"body": ""}, {"body": "  "}, {"body": []}):
        assert (await world.call("POST", path, body, token=world.a.admin)).status == 400


async def test_contacts_are_created_changed_and_deleted_through_their_owner(world: World):
    new = {
        "name": "Nova",
        "number": "+55 (11) 96666-5555",
        "extraInfo": [{"name": "a", "value": "b"}],
    }
    made = (await world.call("POST", "/contacts", new, token=world.a.user)).json()
    assert (made["number"], made["extraInfo"][0]["value"]) == ("5511966665555", "b")
    again = await world.call("POST", "/contacts", new, token=world.a.user)
    assert (again.status, again.json()["error"]) == (400, "ERR_DUPLICATED_CONTACT")
    path = f"/contacts/{made['id']}"
    changed = await world.call("PUT", path, {"email": "n@x.test"}, token=world.a.user)
    assert (changed.json()["email"], changed.json()["name"]) == ("n@x.test", "Nova")
    found = await world.call("GET", "/contacts/", token=world.a.user, query="searchParam=nova")
    assert found.json()["count"] == 1
    assert (await world.call("DELETE", path, token=world.a.user)).status == 200
    assert (await world.call("GET", path, token=world.a.user)).status == 404


async def test_two_contacts_that_are_one_person_are_merged_by_an_admin(world: World):
    a = world.a
    twin = {"name": "Twin", "number": "5511977776666"}
    loser = (await world.call("POST", "/contacts", twin, token=a.admin)).json()["id"]
    note = {"note": "likes tea", "contactId": loser}
    await world.call("POST", "/ticket-notes", note, token=a.admin)
    path, body = f"/contacts/{a.contact_id}/merge", {"contactId": loser}
    assert (await world.call("POST", path, body, token=a.user)).status == 403
    foreign = await world.call("POST", path, {"contactId": world.b.contact_id}, token=a.admin)
    assert (foreign.status, foreign.json()["error"]) == (404, "ERR_NO_CONTACT_FOUND")
    merged = await world.call("POST", path, body, token=a.admin)
    assert (merged.status, merged.json()["id"]) == (200, a.contact_id)
    assert (await world.call("GET", f"/contacts/{loser}", token=a.admin)).status == 404
    notes = await world.call(
        "GET", "/ticket-notes/list", token=a.admin, query=f"contactId={a.contact_id}"
    )
    assert [row["note"] for row in notes.json()] == ["likes tea"]
    assert (await world.call("POST", path, body, token=a.admin)).status == 404


async def test_close_all_closes_what_the_caller_may_close(world: World):
    await world.receive(world.a, "5511977770001", "hi")
    done = await world.call("POST", "/tickets/closeAll", {"status": "pending"}, token=world.a.admin)
    assert (done.status, done.body) == (200, b"")
    left = await world.call("GET", "/tickets", token=world.a.admin, query="status=pending")
    assert left.json()["count"] == 0
    other = await world.call("GET", "/tickets", token=world.b.admin, query="status=pending")
    assert other.json()["count"] == 1


async def test_deleting_a_connection_closes_its_tickets_and_keeps_history(world: World):
    gone = await world.call("DELETE", f"/whatsapp/{world.a.connection_id}", token=world.a.admin)
    assert gone.status == 200, gone
    ticket = (await world.call("GET", f"/tickets/{world.a.ticket_id}", token=world.a.admin)).json()
    assert (ticket["status"], ticket["whatsappId"]) == ("closed", None)
    shown = await messages(world, world.a.ticket_id, world.a.admin)
    assert shown[0]["body"] == "hello a"


async def test_a_stranger_agent_cannot_open_somebody_elses_ticket(world: World):
    new = {"name": "Other", "email": "other@a.test", "password": "secret"}
    await world.call("POST", "/users", new, token=world.a.admin)
    other = (await world.login("other@a.test", "secret")).json()["token"]
    taken = {"status": "open", "userId": world.a.user_id}
    await world.call("PUT", f"/tickets/{world.a.ticket_id}", taken, token=world.a.admin)
    for method, path, body in (
        ("GET", f"/tickets/{world.a.ticket_id}", None),
        ("GET", f"/messages/{world.a.ticket_id}", None),
        ("POST", f"/messages/{world.a.ticket_id}", {"body": "x"}),
        ("PUT", f"/tickets/{world.a.ticket_id}", {"status": "closed"}),
        ("DELETE", f"/tickets/{world.a.ticket_id}", None),
    ):
        assert (await world.call(method, path, body, token=other)).status == 403
    listed = await world.call("GET", "/tickets", token=other, query="status=open&showAll=true")
    assert listed.json()["count"] == 0


async def test_notes_on_a_ticket_are_read_by_who_may_open_it(world: World):
    a = world.a
    new = {"name": "Other", "email": "other@a.test", "password": "secret"}
    await world.call("POST", "/users", new, token=a.admin)
    other = (await world.login("other@a.test", "secret")).json()["token"]
    await world.call(
        "PUT",
        f"/tickets/{a.ticket_id}",
        {"status": "open", "userId": a.user_id},
        token=a.admin,
    )
    note = {"note": "owes us", "ticketId": a.ticket_id, "contactId": a.contact_id}
    made = (await world.call("POST", "/ticket-notes", note, token=a.admin)).json()
    own = (await world.call("POST", "/ticket-notes", note, token=other)).json()
    on_contact = {"note": "likes tea", "contactId": a.contact_id}
    public = (await world.call("POST", "/ticket-notes", on_contact, token=a.admin)).json()

    async def read(token: str) -> list[set[int]]:
        listed = await world.call(
            "GET", "/ticket-notes/list", token=token, query=f"contactId={a.contact_id}"
        )
        paged = await world.call("GET", "/ticket-notes", token=token)
        return [
            {row["id"] for row in rows} for rows in (listed.json(), paged.json()["ticketNotes"])
        ]

    everything = {made["id"], own["id"], public["id"]}
    assert await read(a.admin) == await read(a.user) == [everything] * 2
    assert await read(other) == [{own["id"], public["id"]}] * 2
    path = f"/ticket-notes/{made['id']}"
    assert (await world.call("GET", path, token=a.user)).status == 200
    assert (await world.call("GET", path, token=other)).status == 404


async def test_close_all_of_an_agent_leaves_the_colleagues_tickets_of_the_same_contact(
    world: World,
):
    a = world.a
    opened = {"contactId": a.contact_id, "status": "open"}
    mine = opened | {"userId": a.user_id, "whatsappId": a.cloud_id}
    assert (await world.call("POST", "/tickets", mine, token=a.admin)).status == 200
    theirs = {"status": "open", "userId": a.admin_id}
    await world.call("PUT", f"/tickets/{a.ticket_id}", theirs, token=a.admin)
    done = await world.call("POST", "/tickets/closeAll", {"status": "open"}, token=a.user)
    assert done.status == 200
    left = await world.call("GET", "/tickets", token=a.admin, query="status=open&showAll=true")
    assert [ticket["id"] for ticket in left.json()["tickets"]] == [a.ticket_id]
