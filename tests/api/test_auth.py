"""Login sessions as the family's browsers use them, storms and thieves included."""

import time
from functools import partial
from typing import Any

import jwt
import pytest
import sqlalchemy as sa
import trio

from api.auth import Revoked
from api.working_hours import within_hours
from storage import bearers
from tests.api.conftest import PASSWORD, World


def cookie_of(answer) -> str:
    return answer.headers["set-cookie"].split(";")[0]


async def refresh(world: World, cookie: str, **headers: str):
    return await world.client("POST", "/auth/refresh_token", headers={"cookie": cookie, **headers})


async def test_login_gives_what_the_frontends_keep(world: World):
    answer = await world.login("Admin@A.test ")
    assert answer.status == 200
    reply = answer.json()
    claims = jwt.decode(reply["token"], options={"verify_signature": False})
    assert claims["companyId"] == world.a.id
    assert claims["id"] == reply["user"]["id"] == world.a.admin_id
    assert claims["exp"] - claims["iat"] == 900
    assert claims["usarname"] == "Admin"
    user = reply["user"]
    assert {"dueDate", "settings", "companieSettings"} <= user["company"].keys()
    assert (user["profile"], user["super"]) == ("admin", False)
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("jrt=")
    assert "HttpOnly" in cookie


async def test_every_queue_of_the_login_reply_has_its_join_row(world: World):
    user = (await world.login("user@a.test")).json()["user"]
    assert [queue["UserQueue"] for queue in user["queues"]] == [
        {"userId": world.a.user_id, "queueId": world.a.department_id}
    ]


@pytest.mark.parametrize(
    ("email", "password"),
    [("admin@a.test", "wrong"), ("nobody@a.test", PASSWORD), ("", ""), ("admin@a.test", "")],
)
async def test_wrong_credentials_are_401_and_tell_nothing(world: World, email, password):
    answer = await world.login(email, password)
    assert (answer.status, answer.json()) == (401, {"error": "ERR_INVALID_CREDENTIALS"})


async def test_guessing_is_slowed_down_for_the_guesser_only(world: World):
    for _ in range(6):
        assert (await world.login("admin@a.test", "guess")).status == 401
    limited = await world.login("admin@a.test")
    assert limited.status == 429
    assert int(limited.headers["retry-after"]) >= 1
    assert (await world.login("user@a.test")).status == 200


async def test_guesses_that_come_all_at_once_are_counted_before_they_are_checked(world: World):
    answers = []

    async def guess(number: int) -> None:
        answers.append((await world.login("admin@a.test", f"guess {number}")).status)

    for _ in range(2):  # a second burst finds no more than the first one left
        async with trio.open_nursery() as nursery:
            for number in range(60):
                nursery.start_soon(guess, number)
    assert (answers.count(401), answers.count(429)) == (6, 114)
    assert (await world.login("user@a.test")).status == 200


async def test_eight_parallel_refreshes_get_one_successor(world: World):
    first = cookie_of(await world.login("admin@a.test"))
    answers = []

    async def once() -> None:
        answers.append(await refresh(world, first))

    async with trio.open_nursery() as nursery:
        for _ in range(8):
            nursery.start_soon(once)
    assert [answer.status for answer in answers] == [200] * 8
    successors = {cookie_of(answer) for answer in answers}
    assert len(successors) == 1
    assert successors != {first}
    tokens = [answer.json()["token"] for answer in answers]
    for token in tokens:
        assert (await world.call("GET", "/auth/me", token=token)).status == 200


async def test_a_copied_token_ends_the_session_after_the_grace(world: World):
    login = await world.login("admin@a.test")
    first = cookie_of(login)
    second = cookie_of(await refresh(world, first))
    await expire_grace(world)
    reused = await refresh(world, first)
    assert (reused.status, reused.json()) == (401, {"error": "ERR_SESSION_EXPIRED"})
    assert 'jrt=""' in reused.headers["set-cookie"]
    assert (await refresh(world, second)).status == 401
    token = login.json()["token"]
    assert (await world.call("GET", "/auth/me", token=token)).status == 401


async def me(world: World, cookie: str) -> int:
    return (await world.client("GET", "/auth/me", headers={"cookie": cookie})).status


async def test_a_cookie_that_was_rotated_out_opens_nothing_and_ends_the_session(world: World):
    first = cookie_of(await world.login("admin@a.test"))
    second = cookie_of(await refresh(world, first))
    assert [await me(world, cookie) for cookie in (first, second)] == [200, 200]
    await expire_grace(world)
    assert await me(world, second) == 200
    assert await me(world, first) == 401
    assert await me(world, second) == 401
    assert (await refresh(world, second)).status == 401


async def test_a_socket_that_kept_an_old_cookie_is_refused_and_nothing_ends(world: World):
    first = cookie_of(await world.login("admin@a.test"))
    second = cookie_of(await refresh(world, first))
    await expire_grace(world)
    check = world.app.realtime.ports.authenticate_cookie
    with pytest.raises(Revoked):
        await check(first.removeprefix("jrt="))
    assert (await check(second.removeprefix("jrt="))).user_id == world.a.admin_id
    assert await me(world, second) == 200


