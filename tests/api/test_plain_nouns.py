"""What the plain nouns promise besides what every route does."""

import msgspec
import pytest
import trio

from actors.events import RecordChanged
from storage import prompts
from tests.api.conftest import World
from tests.api.rows import OPERATORS, samples, stock

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64


def form(name: str, filename: str, content: bytes, **fields: str) -> tuple[bytes, dict[str, str]]:
    """A multipart body with one file."""
    parts = [
        f'--edge\r\ncontent-disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode()
        for key, value in fields.items()
    ]
    head = f'--edge\r\ncontent-disposition: form-data; name="{name}"; filename="{filename}"\r\n\r\n'
    body = b"".join(parts) + head.encode() + content + b"\r\n--edge--\r\n"
    return body, {"content-type": "multipart/form-data; boundary=edge"}


async def upload(world: World, path: str, token: str, filename: str, content: bytes):
    body, headers = form("file", filename, content)
    return await world.client("POST", path, body=body, headers=headers, token=token)


def timeless(shown: object) -> object:
    """Without the times of changes."""
    if isinstance(shown, dict):
        return {key: timeless(value) for key, value in shown.items() if key != "updatedAt"}
    return [timeless(item) for item in shown] if isinstance(shown, list) else shown


async def test_every_noun_is_read_back_changed_and_deleted(world: World):
    await stock(world)
    rows = world.a.rows
    for key, path, _body in samples(world.a, rows):
        if key.startswith("flow"):
            continue
        shown = await world.call("GET", f"{path}/{rows[key]}", token=world.a.admin)
        assert shown.status == 200, (path, shown)
        again = await world.call("PUT", f"{path}/{rows[key]}", shown.json(), token=world.a.admin)
        assert again.status == 200, (path, again)
        assert timeless(again.json()) == timeless(shown.json()), path
    for key, path, _body in reversed(samples(world.a, rows)):
        gone = await world.call("DELETE", f"{path}/{rows[key]}", token=world.a.admin)
        assert gone.status == 200, (path, gone)
        if not key.startswith("flow_campaign"):
            after = await world.call("GET", f"{path}/{rows[key]}", token=world.a.admin)
            assert after.status == 404, path


async def test_a_page_is_exactly_what_clients_read(world: World):
    await stock(world)
    for path, key in (
        ("/quick-messages", "records"),
        ("/schedules", "schedules"),
        ("/files", "files"),
        ("/prompt", "prompts"),
        ("/queueIntegration", "queueIntegrations"),
        ("/contact-lists", "records"),
        ("/contact-list-items", "contacts"),
        ("/campaigns", "records"),
        ("/chats", "records"),
        ("/announcements", "records"),
        ("/ticket-notes", "ticketNotes"),
        ("/invoices", "invoices"),
    ):
        page = (await world.call("GET", path, token=world.a.admin)).json()
        assert page.keys() == {key, "count", "hasMore"}, path
        assert (page["count"], len(page[key]), page["hasMore"]) == (1, 1, False), path


async def test_pages_know_whether_more_follows(world: World):
    for number in range(21):
        await world.call(
            "POST", "/quick-messages", {"shortcode": f"s{number:02}"}, token=world.a.admin
        )
    first = (await world.call("GET", "/quick-messages", token=world.a.admin)).json()
    assert (len(first["records"]), first["count"], first["hasMore"]) == (20, 21, True)
    query = "pageNumber=2&searchParam="
    second = (await world.call("GET", "/quick-messages", token=world.a.admin, query=query)).json()
    assert ([r["shortcode"] for r in second["records"]], second["hasMore"]) == (["s20"], False)
    found = (
        await world.call("GET", "/quick-messages", token=world.a.admin, query="searchParam=S1")
    ).json()
    assert found["count"] == 10


async def test_a_personal_reply_is_its_users_alone(world: World):
    made = await world.call("POST", "/quick-messages", {"shortcode": "mine"}, token=world.a.user)
    path = f"/quick-messages/{made.json()['id']}"
    for method in ("GET", "PUT", "DELETE"):
        assert (await world.call(method, path, {}, token=world.a.admin)).status == 404
    shared = {"geral": True, "userId": world.a.admin_id}
    answer = (await world.call("PUT", path, shared, token=world.a.user)).json()
    assert answer["userId"] == world.a.user_id
    assert (await world.call("GET", path, token=world.a.admin)).status == 200


