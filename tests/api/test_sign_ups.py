"""Signing up: only while it is open, only on a public plan, on trial, and with no rights brought along."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from tests.api.conftest import World

BODY = {
    "companyName": "New Ltd",
    "name": "Nina",
    "email": "Nina@new.test",
    "password": "secret",
    "phone": "5511",
}
OLDER = {"name": "New Ltd", "email": "nina@new.test", "password": "secret", "phone": "5511"}


async def opened(world: World, key: str, **plan: object) -> int:
    """Open a door, and offer a plan; gives the plan's id."""
    path = f"/setting/{key}"
    assert (await world.call("PUT", path, {"value": "enabled"}, token=world.super)).status == 200
    body = {"name": "Basic", "users": 2, "isPublic": True} | plan
    made = await world.call("POST", "/plans", body, token=world.super)
    return made.json()["id"]


async def company_of(world: World, email: str) -> dict[str, object]:
    login = await world.login(email, "secret")
    assert login.status == 200, login
    return login.json()["user"]


async def test_a_company_signs_up_on_trial(world: World):
    plan = await opened(world, "userCreation", trial=True, trialDays=10)
    answer = await world.call("POST", "/auth/signup", BODY | {"planId": plan})
    assert answer.status == 200, answer
    user = await company_of(world, "nina@new.test")
    assert (user["profile"], user["super"], user["name"]) == ("admin", False, "Nina")
    company = user["company"]
    assert (company["name"], company["planId"]) == ("New Ltd", plan)
    today = datetime.now(ZoneInfo("America/Sao_Paulo")).date()
    assert company["dueDate"][:10] == (today + timedelta(days=10)).isoformat()
    token = (await world.login("nina@new.test", "secret")).json()["token"]
    assert (await world.call("GET", "/tickets", token=token)).json()["count"] == 0


async def test_older_clients_sign_up_by_their_own_door(world: World):
    plan = await opened(world, "allowSignup")
    await world.call("PUT", "/setting/trialExpiration", {"value": "7"}, token=world.super)
    answer = await world.call("POST", "/companies/cadastro", OLDER | {"planId": plan})
    assert answer.json() == "Cadastro realizado com sucesso"
    company = (await company_of(world, "nina@new.test"))["company"]
    today = datetime.now(ZoneInfo("America/Sao_Paulo")).date()
    assert company["dueDate"][:10] == (today + timedelta(days=7)).isoformat()


@pytest.mark.parametrize(
    ("path", "body", "other"),
    [("/auth/signup", BODY, "allowSignup"), ("/companies/cadastro", OLDER, "userCreation")],
)
async def test_a_closed_door_is_403_whatever_the_other_says(world: World, path, body, other):
    plan = await opened(world, other)
    answer = await world.call("POST", path, body | {"planId": plan})
    assert (answer.status, answer.json()) == (403, {"error": "ERR_USER_CREATION_DISABLED"})


async def test_bodies_bring_no_rights_and_no_time(world: World):
    plan = await opened(world, "userCreation")
    more = {
        "planId": plan,
        "dueDate": "2999-01-01",
        "status": False,
        "profile": "user",
        "super": True,
        "companyId": world.a.id,
        "allTicket": "enabled",
    }
    answer = await world.call("POST", "/auth/signup", BODY | more)
    assert answer.status == 200
    user = await company_of(world, "nina@new.test")
    assert (user["super"], user["profile"]) == (False, "admin")
    assert user["companyId"] not in (world.a.id, world.b.id)
    assert user["company"]["dueDate"] < (datetime.now(UTC) + timedelta(days=5)).isoformat()


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"planId": 999_999}, 404, "ERR_NO_PLAN_FOUND"),
        ({"planId": None}, 400, "ERR_VALIDATION"),
        ({"email": "nonsense"}, 400, "ERR_VALIDATION"),
        ({"email": "a b@x.test"}, 400, "ERR_VALIDATION"),
        ({"email": "ADMIN@a.test"}, 409, "ERR_DUPLICATED"),
        ({"password": "1234"}, 400, "ERR_VALIDATION"),
        ({"companyName": " ", "name": " "}, 400, "ERR_VALIDATION"),
    ],
)
async def test_what_does_not_fit_founds_nothing(world: World, changed, status, code):
    plan = await opened(world, "userCreation")
    before = await companies(world)
    answer = await world.call("POST", "/auth/signup", BODY | {"planId": plan} | changed)
    assert (answer.status, answer.json()["error"]) == (status, code)
    assert await companies(world) == before


async def test_a_plan_that_is_not_offered_cannot_be_taken(world: World):
    plan = await opened(world, "userCreation", isPublic=False)
    answer = await world.call("POST", "/auth/signup", BODY | {"planId": plan})
    assert (answer.status, answer.json()["error"]) == (404, "ERR_NO_PLAN_FOUND")


async def test_one_address_founds_few_companies(world: World):
    plan = await opened(world, "userCreation")
    answers = [
        await world.call(
            "POST", "/auth/signup", BODY | {"planId": plan, "email": f"n{number}@new.test"}
        )
        for number in range(6)
    ]
    assert [answer.status for answer in answers] == [200] * 5 + [429]
    assert int(answers[-1].headers["retry-after"]) > 1


async def companies(world: World) -> int:
    return await world.app.parts.database.value(sa.text("select count(*) from companies"))
