"""The audit log over HTTP: every mutation of every route leaves its entry, and only its company's
admins read it."""

from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from api.routes import table
from storage import audit_log, password_resets
from storage.ids import CompanyId
from tests.api.conftest import Company, World
from tests.api.mutations import mutated
from tests.api.rows import stock

NO_ENTRY = {
    "auth.login": "opens a login session, which is its own record (refresh_families)",
    "auth.refresh": "keeps a login session going",
    "auth.logout": "ends a login session",
    "passwords.forgot": "orders a letter, whoever asks; nothing of the user changes",
    "passwords.forgot_there": "the same",
    "front.receive_at_root": "a provider's delivery: inbound traffic is in events",
    "whatsapp.receive": "a provider's delivery",
    "whatsapp.receive_connection": "a provider's delivery",
}
"""Mutating routes that nobody known asks: they leave no entry, and why."""

UNCHANGED = {
    "number_checks.check": "asks the channel; nothing changes",
    "registry.register": "nobody is told and nothing is kept",
    "contact_files.import_phone": "whom the simulated phone knows is a contact already",
}
"""Routes that are no GET and yet change nothing here."""

OWN_WORD = {
    *("passwords.reset", "passwords.reset_there"),  # by a mailed token
    *("sign_ups.sign_up", "sign_ups.sign_up_there"),  # a company's first act
}
"""Public routes that note themselves whose act they are."""


async def newest(world: World, company_id: CompanyId, count: int = 50) -> list[audit_log.Entry]:
    found, _ = await audit_log.page(world.app.parts.database, company_id, limit=count)
    return found


async def head(world: World) -> dict[int, int]:
    heads = await audit_log.heads(world.app.parts.database)
    return {head.company_id: head.audit_seq for head in heads}


async def test_every_mutation_that_succeeds_leaves_its_entry(world: World):
    seen, silent, told = await head(world), set(), 0
    async with aclosing(mutated(world)) as calls:
        async for endpoint, answer in calls:
            assert answer.status < 300, (endpoint.name, answer)
            now = await head(world)
            fresh = [
                entry
                for company_id, last in now.items()
                for entry in await newest(world, CompanyId(company_id))
                if seen.get(company_id, 0) < entry.seq <= last
            ]
            named = [f"{entry.entry['noun']}.{entry.entry['action']}" for entry in fresh]
            if endpoint.name not in named:
                silent.add(endpoint.name)
            told += len(named)
            seen = now
    assert silent == UNCHANGED.keys()
    assert told > 150
    for found in await audit_log.heads(world.app.parts.database):
        key = world.app.parts.database.audit_key
        verdict = await audit_log.verify(world.app.parts.database, found.company_id, key=key)
        assert verdict.faults == ()


def test_the_routes_without_an_entry_are_those_that_nobody_known_asks():
    public = {e.name for e in table() if e.built and e.method != "GET" and e.guard.public}
    assert public == NO_ENTRY.keys() | OWN_WORD


async def test_a_password_set_by_a_mailed_token_is_its_users_act(world: World):
    database, a = world.app.parts.database, world.a
    for path in ("/auth/reset-password", "/resetpasswords/user@a.test/tok-1/new password"):
        async with database.begin(a.id) as tx:
            later = datetime.now(UTC) + timedelta(minutes=5)
            await password_resets.create(tx, a.id, a.user_id, "tok-1", later)
        body = {"email": "user@a.test", "token": "tok-1", "password": "new password"}
        assert (await world.call("POST", path.replace(" ", "%20"), body)).status == 200
        entry = (await newest(world, a.id))[0].entry
        assert (entry["noun"], entry["action"]) == ("passwords", "reset")
        assert entry["user_id"] == a.user_id


async def read(world: World, token: str, query: str = "") -> list[dict[str, Any]]:
    answer = await world.call("GET", "/audit-log", token=token, query=query)
    assert answer.status == 200, answer
    return answer.json()["entries"]


async def rename(world: World, company: Company, name: str = "Maria Clara") -> dict[str, Any]:
    path = f"/contacts/{company.contact_id}"
    changed = await world.call("PUT", path, {"name": name}, token=company.admin)
    assert changed.status == 200
    return (await read(world, company.admin))[0]


async def test_an_entry_says_who_what_which_fields_and_from_where(world: World):
    entry = await rename(world, world.a)
    assert (entry["userId"], entry["companyId"], entry["noun"]) == (
        world.a.admin_id,
        world.a.id,
        "contacts",
    )
    assert (entry["action"], entry["row"]) == ("update", world.a.contact_id)
    assert entry["fields"].keys() == {"name"}
    assert entry["changes"] == [{"kind": "update", "table": "contacts", "id": world.a.contact_id}]
    assert entry["session"]
    assert entry["address"]
    assert entry["behindId"] is None