async def test_keys_go_in_and_never_come_out(world: World):
    secret = "sk-live-0123456789abcdef"
    body = {"name": "p", "prompt": "x", "apiKey": secret, "voiceKey": ""}
    made = (await world.call("POST", "/prompt", body, token=world.a.admin)).json()
    assert made["apiKey"].endswith("cdef")
    assert secret not in msgspec.json.encode(made).decode()
    path = f"/prompt/{made['id']}"
    before = await world.rows_of(world.a)
    same = await world.call("PUT", path, {"apiKey": made["apiKey"]}, token=world.a.admin)
    assert same.json()["apiKey"] == made["apiKey"]
    other = await world.call(
        "PUT", path, {"apiKey": "another-key-of-mine-9999"}, token=world.a.admin
    )
    assert other.json()["apiKey"].endswith("9999")
    assert (await world.rows_of(world.a))["prompts"] != before["prompts"]

    row = await prompts.rows.get(world.app.parts.database, world.a.id, made["id"])
    assert "another" not in row.api_key


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("2030-01-01T10:00", "2030-01-01T13:00:00Z"),
        ("2030-01-01 10:00:00", "2030-01-01T13:00:00Z"),
        ("2030-01-01T10:00:00.000Z", "2030-01-01T10:00:00Z"),
        ("2030-01-01T10:00:00-05:00", "2030-01-01T15:00:00Z"),
    ],
)
async def test_times_without_a_zone_are_the_companys(world: World, given: str, stored: str):
    body = {"body": "b", "sendAt": given, "contactId": world.a.contact_id}
    made = await world.call("POST", "/schedules", body, token=world.a.user)
    assert made.json()["sendAt"] == stored
    assert made.json()["contact"]["id"] == world.a.contact_id
    for wrong in ("tomorrow", "2030-13-01", "0001-01-01T00:00", "9999-12-31T23:59:59-12:00"):
        refused = await world.call(
            "POST", "/schedules", body | {"sendAt": wrong}, token=world.a.user
        )
        assert (refused.status, refused.json()["details"][0]["path"]) == (400, "$.sendAt")


async def test_departments_are_listed_in_the_order_of_the_menu(world: World):
    for name, color, place in (("B", "#1", 2), ("C", "#2", 1), ("A", "#3", 2)):
        body = {"name": name, "color": color, "orderQueue": place}
        made = await world.call("POST", "/queue", body, token=world.a.admin)
        assert made.status == 200, made
    listed = await world.call("GET", "/queue", token=world.a.user)
    assert [row["name"] for row in listed.json()] == ["Sales", "C", "B", "A"]


async def test_a_row_cannot_point_at_another_companys(world: World):
    await stock(world)
    b = world.b
    for path, body in (
        ("/schedules", {"body": "b", "sendAt": "2030-01-01", "contactId": b.contact_id}),
        ("/ticket-notes", {"note": "n", "ticketId": b.ticket_id}),
        ("/contact-list-items", {"name": "n", "number": "1", "contactListId": b.rows["contact_list_id"]}),
        ("/campaigns", {"name": "n", "whatsappId": b.connection_id}),
        ("/chatbot", {"name": "n", "optFileId": b.rows["file_list_id"]}),
        ("/flowcampaign", {"name": "n", "phrase": "p", "flowId": b.rows["flow_id"]}),
        ("/chats", {"title": "n", "users": [{"id": b.user_id}]}),
    ):  # fmt: skip
        answer = await world.call("POST", path, body, token=world.a.admin)
        assert answer.status == 409, (path, answer)


async def test_only_operators_write_what_everybody_reads(world: World):
    for key, (path, body) in OPERATORS.items():
        refused = await world.call("POST", path, body, token=world.a.admin)
        assert refused.status == 403, key
    await stock(world)
    for company in (world.a, world.b):
        listed = await world.call("GET", "/helps/list", token=company.user)
        assert [row["title"] for row in listed.json()] == ["t"]
    assert (await world.call("GET", "/plans/list")).json()[0]["amount"] == "99.90"


async def test_nobody_pays_an_invoice_by_request(world: World):
    await stock(world)
    path = f"/invoices/{world.a.rows['invoice_id']}"
    assert (await world.call("PUT", path, {"status": "paid"}, token=world.a.admin)).status == 403
    assert (await world.call("GET", path, token=world.a.admin)).json()["status"] == "open"
    paid = await world.call("PUT", path, {"status": "paid"}, token=world.super)
    assert paid.json()["status"] == "paid"


