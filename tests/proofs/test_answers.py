"""A server that dies between its commit and the answer: the repetition hears, and nothing is doubled."""

from pathlib import Path

import msgspec
import pytest
import trio

from tests.proofs.lines import Line, Lost
from tests.proofs.processes import START_LIMIT, Server, served

DEMO = {"DEMO_EMAIL": "a@demo.test", "DEMO_PASSWORD": "correct horse"}
WORKED = "http.worked:1:kill"
"""The work is committed, its answer neither stored nor sent."""


async def begin(server: Server, **environment: str) -> tuple[Line, dict[str, str]]:
    """A running server, a connection to it, and the headers of a logged-in admin."""
    said = server.said().count(DEMO["DEMO_PASSWORD"])
    server.start("--demo", "--no-simulate", **environment)
    await server.ready()
    with trio.fail_after(START_LIMIT):
        while True:
            if server.said().count(DEMO["DEMO_PASSWORD"]) > said:
                break  # the people come last
            await trio.sleep(0.02)
    line = Line(server.port)
    body = msgspec.json.encode({"email": DEMO["DEMO_EMAIL"], "password": DEMO["DEMO_PASSWORD"]})
    answer = await line.call("POST", "/auth/login", body, {"content-type": "application/json"})
    assert answer.status == 200, answer
    token = msgspec.convert(answer.json, dict)["token"]
    return line, {"authorization": f"Bearer {token}", "content-type": "application/json"}


@pytest.mark.prove
@pytest.mark.parametrize(
    ("path", "body", "status", "listed"),
    [
        ("/quick-messages", {"shortcode": "hi", "message": "Hello"}, 200, "shortcode"),
        ("/files", {"name": "Bills", "options": [{"name": "o"}]}, 409, "name"),
    ],
)
async def test_a_killed_server_answers_the_repetition_and_did_it_once(
    dsn: str, folder: Path, path: str, body: dict[str, object], status: int, listed: str
) -> None:
    with served(folder, "http://127.0.0.1:9", dsn, **DEMO) as server:
        line, headers = await begin(server, CHATIA_FAULT=WORKED)
        asked = msgspec.json.encode(body)
        with pytest.raises(Lost):
            await line.call("POST", path, asked, headers | {"idempotency-key": "k"})
        assert server.program is not None
        await server.program.ended()
        line, headers = await begin(server)
        answers = [
            await line.call("POST", path, asked, headers | {"idempotency-key": "k"})
            for _ in range(2)
        ]
        assert [answer.status for answer in answers] == [status, status]
        page = msgspec.convert((await line.call("GET", path, b"", headers)).json, dict)
        (rows,) = [rows for rows in page.values() if isinstance(rows, list)]
        assert [row[listed] for row in rows].count(body[listed]) == 1
        if status == 200:
            assert answers[0].headers["idempotent-replayed"] == "true"
            assert msgspec.convert(answers[0].json, dict)[listed] == body[listed]
        await line.close()
