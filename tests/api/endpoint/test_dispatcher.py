"""What every declared endpoint does by itself, before and after its handler."""

import json
import logging
from collections.abc import AsyncIterator

import msgspec
import pytest
import trio
from trio.testing import MockClock

from actors import errors as domain
from api.endpoint import (
    Ctx,
    Id,
    Int,
    PublicCtx,
    Raw,
    Reply,
    Routes,
    Short,
    Stream,
    admin,
    public,
    super_user,
)
from api.errors import TooManyRequests
from storage import errors as storage
from storage.ids import TicketId

routes = Routes("/things", tag="things", missing="ERR_NO_THING_FOUND")
FAILURES: dict[str, Exception] = {
    "missing": storage.NotFound(),
    "conflict": storage.UniqueViolation("uq_things_name"),
    "retry": storage.DatabaseUnavailable("gone", retry_after=4),
    "share": storage.Overloaded(retry_after=2, company=True),
    "node": storage.Overloaded(retry_after=2, company=False),
    "unknown": storage.OutcomeUnknown("?"),
    "busy": domain.Busy(retry_after=3, company=True),
    "other": domain.OtherOpenTicket(5),
    "ticket": domain.UnknownTicket(),
    "limit": TooManyRequests(retry_after=90),
    "bug": ZeroDivisionError("secret of the house"),
}


class Thing(msgspec.Struct, rename="camel"):
    thing_id: Id
    name: Short = ""
    count: Int = 0


class NewThing(msgspec.Struct):
    name: Short
    count: Int = 0


class ThingQuery(msgspec.Struct, rename="camel"):
    page_number: Int = 1
    ids: list[Id] = []


@routes.get("/{thing_id}")
async def show(ctx: Ctx, thing_id: TicketId, query: ThingQuery) -> Thing:
    """Show a thing."""
    return Thing(thing_id, count=query.page_number + sum(query.ids))


@routes.post()
async def create(ctx: Ctx, body: NewThing) -> Reply[Thing]:
    return Reply(body=Thing(1, body.name, body.count), status=201, headers=(("x-made", "yes"),))


@routes.delete("/{thing_id}", guard=admin)
async def remove(ctx: Ctx, thing_id: TicketId) -> None: ...


@routes.get("/secret/all", guard=super_user)
async def everything(ctx: Ctx) -> list[Thing]:
    return [Thing(1), Thing(2)]


@routes.get("/open/{key}", guard=public)
async def bare(ctx: PublicCtx, key: str) -> str:
    return key


@routes.post("/fail/{how}")
async def fail(ctx: Ctx, how: str) -> None:
    raise FAILURES[how]


@routes.get("/slow/one", deadline=0.5)
async def slow(ctx: Ctx) -> None:
    await trio.sleep(60)


@routes.post("/later", built=False)
async def later(ctx: Ctx, body: NewThing) -> None: ...


@routes.get("/file/one", guard=public)
async def file(ctx: PublicCtx) -> Stream:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"abc"
        yield b"def"

    return Stream(chunks=chunks(), length=6, content_type="text/plain")


@routes.get("/page/one", guard=public)
async def page(ctx: PublicCtx) -> Raw:
    return Raw(content=b"hello", content_type="text/html", headers=(("cache-control", "public"),))


@pytest.fixture
def client(serve):
    return serve(routes)


async def test_a_reply_is_json_under_wire_names(client):
    answer = await client("GET", "/Things/7/", query="pageNumber=2&ids=[1,2]", token="user")
    assert (answer.status, answer.json()) == (200, {"thingId": 7, "name": "", "count": 5})
    assert answer.headers["content-type"] == "application/json; charset=utf-8"


async def test_a_reply_may_choose_status_and_headers(client):
    answer = await client("POST", "/things", body=b'{"name":"a","count":"3"}', token="user")
    assert (answer.status, answer.json()["count"], answer.headers["x-made"]) == (201, 3, "yes")


