"""Tokens of programs: shown once, good for what they were made for, and for no longer."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from api.endpoint.guards import COMPANY_SCOPES, INSTALLATION_SCOPES
from api.routes import table
from storage.api_tokens import api_tokens
from tests.api.conftest import World

SEND = "/api/messages/send"
NUMBER = "5511988880001"


async def make(world: World, token: str = "", **body: Any) -> dict[str, Any]:
    given = {"name": "CRM", "scopes": ["messages:send"]} | body
    answer = await world.call("POST", "/api-tokens", given, token=token or world.a.admin)
    assert answer.status == 200, answer
    return answer.json()


async def send(world: World, token: str, **body: Any):
    return await world.call("POST", SEND, {"number": NUMBER, "body": "hi"} | body, token=token)


async def test_a_token_is_shown_once_and_stored_as_a_digest(world: World):
    made = await make(world)
    assert made["token"].startswith("chatia_")
    listed = await world.call("GET", "/api-tokens", token=world.a.admin)
    shown = next(row for row in listed.json() if row["id"] == made["id"])
    assert shown == {name: value for name, value in made.items() if name != "token"}
    assert shown["hint"] == made["token"][-4:]
    assert made["token"].encode() not in listed.body
    kept = await world.app.parts.database.rows(
        sa.select(api_tokens).where(api_tokens.c.id == made["id"])
    )
    assert made["token"] not in str(dict(kept[0]))


async def test_a_token_opens_what_its_scopes_name_and_nothing_else(world: World):
    reader = await make(world, scopes=["contacts:read"])
    refused = await send(world, reader["token"])
    assert (refused.status, refused.json()["error"]) == (403, "ERR_NO_PERMISSION")
    sender = await make(world)
    assert (await send(world, sender["token"])).status == 200
    for path in ("/tickets", "/api-tokens", "/users"):
        assert (await world.call("GET", path, token=sender["token"])).status == 403
    path = f"/api-tokens/{sender['id']}"
    changed = await world.call("PUT", path, {"scopes": ["users:read"]}, token=world.a.admin)
    assert changed.json()["scopes"] == ["users:read"]
    assert (await send(world, sender["token"])).status == 403


async def test_an_expired_or_deleted_token_opens_nothing(world: World):
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    made = await make(world, expiresAt=soon)
    assert (await send(world, made["token"])).status == 200
    path = f"/api-tokens/{made['id']}"
    past = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    await world.call("PUT", path, {"expiresAt": past}, token=world.a.admin)
    assert (await send(world, made["token"])).status == 403
    await world.call("PUT", path, {"expiresAt": None}, token=world.a.admin)
    assert (await send(world, made["token"])).status == 200
    await world.call("DELETE", path, token=world.a.admin)
    assert (await send(world, made["token"])).status == 403


async def test_the_last_use_is_noted(world: World):
    made = await make(world)
    assert made["lastUsedAt"] is None
    await send(world, made["token"])
    listed = await world.call("GET", "/api-tokens", token=world.a.admin)
    (shown,) = [row for row in listed.json() if row["id"] == made["id"]]
    assert shown["lastUsedAt"] is not None


async def test_a_bound_token_sends_by_its_connection_and_no_other(world: World):
    bound = await make(world, connectionId=world.a.connection_id)
    sent = await send(world, bound["token"], whatsappId=world.a.cloud_id)
    path = f"/tickets/{sent.json()['ticketId']}"
    ticket = await world.call("GET", path, token=world.a.admin)
    assert ticket.json()["whatsappId"] == world.a.connection_id
    other = {"name": "x", "scopes": ["messages:send"], "connectionId": world.b.connection_id}
    refused = await world.call("POST", "/api-tokens", other, token=world.a.admin)
    assert refused.status == 409
    free = await make(world)
    foreign = await send(world, free["token"], whatsappId=world.b.connection_id)
    assert (foreign.status, foreign.json()["error"]) == (404, "ERR_NO_WAPP_FOUND")


async def test_only_operators_make_and_change_tokens_for_every_company(world: World):
    body = {"name": "x", "scopes": ["companies:read"], "installation": True}
    refused = await world.call("POST", "/api-tokens", body, token=world.a.admin)
    assert refused.status == 403
    made = await make(world, world.super, **body)
    path = f"/api-tokens/{made['id']}"
    assert (await world.call("PUT", path, {"name": "y"}, token=world.a.admin)).status == 403
    assert (await world.call("DELETE", path, token=world.a.admin)).status == 403
    assert (await world.call("DELETE", path, token=world.super)).status == 200


async def reads_companies(world: World, token: str) -> int:
    return (await world.call("GET", "/api/companies", token=token)).status


async def test_a_token_for_every_company_is_as_good_as_who_made_it_is_today(world: World):
    body = {"scopes": ["companies:read"], "installation": True}
    made = await make(world, world.super, **body)
    assert await reads_companies(world, made["token"]) == 200
    rank = sa.text("update users set is_super = :yes where email = 'root@a.test'")
    await world.app.parts.database.execute(rank.bindparams(yes=False))
    assert await reads_companies(world, made["token"]) == 403
    await world.app.parts.database.execute(rank.bindparams(yes=True))
    assert await reads_companies(world, made["token"]) == 200
    nobodys = sa.update(api_tokens).values(user_id=None)
    await world.app.parts.database.execute(nobodys)
    world.app.parts.api_tokens._known.clear()
    assert await reads_companies(world, made["token"]) == 403


async def test_a_token_rests_while_who_made_it_is_no_admin(world: World):
    """Shown to them alone, it would read the whole company for who is an agent by now."""
    path = f"/users/{world.a.user_id}"
    await world.call("PUT", path, {"profile": "admin"}, token=world.a.admin)
    theirs, other = await make(world, world.a.user), await make(world, world.a.admin)
    assert (await send(world, theirs["token"])).status == 200
    await world.call("PUT", path, {"profile": "user"}, token=world.a.admin)
    refused = await send(world, theirs["token"])
    assert (refused.status, refused.json()["details"][0]["message"]) == (
        403,
        "who made this token may not make it any more",
    )
    assert (await send(world, other["token"])).status == 200
    await world.call("PUT", path, {"profile": "admin"}, token=world.a.admin)
    assert (await send(world, theirs["token"])).status == 200


async def test_a_token_that_nobody_made_opens_nothing(world: World):
    made = await make(world)
    nobodys = sa.update(api_tokens).values(user_id=None)
    await world.app.parts.database.execute(nobodys)
    assert (await send(world, made["token"])).status == 403


async def test_tokens_end_with_the_user_who_made_them(world: World):
    promoted = {"profile": "admin"}
    path = f"/users/{world.a.user_id}"
    await world.call("PUT", path, promoted, token=world.a.admin)
    theirs, other = await make(world, world.a.user), await make(world, world.a.admin)
    assert (await send(world, theirs["token"])).status == 200
    assert (await world.call("DELETE", path, token=world.a.admin)).status == 200
    assert (await send(world, theirs["token"])).status == 403
    assert (await send(world, other["token"])).status == 200
    listed = (await world.call("GET", "/api-tokens", token=world.a.admin)).json()
    assert theirs["id"] not in [token["id"] for token in listed]


@pytest.mark.parametrize(
    "body",
    [
        {"name": "x", "scopes": []},
        {"name": "x", "scopes": ["everything"]},
        {"name": "x", "scopes": ["companies:read"]},
        {"name": " ", "scopes": ["messages:send"]},
        {"name": "x", "scopes": ["messages:send"], "expiresAt": "2030-01-01T00:00:00"},
        {"name": "x", "scopes": ["messages:send"], "admin": True},
        {"scopes": ["messages:send"]},
    ],
)
async def test_odd_tokens_are_refused(world: World, body: dict[str, Any]):
    refused = await world.call("POST", "/api-tokens", body, token=world.a.admin)
    assert (refused.status, refused.json()["error"]) == (400, "ERR_VALIDATION")


@pytest.mark.parametrize("environment", [{"API_RATE_PER_MINUTE": "2"}])
async def test_each_token_has_a_limit_of_its_own_that_is_told(world: World):
    one, other = await make(world), await make(world)
    left = [(await send(world, one["token"])).headers["ratelimit-remaining"] for _ in range(2)]
    assert left == ["1", "0"]
    over = await send(world, one["token"])
    assert (over.status, over.headers["ratelimit-limit"]) == (429, "2")
    assert int(over.headers["retry-after"]) >= 1
    assert (await send(world, other["token"])).status == 200


async def test_a_company_that_is_switched_off_has_no_programs(world: World):
    made = await make(world, world.b.admin)
    path = f"/companies/{world.b.id}"
    await world.call("PUT", path, {"status": False}, token=world.super)
    assert (await send(world, made["token"])).status == 402


async def test_scopes_are_listed_for_whom_they_can_be_granted(world: World):
    own = await world.call("GET", "/api-tokens/scopes", token=world.a.admin)
    assert {scope["name"] for scope in own.json()} == COMPANY_SCOPES.keys()
    every = await world.call("GET", "/api-tokens/scopes", token=world.super)
    assert {s["name"] for s in every.json()} == COMPANY_SCOPES.keys() | INSTALLATION_SCOPES.keys()


def test_every_scope_opens_some_route():
    used = {endpoint.guard.scope for endpoint in table()} - {""}
    assert used == COMPANY_SCOPES.keys() | INSTALLATION_SCOPES.keys()