async def test_values_are_compared_by_digest_and_never_kept(world: World):
    first, other, same = [
        (await rename(world, world.a, name))["fields"]["name"]
        for name in ("Maria Clara", "Joana", "Maria Clara")
    ]
    assert first == same != other
    body = {"name": "Eva", "email": "eva.secreta@x.test", "password": "hunter22"}
    assert (await world.call("POST", "/users", body, token=world.a.admin)).status == 200
    path = f"/messages/{world.a.ticket_id}"
    await world.call("POST", path, {"body": "private words"}, token=world.a.admin)
    (sent, made, *_) = await read(world, world.a.admin)
    assert (sent["action"], made["fields"]["password"]) == ("send", None)
    assert ("insert", "messages") in {(c["kind"], c["table"]) for c in sent["changes"]}
    whole = msgspec.json.encode([e.entry for e in await newest(world, world.a.id)]).decode()
    for value in ("Maria", "Joana", "Eva", "eva.secreta", "hunter22", "private words", "127.0.0"):
        assert value not in whole


async def test_admins_read_their_own_and_operators_any(world: World):
    await rename(world, world.a)
    assert (await world.call("GET", "/audit-log", token=world.a.user)).status == 403
    other = f"companyId={world.a.id}"
    assert (await world.call("GET", "/audit-log", token=world.b.admin, query=other)).status == 403
    assert await read(world, world.b.admin) == []
    assert (await read(world, world.super, other))[0]["action"] == "update"
    assert (await world.call("GET", "/audit-log", token=world.super, query="x=1")).status == 400


async def test_pages_and_filters(world: World):
    await stock(world)
    await rename(world, world.a)
    seen: list[int] = []
    query = "limit=4"
    while query:
        answer = await world.call("GET", "/audit-log", token=world.a.admin, query=query)
        seen += [entry["seq"] for entry in answer.json()["entries"]]
        before = answer.json()["before"]
        query = f"limit=4&before={before}" if before else ""
    assert seen == list(range(len(seen), 0, -1))
    assert len(seen) > 12
    only = await read(world, world.a.admin, f"noun=contacts&row={world.a.contact_id}")
    assert [entry["action"] for entry in only] == ["update"]
    assert await read(world, world.a.admin, f"userId={world.a.user_id}") == []


async def test_an_operators_end_of_a_company_stays_in_the_operators_log(world: World):
    gone = await world.call("DELETE", f"/companies/{world.b.id}", token=world.super)
    assert gone.status == 200
    entry = (await read(world, world.super))[0]
    assert (entry["noun"], entry["action"], entry["row"]) == ("company_book", "remove", world.b.id)
    assert entry["changes"][-1] == {"kind": "end", "table": "companies", "id": world.b.id}
    assert await newest(world, world.b.id) == []


async def test_what_customers_write_is_not_in_it(world: World):
    await rename(world, world.a)
    before = await head(world)
    await world.receive(world.a, "5511900000099", "one", "two")
    assert await head(world) == before


async def test_a_programs_send_names_its_connection_and_no_person(world: World):
    body = {"number": "5511999990009", "body": "hi"}
    sent = await world.call("POST", "/api/messages/send", body, token=world.a.api_token)
    assert sent.status == 200
    entry = (await read(world, world.a.admin))[0]
    assert (entry["connectionId"], entry["userId"]) == (world.a.connection_id, None)


async def test_an_operator_who_acts_as_somebody_is_named_behind_them(world: World):
    path = f"/auth/impersonate/{world.b.id}"
    acting = (await world.call("GET", path, token=world.super)).json()["token"]
    (begun,) = await read(world, acting)
    assert (begun["action"], begun["companyId"]) == ("impersonate", world.a.id)
    assert begun["changes"] == [{"kind": "impersonate", "table": "users", "id": world.b.admin_id}]
    await world.call("PUT", f"/contacts/{world.b.contact_id}", {"name": "X"}, token=acting)
    entry = (await read(world, acting))[0]
    assert (entry["userId"], entry["behindId"]) == (world.b.admin_id, begun["userId"])
    assert (entry["companyId"], entry["behindCompanyId"]) == (world.b.id, world.a.id)


async def test_a_company_that_signs_up_begins_its_own_log(world: World):
    await world.call("PUT", "/setting/userCreation", {"value": "enabled"}, token=world.super)
    plan = {"name": "Basic", "users": 2, "isPublic": True}
    made = await world.call("POST", "/plans", plan, token=world.super)
    body = {"companyName": "New", "name": "N", "email": "n@new.test", "password": "secret"}
    signed = await world.call("POST", "/auth/signup", body | {"planId": made.json()["id"]})
    assert signed.status == 200, signed
    token = (await world.login("n@new.test", "secret")).json()["token"]
    (entry,) = await read(world, token)
    assert (entry["noun"], entry["companyId"], entry["userId"]) == ("sign_ups", None, None)
