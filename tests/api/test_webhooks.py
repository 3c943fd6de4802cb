"""Providers' doors: the signature first, 200 only after the commit, foreign numbers without effect."""

import msgspec
import pytest
import sqlalchemy as sa
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.channels.whatsapp_cloud import signature, verified
from api.webhooks import deliveries, doors
from storage import connections
from storage.webhook_events import webhook_events
from tests.api.conftest import APP_SECRET, Company, World


def delivery(phone_id: str, *messages: tuple[str, str, str]) -> bytes:
    """A Cloud API webhook body: (message id, sender, text) for each message."""
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15550001111", "phone_number_id": phone_id},
        "contacts": [{"wa_id": sender, "profile": {"name": "Maria"}} for _, sender, _ in messages],
        "messages": [
            {
                "from": sender,
                "id": wamid,
                "timestamp": "1795490000",
                "type": "text",
                "text": {"body": text},
            }
            for wamid, sender, text in messages
        ],
    }
    entry = {"id": "WABA", "changes": [{"field": "messages", "value": value}]}
    return msgspec.json.encode({"object": "whatsapp_business_account", "entry": [entry]})


async def post(world: World, path: str, body: bytes, secret: str | None):
    headers = {} if secret is None else {"x-hub-signature-256": signature(secret, body)}
    return await world.client("POST", path, body=body, headers=headers)


async def texts(world: World, company: Company) -> list[str]:
    """What customers wrote on the company's Cloud connection."""
    listed = await world.call(
        "GET", "/tickets", token=company.admin, query=f"showAll=true&whatsapps=[{company.cloud_id}]"
    )
    found = []
    for ticket in listed.json()["tickets"]:
        page = await world.call(
            "GET", f"/messages/{ticket['id']}", token=company.admin, query="markAsRead=false"
        )
        found += [message["body"] for message in page.json()["messages"]]
    return found


async def kept(world: World) -> int:
    return await world.app.parts.database.value(
        sa.select(sa.func.count()).select_from(webhook_events)
    )


@pytest.mark.parametrize("path", ["/webhook", "/webhooks/whatsapp/webhook-token-of-a"])
async def test_verification_echoes_the_challenge_as_text(world: World, path: str):
    query = "hub.mode=subscribe&hub.verify_token=whaticket&hub.challenge=4711"
    answer = await world.call("GET", path, query=query)
    assert (answer.status, answer.body) == (200, b"4711")
    assert answer.headers["content-type"].startswith("text/plain")
    wrong = await world.call("GET", path, query=query.replace("whaticket", "guess"))
    assert wrong.status == 403


async def test_a_signed_delivery_is_committed_when_it_is_answered(world: World):
    body = delivery(world.a.phone_id, ("wamid.1", "5511988887777", "one"))
    assert (await post(world, "/webhook", body, APP_SECRET)).status == 200
    assert await texts(world, world.a) == ["one"]
    assert await texts(world, world.b) == []


async def test_a_repetition_changes_nothing(world: World):
    body = delivery(world.a.phone_id, ("wamid.1", "5511988887777", "one"))
    path = f"/webhooks/whatsapp/{world.a.cloud_token}"
    assert (await post(world, path, body, world.a.cloud_secret)).status == 200
    before = await world.rows_of(world.a)
    for _ in range(3):
        assert (await post(world, path, body, world.a.cloud_secret)).status == 200
    assert await world.rows_of(world.a) == before


async def test_many_conversations_in_one_delivery_are_all_committed(world: World):
    messages = [(f"wamid.{n}", f"55119888877{n:02}", f"text {n}") for n in range(12)]
    body = delivery(world.a.phone_id, *messages)
    assert (await post(world, "/webhook", body, APP_SECRET)).status == 200
    assert sorted(await texts(world, world.a)) == sorted(text for _, _, text in messages)


async def test_the_url_decides_the_company_and_other_numbers_have_no_effect(world: World):
    body = delivery(world.b.phone_id, ("wamid.9", "5511988887777", "to b"))
    before = await world.rows_of(world.a), await world.rows_of(world.b)
    path = f"/webhooks/whatsapp/{world.a.cloud_token}"
    assert (await post(world, path, body, world.a.cloud_secret)).status == 200
    assert await kept(world) == 1
    assert (await world.rows_of(world.a), await world.rows_of(world.b)) == before


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'{"object":"page","entry":[{}]}', b'{"entry":[{"changes":[{"field":1}]}]}'],
)
async def test_what_cannot_be_understood_is_kept_raw_and_answered_200(world: World, body: bytes):
    assert (await post(world, "/webhook", body, APP_SECRET)).status == 200
    assert await kept(world) == 1


