"""Sessions as their owner and the operators see them: listed, ended from afar, acted in and back."""

import jwt
import sqlalchemy as sa
import trio

from api.rate_limits import LoginThrottle
from bench.examples.stream_client import connected
from tests.api.conftest import World
from tests.api.endpoint.conftest import Answer
from tests.api.realtime.raw_client import RawClient, http
from tests.api.test_auth import cookie_of, refresh
from tests.api.test_stream_api import served


async def sessions(world: World, token: str, query: str = "") -> list[dict[str, object]]:
    answer = await world.call("GET", "/auth/sessions", token=token, query=query)
    assert answer.status == 200, answer
    return answer.json()


async def is_in(world: World, token: str) -> bool:
    return (await world.call("GET", "/auth/me", token=token)).status == 200


async def test_a_user_sees_where_the_account_is_logged_in(world: World):
    await world.client(
        "POST",
        "/auth/login",
        body=b'{"email":"user@a.test","password":"correct horse"}',
        headers={"user-agent": "Telephone"},
    )
    listed = await sessions(world, world.a.user)
    assert [(s["device"], s["address"], s["current"]) for s in listed] == [
        ("Telephone", "192.0.2.1", False),
        ("", "192.0.2.1", True),
    ]
    assert all(not session["impersonated"] for session in listed)


async def test_a_session_is_ended_from_afar_with_all_it_holds(world: World):
    login = await world.login("user@a.test")
    token, cookie = login.json()["token"], cookie_of(login)
    dropped: list[str] = []
    world.app.parts.auth.bearers.on_revoked(dropped.append)
    (session,) = [s for s in await sessions(world, token) if s["current"]]
    path = f"/auth/sessions/{session['id']}"
    assert (await world.call("DELETE", path, token=world.a.user)).status == 200
    assert not await is_in(world, token)
    assert (await refresh(world, cookie)).status == 401
    assert dropped == [session["id"]]  # what ends its sockets
    assert await is_in(world, world.a.user)
    assert (await world.call("DELETE", path, token=world.a.user)).status == 404


async def test_everywhere_but_here(world: World):
    others = [(await world.login("user@a.test")).json()["token"] for _ in range(3)]
    assert (await world.call("DELETE", "/auth/sessions", token=world.a.user)).status == 200
    assert [await is_in(world, token) for token in (*others, world.a.user)] == [False] * 3 + [True]
    assert len(await sessions(world, world.a.user)) == 1


async def test_admins_see_and_end_sessions_of_their_people_and_of_nobody_else(world: World):
    (session,) = await sessions(world, world.a.admin, f"userId={world.a.user_id}")
    (foreign,) = await sessions(world, world.b.user)
    (admins,) = await sessions(world, world.a.admin)
    for token, whose, status in (
        (world.a.user, world.a.admin_id, 403),
        (world.a.admin, world.b.user_id, 404),
    ):
        query = f"userId={whose}"
        answer = await world.call("GET", "/auth/sessions", token=token, query=query)
        assert answer.status == status
    for token, target in ((world.a.admin, foreign), (world.a.user, admins)):
        path = f"/auth/sessions/{target['id']}"
        assert (await world.call("DELETE", path, token=token)).status == 404
    assert await is_in(world, world.b.user)
    path = f"/auth/sessions/{session['id']}"
    assert (await world.call("DELETE", path, token=world.a.admin)).status == 200
    assert not await is_in(world, world.a.user)


async def test_an_operators_account_is_nothing_to_an_admin_of_the_same_company(world: World):
    (session,) = await sessions(world, world.super)
    root = (await world.app.parts.auth.bearers.authenticate(world.super)).user_id
    query = f"userId={root}"
    for method, path, asked, body in (
        ("GET", "/auth/sessions", query, None),
        ("DELETE", "/auth/sessions", query, None),
        ("DELETE", f"/auth/sessions/{session['id']}", "", None),
        ("PUT", f"/users/toggleChangeWidht/{root}", "", {"defaultTicketsManagerWidth": 5}),
    ):
        refused = await world.call(method, path, body, query=asked, token=world.a.admin)
        assert (path, refused.status) == (path, 403)
    pictured = await upload(world, f"/users/{root}/media-upload", world.a.admin)
    assert pictured.status == 403
    assert await is_in(world, world.super)
    assert (await upload(world, f"/users/{root}/media-upload", world.super)).status == 200
    shown = (await world.call("GET", f"/users/{root}", token=world.super)).json()
    assert shown["defaultTicketsManagerWidth"] == 550


async def upload(world: World, path: str, token: str) -> Answer:
    part = b'--B\r\nContent-Disposition: form-data; name="profileImage"; filename="a.png"\r\n\r\n'
    body = part + b"\x89PNG\r\n\x1a\n\r\n--B--\r\n"
    kind = {"content-type": "multipart/form-data; boundary=B"}
    return await world.client("POST", path, body=body, headers=kind, token=token)


async def impersonate(world: World, token: str, company_id: int) -> Answer:
    return await world.call("GET", f"/auth/impersonate/{company_id}", token=token)


async def test_an_operator_acts_as_a_companys_admin_and_comes_back(world: World):
    answer = await impersonate(world, world.super, world.b.id)
    assert answer.status == 200, answer
    acting = answer.json()["token"]
    claims = jwt.decode(acting, options={"verify_signature": False})
    assert (claims["id"], claims["companyId"]) == (world.b.admin_id, world.b.id)
    assert (claims["impersonated"], claims["originalCompanyId"]) == (True, world.a.id)
    assert claims["super"] is False
    tickets = (await world.call("GET", "/tickets/", token=acting, query="status=pending")).json()
    assert [ticket["companyId"] for ticket in tickets["tickets"]] == [world.b.id]
    principal = await world.app.parts.auth.bearers.authenticate(acting)
    operator = await world.app.parts.auth.bearers.authenticate(world.super)
    assert principal.impersonator_id == operator.user_id
    assert principal.impersonator_company_id == operator.company_id
    back = await world.call("POST", "/auth/impersonate/back", token=acting)
    assert back.status == 200, back
    assert back.json()["user"]["email"] == "root@a.test"
    assert not await is_in(world, acting)
    again = await refresh(world, cookie_of(back))
    assert (again.status, again.json()["user"]["email"]) == (200, "root@a.test")


