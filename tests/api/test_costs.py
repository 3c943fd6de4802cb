"""What requests cost in statements: what is asked all day asks the database for no more than it needs."""

import trio

from api.presence import Presence
from storage.founding import NewCompany, create_company
from storage.users import NewUser
from tests.api.conftest import PASSWORD, World
from tests.api.statements import counted


async def on_a_plan(world: World) -> None:
    """Put company a on a plan."""
    plan = {"name": "All", "users": 50, "connections": 50, "queues": 50}
    made = await world.call("POST", "/plans", plan, token=world.super)
    path = f"/companies/{world.a.id}"
    changed = await world.call("PUT", path, {"planId": made.json()["id"]}, token=world.super)
    assert changed.json()["plan"]["name"] == "All"


async def test_a_login_is_a_look_a_transaction_and_a_look(world: World):
    """Who it is; the company, the session, the user and the event of it at once; the company whole."""
    await on_a_plan(world)
    await world.login("user@a.test")
    with counted() as statements:
        assert (await world.login("user@a.test")).status == 200
    kinds = [statement.split()[0] for statement in statements]
    assert kinds == ["SELECT", "BEGIN", "UPDATE", "INSERT", "SELECT", "COMMIT", "SELECT"]


async def test_a_refused_login_costs_one_look(world: World):
    with counted() as statements:
        assert (await world.login("user@a.test", "wrong")).status == 401
        assert (await world.login("nobody@a.test", "wrong")).status == 401
    assert len(statements) == 2


async def test_a_refresh_rotates_and_looks_twice(world: World):
    await on_a_plan(world)
    cookie = (await world.login("user@a.test")).headers["set-cookie"].partition(";")[0]
    with counted() as statements:
        headers = {"cookie": cookie}
        assert (await world.call("POST", "/auth/refresh_token", headers=headers)).status == 200
    assert [statement.split()[0] for statement in statements] == ["UPDATE", "SELECT", "SELECT"]


async def test_who_a_token_speaks_for_is_one_look_and_remembered(world: World):
    login = await world.login("user@a.test")
    token, cookie = login.json()["token"], login.headers["set-cookie"].partition(";")[0]
    with counted() as statements:
        for _ in range(3):
            assert (await world.call("GET", "/auth/me", token=token)).status == 200
    assert len(statements) == 1
    with counted() as statements:
        assert (await world.call("GET", "/auth/me", headers={"cookie": cookie})).status == 200
    assert len(statements) == 1


async def test_who_comes_and_goes_is_remembered_all_the_same(world: World):
    """Sockets open and close all day, and no right changes by it."""
    token, parts = (await world.login("user@a.test")).json()["token"], world.app.parts
    await world.call("GET", "/auth/me", token=token)
    await Presence(parts.database, parts.snapshots)._write(world.a.id, world.a.user_id, True)
    shown = await world.call("GET", f"/users/{world.a.user_id}", token=world.a.admin)
    assert shown.json()["online"]
    with counted() as statements:
        assert (await world.call("GET", "/auth/me", token=token)).status == 200
    assert statements == []


async def test_logins_of_one_company_do_not_wait_for_each_other_for_ever(world: World):
    """Each writes the company's row and shares it: in the other order two would deadlock."""
    families: set[str] = set()

    async def login(address: str) -> None:
        login = world.app.parts.auth.login
        families.add((await login("user@a.test", PASSWORD, address=address, agent="")).family)

    async with trio.open_nursery() as nursery:
        for n in range(20):
            nursery.start_soon(login, f"198.51.100.{n}")
    assert len(families) == 20


async def test_the_list_of_companies_costs_the_same_however_many_there_are(world: World):
    costs = []
    await world.call("GET", "/companiesPlan", token=world.super)  # who asks is known from now on
    for name in ("c", "d"):
        admin = NewUser(name="A", email=f"a@{name}.test", password_hash="", profile="admin")
        await create_company(world.app.parts.database, NewCompany(name=name), admin)
        with counted() as statements:
            listed = await world.call("GET", "/companiesPlan", token=world.super)
        costs.append([statement.split()[0] for statement in statements])
    assert costs == [["SELECT", "SELECT"]] * 2
    shown = listed.json()["companies"]
    assert [company["name"] for company in shown] == ["a", "b", "c", "d"]
    assert all(company["companieSettings"] for company in shown)


async def test_a_page_of_messages_is_two_looks(world: World):
    path = f"/messages/{world.a.ticket_id}"
    for token in (world.a.admin, world.a.user):
        await world.call("GET", path, token=token)  # who asks is known from now on
        for query in ("", "pageNumber=2", "markAsRead=false"):
            with counted() as statements:
                assert (await world.call("GET", path, token=token, query=query)).status == 200
            assert [statement.split()[0] for statement in statements] == ["SELECT", "WITH"], query
