"""Tags and lanes on contacts and tickets, wallets, notes and the log."""

import pytest
import sqlalchemy as sa

from tests.api.conftest import World


async def lane(world: World, name: str) -> int:
    body = {"name": name, "color": "#000", "kanban": 1}
    return (await world.call("POST", "/tags", body, token=world.a.admin)).json()["id"]


async def test_a_ticket_is_in_one_lane_and_keeps_its_other_tags(world: World):
    first, second = await lane(world, "first"), await lane(world, "second")
    ticket = f"/ticket-tags/{world.a.ticket_id}"
    for tag in (world.a.tag_id, first, second):
        moved = await world.call("PUT", f"{ticket}/{tag}", token=world.a.admin)
        assert moved.status == 200, moved
    assert {tag["id"] for tag in moved.json()["tags"]} == {world.a.tag_id, second}
    await world.call("DELETE", ticket, token=world.a.admin)
    shown = await world.call("GET", f"/tickets/{world.a.ticket_id}", token=world.a.admin)
    assert [tag["id"] for tag in shown.json()["tags"]] == [world.a.tag_id]


async def test_a_contacts_tags_are_set_listed_and_taken_off(world: World):
    body = {"contactId": world.a.contact_id, "tags": [{"id": world.a.tag_id, "name": "vip"}]}
    synced = await world.call("POST", "/tags/sync", body, token=world.a.user)
    assert [tag["name"] for tag in synced.json()["tags"]] == ["vip"]
    path = f"/contactTags/{world.a.contact_id}"
    assert len((await world.call("GET", path, token=world.a.user)).json()["tags"]) == 1
    gone = f"/tags-contacts/{world.a.tag_id}/{world.a.contact_id}"
    assert (await world.call("DELETE", gone, token=world.a.user)).status == 200
    assert (await world.call("GET", path, token=world.a.user)).json() == {"tags": []}
    foreign = {"contactId": world.a.contact_id, "tags": [{"id": world.b.tag_id}]}
    assert (await world.call("POST", "/tags/sync", foreign, token=world.a.user)).status == 409
    other = {"contactId": world.b.contact_id, "tags": []}
    assert (await world.call("POST", "/tags/sync", other, token=world.a.user)).status == 404


async def test_wallets_are_the_companys_users(world: World):
    path = f"/contact-wallet/{world.a.contact_id}"
    for wallets in ([world.a.user_id], [{"id": world.a.user_id}]):
        answer = await world.call("PUT", path, {"wallets": wallets}, token=world.a.admin)
        assert [w["walletId"] for w in answer.json()["contactWallets"]] == [world.a.user_id]
    refused = await world.call("PUT", path, {"wallets": [world.b.user_id]}, token=world.a.admin)
    assert refused.status == 409


async def test_notes_are_changed_by_their_writer_and_admins_alone(world: World):
    body = {"note": "n", "ticketId": world.a.ticket_id, "contactId": world.a.contact_id}
    made = (await world.call("POST", "/ticket-notes", body, token=world.a.admin)).json()
    assert made["user"]["name"] == "Admin"
    path = f"/ticket-notes/{made['id']}"
    assert (await world.call("GET", path, token=world.a.user)).status == 200
    for method in ("PUT", "DELETE"):
        assert (await world.call(method, path, {"note": "x"}, token=world.a.user)).status == 403
    query = f"ticketId={world.a.ticket_id}&contactId={world.a.contact_id}"
    listed = await world.call("GET", "/ticket-notes/list", token=world.a.user, query=query)
    assert [note["note"] for note in listed.json()] == ["n"]
    assert (await world.call("GET", "/ticket-notes/list", token=world.a.user)).json() == []


async def test_a_tickets_log_tells_who_did_what(world: World):
    body = {"status": "open", "userId": world.a.admin_id}
    await world.call("PUT", f"/tickets/{world.a.ticket_id}", body, token=world.a.admin)
    lines = (
        await world.call("GET", f"/tickets-log/{world.a.ticket_id}", token=world.a.admin)
    ).json()
    assert lines[-1]["type"] == "create"
    assert "Admin" in {line["user"]["name"] for line in lines if line["user"]}


CHANGES = [
    ("PUT", "/ticket-tags/{ticket}/{tag}", None, "ticket.changed"),
    ("DELETE", "/ticket-tags/{ticket}", None, "ticket.changed"),
    (
        "POST",
        "/tags/sync",
        {"contactId": "{contact}", "tags": [{"id": "{tag}"}]},
        "contact.changed",
    ),
    ("DELETE", "/tags-contacts/{tag}/{contact}", None, "contact.changed"),
    ("PUT", "/contact-wallet/{contact}", {"wallets": ["{user}"]}, "contact.changed"),
]
WRITTEN_WITH = sa.text(
    "select kind from events where company_id = :company and xmin::text ="
    " (select xmin::text from audit_log where company_id = :company order by seq desc limit 1)"
)


@pytest.mark.parametrize(("method", "path", "body", "kind"), CHANGES)
async def test_a_change_and_the_event_of_it_are_one_commit(
    world: World, method: str, path: str, body: object, kind: str
):
    """Counts of lists are trusted for as long as the company has no new event."""
    company = world.a
    ids = {
        "ticket": company.ticket_id,
        "contact": company.contact_id,
        "tag": await lane(world, "lane"),
        "user": company.user_id,
    }
    tag = [{"id": ids["tag"]}]
    await world.call("PUT", f"/ticket-tags/{ids['ticket']}/{ids['tag']}", token=company.admin)
    both = {"contactId": ids["contact"], "tags": tag}
    await world.call("POST", "/tags/sync", both, token=company.admin)
    given = _filled(body, ids)
    answer = await world.call(method, path.format(**ids), given, token=company.admin)
    assert answer.status == 200, answer
    database = world.app.parts.database
    written = await database.rows(WRITTEN_WITH.bindparams(company=company.id))
    assert [row[0] for row in written] == [kind]


def _filled(body: object, ids: dict[str, int]) -> object:
    """The body with the ids that it names."""
    if isinstance(body, dict):
        return {name: _filled(value, ids) for name, value in body.items()}
    if isinstance(body, list):
        return [_filled(value, ids) for value in body]
    return ids[body.strip("{}")] if isinstance(body, str) else body
