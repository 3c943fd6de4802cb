"""Flags of users on the server: flag by route, on and off, where the family only hid a button."""

from collections.abc import Awaitable, Callable

import pytest
import sqlalchemy as sa
import trio

from api.endpoint.declaration import Endpoint
from tests.api.conftest import World
from tests.api.rows import stock
from tests.api.test_every_route import ALL, body_of, path_of

FLAGS = {
    "all_ticket": "allTicket",
    "all_historic": "allHistoric",
    "all_user_chat": "allUserChat",
    "allow_group": "allowGroup",
    "show_dashboard": "showDashboard",
    "allow_real_time": "allowRealTime",
    "allow_connections": "allowConnections",
    "close_pending_ticket": "userClosePendingTicket",
}
GUARDED = [endpoint for endpoint in ALL if endpoint.guard.flag and endpoint.built]


async def set_flags(world: World, *on: str) -> None:
    """Give the agent these flags and no other."""
    body = {wire: "enabled" if name in on else "disabled" for name, wire in FLAGS.items()}
    path = f"/users/{world.a.user_id}"
    answer = await world.call("PUT", path, body, token=world.a.admin)
    assert answer.status == 200, answer


async def as_agent(world: World, endpoint: Endpoint) -> int:
    answer = await world.call(
        endpoint.method,
        path_of(endpoint, world.a),
        body_of(endpoint, world.a),
        token=world.a.user,
    )
    return answer.status


def test_every_flag_that_a_guard_looks_at_is_in_the_matrix():
    assert {endpoint.guard.flag for endpoint in GUARDED} <= FLAGS.keys()


async def test_routes_behind_a_flag_are_403_without_it_and_open_with_it(world: World):
    await stock(world)
    everything = set(FLAGS)
    for endpoint in GUARDED:
        flag = endpoint.guard.flag
        await set_flags(world, *(everything - {flag}))
        assert (endpoint.name, await as_agent(world, endpoint)) == (endpoint.name, 403)
        await set_flags(world, flag)
        assert (endpoint.name, await as_agent(world, endpoint)) == (endpoint.name, 200)


async def test_admins_need_no_flag(world: World):
    await stock(world)
    for endpoint in GUARDED:
        path, body = path_of(endpoint, world.a), body_of(endpoint, world.a)
        answer = await world.call(endpoint.method, path, body, token=world.a.admin)
        assert (endpoint.name, answer.status) == (endpoint.name, 200)


async def waiting_nowhere(_: World) -> None:
    """A new ticket waits in no department."""


async def waiting_elsewhere(world: World) -> None:
    """It waits in a department that is not the agent's."""
    new = {"name": "Elsewhere", "color": "#456"}
    made = await world.call("POST", "/queue", new, token=world.a.admin)
    await change_ticket(world, queueId=made.json()["id"])


async def a_colleagues(world: World) -> None:
    """A colleague serves it in the agent's department."""
    await change_ticket(
        world, queueId=world.a.department_id, status="open", userId=world.a.admin_id
    )


async def a_groups(world: World) -> None:
    """It is a group's, in the agent's department."""
    await change_ticket(world, queueId=world.a.department_id)
    await world.app.parts.database.execute(
        sa.text(f"update tickets set is_group = true where id = {world.a.ticket_id}")
    )


async def change_ticket(world: World, **values: object) -> None:
    path = f"/tickets/{world.a.ticket_id}"
    answer = await world.call("PUT", path, values, token=world.a.admin)
    assert answer.status == 200, answer


TICKET_ROUTES = [
    ("GET", "/tickets/{t}", None),
    ("GET", "/tickets/u/{u}", None),
    ("GET", "/messages/{t}", None),
    ("GET", "/tickets-log/{t}", None),
    ("PUT", "/ticket-tags/{t}/{tag}", None),
    ("DELETE", "/ticket-tags/{t}", None),
    ("PUT", "/setunredmsg/{t}", None),
    ("POST", "/messages/{t}", {"body": "hello"}),
    ("PUT", "/tickets/{t}", {"unreadMessages": 0}),
]


