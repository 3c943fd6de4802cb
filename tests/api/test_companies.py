"""Companies as operators write them: whole, with their first admin's login, and the settings that hang on them."""

import pytest

from actors.media import MediaMissing
from storage import companies
from tests.api.conftest import World
from tests.api.test_webhooks import delivery, post

FORM = {
    "name": "New Ltd",
    "email": "Boss@new.test",
    "password": "secret",
    "phone": "5511",
    "document": "123",
    "paymentMethod": "pix",
    "recurrence": "ANUAL",
    "timezone": "UTC",
    "status": True,
    "dueDate": "2030-01-31",
    "campaignsEnabled": False,
}


async def made(world: World, **more: object) -> dict[str, object]:
    answer = await world.call("POST", "/companies", FORM | more, token=world.super)
    assert answer.status == 200, answer
    return answer.json()


def setting(company: dict, key: str) -> str:
    return next(row["value"] for row in company["settings"] if row["key"] == key)


async def test_a_company_is_founded_as_the_form_says(world: World):
    plan = (await world.call("POST", "/plans", {"name": "P", "users": 5}, token=world.super)).json()
    company = await made(world, planId=plan["id"])
    for key in ("name", "phone", "document", "paymentMethod", "recurrence", "timezone", "status"):
        assert (key, company[key]) == (key, FORM[key])
    assert (company["email"], company["planId"]) == ("boss@new.test", plan["id"])
    assert company["dueDate"].startswith("2030-01-31")
    assert setting(company, "campaignsEnabled") == "false"
    login = await world.login("boss@new.test", "secret")
    assert (login.status, login.json()["user"]["profile"]) == (200, "admin")


async def test_the_form_sent_back_changes_what_was_changed_in_it(world: World):
    company = await made(world)
    path = f"/companies/{company['id']}"
    token = (await world.login("boss@new.test", "secret")).json()["token"]
    form = FORM | {"name": "Renamed", "email": "chief@new.test", "password": "new secret"}
    changed = await world.call("PUT", path, form | {"campaignsEnabled": True}, token=world.super)
    assert (changed.status, changed.json()["name"]) == (200, "Renamed")
    assert setting(changed.json(), "campaignsEnabled") == "true"
    assert (await world.call("GET", "/auth/me", token=token)).status == 401
    assert (await world.login("boss@new.test", "new secret")).status == 401
    assert (await world.login("chief@new.test", "new secret")).status == 200


async def test_an_admin_with_another_address_is_left_alone(world: World):
    company = await made(world)
    admin = (await world.login("boss@new.test", "secret")).json()
    own = f"/users/{admin['user']['id']}"
    await world.call("PUT", own, {"email": "me@new.test"}, token=admin["token"])
    path = f"/companies/{company['id']}"
    changed = await world.call("PUT", path, {"email": "other@new.test"}, token=world.super)
    assert changed.status == 200
    assert (await world.login("me@new.test", "secret")).status == 200
    refused = await world.call("PUT", path, {"password": "new secret"}, token=world.super)
    assert (refused.status, refused.json()["error"]) == (404, "ERR_NO_USER_FOUND")


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"email": "user@a.test"}, 409),
        ({"email": "nonsense"}, 400),
        ({"password": "1234"}, 400),
        ({"planId": 999_999}, 409),
    ],
)
async def test_what_does_not_fit_changes_nothing(world: World, changed, status):
    company = await made(world)
    path = f"/companies/{company['id']}"
    form = {"name": "Renamed"} | changed
    answer = await world.call("PUT", path, form, token=world.super)
    assert answer.status == status, answer
    shown = (await world.call("GET", path, token=world.super)).json()
    assert (shown["name"], shown["email"]) == ("New Ltd", "boss@new.test")
    assert (await world.login("boss@new.test", "secret")).status == 200


async def test_a_company_that_is_ended_takes_its_files_with_it(world: World):
    media = world.app.parts.media
    theirs = await media.put(world.b.id, b"their picture", limit=100)
    ours = await media.put(world.a.id, b"our picture", limit=100)
    ended = await world.call("DELETE", f"/companies/{world.b.id}", token=world.super)
    assert ended.status == 200, ended
    with pytest.raises(MediaMissing):
        await media.stat(world.b.id, theirs.key)
    assert await media.stat(world.a.id, ours.key) == ours
    assert (await world.call("GET", f"/companies/{world.b.id}", token=world.super)).status == 404
    assert (await world.call("GET", "/tickets", token=world.b.admin)).status == 401


async def test_what_opened_a_company_opens_nothing_when_it_is_ended(world: World):
    """Though it was used a moment ago, and is remembered."""
    body = {"number": "5511988880001", "body": "hi"}
    delivered = delivery(world.b.phone_id, ("wamid.1", "5511977770001", "hello"))
    hook = f"/webhooks/whatsapp/{world.b.cloud_token}"

    async def statuses() -> list[int]:
        tokens = (world.b.program, world.b.api_token)
        sent = [
            await world.call("POST", "/api/messages/send", body, token=token) for token in tokens
        ]
        sent.append(await post(world, hook, delivered, world.b.cloud_secret))
        return [answer.status for answer in sent]

    assert await statuses() == [200, 200, 200]
    ended = await world.call("DELETE", f"/companies/{world.b.id}", token=world.super)
    assert ended.status == 200, ended
    assert await statuses() == [403, 403, 403]


async def test_a_time_zone_that_there_is_not_is_refused_and_an_old_one_harms_nobody(world: World):
    path = f"/companies/{world.b.id}"
    for name in ("Nowhere/City", "", "America", "../etc/passwd", "x\x00"):
        refused = await world.call("PUT", path, {"timezone": name}, token=world.super)
        assert (name, refused.status) == (name, 400)
        made = await world.call("POST", "/companies", FORM | {"timezone": name}, token=world.super)
        assert (name, made.status) == (name, 400)
    async with world.app.parts.database.begin(world.b.id) as tx:
        await companies.change(tx, world.b.id, {"timezone": "Nowhere/City"})
    world.app.parts.snapshots.invalidate(world.b.id)
    for path, token in (
        ("/api/messagesRange", world.b.program),
        ("/dashboard/ticketsUsers", world.b.admin),
        ("/dashboard/status", world.b.admin),
        ("/dashboard/tickets", world.b.admin),
        ("/tickets", world.b.user),
    ):
        answer = await world.call("GET", path, token=token)
        assert (path, answer.status) == (path, 200)