async def test_a_plain_write_is_told_to_browsers_under_the_familys_name(world: World):
    told: list[object] = []
    published = world.app.parts.database.publisher

    def listen(pairs):
        told.extend(event for _, event in pairs)
        published(pairs)

    world.app.parts.database.publisher = listen
    made = await world.call("POST", "/quick-messages", {"shortcode": "x"}, token=world.a.admin)
    (event,) = told
    assert isinstance(event, RecordChanged)
    assert (event.noun, event.action, event.record_id) == (
        "quick_message",
        "create",
        made.json()["id"],
    )


async def test_a_file_is_attached_shown_and_taken_off(world: World):
    made = await world.call("POST", "/quick-messages", {"shortcode": "x"}, token=world.a.admin)
    path = f"/quick-messages/{made.json()['id']}"
    answer = await upload(world, f"{path}/media-upload", world.a.admin, "../../a.png", PNG)
    assert answer.status == 200, answer
    shown = (await world.call("GET", path, token=world.a.admin)).json()
    assert shown["mediaPath"].endswith(".png")
    assert ".." not in shown["mediaPath"]
    place = "/public/" + shown["mediaPath"].rpartition("/public/")[2]
    assert (await world.call("GET", place, token=world.a.user)).body == PNG
    assert (await world.call("GET", place, token=world.b.user)).status == 404
    await world.call("DELETE", f"{path}/media-upload", token=world.a.admin)
    assert (await world.call("GET", path, token=world.a.admin)).json()["mediaPath"] is None


async def test_a_file_for_an_entry_of_a_list_fills_that_entry(world: World):
    body = {"name": "Catalogue", "options": [{"name": "spring"}, {"name": "autumn"}]}
    made = (await world.call("POST", "/files", body, token=world.a.admin)).json()
    spring, autumn = (option["id"] for option in made["options"])
    for fields, filename in (({"id": str(autumn)}, "autumn.png"), ({}, "winter.png")):
        content, headers = form("files", filename, PNG, **fields)
        path = f"/files/uploadList/{made['id']}"
        answer = await world.client(
            "POST", path, body=content, headers=headers, token=world.a.admin
        )
        assert answer.status == 200, answer
    shown = (await world.call("GET", f"/files/{made['id']}", token=world.a.admin)).json()
    filled = {option["id"]: bool(option["path"]) for option in shown["options"]}
    assert len(filled) == 3
    assert (filled[spring], filled[autumn]) == (False, True)
    content, headers = form("files", "x.png", PNG, id=str(spring))
    path = f"/files/uploadList/{world.b.rows.get('file_list_id', 0)}"
    refused = await world.client("POST", path, body=content, headers=headers, token=world.b.admin)
    assert refused.status == 404


async def test_a_campaign_is_planned_but_not_started_by_its_status(world: World):
    for status in ("EM_ANDAMENTO", "FINALIZADA", "x"):
        body = {"name": "c", "status": status}
        assert (await world.call("POST", "/campaigns", body, token=world.a.admin)).status == 400
    saved = await world.call(
        "POST", "/campaign-settings", {"settings": {"messageInterval": 20}}, token=world.a.admin
    )
    assert [(row["key"], row["value"]) for row in saved.json()] == [("messageInterval", "20")]


async def test_a_ring_of_chatbots_is_still_shown(world: World):
    ids = [
        (await world.call("POST", "/chatbot", {"name": n}, token=world.a.admin)).json()["id"]
        for n in "ab"
    ]
    for one, other in (ids, reversed(ids)):
        path = f"/chatbot/{one}"
        await world.call("PUT", path, {"chatbotId": other}, token=world.a.admin)
    shown = await world.call("GET", f"/chatbot/{ids[0]}", token=world.a.admin)
    assert shown.json()["options"][0]["options"] == []


async def test_many_writes_at_once_wait_for_no_second_connection(world: World):
    statuses: list[int] = []

    async def write(path: str, body: dict[str, object]) -> None:
        statuses.append((await world.call("POST", path, body, token=world.a.admin)).status)

    schedule = {"body": "b", "sendAt": "2030-01-01", "contactId": world.a.contact_id}
    async with trio.open_nursery() as nursery:
        for number in range(20):
            nursery.start_soon(write, "/schedules", schedule)
            nursery.start_soon(write, "/contact-lists", {"name": f"l{number}"})
            nursery.start_soon(write, "/chats", {"title": "t"})
    assert statuses == [200] * 60
