"""Forgotten passwords, by a real mail server: asked for, mailed, set once; nobody is told who is here."""

import re
from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

import pytest
import sqlalchemy as sa
import trio

from tests.api.conftest import World
from tests.api.test_auth import cookie_of, refresh
from tests.mail_catcher import LETTER, MailCatcher, open_catcher

NEW = "a new password"


@pytest.fixture
async def catcher() -> AsyncIterator[MailCatcher]:
    async with open_catcher() as catcher:
        yield catcher


@pytest.fixture
def environment(catcher: MailCatcher) -> dict[str, str]:
    return {
        "MAIL_HOST": "127.0.0.1",
        "MAIL_PORT": str(catcher.port),
        "MAIL_FROM": "ChatIA <no-reply@chatia.test>",
    }


async def forgot(world: World, email: str):
    return await world.call("POST", "/auth/forgot-password", {"email": email})


async def reset(world: World, email: str, token: str, password: str = NEW):
    body = {"email": email, "token": token, "password": password}
    return await world.call("POST", "/auth/reset-password", body)


async def mailed_token(world: World, catcher: MailCatcher, email: str = "user@a.test") -> str:
    count = len(catcher.letters)
    assert (await forgot(world, email)).status == 200
    letter = (await catcher.wait_for(count + 1))[-1]
    link = re.search(r"https://\S+", letter.get_content())
    return parse_qs(urlsplit(link.group()).query)["token"][0]


async def test_a_forgotten_password_is_set_anew_by_the_mailed_link(
    world: World, catcher: MailCatcher
):
    token = await mailed_token(world, catcher, " User@A.test")
    (letter,) = catcher.letters
    assert (letter["To"], letter["From"]) == ("user@a.test", "ChatIA <no-reply@chatia.test>")
    assert letter.get_content().count(token) == 2
    assert "https://app.example.com/reset-password?email=user%40a.test" in letter.get_content()
    answer = await reset(world, "USER@a.test", token)
    assert (answer.status, answer.json()) == (200, {"code": "PASSWORD_RESET", "ok": True})
    assert (await world.login("user@a.test")).status == 401
    assert (await world.login("user@a.test", NEW)).status == 200


async def test_every_session_ends_with_the_old_password(world: World, catcher: MailCatcher):
    login = await world.login("user@a.test")
    token = login.json()["token"]
    assert (await world.call("GET", "/auth/me", token=token)).status == 200
    await reset(world, "user@a.test", await mailed_token(world, catcher))
    assert (await world.call("GET", "/auth/me", token=token)).status == 401
    assert (await refresh(world, cookie_of(login))).status == 401


async def test_a_token_is_good_once_whoever_is_faster(world: World, catcher: MailCatcher):
    token = await mailed_token(world, catcher)
    answers = []

    async def once(number: int) -> None:
        answers.append(await reset(world, "user@a.test", token, f"password {number}"))

    async with trio.open_nursery() as nursery:
        for number in range(5):
            nursery.start_soon(once, number)
    assert sorted(answer.status for answer in answers) == [200, 400, 400, 400, 400]
    refused = await reset(world, "user@a.test", token)
    assert (refused.status, refused.json()) == (400, {"error": "ERR_RESET_INVALID"})


async def test_a_used_token_takes_the_other_ones_with_it(world: World, catcher: MailCatcher):
    first = await mailed_token(world, catcher)
    second = await mailed_token(world, catcher)
    assert (await reset(world, "user@a.test", first)).status == 200
    assert (await reset(world, "user@a.test", second)).status == 400


async def test_a_token_ends_after_an_hour(world: World, catcher: MailCatcher):
    token = await mailed_token(world, catcher)
    late = sa.text("update password_resets set expires_at = expires_at - interval '61 minutes'")
    await world.app.parts.database.execute(late)
    refused = await reset(world, "user@a.test", token)
    assert (refused.status, refused.json()) == (400, {"error": "ERR_RESET_EXPIRED"})


async def test_a_token_opens_only_the_account_it_was_mailed_to(world: World, catcher: MailCatcher):
    token = await mailed_token(world, catcher)
    for email in ("admin@a.test", "user@b.test", "nobody@x.test", ""):
        assert (await reset(world, email, token)).json() == {"error": "ERR_RESET_INVALID"}
    assert (await reset(world, "user@a.test", token)).status == 200