@pytest.mark.parametrize(
    ("flag", "place"),
    [
        ("all_ticket", waiting_nowhere),
        ("all_historic", waiting_elsewhere),
        ("all_user_chat", a_colleagues),
        ("allow_group", a_groups),
    ],
    ids=lambda item: item if isinstance(item, str) else "",
)
async def test_what_a_flag_opens_is_closed_without_it(
    world: World, flag: str, place: Callable[[World], Awaitable[None]]
):
    await place(world)
    company = world.a
    for allowed in (False, True):
        if allowed:
            await set_flags(world, flag)
        else:  # no other flag opens it either, but that all_historic shows what waits nowhere
            others = set(FLAGS) - {flag, "all_historic"}
            await set_flags(world, *others)
        listed = await world.call(
            "GET", "/tickets", token=company.user, query="status=search&showAll=true"
        )
        shown = {ticket["id"] for ticket in listed.json()["tickets"]}
        assert (company.ticket_id in shown) is allowed
        for method, path, body in TICKET_ROUTES:
            place_of = path.format(t=company.ticket_id, u=company.uuid, tag=company.tag_id)
            answer = await world.call(method, place_of, body, token=company.user)
            assert (method, path, answer.status) == (method, path, 200 if allowed else 403)


async def test_who_may_not_close_what_waits_can_close_what_is_served(world: World):
    company = world.a
    await set_flags(world, "all_ticket")
    path = f"/tickets/{company.ticket_id}"
    refused = await world.call("PUT", path, {"status": "closed"}, token=company.user)
    assert (refused.status, refused.json()) == (403, {"error": "ERR_NO_PERMISSION"})
    everything = await world.call(
        "POST", "/tickets/closeAll", {"status": "pending"}, token=company.user
    )
    assert everything.status == 403
    accept = {"status": "open", "userId": company.user_id}
    assert (await world.call("PUT", path, accept, token=company.user)).status == 200
    closed = await world.call("PUT", path, {"status": "closed"}, token=company.user)
    assert (closed.status, closed.json()["status"]) == (200, "closed")


async def test_who_may_close_what_waits_does(world: World):
    await set_flags(world, "all_ticket", "close_pending_ticket")
    path = f"/tickets/{world.a.ticket_id}"
    closed = await world.call("PUT", path, {"status": "closed"}, token=world.a.user)
    assert (closed.status, closed.json()["status"]) == (200, "closed")


async def test_a_group_is_written_to_first_only_by_who_sees_groups(world: World):
    company = world.a
    group = {"name": "Group", "number": "120363000000000001", "isGroup": True}
    made = await world.call("POST", "/contacts", group, token=company.admin)
    assert made.status == 200, made
    await world.app.parts.database.execute(
        sa.text(f"update contacts set is_group = true where id = {made.json()['id']}")
    )
    body = {"contactId": made.json()["id"], "queueId": company.department_id}
    passed_on = body | {"messageId": company.message_id}
    await set_flags(world, "all_ticket")
    assert (await world.call("POST", "/tickets", body, token=company.user)).status == 403
    forwarded = await world.call("POST", "/message/forward", passed_on, token=company.user)
    assert forwarded.status == 403
    listed = await world.call("GET", "/tickets", token=company.admin, query="status=group")
    assert listed.json()["count"] == 0
    await set_flags(world, "allow_group")
    assert (await world.call("POST", "/tickets", body, token=company.user)).status == 200


async def test_a_flag_on_the_own_account_changes_nothing(world: World):
    await set_flags(world)
    path = f"/users/{world.a.user_id}"
    body = dict.fromkeys(FLAGS.values(), "enabled") | {"profile": "admin", "name": "Me"}
    answer = await world.call("PUT", path, body, token=world.a.user)
    assert (answer.status, answer.json()["name"]) == (200, "Me")
    assert (await world.call("GET", "/dashboard", token=world.a.user)).status == 403
    assert (await world.call("POST", "/queue", {}, token=world.a.user)).status == 403


