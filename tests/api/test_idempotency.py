"""Idempotency-Key on every POST: one executes, all get its answer, and a crash doubles nothing."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
import trio

from api.http_types import Request, Response
from api.idempotency import Idempotency
from api.routes import table
from storage import idempotency
from storage.acts import Once
from storage.database import Tx
from storage.errors import DatabaseUnavailable
from storage.idempotency import idempotency_keys
from tests.api.conftest import World
from tests.api.endpoint.conftest import Answer
from tests.api.mutations import call, prepared
from tests.api.test_plain_nouns import form

WITHOUT = {
    "auth.login": "its answer is a token, which must not be stored; twice is two sessions",
    "auth.refresh": "parallel refreshes get the same successor as it is",
    "passwords.forgot": "answers nobody what it did",
    "passwords.forgot_there": "the same",
    "passwords.reset": "the mailed token is good once",
    "passwords.reset_there": "the same",
    "sign_ups.sign_up": "the address is good once; nobody is known yet whose key it were",
    "sign_ups.sign_up_there": "the same",
    "front.receive_at_root": "a provider's delivery carries its own ids",
    "whatsapp.receive": "the same",
    "whatsapp.receive_connection": "the same",
}
"""POSTs that take no key, and why a repetition does no harm."""


def replayed(answer: Answer) -> bool:
    return answer.headers.get("idempotent-replayed") == "true"


async def rows(world: World) -> list[dict[str, str]]:
    return [await world.rows_of(company) for company in (world.a, world.b)]


async def acts(world: World) -> list[str]:
    """What was done so far, as the audit log knows; sends go on in the background meanwhile."""
    return [found["audit_log"] for found in await rows(world)]


async def test_a_repetition_gets_the_first_answer_and_another_body_is_refused(world: World):
    tried = 0
    for endpoint in await prepared(world):
        if endpoint.method != "POST":
            continue
        first = await call(world, endpoint, key=endpoint.name)
        assert first.status < 300, (endpoint.name, first)
        assert not replayed(first), endpoint.name
        before = await acts(world)
        again = await call(world, endpoint, key=endpoint.name)
        assert (endpoint.name, again.status, again.body) == (
            endpoint.name,
            first.status,
            first.body,
        )
        assert replayed(again), endpoint.name
        other = await call(world, endpoint, key=endpoint.name, more=b" ")
        assert (endpoint.name, other.status) == (endpoint.name, 422)
        assert other.json()["error"] == "ERR_IDEMPOTENCY_KEY_REUSED"
        assert await acts(world) == before, endpoint.name
        tried += 1
    assert tried > 60


async def test_of_two_at_once_one_executes(world: World):
    for endpoint in await prepared(world):
        if endpoint.method != "POST":
            continue
        answers: list[Answer] = []

        async def ask(answers: list[Answer] = answers, endpoint: Any = endpoint) -> None:
            answers.append(await call(world, endpoint, key=f"two {endpoint.name}"))

        async with trio.open_nursery() as nursery:
            for _ in range(2):
                nursery.start_soon(ask)
        one, two = answers
        assert (endpoint.name, one.status, one.body) == (endpoint.name, two.status, two.body)
        assert [replayed(one), replayed(two)].count(True) == 1, endpoint.name


async def test_the_cookie_of_an_answer_lies_sealed_and_is_replayed(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    once, let_in, both_in = Idempotency.once, [], trio.Event()

    async def together(*given: Any, **more: Any) -> Response:
        """Nobody is let in with the token any more after one has gone back."""
        let_in.append(given)
        if len(let_in) == 2:
            both_in.set()
        await both_in.wait()
        return await once(*given, **more)

    monkeypatch.setattr(Idempotency, "once", together)
    acting = await world.call("GET", f"/auth/impersonate/{world.b.id}", token=world.super)
    answers: list[Answer] = []

    async def back() -> None:
        token = acting.json()["token"]
        answers.append(await post(world, "/auth/impersonate/back", {}, "back", token=token))

    async with trio.open_nursery() as nursery:
        for _ in range(2):
            nursery.start_soon(back)
    one, two = answers
    assert (one.status, one.body) == (two.status, two.body) == (200, two.body)
    assert [replayed(one), replayed(two)].count(True) == 1
    assert one.headers["set-cookie"] == two.headers["set-cookie"]
    kept = await world.app.parts.database.rows(sa.select(idempotency_keys))
    assert len(kept) == 1
    cookie = one.headers["set-cookie"].split(";")[0].removeprefix("jrt=")
    assert cookie.startswith("eyJ")
    assert cookie not in str([tuple(row) for row in kept])


async def test_of_a_hundred_at_once_one_is_at_work(world: World):
    """The database would let this process have its keys again: it must not ask for one in use."""
    at_work, most = 0, 0

    async def work(_: Once) -> Response:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        for _ in range(10):
            await trio.lowlevel.checkpoint()
        at_work -= 1
        await away()  # so that the next one has to work as well
        return Response(status=200)

    async def ask() -> None:
        request = Request(method="POST", path="/x", headers={"idempotency-key": "k"})
        with pytest.raises(DatabaseUnavailable):
            await world.app.parts.idempotency.once(request, world.a.id, world.a.user_id, work)

    async with trio.open_nursery() as nursery:
        for _ in range(100):
            nursery.start_soon(ask)
    assert most == 1


def test_the_posts_without_a_key_are_those_that_nobody_known_asks():
    public = {e.name for e in table() if e.built and e.method == "POST" and e.guard.public}
    assert public == WITHOUT.keys()


async def post(world: World, path: str, body: object, key: str = "k", **more: Any) -> Answer:
    return await world.client(
        "POST",
        path,
        body=msgspec.json.encode(body),
        token=more.pop("token", world.a.admin),
        headers={"idempotency-key": key},
    )


async def away(*_: object, **_more: object) -> None:
    """What the database does in an outage."""
    await trio.lowlevel.checkpoint()
    message = "away"
    raise DatabaseUnavailable(message)


@pytest.fixture
def lost_answers(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """The database goes away between commit and answer; call for it to come back."""
    monkeypatch.setattr(idempotency, "finish", away)
    return monkeypatch.undo


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/quick-messages", {"shortcode": "oi", "message": "Olá"}),
        ("/contact-lists", {"name": "Customers"}),
        ("/tags", {"name": "New"}),
        ("/queue", {"name": "New", "color": "#abc"}),
        ("/users", {"name": "N", "email": "n@x.test", "password": "secret"}),
        ("/api-tokens", {"name": "N", "scopes": ["contacts:read"]}),
    ],
)
async def test_an_answer_is_stored_with_what_it_tells_of(
    world: World, lost_answers: Callable[[], None], path: str, body: object
):
    assert (await post(world, path, body)).status == 503
    lost_answers()
    before = await rows(world)
    again = await post(world, path, body)
    assert (again.status, replayed(again)) == (200, True)
    assert again.json()["id"]
    assert await rows(world) == before


async def test_what_kept_no_answer_is_still_not_done_twice(
    world: World, lost_answers: Callable[[], None]
):
    body = {"name": "f", "options": [{"name": "o"}]}
    assert (await post(world, "/files", body)).status == 503
    lost_answers()
    before = await rows(world)
    again = await post(world, "/files", body)
    assert (again.status, again.json()["error"]) == (409, "ERR_IDEMPOTENCY_ANSWER_LOST")
    other = await post(world, "/files", body | {"name": "g"})
    assert other.status == 422
    assert await rows(world) == before


async def test_a_send_that_lost_its_answer_is_answered_by_its_message(
    world: World, lost_answers: Callable[[], None]
):
    path, body = f"/messages/{world.a.ticket_id}", {"body": "once"}
    assert (await post(world, path, body)).status == 503
    lost_answers()
    again = await post(world, path, body)
    assert again.status == 200
    page = await world.call("GET", path, token=world.a.admin)
    assert [m["body"] for m in page.json()["messages"]].count("once") == 1


@pytest.mark.parametrize("lost", [(), ("storage.idempotency.release",)])
async def test_what_was_refused_before_a_commit_may_be_tried_again(
    world: World, monkeypatch: pytest.MonkeyPatch, lost: tuple[str, ...]
):
    """Even where the outage that refused it kept the key from being given back as well."""
    for place in ("storage.repo.Repo.insert", *lost):
        monkeypatch.setattr(place, away)
    body = {"shortcode": "oi", "message": "Olá"}
    assert (await post(world, "/quick-messages", body)).status == 503
    monkeypatch.undo()
    again = await post(world, "/quick-messages", body)
    assert (again.status, replayed(again)) == (200, False)


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> list[Tx]:
    """The transactions of requests that came to their commit."""
    found: list[Tx] = []
    commit = Tx._commit

    async def counted(tx: Tx, connection: Any) -> None:
        if tx._act is not None:
            found.append(tx)
        await commit(tx, connection)

    monkeypatch.setattr(Tx, "_commit", counted)
    return found


async def test_a_key_is_given_away_with_the_last_commit_or_with_the_answer(
    world: World, commits: list[Tx]
):
    for endpoint in await prepared(world):
        if endpoint.method != "POST":
            continue
        commits.clear()
        assert (await call(world, endpoint, key=endpoint.name)).status < 300, endpoint.name
        taking = [tx for tx in commits if tx._act is not None and tx._act.once is not None]
        if endpoint.repeatable:
            assert not taking, endpoint.name
        assert len(taking) < 2 or taking[0]._answer is not None, endpoint.name


PEOPLE = b"name,number,tags\n" + b"".join(b"P,55118888000%02d,t%d\n" % (n, n) for n in range(6))


async def send_people(world: World, path: str) -> Answer:
    body, headers = form("file", "p.csv", PEOPLE)
    headers |= {"idempotency-key": "k"}
    return await world.client("POST", path, body=body, headers=headers, token=world.a.admin)


async def tag(world: World, path: str) -> Answer:
    body = {"contactId": world.a.contact_id, "tags": [{"id": world.a.tag_id}]}
    return await post(world, path, body)


async def found_company(world: World, path: str) -> Answer:
    body = {"name": "New", "email": "first@new.test", "campaignsEnabled": False}
    return await post(world, path, body, token=world.super)


@pytest.mark.parametrize(
    ("ask", "path", "table", "added"),
    [
        (send_people, "/contact-lists/{}/upload", "contact_list_items", 6),
        (send_people, "/contacts/importCsv", "contact_tags", 6),
        (tag, "/tags/sync", "contact_tags", 1),
        (found_company, "/companies", "companies", 1),
    ],
)
async def test_what_broke_off_between_two_commits_is_whole_after_its_repetition(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    ask: Callable[[World, str], Awaitable[Answer]],
    path: str,
    table: str,
    added: int,
):
    for most in ("mailing_lists.BATCH", "contact_files.MOST_IMPORTED"):
        monkeypatch.setattr(f"api.resources.{most}", 2)
    made = await world.call("POST", "/contact-lists", {"name": "l"}, token=world.a.admin)
    path = path.format(made.json()["id"])
    count = sa.text(f"SELECT count(*) FROM {table}")
    before = await world.app.parts.database.value(count)
    commit, commits = Tx._commit, 0

    async def second_fails(tx: Tx, connection: Any) -> None:
        nonlocal commits
        commits += tx._act is not None
        if commits == 2:
            await connection.execute("ROLLBACK")
            message = "away"
            raise DatabaseUnavailable(message)
        await commit(tx, connection)

    with monkeypatch.context() as outage:
        outage.setattr(Tx, "_commit", second_fails)
        broken = await ask(world, path)
    assert broken.status == (503 if commits > 1 else 200)
    again = await ask(world, path)
    assert (again.status, replayed(again)) == (200, commits < 2), again
    assert await world.app.parts.database.value(count) == before + added


async def test_a_stored_answer_does_not_show_the_token_in_it(world: World):
    body = {"name": "N", "scopes": ["contacts:read"]}
    token = (await post(world, "/api-tokens", body)).json()["token"]
    kept = await world.app.parts.database.rows(sa.select(idempotency_keys.c.reply))
    assert all(token.encode() not in row[0] for row in kept)
    assert (await post(world, "/api-tokens", body)).json()["token"] == token


async def test_keys_are_each_principals_own(world: World):
    body = {"shortcode": "oi", "message": "Olá"}
    mine = await post(world, "/quick-messages", body)
    theirs = await post(world, "/quick-messages", body, token=world.b.admin)
    assert not replayed(theirs)
    assert theirs.json()["companyId"] == world.b.id
    assert mine.json()["companyId"] == world.a.id
    acting = await world.call("GET", f"/auth/impersonate/{world.b.id}", token=world.super)
    operator = await post(world, "/quick-messages", body, token=acting.json()["token"])
    assert not replayed(operator)
    colleague = await post(world, "/quick-messages", body, token=world.a.user)
    assert not replayed(colleague)
    path = f"/messages/{world.b.ticket_id}"
    tokens = (world.b.admin, acting.json()["token"], world.b.admin)
    sent = [
        (await post(world, path, {"body": "oi"}, "m", token=token)).json()["id"] for token in tokens
    ]
    assert sent[0] != sent[1]
    assert sent[0] == sent[2]


@pytest.mark.parametrize("key", ["", "x" * 256, "a\x1fb"])
async def test_odd_keys_are_refused(world: World, key: str):
    refused = await post(world, "/tags", {"name": "x"}, key=key)
    assert (refused.status, refused.json()["error"]) == (400, "ERR_IDEMPOTENCY_KEY_INVALID")
