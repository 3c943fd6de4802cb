"""Dashboards count the caller's own company, from what happened."""

from datetime import datetime
from zoneinfo import ZoneInfo

from tests.api.conftest import World

TODAY = datetime.now(ZoneInfo("America/Sao_Paulo")).date().isoformat()
PERIOD = f"date_from={TODAY}&date_to={TODAY}"


async def closed_case(world: World) -> None:
    """The waiting ticket is accepted and closed by the admin."""
    path = f"/tickets/{world.a.ticket_id}"
    for status in ("open", "closed"):
        body = {"status": status, "userId": world.a.admin_id, "justClose": True}
        answer = await world.call("PUT", path, body, token=world.a.admin)
        assert answer.status == 200, answer


async def test_a_case_is_counted_where_it_stands(world: World):
    waiting = (await world.call("GET", "/dashboard", token=world.a.admin, query=PERIOD)).json()
    assert waiting["counters"]["supportPending"] == 1
    assert waiting["counters"]["tickets"] == 1
    assert waiting["counters"]["leads"] == 1
    await closed_case(world)
    done = (await world.call("GET", "/dashboard", token=world.a.admin, query=PERIOD)).json()
    assert done["counters"]["supportPending"] == 0
    assert done["counters"]["supportFinished"] == 1
    mine = next(row for row in done["attendants"] if row["id"] == world.a.admin_id)
    assert mine["tickets"] == 1


async def test_charts_and_reports_of_a_day(world: World):
    await closed_case(world)
    token = world.a.admin
    query = f"initialDate={TODAY}&finalDate={TODAY}&companyId={world.b.id}"
    by_hour = (await world.call("GET", "/dashboard/ticketsDay", token=token, query=query)).json()
    assert by_hour["count"] == 1
    assert by_hour["data"][0]["horario"] == f"{datetime.now(ZoneInfo('America/Sao_Paulo')):%H}"
    by_user = (await world.call("GET", "/dashboard/ticketsUsers", token=token, query=query)).json()
    assert by_user == {"data": [{"nome": "Admin", "quantidade": 1}]}
    hours = f"{PERIOD}&hour_from=00:00:00&hour_to=23:59:59&tz=-03:00"
    tickets = (await world.call("GET", "/dashboard/tickets", token=token, query=hours)).json()
    assert tickets["ticketStatistics"]["totalClosed"] == 1
    users = (await world.call("GET", "/dashboard/users", token=token, query=hours)).json()
    mine = next(row for row in users["userReport"] if row["id"] == world.a.admin_id)
    assert (mine["totalTickets"], mine["closedTickets"], mine["averageRating"]) == (1, 1, None)
    week = f"date_from=2026-01-01&date_to={TODAY}"
    days = (await world.call("GET", "/dashboard/ticketsDay", token=token, query=week)).json()
    assert days["data"][0]["data"] == "/".join(reversed(TODAY.split("-")))


async def test_what_waits_now_and_who_is_here(world: World):
    now = (await world.call("GET", "/dashboard/status", token=world.a.admin)).json()
    assert [(row["status"], row["count"]) for row in now["ticketsStatusSummary"]] == [
        ("pending", 1)
    ]
    assert {row["name"] for row in now["usersStatusSummary"]} == {"Admin", "User", "Root"}
    board = (await world.call("GET", "/dashboard/moments", token=world.a.admin)).json()
    assert [ticket["id"] for ticket in board] == [world.a.ticket_id]
    assert (await world.call("GET", "/usersMoments", token=world.a.admin)).json() == []


async def test_messages_are_counted_by_side(world: World):
    for query, expected in (
        (PERIOD, 1),
        (f"{PERIOD}&fromMe=true", 0),
        (f"{PERIOD}&fromMe=false", 1),
    ):
        answer = await world.call("GET", "/messages-allMe", token=world.a.admin, query=query)
        assert answer.json() == {"count": expected}


async def test_users_need_the_flag_and_a_period_its_bounds(world: World):
    assert (await world.call("GET", "/dashboard", token=world.a.user)).status == 403
    body = {"showDashboard": True}
    await world.call("PUT", f"/users/{world.a.user_id}", body, token=world.a.admin)
    assert (await world.call("GET", "/dashboard", token=world.a.user)).status == 200
    for query in ("date_from=x&date_to=y", "date_from=2026-02-01&date_to=2026-01-01",
                  "date_from=1990-01-01&date_to=2026-01-01"):  # fmt: skip
        answer = await world.call("GET", "/dashboard", token=world.a.admin, query=query)
        assert answer.status == 400, query