async def test_only_operators_touch_an_operators_account(world: World):
    root = (await world.login("root@a.test")).json()["user"]["id"]
    path = f"/users/{root}"
    for method, body in (("PUT", {"password": "taken over"}), ("DELETE", None)):
        answer = await world.call(method, path, body, token=world.a.admin)
        assert (method, answer.status) == (method, 403)
    assert (await world.login("root@a.test")).status == 200
    assert (await world.call("PUT", path, {"name": "R"}, token=world.super)).status == 200


async def test_a_new_user_has_the_rights_that_the_form_gives(world: World):
    company = world.a
    form = {
        "name": "New",
        "email": "new@a.test",
        "password": "secret",
        "profile": "user",
        "queueIds": [company.department_id],
        "allTicket": "enable",
        "allHistoric": "enabled",
        "showDashboard": "enabled",
        "allowGroup": True,
        "startWork": "00:00",
        "endWork": "23:59",
        "whatsappId": company.connection_id,
        "defaultTheme": "dark",
        "super": True,
    }
    made = await world.call("POST", "/users", form, token=company.admin)
    assert made.status == 200, made
    shown = made.json()
    assert {queue["id"] for queue in shown["queues"]} == {company.department_id}
    assert (shown["allTicket"], shown["allHistoric"]) == ("enable", "enabled")
    assert (shown["allowGroup"], shown["whatsappId"]) == (True, company.connection_id)
    login = (await world.login("new@a.test", "secret")).json()
    assert (login["user"]["super"], login["user"]["defaultTheme"]) == (False, "dark")
    assert (await world.call("GET", "/dashboard", token=login["token"])).status == 200


@pytest.mark.parametrize(
    "changed",
    [{"name": ""}, {"email": ""}, {"email": "x"}, {"password": "1234"}, {"profile": "owner"}],
)
async def test_an_account_that_does_not_fit_is_refused(world: World, changed: dict[str, str]):
    form = {"name": "New", "email": "new@a.test", "password": "secret"} | changed
    made = await world.call("POST", "/users", form, token=world.a.admin)
    assert (made.status, made.json()["error"]) == (400, "ERR_VALIDATION")


async def test_a_company_keeps_an_admin_whoever_is_faster(world: World):
    company = world.b
    second = {"name": "S", "email": "s@b.test", "password": "secret", "profile": "admin"}
    other = (await world.call("POST", "/users", second, token=company.admin)).json()["id"]
    answers = []

    async def demote(user_id: int) -> None:
        body = {"profile": "user"}
        path = f"/users/{user_id}"
        answers.append(await world.call("PUT", path, body, token=company.admin))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(demote, other)
        nursery.start_soon(demote, company.admin_id)
    admins = sa.text(
        f"select count(*) from users where company_id = {company.id} and profile = 'admin'"
    )
    assert await world.app.parts.database.value(admins) == 1
    assert sorted(answer.status for answer in answers) in ([200, 400], [200, 403])


async def test_the_only_admin_stays_one(world: World):
    path = f"/users/{world.b.admin_id}"
    answer = await world.call("PUT", path, {"profile": "user"}, token=world.b.admin)
    assert (answer.status, answer.json()["details"][0]["path"]) == (400, "$.profile")
    assert (await world.call("PUT", path, {"profile": "admin"}, token=world.b.admin)).status == 200


async def test_a_picture_is_uploaded_not_named(world: World):
    path = f"/users/{world.b.user_id}"
    for token in (world.b.user, world.b.admin):
        body = {"name": "N", "profileImage": "../company1/x.png"}
        changed = await world.call("PUT", path, body, token=token)
        assert (changed.status, changed.json()["name"]) == (200, "N")
        assert changed.json()["profileImage"] is None