async def test_nothing_is_an_empty_body(client):
    answer = await client("DELETE", "/things/1", token="admin")
    assert (answer.status, answer.body) == (200, b"")


async def test_text_is_a_bare_json_string(client):
    assert (await client("GET", "/things/open/AppName")).json() == "AppName"


async def test_without_a_token_it_is_401_before_the_body_is_looked_at(client):
    answer = await client("POST", "/things", body=b"{")
    assert (answer.status, answer.json()) == (401, {"error": "ERR_SESSION_EXPIRED"})


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Basic dXNlcg==", "user"])
async def test_what_is_no_bearer_token_is_none(client, header):
    answer = await client("GET", "/things/1", headers={"authorization": header})
    assert answer.status == 401


async def test_a_refused_token_is_403_so_that_clients_refresh(client):
    assert (await client("GET", "/things/1", token="stale")).status == 403


@pytest.mark.parametrize(
    ("token", "method", "path", "status"),
    [
        ("user", "DELETE", "/things/1", 403),
        ("admin", "DELETE", "/things/1", 200),
        ("admin", "GET", "/things/secret/all", 403),
        ("super", "GET", "/things/secret/all", 200),
        ("super", "DELETE", "/things/1", 200),
    ],
)
async def test_guards_know_user_admin_and_super_user(client, token, method, path, status):
    assert (await client(method, path, token=token)).status == status


@pytest.mark.parametrize("thing_id", ["x", "-1", "1.0", "9" * 16, "٣", "%00", "1 "])
async def test_what_no_id_looks_like_names_no_row(client, thing_id):
    assert (await client("GET", f"/things/{thing_id}", token="user")).status == 404


async def test_malformed_and_mistyped_bodies_are_400_with_details(client):
    malformed = await client("POST", "/things", body=b"{", token="user")
    assert (malformed.status, malformed.json()["error"]) == (400, "ERR_MALFORMED_JSON")
    mistyped = await client("POST", "/things", body=b'{"name":"a","count":"x"}', token="user")
    assert mistyped.status == 400
    assert mistyped.json()["error"] == "ERR_VALIDATION"
    assert mistyped.json()["details"][0]["path"] == "$.count"


async def test_a_media_type_that_is_not_read_is_415(client):
    answer = await client(
        "POST", "/things", body=b"<a/>", headers={"content-type": "text/xml"}, token="user"
    )
    assert answer.status == 415


async def test_forms_are_read_like_json(client):
    kind = {"content-type": "application/x-www-form-urlencoded"}
    answer = await client("POST", "/things", body=b"name=a&count=4", headers=kind, token="user")
    assert answer.json()["count"] == 4


@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_over_the_limit_is_413(client, declared):
    headers = {"content-length": "1001"} if declared else {}
    answer = await client(
        "POST", "/things", body=b"x" * 1001, headers=headers, token="user", piece=100
    )
    assert (answer.status, answer.json()["error"]) == (413, "ERR_FILESIZE_OVER_LIMIT")


@pytest.mark.parametrize(
    ("how", "status", "code", "retry_after"),
    [
        ("missing", 404, "ERR_NO_THING_FOUND", None),
        ("conflict", 409, "ERR_DUPLICATED", None),
        ("retry", 503, "ERR_UNAVAILABLE", "4"),
        ("share", 429, "ERR_OVERLOADED", "2"),
        ("node", 503, "ERR_OVERLOADED", "2"),
        ("unknown", 503, "ERR_OUTCOME_UNKNOWN", "1"),
        ("busy", 429, "ERR_OVERLOADED", "3"),
        ("other", 400, "ERR_OTHER_OPEN_TICKET", None),
        ("ticket", 404, "ERR_NO_TICKET_FOUND", None),
        ("limit", 429, "ERR_TOO_MANY_REQUESTS", "90"),
    ],
)
async def test_errors_are_answered_by_the_one_table(client, how, status, code, retry_after):
    answer = await client("POST", f"/things/fail/{how}", token="user")
    assert (answer.status, answer.json()["error"]) == (status, code)
    assert answer.headers.get("retry-after") == retry_after