async def test_what_was_read_before_a_logout_is_not_remembered_after_it(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    token = (await world.login("user@a.test")).json()["token"]
    real, read, go = bearers.look, trio.Event(), trio.Event()

    async def slow(*given: Any, **more: Any) -> Any:
        found = await real(*given, **more)
        read.set()
        await go.wait()
        return found

    async with trio.open_nursery() as nursery:
        monkeypatch.setattr("api.auth.bearers.bearers.look", slow)
        nursery.start_soon(partial(world.call, "GET", "/auth/me", token=token))
        await read.wait()
        monkeypatch.setattr("api.auth.bearers.bearers.look", real)
        query = f"userId={world.a.user_id}"
        ended = await world.call("DELETE", "/auth/sessions", token=world.a.admin, query=query)
        assert ended.status == 200
        go.set()
    assert (await world.call("GET", "/auth/me", token=token)).status == 401


async def expire_grace(world: World) -> None:
    """Let the last rotation lie an hour back."""
    await world.app.parts.database.execute(
        sa.text("update refresh_families set rotated_at = rotated_at - interval '1 hour'")
    )


@pytest.mark.parametrize("cookie", ["", "jrt=", "jrt=x", "jrt=a.b.c", 'jrt="', "other=1"])
async def test_without_a_good_cookie_refreshing_is_401(world: World, cookie: str):
    assert (await refresh(world, cookie)).status == 401


async def test_an_access_token_is_no_refresh_token(world: World):
    assert (await refresh(world, f"jrt={world.a.admin}")).status == 401


async def test_a_page_of_an_unlisted_origin_cannot_refresh(world: World):
    cookie = cookie_of(await world.login("admin@a.test"))
    assert (await refresh(world, cookie, origin="https://evil.example")).status == 401
    assert (await refresh(world, cookie, origin="https://app.example.com")).status == 200


async def test_logout_ends_the_session_and_takes_the_cookie(world: World):
    login = await world.login("admin@a.test")
    cookie, token = cookie_of(login), login.json()["token"]
    out = await world.client("DELETE", "/auth/logout", headers={"cookie": cookie})
    assert (out.status, out.body) == (200, b"")
    assert 'jrt=""' in out.headers["set-cookie"]
    assert (await refresh(world, cookie)).status == 401
    assert (await world.call("GET", "/auth/me", token=token)).status == 401
    again = await world.client("DELETE", "/auth/logout", headers={"cookie": cookie})
    assert again.status == 200


async def test_me_takes_the_token_or_the_cookie(world: World):
    cookie = cookie_of(await world.login("user@a.test"))
    expected = {"id": world.a.user_id, "profile": "user", "super": False}
    assert (await world.call("GET", "/auth/me", token=world.a.user)).json() == expected
    by_cookie = await world.client("GET", "/auth/me", headers={"cookie": cookie})
    assert by_cookie.json() == expected
    assert (await world.call("GET", "/auth/me")).status == 401


async def test_rights_taken_away_hold_at_once(world: World):
    await world.call("PUT", f"/users/{world.a.user_id}", {"profile": "admin"}, token=world.a.admin)
    assert (
        await world.call("PUT", "/settings/x", {"value": "1"}, token=world.a.user)
    ).status == 200
    await world.call("PUT", f"/users/{world.a.user_id}", {"profile": "user"}, token=world.a.admin)
    assert (
        await world.call("PUT", "/settings/x", {"value": "1"}, token=world.a.user)
    ).status == 403


async def test_a_new_password_ends_the_other_sessions(world: World):
    other = (await world.login("user@a.test")).json()["token"]
    changed = await world.call(
        "PUT", f"/users/{world.a.user_id}", {"password": "another one"}, token=world.a.user
    )
    assert changed.status == 200
    assert (await world.call("GET", "/auth/me", token=other)).status == 401
    assert (await world.call("GET", "/auth/me", token=world.a.user)).status == 200
    assert (await world.login("user@a.test", "another one")).status == 200


async def test_a_deleted_user_is_out(world: World):
    gone = await world.call("DELETE", f"/users/{world.a.user_id}", token=world.a.admin)
    assert gone.status == 200
    assert (await world.call("GET", "/auth/me", token=world.a.user)).status == 401
    assert (await world.login("user@a.test")).status == 401


async def test_users_cannot_raise_themselves(world: World):
    await world.call(
        "PUT",
        f"/users/{world.a.user_id}",
        {"profile": "admin", "super": True, "allTicket": "enable", "queueIds": [], "name": "Me"},
        token=world.a.user,
    )
    shown = (await world.call("GET", f"/users/{world.a.user_id}", token=world.a.user)).json()
    assert (shown["name"], shown["profile"], shown["super"]) == ("Me", "user", False)
    assert len(shown["queues"]) == 1


async def test_no_reply_shows_a_password_or_its_hash(world: World):
    for path in ("/users", f"/users/{world.a.user_id}", "/users/list"):
        answer = await world.call("GET", path, token=world.a.admin)
        assert b"password" not in answer.body.lower()
        assert b"$2b$" not in answer.body


@pytest.mark.parametrize(
    ("start", "end", "moment", "inside"),
    [
        ("08:00", "18:00", "12:00", True),
        ("08:00", "18:00", "07:59", False),
        ("22:00", "06:00", "23:30", True),
        ("22:00", "06:00", "05:00", True),
        ("22:00", "06:00", "12:00", False),
        ("", "", "12:00", True),
    ],
)
def test_working_hours_may_go_over_midnight(start, end, moment, inside):
    assert within_hours(start, end, moment) is inside


async def test_outside_working_hours_login_is_refused(world: World):
    hour = int(time.strftime("%H", time.gmtime(time.time() - 3 * 3600)))
    start, end = f"{(hour + 2) % 24:02}:00", f"{(hour + 3) % 24:02}:00"
    changed = await world.call(
        "PUT",
        f"/users/{world.a.user_id}",
        {"startWork": start, "endWork": end},
        token=world.a.admin,
    )
    assert changed.status == 200
    answer = await world.login("user@a.test")
    assert (answer.status, answer.json()["error"]) == (401, "ERR_OUT_OF_HOURS")