async def test_the_cookie_of_an_acting_operator_refreshes_to_the_same(world: World):
    cookie = cookie_of(await impersonate(world, world.super, world.b.id))
    answer = await refresh(world, cookie)
    claims = jwt.decode(answer.json()["token"], options={"verify_signature": False})
    assert (claims["id"], claims["impersonated"]) == (world.b.admin_id, True)


async def test_the_admin_stays_logged_in_and_sees_who_is_there(world: World):
    before = await world.rows_of(world.b)
    acting = (await impersonate(world, world.super, world.b.id)).json()["token"]
    now = await world.rows_of(world.b)  # nothing tells the admin's browsers to leave
    assert {name for name in now if now[name] != before[name]} == {"audit_log", "company_stream"}
    assert await is_in(world, world.b.admin)
    listed = await sessions(world, world.b.admin)
    assert sorted(session["impersonated"] for session in listed) == [False, True]
    (session,) = [session for session in listed if session["impersonated"]]
    path = f"/auth/sessions/{session['id']}"
    assert (await world.call("DELETE", path, token=world.b.admin)).status == 200
    assert not await is_in(world, acting)


async def test_acting_ends_with_the_operators_own_session_at_once(world: World):
    login = await world.login("root@a.test")
    acting = (await impersonate(world, login.json()["token"], world.b.id)).json()["token"]
    assert await is_in(world, acting)
    out = await world.client("DELETE", "/auth/logout", headers={"cookie": cookie_of(login)})
    assert out.status == 200
    assert not await is_in(world, acting)
    back = await world.call("POST", "/auth/impersonate/back", token=acting)
    assert back.status == 401


async def test_acting_ends_with_the_operators_rights(world: World):
    answer = await impersonate(world, world.super, world.b.id)
    demoted = sa.text("update users set is_super = false where email = 'root@a.test'")
    await world.app.parts.database.execute(demoted)
    assert (await refresh(world, cookie_of(answer))).status == 401


async def test_only_operators_act_as_others_and_only_as_themselves(world: World):
    for token in (world.a.admin, world.a.user, world.b.admin):
        assert (await impersonate(world, token, world.b.id)).status == 403
    for token in (world.super, world.a.user):
        back = await world.call("POST", "/auth/impersonate/back", token=token)
        assert back.status == 403
    assert (await impersonate(world, world.super, 999_999)).status == 404
    promoted = sa.text("update users set is_super = true where email = 'admin@b.test'")
    await world.app.parts.database.execute(promoted)
    acting = (await impersonate(world, world.super, world.b.id)).json()["token"]
    assert (await impersonate(world, acting, world.a.id)).status == 403


async def test_where_accounts_are_at_home_survives_a_restart(world: World):
    throttle = LoginThrottle()
    for n in range(30):
        await throttle.take("admin@a.test", f"198.51.100.{n}", _nowhere)
    world.app.parts.auth._throttle = throttle  # as after a restart: nothing but the database
    assert (await world.login("Admin@A.test")).status == 200


async def test_a_company_that_is_switched_off_is_logged_out(world: World):
    login = await world.login("user@b.test")
    assert await is_in(world, login.json()["token"])
    path = f"/companies/{world.b.id}"
    off = await world.call("PUT", path, {"status": False}, token=world.super)
    assert off.status == 200, off
    for token in (world.b.user, world.b.admin, login.json()["token"]):
        assert not await is_in(world, token)
    assert (await refresh(world, cookie_of(login))).status == 401
    refused = await world.login("user@b.test")
    assert (refused.status, refused.json()["error"]) == (402, "ERR_SUBSCRIPTION_EXPIRED")
    assert (await impersonate(world, world.super, world.b.id)).status == 200
    await world.call("PUT", path, {"status": True}, token=world.super)
    assert (await world.login("user@b.test")).status == 200


async def test_nobody_switches_the_own_company_off(world: World):
    path = f"/companies/{world.a.id}"
    off = await world.call("PUT", path, {"status": False}, token=world.super)
    assert off.status == 400
    assert await is_in(world, world.super)


async def test_logging_out_from_afar_ends_that_sessions_sockets_alone(world: World):
    login = (await world.login("user@a.test")).json()["token"]
    (session,) = [s for s in await sessions(world, login) if s["current"]]
    with trio.fail_after(10):
        async with served(world) as url, connected(url, world.a.user, _ignore) as own:
            ask = f"GET /ws?token={login} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
            ask += "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            ask += "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
            stream, head, rest = await http(int(url.rpartition(":")[2]), ask.encode())
            async with stream:
                theirs = RawClient(stream, rest)
                assert b" 101 " in head  # it listens to nothing yet, and acts all the same
                path = f"/auth/sessions/{session['id']}"
                assert (await world.call("DELETE", path, token=world.a.admin)).status == 200
                assert b"ERR_SESSION_EXPIRED" in await theirs.text()
                assert await theirs.close_code() == 1008
            shown = await own.ask("showTicket", ticketId=world.a.ticket_id)
    assert shown["id"] == world.a.ticket_id


async def _nowhere(account: str, address: str) -> bool:
    return False


def _ignore(_: object) -> None:
    """These tests listen for nothing."""
