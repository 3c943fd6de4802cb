"""Plans on the server: each limit, each switch and the due date, generated from the route table."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
import trio

from api.endpoint.coverage import overdue
from api.endpoint.declaration import Endpoint
from storage.companies import Company
from storage.plans import Features
from tests.actors.company import record, snapshot
from tests.api.conftest import World
from tests.api.rows import stock
from tests.api.test_every_route import ALL, body_of, path_of

FEATURED = [endpoint for endpoint in ALL if endpoint.feature and endpoint.built]
PAID = [endpoint for endpoint in ALL if endpoint.paid and endpoint.built]
LIMITED = [endpoint for endpoint in ALL if endpoint.limit]
REFUSED = {"error": "ERR_SUBSCRIPTION_EXPIRED"}


async def on_plan(world: World, **values: object) -> None:
    """Put company b on a plan with room and every feature, but for these values."""
    body = {"name": "Plan", "users": 99, "connections": 99, "queues": 99} | values
    plan = await world.call("POST", "/plans", body, token=world.super)
    assert plan.status == 200, plan
    await change(world, planId=plan.json()["id"])


async def change(world: World, **values: object) -> None:
    """Change company b as an operator."""
    path = f"/companies/{world.b.id}"
    answer = await world.call("PUT", path, values, token=world.super)
    assert answer.status == 200, answer


async def ask(world: World, endpoint: Endpoint):
    company = world.b
    token = company.program if endpoint.guard.scope else company.admin
    return await world.call(
        endpoint.method, path_of(endpoint, company), body_of(endpoint, company), token=token
    )


def wire(feature: str) -> str:
    first, *rest = feature.split("_")
    return first + "".join(word.capitalize() for word in rest)


def test_every_switch_of_a_plan_binds_some_route():
    by_value = {"use_whatsapp", "use_facebook", "use_instagram"}  # the body's channel decides
    bound = {endpoint.feature for endpoint in FEATURED}
    assert bound | by_value == set(Features.__struct_fields__)


async def test_without_a_feature_its_routes_are_402_and_change_nothing(world: World):
    await stock(world)
    off = {wire(feature): False for feature in Features.__struct_fields__}
    await on_plan(world, name="Nothing", **off)
    before = await world.rows_of(world.b)
    for endpoint in FEATURED:
        answer = await ask(world, endpoint)
        refusal = answer.json()
        assert (endpoint.name, answer.status, refusal["error"]) == (
            endpoint.name,
            402,
            "ERR_PLAN_FEATURE",
        )
        assert refusal["details"][0]["path"] == f"$.plan.{wire(endpoint.feature)}"
    assert await world.rows_of(world.b) == before


async def test_with_every_feature_none_of_these_routes_is_402(world: World):
    await stock(world)
    await on_plan(world)
    for endpoint in FEATURED:
        answer = await ask(world, endpoint)
        assert (endpoint.name, answer.status) != (endpoint.name, 402)


async def test_a_feature_given_up_leaves_what_is_there_to_read_and_delete(world: World):
    await stock(world)
    await on_plan(world, useCampaigns=False)
    path = f"/campaigns/{world.b.rows['campaign_id']}"
    assert (await world.call("GET", path, token=world.b.admin)).status == 200
    assert (await world.call("PUT", path, {}, token=world.b.admin)).status == 402
    assert (await world.call("DELETE", path, token=world.b.admin)).status == 200


async def test_a_changed_plan_binds_its_companies_at_once_and_is_written_once(world: World):
    """However many companies there are: none of them needs an event of its own."""
    await on_plan(world)
    (plan,) = (await world.call("GET", "/plans/all", token=world.super)).json()
    assert (await world.call("GET", "/campaigns", token=world.b.admin)).status == 200
    before = await last_events(world)
    body = {"useCampaigns": False}
    changed = await world.call("PUT", f"/plans/{plan['id']}", body, token=world.super)
    assert changed.status == 200
    refused = await world.call("POST", "/campaigns", {"name": "c"}, token=world.b.admin)
    assert (refused.status, refused.json()["error"]) == (402, "ERR_PLAN_FEATURE")
    assert await last_events(world) == before | {world.a.id: before[world.a.id] + 1}


async def last_events(world: World) -> dict[int, int]:
    """The number of the last event of each company."""
    found = sa.text("select company_id, last_seq from company_stream")
    return dict(await world.app.parts.database.rows(found))


@pytest.mark.parametrize(
    ("channel", "switch"),
    [("whatsapp", "useWhatsapp"), ("official", "useWhatsapp"), ("instagram", "useInstagram")],
)
async def test_a_channel_that_the_plan_has_not_cannot_be_connected(
    world: World, channel: str, switch: str
):
    await on_plan(world, **{switch: False})
    body = {"name": "New", "channel": channel}
    answer = await world.call("POST", "/whatsapp", body, token=world.b.admin)
    assert answer.json()["details"] == [{"path": f"$.plan.{switch}", "message": "not in this plan"}]


def test_tickets_messages_and_dashboards_are_for_companies_that_have_paid():
    unpaid = {
        endpoint.name
        for endpoint in ALL
        if endpoint.tag in ("tickets", "messages", "dashboard") and not endpoint.paid
    }
    assert not unpaid


async def test_past_its_due_date_a_company_is_402_on_tickets_messages_and_dashboards(world: World):
    await change(world, dueDate=day(-2))
    for endpoint in PAID:
        answer = await ask(world, endpoint)
        assert (endpoint.name, answer.status, answer.json()) == (endpoint.name, 402, REFUSED)
    assert (await world.login("admin@b.test")).status == 200
    assert (await world.call("GET", "/invoices/all", token=world.b.admin)).status == 200
    await change(world, dueDate=day(1))
    assert (await world.call("GET", "/tickets", token=world.b.admin)).status == 200


async def test_the_installation_may_grant_days_of_grace(world: World):
    await change(world, dueDate=day(-2))
    assert (await world.call("GET", "/tickets", token=world.b.admin)).status == 402
    grace = await world.call("PUT", "/setting/gracePeriod", {"value": "5"}, token=world.super)
    assert grace.status == 200
    assert (await world.call("GET", "/tickets", token=world.b.admin)).status == 200


async def test_the_company_that_runs_the_installation_owes_nobody(world: World):
    path = f"/companies/{world.a.id}"
    await world.call("PUT", path, {"dueDate": day(-9)}, token=world.super)
    assert (await world.call("GET", "/tickets", token=world.a.admin)).status == 200


def day(ahead: int) -> str:
    return (datetime.now(UTC) + timedelta(days=ahead)).date().isoformat()


@pytest.mark.parametrize(
    ("now", "grace", "late"),
    [
        ("2026-03-10T23:00:00-03:00", 0, False),
        ("2026-03-11T00:30:00-03:00", 0, True),
        ("2026-03-11T00:30:00-03:00", 1, False),
        ("2026-03-12T00:30:00-03:00", 1, True),
    ],
)
def test_a_due_day_lasts_until_its_end_by_the_companys_calendar(now: str, grace: int, late: bool):
    due = datetime(2026, 3, 10, tzinfo=UTC)
    company = record(Company, id=2, timezone="America/Sao_Paulo", due_date=due)
    configured = snapshot(company=company, grace_days=grace)
    assert overdue(configured, datetime.fromisoformat(now)) is late


NEW = {
    "users": lambda n: {"name": "N", "email": f"n{n}@x.test", "password": "secret"},
    "departments": lambda n: {"name": f"N{n}", "color": f"#{n}"},
    "connections": lambda n: {"name": f"N{n}"},
}
PLANNED = {"users": "users", "departments": "queues", "connections": "connections"}


def test_every_limit_of_a_plan_is_kept_by_the_route_that_adds_one():
    assert {endpoint.limit for endpoint in LIMITED} == set(PLANNED)


@pytest.mark.parametrize("endpoint", LIMITED, ids=lambda endpoint: endpoint.limit)
async def test_of_many_who_add_at_once_as_many_as_fit_get_in(world: World, endpoint: Endpoint):
    name = PLANNED[endpoint.limit]
    await on_plan(world, **{name: 4})  # two users, one department, two connections are there
    free = {"users": 2, "departments": 3, "connections": 2}[endpoint.limit]
    answers = []

    async def add(n: int) -> None:
        body = NEW[endpoint.limit](n)
        answers.append(await world.call("POST", endpoint.path, body, token=world.b.admin))

    async with trio.open_nursery() as nursery:
        for n in range(8):
            nursery.start_soon(add, n)
    refused = [answer for answer in answers if answer.status != 200]
    assert len(answers) - len(refused) == free
    assert {answer.status for answer in refused} == {402}
    assert refused[0].json() == {
        "error": "ERR_PLAN_LIMIT",
        "details": [{"path": f"$.plan.{name}", "message": "at most 4"}],
    }


async def test_connections_are_counted_for_each_network(world: World):
    await on_plan(world, connections=2)
    body = {"name": "New", "channel": "whatsapp"}
    assert (await world.call("POST", "/whatsapp", body, token=world.b.admin)).status == 402
    body["channel"] = "instagram"
    assert (await world.call("POST", "/whatsapp", body, token=world.b.admin)).status == 200
