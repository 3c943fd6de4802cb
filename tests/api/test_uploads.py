"""Uploads: never read for strangers, never whole in memory, never larger than allowed."""

from typing import Any

import pytest
import trio
import trio.testing

from actors.channels.base import Account, FetchFailed, Identity, Media
from actors.media import LocalMediaStore
from tests.api.conftest import World
from tests.api.test_conversations import messages
from tests.api.test_plain_nouns import form, upload

PNG = b"\x89PNG\r\n\x1a\n"


async def test_a_strangers_upload_is_refused_unread(world: World):
    _, headers = form("file", "x.png", PNG)
    got: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        raise AssertionError

    async def send(message: dict[str, Any]) -> None:
        got.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": f"/messages/{world.a.ticket_id}",
        "query_string": b"",
        "client": ("192.0.2.1", 1),
        "headers": [(name.encode(), text.encode()) for name, text in headers.items()],
    }
    await world.app.asgi(scope, receive, send)
    assert got[0]["status"] == 401


async def test_a_large_file_reaches_the_store_in_pieces(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    largest = 0
    put = LocalMediaStore.put

    async def watched(store: Any, company_id: int, content: Any, **more: Any) -> Any:
        async def pieces() -> Any:
            nonlocal largest
            async for piece in content:
                largest = max(largest, len(piece))
                yield piece

        return await put(store, company_id, pieces(), **more)

    monkeypatch.setattr(LocalMediaStore, "put", watched)
    whole = PNG + b"z" * 3_000_000
    path = f"/messages/{world.a.ticket_id}"
    sent = await upload(world, path, world.a.admin, "big.png", whole)
    assert sent.status == 200, sent
    where = sent.json()["mediaUrl"].removeprefix(world.settings.public_url)
    assert (await world.call("GET", where, token=world.a.user)).body == whole
    assert 0 < largest < 1_000_000


async def test_files_over_the_installations_limit_are_413(world: World):
    path = f"/messages/{world.a.ticket_id}"
    body = {"value": "1"}
    answer = await world.call("PUT", "/settings/uploadLimit", body, token=world.super)
    assert answer.status == 200, answer
    small = await upload(world, path, world.a.admin, "s.png", PNG + b"z" * 1_000_000)
    assert small.status == 200, small
    large = await upload(world, path, world.a.admin, "l.png", PNG + b"z" * 1_100_000)
    assert (large.status, large.json()["error"]) == (413, "ERR_FILESIZE_OVER_LIMIT")
    assert len(await messages(world, world.a.ticket_id, world.a.admin)) == 2


@pytest.mark.parametrize("environment", [{"UPLOAD_LIMIT_BYTES": "50000"}])
async def test_a_body_over_the_servers_limit_is_413(world: World):
    answer = await upload(world, "/contacts/importCsv", world.a.admin, "x", b"z" * 60_000)
    assert (answer.status, answer.json()["error"]) == (413, "ERR_FILESIZE_OVER_LIMIT")


async def test_the_same_upload_under_a_key_is_one_and_another_is_refused(world: World):
    path = f"/messages/{world.a.ticket_id}"
    statuses = []
    for content in (PNG, PNG, PNG + b"x"):
        body, headers = form("file", "x.png", content)
        headers["idempotency-key"] = "upload-1"
        answer = await world.client("POST", path, body=body, headers=headers, token=world.a.admin)
        statuses.append(answer.status)
    assert statuses == [200, 200, 422]


async def test_a_greeting_has_a_file_and_loses_it(world: World):
    path = f"/queue/{world.a.department_id}"
    assert (await upload(world, f"{path}/media-upload", world.a.user, "h.png", PNG)).status == 403
    assert (await upload(world, f"{path}/media-upload", world.b.admin, "h.png", PNG)).status == 404
    kept = await upload(world, f"{path}/media-upload", world.a.admin, "../h.png", PNG)
    assert kept.status == 200, kept
    shown = (await world.call("GET", path, token=world.a.user)).json()
    assert shown["mediaName"] == "../h.png"
    assert (await world.call("GET", shown["mediaPath"], token=world.a.user)).body == PNG
    renamed = {"name": "Sales", "mediaPath": "/etc/passwd"}
    changed = (await world.call("PUT", path, renamed, token=world.a.admin)).json()
    assert changed["mediaPath"] == shown["mediaPath"]
    assert (await world.call("DELETE", f"{path}/media-upload", token=world.a.admin)).status == 200
    assert (await world.call("GET", path, token=world.a.user)).json()["mediaPath"] is None


async def test_inbound_files_over_the_installations_limit_are_not_brought_in(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    asked: list[int] = []

    async def fetch(account: Any, media: Media, *, limit: int) -> tuple[bytes, str]:
        asked.append(limit)
        message = f"larger than {limit}"
        raise FetchFailed(message, permanent=True)

    monkeypatch.setattr(world.app.simulator, "fetch", fetch)
    body = {"value": "2"}
    answer = await world.call("PUT", "/settings/downloadLimit", body, token=world.super)
    assert answer.status == 200, answer
    a, simulator = world.a, world.app.simulator
    account = Account(connection_id=a.connection_id, company_id=a.id, external_id="sim")
    sender = Identity(phone="5511900000009")
    picture = simulator.text(sender, "", media=Media(kind="image", id="1", filename="x.png"))
    await simulator.receive(account, sender, "Customer", [picture])
    while not asked:
        await trio.testing.wait_all_tasks_blocked(0.01)
    assert asked == [2 * 1024 * 1024]