async def test_a_defect_is_500_logged_and_tells_nothing(client, caplog):
    with caplog.at_level(logging.ERROR):
        answer = await client("POST", "/things/fail/bug", token="user")
    assert (answer.status, answer.json()) == (500, {"error": "ERR_INTERNAL"})
    assert b"house" not in answer.body
    assert "ZeroDivisionError" in caplog.text


async def test_a_passed_deadline_is_503(client, autojump_clock: MockClock):
    answer = await client("GET", "/things/slow/one", token="user")
    assert (answer.status, answer.json()["error"]) == (503, "ERR_TIMEOUT")
    assert answer.headers["retry-after"] == "1"


async def test_declared_but_unbuilt_is_501_for_those_who_may_ask(client):
    assert (await client("POST", "/things/later")).status == 401
    answer = await client("POST", "/things/later", token="user")
    assert (answer.status, answer.json()["error"]) == (501, "ERR_NOT_AVAILABLE")


async def test_a_wrong_method_is_405_and_names_the_right_ones(client):
    answer = await client("PUT", "/things", token="user")
    assert (answer.status, answer.headers["allow"]) == (405, "OPTIONS, POST")


async def test_head_is_get_without_a_body(client):
    answer = await client("HEAD", "/things/open/abc")
    assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"", "5")


async def test_streams_are_sent_in_pieces_of_a_declared_length(client):
    answer = await client("GET", "/things/file/one")
    assert (answer.body, answer.headers["content-length"]) == (b"abcdef", "6")


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PURGE"])
async def test_unknown_paths_are_404_in_the_familys_shape(client, method: str):
    answer = await client(method, "/nothing")
    assert answer.status == 404
    assert answer.headers["x-content-type-options"] == "nosniff"
    if method != "HEAD":
        assert json.loads(answer.body) == {"error": "ERR_NOT_FOUND"}


async def test_only_http_is_served(client):
    with pytest.raises(ValueError, match="no lifespan here"):
        await client.app({"type": "lifespan"}, None, None)


async def test_every_answer_carries_security_headers_and_a_request_id(client):
    answer = await client("GET", "/things/1", headers={"x-request-id": "abcdefgh-1"})
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-request-id"] == "abcdefgh-1"
    odd = await client("GET", "/things/1", headers={"x-request-id": "a b\x01"})
    assert odd.headers["x-request-id"] != "a b\x01"


async def test_an_endpoint_may_override_a_security_header(client):
    assert (await client("GET", "/things/page/one")).headers["cache-control"] == "public"


async def test_a_listed_origin_is_echoed_exactly_and_may_send_cookies(client):
    origin = {"origin": "https://app.example.com"}
    answer = await client("GET", "/things/1", headers=origin)
    assert answer.headers["access-control-allow-origin"] == "https://app.example.com"
    assert answer.headers["access-control-allow-credentials"] == "true"
    preflight = await client(
        "OPTIONS", "/things/1", headers=origin | {"access-control-request-headers": "x-a"}
    )
    assert preflight.status == 204
    assert preflight.headers["access-control-allow-headers"] == "x-a"
    assert "PUT" in preflight.headers["access-control-allow-methods"]


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "https://app.example.com.evil.example"]
)
async def test_other_origins_get_no_permission(client, origin):
    answer = await client("GET", "/things/open/a", headers={"origin": origin})
    assert "access-control-allow-origin" not in answer.headers
    assert answer.headers["vary"] == "Origin"


async def test_a_client_that_goes_away_mid_body_is_not_served(client):
    answer = await client("POST", "/things", body=b'{"name":', token="user", cut=True)
    assert answer.status == 400


async def test_requests_are_counted(serve):
    client = serve(routes)
    await client("GET", "/things/1", token="user")
    metrics = client.app._parts.metrics.text()
    assert 'chatia_requests_total{endpoint="test_dispatcher.show",status="200"} 1' in metrics
