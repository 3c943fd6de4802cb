"""Programs by token: companies read their own, an operator's program acts for every company."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.api.conftest import World
from tests.api.rows import stock


async def get(world: World, path: str, token: str, query: str = "") -> Any:
    answer = await world.call("GET", path, token=token, query=query)
    assert answer.status == 200, answer
    return answer.json()


async def test_a_company_program_reads_its_own_contacts_and_messages(world: World):
    listed = await get(world, "/api/contacts", world.a.program)
    assert [row["companyId"] for row in listed["contacts"]] == [world.a.id]
    assert await get(world, "/api/contacts-count", world.a.program) == {"count": 1}
    today = f"startDate={datetime.now(UTC) - timedelta(days=1):%Y-%m-%d}"
    (message,) = await get(world, "/api/messagesRange", world.a.program, today)
    assert message["body"] == "hello a"
    past = "startDate=2020-01-01&lastDate=2020-01-31"
    assert await get(world, "/api/messagesRange", world.a.program, past) == []


@pytest.mark.parametrize("path", ["/api/contacts", "/api/contacts-count", "/api/messagesRange"])
async def test_only_an_operators_program_names_another_company(world: World, path: str):
    other = f"companyId={world.b.id}"
    refused = await world.call("GET", path, token=world.a.program, query=other)
    assert (refused.status, refused.json()["error"]) == (404, "ERR_NO_COMPANY_FOUND")
    own = f"companyId={world.a.id}"
    assert await get(world, path, world.a.program, own) == await get(world, path, world.a.program)
    there = await get(world, path, world.installation, other)
    assert there == await get(world, path, world.b.program)
    nowhere = await world.call("GET", path, token=world.installation, query="companyId=999")
    assert nowhere.status == 404


async def test_a_period_that_holds_too_much_is_refused_not_cut(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("api.resources.external_api.AT_MOST", 1)
    since = "startDate=2020-01-01"
    assert len(await get(world, "/api/messagesRange", world.a.program, since)) == 1
    await world.receive(world.a, "5511900000099", "two")
    wide = await world.call("GET", "/api/messagesRange", token=world.a.program, query=since)
    assert (wide.status, wide.json()["error"]) == (400, "ERR_RANGE_TOO_WIDE")
    odd = await world.call(
        "GET", "/api/messagesRange", token=world.a.program, query="startDate=yesterday"
    )
    assert odd.status == 400


async def test_users_are_found_by_address_in_the_own_company_without_their_hash(world: World):
    found = await get(world, "/api/users/user@a.test", world.a.program)
    assert found["id"] == world.a.user_id
    assert not any("password" in name.lower() for name in found)
    refused = await world.call("GET", "/api/users/user@b.test", token=world.a.program)
    assert (refused.status, refused.json()["error"]) == (404, "ERR_NO_USER_FOUND")
    there = await get(world, "/api/users/USER@b.test", world.installation)
    assert there["id"] == world.b.user_id


async def test_companies_are_run_by_an_operators_program(world: World):
    body = {"name": "New", "email": "first@new.test", "password": "secret"}
    made = await world.call("POST", "/api/companies", body, token=world.installation)
    assert made.status == 200, made
    path = f"/api/companies/{made.json()['id']}"
    renamed = await world.call("PUT", path, {"name": "Newer"}, token=world.installation)
    assert renamed.json()["name"] == "Newer"
    hours = {"schedules": [{"weekday": "Monday"}]}
    set_to = await world.call("PUT", f"{path}/schedules", hours, token=world.installation)
    assert set_to.json()["schedules"] == hours["schedules"]
    by_email = await get(world, "/api/companiesEmail/First@new.test", world.installation)
    assert by_email == await get(world, path, world.installation)
    page = await get(world, "/api/companies", world.installation, "searchParam=newer")
    assert [row["name"] for row in page["companies"]] == ["Newer"]
    gone = await world.call("DELETE", path, token=world.installation)
    assert gone.status == 200
    assert (await world.call("GET", path, token=world.installation)).status == 404


async def test_invoices_are_the_companys_or_everybodys(world: World):
    await stock(world)
    own = await get(world, "/api/invoices", world.b.program)
    assert {row["companyId"] for row in own["invoices"]} == {world.b.id}
    every = await get(world, "/api/invoices", world.installation)
    assert {row["companyId"] for row in every["invoices"]} == {world.a.id, world.b.id}
    path = f"/api/invoicesCompany/{world.b.id}"
    assert await get(world, path, world.installation) == own["invoices"]
    assert await get(world, path, world.b.program) == own["invoices"]
    assert (await world.call("GET", path, token=world.a.program)).status == 404
    paid = {"status": "paid"}
    mine = f"/api/invoices/{world.b.rows['invoice_id']}"
    assert (await world.call("PUT", mine, paid, token=world.b.program)).status == 403
    settled = await world.call("PUT", mine, paid, token=world.installation)
    assert settled.json()["status"] == "paid"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/helps", {"title": "How to"}),
        ("/api/plans", {"name": "Silver", "amount": "10,00"}),
        ("/api/partners", {"name": "Ana", "commission": "12,5", "typeCommission": "percent"}),
    ],
)
async def test_what_everybody_shares_is_written_by_an_operators_program(
    world: World, path: str, body: dict[str, Any]
):
    assert (await world.call("POST", path, body, token=world.a.program)).status == 403
    assert (await world.call("POST", path, body, token=world.super)).status == 403
    made = await world.call("POST", path, body, token=world.installation)
    assert made.status == 200, made
    row = f"{path}/{made.json()['id']}"
    assert await get(world, row, world.installation) == made.json()
    page = await get(world, path, world.installation)
    assert made.json() in next(rows for rows in page.values() if isinstance(rows, list))
    assert (await world.call("DELETE", row, token=world.installation)).status == 200
    assert (await world.call("GET", row, token=world.installation)).status == 404
