"""Reports as lists: the own company's cases and contacts, narrowed as asked."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from tests.api.conftest import World
from tests.api.test_dashboards import PERIOD, TODAY, closed_case


async def answered_case(world: World) -> None:
    """The admin takes the waiting ticket, writes, and closes it."""
    path = f"/tickets/{world.a.ticket_id}"
    mine = {"status": "open", "userId": world.a.admin_id, "queueId": world.a.department_id}
    await world.call("PUT", path, mine, token=world.a.admin)
    said = {"body": "hi"}
    await world.call("POST", f"/messages/{world.a.ticket_id}", said, token=world.a.admin)
    await closed_case(world)
    shift = sa.text(
        "UPDATE ticket_trackings SET queued_at = created_at, started_at = created_at + :wait,"
        " first_reply_at = created_at + :reply, finished_at = created_at + :whole"
        " WHERE company_id = :company AND first_reply_at IS NOT NULL"
    ).bindparams(
        wait=timedelta(seconds=10),
        reply=timedelta(seconds=30),
        whole=timedelta(seconds=70),
        company=int(world.a.id),
    )
    assert await world.app.parts.database.execute(shift) == 1


async def test_a_case_is_reported_with_its_times(world: World):
    await answered_case(world)
    query = f"dateFrom={TODAY}&dateTo={TODAY}"
    answer = await world.call("GET", "/ticketreport/reports", token=world.a.admin, query=query)
    report = answer.json()
    assert report["totalTickets"] == 1
    (line,) = report["tickets"]
    assert (line["id"], line["status"]) == (world.a.ticket_id, "closed")
    assert (line["contactName"], line["userName"]) == ("Customer", "Admin")
    assert (line["queueName"], line["whatsappName"]) == ("Sales", "Simulator")
    assert (line["waitTime"], line["firstReplyTime"], line["supportTime"]) == (10, 30, 60)
    assert line["NPS"] is None


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 1),
        ("searchParam=cust", 1),
        ("searchParam=nobody", 0),
        ("contactId={contact_id}", 1),
        ("contactId=999", 0),
        ('status=["closed"]', 1),
        ('status=["open"]', 0),
        ("whatsappId=[{connection_id}]", 1),
        ("whatsappId=[999]", 0),
        ("queueIds=[{department_id}]", 1),
        ("users=[{admin_id}]", 1),
        ("users=[{user_id}]", 0),
        ("tags=[{tag_id}]", 0),
        ("onlyRated=true", 0),
        ("page=2", 1),
    ],
)
async def test_the_report_on_cases_is_narrowed(world: World, query: str, count: int):
    await answered_case(world)
    for name in ("contact_id", "connection_id", "department_id", "admin_id", "user_id", "tag_id"):
        query = query.replace(f"{{{name}}}", str(getattr(world.a, name)))
    answer = await world.call("GET", "/ticketreport/reports", token=world.a.admin, query=query)
    assert answer.status == 200, answer.body
    report = answer.json()
    assert report["totalTickets"] == count
    assert len(report["tickets"]) == (0 if query == "page=2" else count)


async def test_times_are_counted_by_agent_department_and_connection(world: World):
    await answered_case(world)
    answer = await world.call("GET", "/dashboard/tickets", token=world.a.admin, query=PERIOD)
    report = answer.json()
    for part, name in (("byDepartment", "Sales"), ("byConnection", "Simulator")):
        (line,) = report[part]
        assert (line["name"], line["totalTickets"], line["closedTickets"]) == (name, 1, 1)
        times = (line["avgWaitTime"], line["avgFirstReplyTime"], line["avgServiceTime"])
        assert times == (10, 30, 60)
    users = await world.call("GET", "/dashboard/users", token=world.a.admin, query=PERIOD)
    mine = next(row for row in users.json()["userReport"] if row["id"] == world.a.admin_id)
    assert mine["avgFirstReplyTime"] == 30
    whole = await world.call("GET", "/dashboard", token=world.a.admin, query=PERIOD)
    assert whole.json()["counters"]["avgFirstReplyTime"] == 0.5


async def test_an_automatic_text_is_no_first_reply(world: World):
    body = {"status": "open", "userId": world.a.admin_id}
    await world.call("PUT", f"/tickets/{world.a.ticket_id}", body, token=world.a.admin)
    counted = sa.text("SELECT count(first_reply_at) FROM ticket_trackings")
    assert await world.app.parts.database.value(counted) == 0


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", True),
        ("startDate={today}&endDate={today}", True),
        ("endDate=2020-01-01", False),
        ("startDate=2090-01-01", False),
        ('ddds=["11"]', True),
        ('ddds=["21","47"]', False),
        ("wallets=[{user_id}]", True),
        ("wallets=[{admin_id}]", False),
        ("tags=[{tag_id}]", True),
        ("tags=[{tag_id},999]", False),
        ("searchParam=cust", True),
    ],
)
async def test_the_report_on_contacts_is_narrowed(world: World, query: str, found: bool):
    a = world.a
    wallets = {"wallets": [a.user_id]}
    await world.call("PUT", f"/contact-wallet/{a.contact_id}", wallets, token=a.admin)
    tagged = {"contactId": a.contact_id, "tags": [{"id": a.tag_id}]}
    await world.call("POST", "/tags/sync", tagged, token=a.admin)
    for name in ("user_id", "admin_id", "tag_id"):
        query = query.replace(f"{{{name}}}", str(getattr(a, name)))
    query = query.replace("{today}", TODAY)
    answer = await world.call("GET", "/contacts-report", token=a.admin, query=query)
    assert answer.status == 200, answer.body
    assert [row["id"] for row in answer.json()] == ([a.contact_id] if found else [])


async def test_reports_are_for_admins_and_refuse_what_is_no_question(world: World):
    for path, query in (
        ("/contacts-report", 'ddds=["x"]'),
        ("/contacts-report", "startDate=yesterday"),
        ("/ticketreport/reports", "dateFrom=13"),
        ("/ticketreport/reports", "pageSize=5000"),
    ):
        answer = await world.call("GET", path, token=world.a.admin, query=query)
        assert (answer.status, answer.json()["error"]) == (400, "ERR_VALIDATION"), query
        assert (await world.call("GET", path, token=world.a.user)).status == 403