async def test_a_password_set_otherwise_closes_the_mailed_token(world: World, catcher: MailCatcher):
    token = await mailed_token(world, catcher)
    path = f"/users/{world.a.user_id}"
    changed = await world.call("PUT", path, {"password": "other one"}, token=world.a.admin)
    assert changed.status == 200
    assert (await reset(world, "user@a.test", token)).status == 400


async def test_nobody_is_told_which_addresses_are_known(world: World, catcher: MailCatcher):
    known, unknown = await forgot(world, "user@a.test"), await forgot(world, "nobody@a.test")
    assert (known.status, known.body) == (unknown.status, unknown.body)
    await catcher.wait_for(1)
    stored = await world.app.parts.database.value(sa.text("select count(*) from password_resets"))
    assert stored == 1


async def test_older_clients_use_paths(world: World, catcher: MailCatcher):
    asked = await world.call("POST", "/forgetpassword/user@a.test")
    assert (asked.status, asked.json()) == (200, {"message": "Verifique o seu e-mail"})
    (letter,) = await catcher.wait_for(1)
    token = re.search(r"token=(\S+)", letter.get_content()).group(1)
    done = await world.call("POST", f"/resetpasswords/user@a.test/{token}/newsecret")
    assert done.status == 200
    assert (await world.login("user@a.test", "newsecret")).status == 200


async def test_an_account_gets_few_letters_and_an_address_asks_for_few(
    world: World, catcher: MailCatcher
):
    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(forgot, world, "user@a.test")
    refused = await forgot(world, "admin@a.test")
    assert refused.status == 429
    assert int(refused.headers["retry-after"]) > 1
    await catcher.wait_for(3)
    ordered = sa.text("select count(*) from outbox where kind = 'mail'")
    assert await world.app.parts.database.value(ordered) == 3


async def test_guessing_tokens_is_limited(world: World, catcher: MailCatcher):
    tried = [(await reset(world, "user@a.test", f"guess {n}")).status for n in range(21)]
    assert tried == [400] * 20 + [429]


async def test_a_short_password_is_refused_and_the_token_stays_good(
    world: World, catcher: MailCatcher
):
    token = await mailed_token(world, catcher)
    assert (await reset(world, "user@a.test", token, "1234")).status == 400
    assert (await reset(world, "user@a.test", token)).status == 200


async def test_the_database_holds_neither_the_token_nor_the_letter(
    world: World, catcher: MailCatcher
):
    catcher.answers["MAIL"] = "451 later"
    await forgot(world, "user@a.test")
    await catcher.wait_to_hear("MAIL")
    database = world.app.parts.database
    payload = await database.value(sa.text("select payload::text from outbox where kind = 'mail'"))
    assert payload
    assert "user@a.test" not in payload
    assert "reset-password" not in payload


async def state_of_mail(world: World, *ended: str) -> str:
    """The state of the only letter, once it is one of these."""
    found = sa.text("select state from outbox where kind = 'mail'")
    with trio.fail_after(10):
        while (state := await world.app.parts.database.value(found)) not in ended:
            await trio.lowlevel.checkpoint()
    return state


@pytest.mark.parametrize(
    ("verb", "answer", "state"),
    [
        ("MAIL", "451 later", "pending"),
        ("RCPT", "550 no such user", "failed"),
        ("DATA", "452 full", "pending"),
        (LETTER, "554 spam", "failed"),
        (LETTER, "", "unknown"),
        (LETTER, "250 kept", "sent"),
    ],
)
async def test_a_letter_that_may_have_left_is_not_sent_again(
    world: World, catcher: MailCatcher, verb: str, answer: str, state: str
):
    catcher.answers[verb] = answer
    await forgot(world, "user@a.test")
    await catcher.wait_to_hear(verb)
    assert await state_of_mail(world, "pending", "failed", "unknown", "sent") == state
    kept = sa.text("select payload is not null, attempt from outbox where kind = 'mail'")
    ((has_text, attempt),) = await world.app.parts.database.rows(kept)
    assert (has_text, attempt) == (state == "pending", 1)


@pytest.mark.parametrize("environment", [{}])
async def test_without_a_mail_server_it_is_refused_honestly(world: World):
    for path, body in (
        ("/auth/forgot-password", {"email": "user@a.test"}),
        ("/forgetpassword/user@a.test", None),
    ):
        refused = await world.call("POST", path, body)
        assert (refused.status, refused.json()["error"]) == (501, "ERR_NOT_AVAILABLE")