async def test_unsigned_and_wrongly_signed_deliveries_are_refused(world: World):
    body = delivery(world.a.phone_id, ("wamid.1", "5511988887777", "one"))
    before = await world.rows_of(world.a)
    paths = ("/webhook", f"/webhooks/whatsapp/{world.a.cloud_token}")
    for path in paths:
        for secret in (None, "guess", world.b.cloud_secret):
            assert (await post(world, path, body, secret)).status == 403
    assert (await post(world, "/webhooks/whatsapp/unknown", body, APP_SECRET)).status == 403
    own = await post(world, paths[1], body, APP_SECRET)
    assert own.status == 403  # the connection has a secret of its own
    assert await world.rows_of(world.a) == before
    assert await kept(world) == 0


BODY = delivery("100", ("wamid.1", "5511988887777", "one"))
GOOD = signature("secret", BODY)


@given(place=st.integers(0, len(BODY) - 1), value=st.integers(0, 255))
@settings(max_examples=300, suppress_health_check=list(HealthCheck))
def test_no_changed_byte_of_a_body_passes(place: int, value: int):
    changed = BODY[:place] + bytes([value]) + BODY[place + 1 :]
    assert verified("secret", changed, GOOD) is (changed == BODY)


@given(place=st.integers(0, len(GOOD) - 1), letter=st.characters(codec="latin-1"))
def test_no_changed_letter_of_a_signature_passes(place: int, letter: str):
    changed = GOOD[:place] + letter + GOOD[place + 1 :]
    same = changed.strip().lower() == GOOD
    assert verified("secret", BODY, changed) <= same


async def test_a_door_that_changed_while_it_was_looked_up_is_looked_up_again(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    reading, changed, read = trio.Event(), trio.Event(), connections.read_secrets

    async def slow(*args: object, **more: object) -> object:
        found = await read(*args, **more)
        if not reading.is_set():
            reading.set()
            await changed.wait()
        return found

    monkeypatch.setattr(doors.connections, "read_secrets", slow)
    body = delivery(world.a.phone_id, ("wamid.1", "5511988887777", "one"))
    path = f"/webhooks/whatsapp/{world.a.cloud_token}"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(post, world, path, body, world.a.cloud_secret)
        await reading.wait()
        new = {"appSecret": "another secret"}
        edited = await world.call("PUT", f"/whatsapp/{world.a.cloud_id}", new, token=world.a.admin)
        assert edited.status == 200
        changed.set()
    assert (await post(world, path, body, "another secret")).status == 200


async def test_guessed_addresses_do_not_push_known_doors_out(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(doors, "_KEPT", 5)
    body = delivery(world.a.phone_id, ("wamid.1", "5511988887777", "one"))
    path = f"/webhooks/whatsapp/{world.a.cloud_token}"
    assert (await post(world, path, body, world.a.cloud_secret)).status == 200
    for guess in range(10):
        assert (await post(world, f"/webhooks/whatsapp/{guess}", body, "x")).status == 403

    async def asked(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(connections, "by_webhook_token", asked)
    assert (await post(world, path, body, world.a.cloud_secret)).status == 200


@pytest.mark.parametrize(
    "entries",
    [
        [
            {"changes": [{"field": "messages", "value": {"metadata": {"phone_number_id": str(n)}}}]}
            for n in range(1000)
        ],
        [
            {"id": "1", "changes": [{"field": "account_update", "value": {"n": n}}]}
            for n in range(1000)
        ],
    ],
)
async def test_a_delivery_of_many_small_parts_is_kept_once(world: World, entries: object):
    body = msgspec.json.encode({"object": "whatsapp_business_account", "entry": entries})
    path = f"/webhooks/whatsapp/{world.a.cloud_token}"
    assert (await post(world, path, body, world.a.cloud_secret)).status == 200
    assert await kept(world) == 1


async def test_very_many_conversations_of_a_delivery_take_turns():
    running, most, done = 0, 0, 0

    async def job() -> None:
        nonlocal running, most, done
        running += 1
        most = max(most, running)
        await trio.lowlevel.checkpoint()
        running, done = running - 1, done + 1
        if done == 7:
            raise ZeroDivisionError

    with pytest.raises(deliveries.Unfinished):
        await deliveries.run_all([job] * 3000)
    assert (most, done) == (deliveries.AT_ONCE, 3000)
