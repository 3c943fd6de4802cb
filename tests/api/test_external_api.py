"""The external API: a connection's token writes to people, as that connection and nothing else."""

from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from api.api_tokens import SHORTEST
from api.endpoint.forms import MOST_FILES
from api.errors import TokenRefused, TooManyRequests
from api.resources.number_checks import formatted
from api.routes import table
from storage import api_usages
from tests.api.conftest import Company, World
from tests.api.endpoint.conftest import Answer
from tests.api.test_idempotency import away
from tests.api.test_plain_nouns import form

SEND = "/api/messages/send"
CHECK = "/api/messages/checkNumber"
NUMBER = "5511988880000"


async def send(world: World, token: str | None, body: Any, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await world.client(
        "POST", SEND, body=msgspec.json.encode(body), token=token, headers=named
    )


async def ticket(world: World, company: Company, answer: Answer) -> dict[str, Any]:
    path = f"/tickets/{answer.json()['ticketId']}"
    shown: dict[str, Any] = (await world.call("GET", path, token=company.admin)).json()
    return shown


async def texts(world: World, company: Company, answer: Answer) -> list[tuple[str, bool]]:
    path = f"/messages/{answer.json()['ticketId']}"
    page = await world.call("GET", path, token=company.admin, query="markAsRead=false")
    return [(message["body"], message["fromMe"]) for message in page.json()["messages"]]


async def test_a_text_makes_contact_ticket_and_message_of_the_tokens_company(world: World):
    before = await world.rows_of(world.b)
    body = {"number": "+55 (11) 98888-0000", "body": "your order left"}
    answer = await send(world, world.a.api_token, body)
    assert (answer.status, answer.json()["status"]) == (200, "SUCCESS"), answer
    shown = await ticket(world, world.a, answer)
    assert (shown["contact"]["number"], shown["status"]) == (NUMBER, "pending")
    assert (shown["whatsappId"], shown["unreadMessages"]) == (world.a.connection_id, 0)
    assert await texts(world, world.a, answer) == [("your order left", True)]
    again = await send(world, world.a.api_token, body | {"body": "it arrived"})
    assert again.json()["ticketId"] == answer.json()["ticketId"]
    assert await world.rows_of(world.b) == before


async def test_the_other_companys_token_writes_as_the_other_company(world: World):
    before = await world.rows_of(world.a)
    answer = await send(world, world.b.api_token, {"number": NUMBER, "body": "b here"})
    assert (await ticket(world, world.b, answer))["companyId"] == world.b.id
    for wrong in (
        {"userId": world.a.user_id},
        {"queueId": world.a.department_id},
        {"userId": 10**9, "sendSignature": True},
    ):
        refused = await send(world, world.b.api_token, {"number": NUMBER, "body": "x"} | wrong)
        assert (refused.status, refused.json()["error"]) == (400, "ERR_VALIDATION")
    quoting = {"number": NUMBER, "body": "x", "quotedMsg": {"id": world.a.message_id}}
    assert (await send(world, world.b.api_token, quoting)).status in (200, 404)
    assert await world.rows_of(world.a) == before


async def test_user_queue_signature_and_close_are_done(world: World):
    body = {
        "number": NUMBER,
        "body": "hello",
        "userId": world.a.user_id,
        "queueId": str(world.a.department_id),
        "sendSignature": True,
    }
    await send(world, world.a.api_token, {"number": NUMBER, "body": "first"})
    answer = await send(world, world.a.api_token, body)
    shown = await ticket(world, world.a, answer)
    assert (shown["userId"], shown["queueId"]) == (world.a.user_id, world.a.department_id)
    assert shown["status"] == "open"
    assert (await texts(world, world.a, answer))[-1] == ("*User:*\nhello", True)
    closing = {"number": NUMBER, "body": "bye", "closeTicket": True}
    closed = await ticket(world, world.a, await send(world, world.a.api_token, closing))
    assert closed["status"] == "closed"


async def test_files_are_sent_with_the_body_as_caption(world: World):
    form = (
        f'--x\r\nContent-Disposition: form-data; name="number"\r\n\r\n{NUMBER}\r\n'
        '--x\r\nContent-Disposition: form-data; name="body"\r\n\r\nthe bill\r\n'
        '--x\r\nContent-Disposition: form-data; name="medias"; filename="a.txt"\r\n'
        "Content-Type: text/plain\r\n\r\nhello\r\n"
        '--x\r\nContent-Disposition: form-data; name="medias"; filename="b.txt"\r\n'
        "Content-Type: text/plain\r\n\r\nworld\r\n--x--\r\n"
    )
    answer = await world.client(
        "POST",
        SEND,
        body=form.encode(),
        token=world.a.api_token,
        headers={"content-type": "multipart/form-data; boundary=x"},
    )
    assert answer.status == 200, answer
    assert len(answer.json()["messageIds"]) == 2
    assert (await texts(world, world.a, answer))[0] == ("the bill", True)


OTHER_TOKEN = "another-token-that-nobody-can-guess"


def medias(count: int) -> dict[str, Any]:
    """A form that sends as many files."""
    form = f'--x\r\nContent-Disposition: form-data; name="number"\r\n\r\n{NUMBER}\r\n' + "".join(
        f'--x\r\nContent-Disposition: form-data; name="medias"; filename="{n}.txt"\r\n\r\n{n}\r\n'
        for n in range(count)
    )
    headers = {"content-type": "multipart/form-data; boundary=x"}
    return {"body": f"{form}--x--\r\n".encode(), "headers": headers}


@pytest.mark.parametrize("environment", [{"API_RATE_PER_MINUTE": "6"}])
async def test_each_file_of_a_send_counts_as_one(world: World):
    first = await world.client("POST", SEND, token=world.a.api_token, **medias(4))
    assert (first.status, first.headers["ratelimit-remaining"]) == (200, "2")
    over = await world.client("POST", SEND, token=world.a.api_token, **medias(4))
    assert over.status == 429
    assert len(await texts(world, world.a, first)) == 4


async def test_more_files_than_a_route_takes_are_refused(world: World):
    before = await world.rows_of(world.a)
    for path, token, count in (
        (SEND, world.a.api_token, MOST_FILES + 1),
        ("/contacts/importCsv", world.a.admin, 2),
        (f"/quick-messages/{world.a.tag_id}/media-upload", world.a.admin, 2),
    ):
        refused = await world.client("POST", path, token=token, **medias(count))
        assert refused.status == 413, path
    assert await world.rows_of(world.a) == before


async def test_a_repetition_with_its_key_sends_once_and_another_body_is_refused(world: World):
    body = {"number": NUMBER, "body": "once"}
    first = await send(world, world.a.api_token, body, idempotency_key="k1")
    again = await send(world, world.a.api_token, body, idempotency_key="k1")
    assert (again.status, again.body) == (200, first.body)
    assert await texts(world, world.a, first) == [("once", True)]
    other = await send(world, world.a.api_token, body | {"body": "two"}, idempotency_key="k1")
    assert (other.status, other.json()["error"]) == (422, "ERR_IDEMPOTENCY_KEY_REUSED")
    person = await world.client(
        "POST",
        f"/messages/{first.json()['ticketId']}",
        body=b'{"body":"a person"}',
        token=world.a.admin,
        headers={"idempotency-key": "k1"},
    )
    assert person.status == 200  # people's keys are apart from programs'


async def used(world: World) -> tuple[int, int]:
    """How many tickets there are, and how many uses were counted."""
    database = world.app.parts.database
    tickets = await database.value(sa.text("SELECT count(*) FROM tickets"))
    days = await api_usages.rows.all_of(database, world.a.id)
    return tickets, sum(day.used_total for day in days)


async def test_a_send_that_lost_its_answer_opens_no_second_ticket_and_counts_once(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    body = {"number": NUMBER, "body": "once", "closeTicket": True}
    with monkeypatch.context() as outage:
        outage.setattr("storage.idempotency.finish", away)
        assert (await send(world, world.a.api_token, body, idempotency_key="k")).status == 503
    before = await used(world)
    again = await send(world, world.a.api_token, body, idempotency_key="k")
    assert again.status == 200, again
    assert await used(world) == before
    assert (await ticket(world, world.a, again))["status"] == "closed"
    assert await texts(world, world.a, again) == [("once", True)]
    other = await send(world, world.a.api_token, body, idempotency_key="l")
    assert await used(world) == (before[0] + 1, before[1] + 1)
    assert other.json()["messageIds"] != again.json()["messageIds"]


async def test_files_that_were_not_sent_yet_follow_into_the_same_ticket(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    body, headers = form("medias", "a.txt", b"hello", number=NUMBER)
    second, _ = form("medias", "b.txt", b"world")
    headers |= {"idempotency-key": "k"}

    async def ask() -> Answer:
        both = body.removesuffix(b"--edge--\r\n") + second
        return await world.client("POST", SEND, body=both, headers=headers, token=world.a.api_token)

    with monkeypatch.context() as outage:
        count = api_usages.count

        async def first_alone(*given: Any) -> None:
            await count(*given)
            await away()

        outage.setattr(api_usages, "count", first_alone)
        assert (await ask()).status == 503
    tickets, uses = await used(world)
    answer = await ask()
    assert (answer.status, len(answer.json()["messageIds"])) == (200, 2), answer
    assert len(await texts(world, world.a, answer)) == 2
    assert (await used(world), uses) == ((tickets, 2), 1)


async def test_without_a_good_token_it_is_401_or_403_and_a_login_is_none(world: World):
    body = {"number": NUMBER, "body": "x"}
    missing = await send(world, None, body)
    assert (missing.status, missing.json()) == (401, {"error": "ERR_SESSION_EXPIRED"})
    for token in ("guess", "", world.a.cloud_token, "x" * 5000, world.a.admin, world.super):
        refused = await send(world, token, body)
        assert refused.status == (403 if token else 401)
    assert (await world.call("GET", "/tickets", token=world.a.api_token)).status == 403


async def test_a_token_that_was_replaced_opens_nothing_any_more(world: World):
    body = {"number": NUMBER, "body": "x"}
    assert (await send(world, world.a.api_token, body)).status == 200
    path = f"/whatsapp/{world.a.connection_id}"
    changed = await world.call("PUT", path, {"token": OTHER_TOKEN}, token=world.a.admin)
    assert changed.status == 200
    assert (await send(world, world.a.api_token, body)).status == 403
    assert (await send(world, OTHER_TOKEN, body)).status == 200


@pytest.mark.parametrize("environment", [{"API_RATE_PER_MINUTE": "3"}])
async def test_the_limit_is_told_and_kept_per_connection(world: World):
    body = {"number": NUMBER, "body": "x"}
    left = []
    for _ in range(3):
        answer = await send(world, world.a.api_token, body)
        assert answer.headers["ratelimit-limit"] == "3"
        left.append(answer.headers["ratelimit-remaining"])
    assert left == ["2", "1", "0"]
    over = await send(world, world.a.api_token, body)
    assert (over.status, over.json()["error"]) == (429, "ERR_TOO_MANY_REQUESTS")
    assert int(over.headers["retry-after"]) >= 1
    assert over.headers["ratelimit-remaining"] == "0"
    assert (await send(world, world.b.api_token, body)).status == 200


async def test_a_chosen_token_is_long_an_admins_and_no_oracle(world: World):
    path = f"/whatsapp/{world.a.connection_id}"

    async def choose(token: str, who: str) -> int:
        return (await world.call("PUT", path, {"token": token}, token=who)).status

    await world.call(
        "PUT", f"/users/{world.a.user_id}", {"allowConnections": "enabled"}, token=world.a.admin
    )
    assert await choose(OTHER_TOKEN, world.a.user) == 403
    assert (await world.call("PUT", path, {"name": "n"}, token=world.a.user)).status == 200
    for short in ("loja2024", world.b.api_token, "x" * (SHORTEST - 1)):
        assert await choose(short, world.a.admin) == 400
    statuses = [await choose(f"{OTHER_TOKEN} {n}", world.a.admin) for n in range(21)]
    assert statuses == [200] * 20 + [429]


async def test_a_network_guesses_as_one(world: World):
    tokens = world.app.parts.api_tokens
    for n in range(50):
        with pytest.raises(TokenRefused):
            await tokens.authenticate(f"guess {n}", f"2001:db8::{n}")
    with pytest.raises(TooManyRequests):
        await tokens.authenticate("guess", "2001:db8::ffff")


async def test_guessing_tokens_is_slowed_down(world: World):
    body = {"number": NUMBER, "body": "x"}
    statuses = [(await send(world, f"guess {n}", body)).status for n in range(52)]
    assert statuses[:50] == [403] * 50
    assert statuses[-1] == 429


async def test_odd_bodies_are_refused(world: World):
    for body in (
        {},
        {"number": NUMBER},
        {"number": "", "body": "x"},
        {"number": "abc", "body": "x"},
        {"number": "1" * 60, "body": "x"},
        {"number": NUMBER, "body": "  "},
        {"number": {"a": 1}, "body": "x"},
    ):
        refused = await send(world, world.a.api_token, body)
        assert (body, refused.status) == (body, 400)
        assert refused.json()["error"] == "ERR_VALIDATION"


async def test_what_the_channel_cannot_is_said(world: World):
    unregistered = {"number": NUMBER, "body": "x", "noRegister": True}
    before = await world.rows_of(world.a)
    refused = await send(world, world.a.api_token, unregistered)
    assert (refused.status, refused.json()["error"]) == (501, "ERR_NOT_AVAILABLE")
    cloud = {"number": NUMBER, "whatsappId": world.a.cloud_id}
    asked = await world.call("POST", CHECK, cloud, token=world.a.program)
    assert (asked.status, asked.json()["error"]) == (501, "ERR_NOT_AVAILABLE")
    assert (await world.call("POST", CHECK, {"number": NUMBER})).status == 401
    assert await world.rows_of(world.a) == before
    lacking = {endpoint.path for endpoint in table() if endpoint.built and endpoint.lacks}
    assert {SEND, CHECK} <= lacking


async def test_a_number_is_looked_up_where_the_channel_can_tell(world: World):
    there = await world.call("POST", CHECK, {"number": "5571988880001"}, token=world.a.api_token)
    assert (there.status, there.json()) == (
        200,
        {"existsInWhatsapp": True, "number": "5571988880001", "numberFormatted": "557188880001"},
    )
    unknown = await world.call("POST", CHECK, {"number": "12345"}, token=world.a.api_token)
    assert (unknown.status, unknown.json()["existsInWhatsapp"]) == (400, False)


@pytest.mark.parametrize(
    ("number", "known_as"),
    [
        ("5511988880001", "5511988880001"),
        ("5531988880001", "553188880001"),
        ("553188880001", "553188880001"),
        ("351912345678", "351912345678"),
    ],
)
def test_brazilian_mobiles_outside_the_south_east_have_no_ninth_digit(number: str, known_as: str):
    assert formatted(number) == known_as


async def test_uses_are_counted_by_day_and_kind(world: World):
    await send(world, world.a.api_token, {"number": NUMBER, "body": "one"})
    await send(world, world.a.program, {"number": NUMBER, "body": "two"})
    await world.call("POST", CHECK, {"number": NUMBER}, token=world.a.api_token)
    await send(world, world.a.api_token, {"number": "", "body": "refused"})
    (day,) = await api_usages.rows.all_of(world.app.parts.database, world.a.id)
    assert (day.used_total, day.used_text, day.used_check_number) == (3, 2, 1)
    assert await api_usages.rows.all_of(world.app.parts.database, world.b.id) == []
