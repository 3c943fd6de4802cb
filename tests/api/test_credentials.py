"""Addresses and passwords: who may change whose, and what ends with the old ones."""

import pytest
import sqlalchemy as sa
import trio

from api import password_resets
from storage import api_tokens
from tests.api.conftest import World
from tests.api.endpoint.conftest import Answer

MAILED = "a-token-that-was-mailed-to-somebody"
NEW = "another password"
MAILS = {"MAIL_HOST": "127.0.0.1", "MAIL_PORT": "9", "MAIL_FROM": "no-reply@chatia.test"}
with_mail = pytest.mark.parametrize("environment", [MAILS])


async def writer(world: World) -> str:
    """A program that runs companies, and is for nothing else."""
    token = f"{api_tokens.PREFIX}that-writes-companies"
    async with world.app.parts.database.begin(world.a.id) as tx:
        operator = await tx.value(sa.text("select id from users where is_super"))
        await api_tokens.create(
            tx,
            world.a.id,
            token,
            name="Billing",
            scopes=["companies:write"],
            installation=True,
            user_id=operator,
        )
    return token


async def write(world: World, token: str, company_id: int, **fields: object) -> Answer:
    return await world.call("PUT", f"/api/companies/{company_id}", fields, token=token)


async def mailed(world: World, monkeypatch: pytest.MonkeyPatch, email: str) -> None:
    """Have `MAILED` be what this address's owner was mailed."""
    monkeypatch.setattr(password_resets.secrets, "token_urlsafe", lambda _: MAILED)
    asked = await world.call("POST", "/auth/forgot-password", {"email": email})
    assert asked.status == 200


async def opens(world: World, email: str) -> bool:
    body = {"email": email, "token": MAILED, "password": NEW}
    return (await world.call("POST", "/auth/reset-password", body)).status == 200


@pytest.mark.parametrize("change", [{"password": NEW}, {"email": "mine@evil.test"}])
async def test_a_program_that_writes_companies_becomes_no_operator(world: World, change):
    token = await writer(world)
    assert (await write(world, token, world.a.id, email="root@a.test")).status == 200
    before = await world.rows_of(world.a)
    refused = await write(world, token, world.a.id, **change)
    assert (refused.status, refused.json()["error"]) == (403, "ERR_NO_PERMISSION")
    assert await world.rows_of(world.a) == before
    assert (await world.login("root@a.test", NEW)).status == 401
    assert (await world.login("root@a.test")).status == 200


async def test_a_program_that_writes_companies_reaches_no_agent(world: World):
    token = await writer(world)
    assert (await write(world, token, world.b.id, email="user@b.test")).status == 200
    assert (await write(world, token, world.b.id, password=NEW)).status == 403
    assert (await world.login("user@b.test")).status == 200


async def test_a_program_sets_the_password_of_the_admin_that_the_reference_names(world: World):
    token = await writer(world)
    assert (await write(world, token, world.b.id, email="admin@b.test")).status == 200
    form = {"email": "Admin@B.test", "password": NEW, "name": "B"}
    assert (await write(world, token, world.b.id, **form)).status == 200
    assert (await world.call("GET", "/auth/me", token=world.b.admin)).status == 401
    assert (await world.login("admin@b.test", NEW)).status == 200


async def test_an_operators_form_sent_back_ends_nothing(world: World):
    path = f"/companies/{world.a.id}"
    for _ in range(2):
        body = {"email": "root@a.test", "password": ""}
        assert (await world.call("PUT", path, body, token=world.super)).status == 200
    assert (await world.call("GET", "/auth/me", token=world.super)).status == 200


@with_mail
async def test_a_mailed_token_ends_when_an_operator_sets_the_password(world: World, monkeypatch):
    path = f"/companies/{world.b.id}"
    await world.call("PUT", path, {"email": "admin@b.test"}, token=world.super)
    await mailed(world, monkeypatch, "admin@b.test")
    assert (await world.call("PUT", path, {"password": "set"}, token=world.super)).status == 400
    changed = await world.call("PUT", path, {"password": "set anew"}, token=world.super)
    assert changed.status == 200
    assert not await opens(world, "admin@b.test")
    assert (await world.login("admin@b.test", "set anew")).status == 200


@with_mail
@pytest.mark.parametrize(
    ("form", "ends"),
    [
        ({"email": "safe@b.test"}, True),
        ({"password": "set anew"}, True),
        ({"email": "user@b.test", "name": "Renamed"}, False),
    ],
)
async def test_a_mailed_token_ends_with_the_address_and_the_password(
    world: World, monkeypatch, form, ends
):
    await mailed(world, monkeypatch, "user@b.test")
    path = f"/users/{world.b.user_id}"
    assert (await world.call("PUT", path, form, token=world.b.admin)).status == 200
    assert await opens(world, form.get("email", "user@b.test")) is not ends


async def test_a_password_that_is_not_committed_ends_no_session(world: World, monkeypatch):
    async def lost(*_: object, **__: object) -> None:
        raise ConnectionError

    monkeypatch.setattr("storage.credentials.refresh_families.revoke_user", lost)
    path = f"/users/{world.b.user_id}"
    changed = await world.call("PUT", path, {"password": NEW}, token=world.b.admin)
    assert changed.status == 500
    assert (await world.login("user@b.test", NEW)).status == 401
    assert (await world.call("GET", "/auth/me", token=world.b.user)).status == 200


async def test_clients_hear_of_the_admin_that_an_operator_changed(world: World):
    told: list[str] = []
    publisher = world.app.parts.database.publisher

    def listen(pairs: object) -> None:
        told.extend(event.kind for _, event in pairs)
        publisher(pairs)

    world.app.parts.database.publisher = listen
    path = f"/companies/{world.b.id}"
    await world.call("PUT", path, {"email": "admin@b.test"}, token=world.super)
    await world.call("PUT", path, {"email": "chief@b.test"}, token=world.super)
    assert "user.changed" in told


@pytest.mark.parametrize(
    ("path", "change", "refused"),
    [
        ("/users/{user}", {"password": NEW}, (401, "ERR_INVALID_CREDENTIALS")),
        ("/companies/{company}", {"status": False}, (402, "ERR_SUBSCRIPTION_EXPIRED")),
    ],
)
async def test_a_login_under_way_opens_nothing_that_was_closed_meanwhile(
    world: World, monkeypatch, path, change, refused
):
    real = world.app.parts.auth.passwords.verify
    checked, go = trio.Event(), trio.Event()

    async def verify(*given: object) -> bool:
        matches = await real(*given)
        checked.set()
        await go.wait()
        return matches

    monkeypatch.setattr(world.app.parts.auth.passwords, "verify", verify)
    answers: list[Answer] = []

    async def login() -> None:
        answers.append(await world.login("user@b.test"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(login)
        await checked.wait()
        place = path.format(user=world.b.user_id, company=world.b.id)
        changed = await world.call(
            "PUT", place, change, token=world.super if "status" in change else world.b.admin
        )
        assert changed.status == 200
        go.set()
    assert [(answer.status, answer.json()["error"]) for answer in answers] == [refused]
    assert "set-cookie" not in answers[0].headers
