"""What no client should send, against the whole server: refused in the family's shape, survived."""

from typing import Any

import msgspec
import pytest
from hypothesis import strategies as st
from msgspec import inspect as types

from api.app import listening
from api.endpoint.declaration import Endpoint
from tests.api.conftest import Company, World
from tests.api.edge.test_requests import SMUGGLING
from tests.api.edge.test_server import exchange
from tests.api.endpoint.conftest import Answer
from tests.api.fuzzing import HOSTILE, JSON, bodies, encoded, fuzz
from tests.api.rows import stock
from tests.api.test_every_route import ALL, IDS, NAMES, token_for

WITH_BODY = [endpoint for endpoint in ALL if endpoint.body is not None]
WITH_QUERY = [endpoint for endpoint in ALL if endpoint.query is not None]
KINDS = (
    "text/plain",
    "application/xml",
    "application/x-www-form-urlencoded",
    "application/json; charset=utf-16",
    "multipart/form-data; boundary=x",
    "multipart/form-data",
    "",
)


def path_of(endpoint: Endpoint, company: Company) -> str:
    """The endpoint's path with ids of the company where the fixture has them, else with 1."""
    known = {name: getattr(company, field, 1) for name, field in IDS.items()} | NAMES
    return endpoint.path.format(**{name: known.get(name, 1) for name, _ in endpoint.params})


def assert_answered(endpoint: Endpoint, answer: Answer) -> None:
    """2xx, a declared text, or a refusal in the family's shape; 501 only where it is declared."""
    where = (endpoint.name, answer)
    assert answer.status < 500 or (
        answer.status == 501 and (endpoint.lacks or not endpoint.built)
    ), where
    if endpoint.says and (answer.status, answer.json() if answer.body else None) in endpoint.says:
        return
    if answer.status >= 400:
        assert isinstance(answer.json()["error"], str), where


@pytest.fixture
async def world(world: World) -> World:
    """Both companies with a row of every noun."""
    await stock(world)
    return world


async def assert_alive(world: World) -> None:
    """Both companies can still do what they could."""
    assert (await world.call("GET", "/health")).status == 200
    for company in (world.a, world.b):
        listed = await world.call("GET", "/tickets", token=company.admin)
        assert listed.status == 200, listed
    await world.receive(world.b, "551190000000999", "still there?")
    found = await world.call(
        "GET", "/tickets", token=world.b.admin, query="status=pending&searchParam=551190000000999"
    )
    assert found.json()["count"] == 1


def node_of(struct: Any) -> types.StructType:
    node = types.type_info(struct)
    assert isinstance(node, types.StructType)
    return node


def cases() -> st.SearchStrategy[tuple[Endpoint, Any]]:
    """An endpoint with a body that nearly fits it, or with any JSON."""
    return st.one_of(
        [
            st.tuples(st.just(endpoint), st.one_of(bodies(node_of(endpoint.body_type)), JSON))
            for endpoint in WITH_BODY
        ]
    )


def untold(rows: dict[str, str]) -> dict[str, str]:
    """Without the event log, where operators' announcements arrive."""
    return {
        name: digest for name, digest in rows.items() if name not in ("events", "company_stream")
    }


async def fuzz_bodies(world: World, examples: int) -> set[str]:
    """Send random bodies to every endpoint that takes one; the names that answered 2xx once."""
    passed: set[str] = set()
    before = untold(await world.rows_of(world.b))

    async def check(case: tuple[Endpoint, Any]) -> None:
        endpoint, body = case
        token = None if endpoint.guard.public else token_for(endpoint, world)
        answer = await world.client(
            endpoint.method, path_of(endpoint, world.a), body=encoded(body), token=token
        )
        assert_answered(endpoint, answer)
        if answer.status < 300:
            passed.add(endpoint.name)

    await fuzz(cases(), check, examples)
    assert untold(await world.rows_of(world.b)) == before
    await assert_alive(world)
    return passed


async def test_random_bodies_never_fail_the_server(world: World):
    assert len(await fuzz_bodies(world, 300)) > 5


@pytest.mark.prove
async def test_many_random_bodies_never_fail_the_server(world: World):
    assert len(await fuzz_bodies(world, 20_000)) > 20


async def test_random_queries_and_paths_never_fail_the_server(world: World):
    async def check(case: tuple[Endpoint, dict[str, str], str]) -> None:
        endpoint, fields, segment = case
        query = "&".join(f"{percent(name)}={percent(value)}" for name, value in fields.items())
        path = path_of(endpoint, world.a) if endpoint.query else endpoint.path
        path = "/".join(segment if part[:1] == "{" else part for part in path.split("/"))
        answer = await world.client(
            endpoint.method, path, query=query, token=token_for(endpoint, world)
        )
        assert_answered(endpoint, answer)

    values = st.one_of(HOSTILE, st.text(max_size=10), JSON.map(lambda v: encoded(v).decode()))
    segments = st.sampled_from(["0", "-1", "9" * 30, "x" * 2000, "a\x00b", "..", "%2e", "٣", " "])
    known = [
        st.tuples(
            st.just(endpoint),
            st.fixed_dictionaries(
                {}, optional={f.encode_name: values for f in node_of(endpoint.query_type).fields}
            ),
            segments,
        )
        for endpoint in WITH_QUERY
    ]
    unknown = [
        st.tuples(st.just(endpoint), st.just({}), segments)
        for endpoint in ALL
        if endpoint.params and endpoint.query is None
    ]
    await fuzz(st.one_of(known + unknown), check, 300)
    await assert_alive(world)


def percent(text: str) -> str:
    raw = text.encode("utf-8", "surrogatepass")[:3000]
    return "".join(chr(b) if chr(b).isalnum() and b < 128 else f"%{b:02x}" for b in raw)


@pytest.mark.parametrize("body", [b"--x\r\n", b"a=1&a=2&b[]=%00", b'\xff\xfe{\x00"\x00'])
async def test_bodies_of_other_kinds_are_refused_or_read(world: World, body: bytes):
    for place, endpoint in enumerate(WITH_BODY):
        token = None if endpoint.guard.public else token_for(endpoint, world)
        for kind in (KINDS[place % len(KINDS)], KINDS[(place + 3) % len(KINDS)]):
            answer = await world.client(
                endpoint.method,
                path_of(endpoint, world.a),
                body=body,
                headers={"content-type": kind},
                token=token,
            )
            assert_answered(endpoint, answer)


async def test_methods_that_a_path_does_not_have_are_405(world: World):
    by_path: dict[str, set[str]] = {}
    for endpoint in ALL:
        by_path.setdefault(endpoint.path, set()).add(endpoint.method)
    for endpoint in ALL:
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - by_path[endpoint.path]:
            answer = await world.call(method, path_of(endpoint, world.a), token=world.super)
            if answer.status != 405:  # a parameter of another path may take the same words
                assert answer.status < 500, (method, endpoint.path, answer)
                continue
            assert answer.json()["error"] == "ERR_METHOD_NOT_ALLOWED"
            assert method not in answer.headers["allow"].split(", ")


async def test_a_client_that_leaves_in_the_middle_of_a_body_changes_nothing(world: World):
    before = await world.rows_of(world.a)
    for endpoint in WITH_BODY:
        token = None if endpoint.guard.public else token_for(endpoint, world)
        path = path_of(endpoint, world.a)
        answer = await world.client(endpoint.method, path, body=b"{", token=token, cut=True)
        assert (endpoint.name, answer.status) == (endpoint.name, 400)
    assert await world.rows_of(world.a) == before


AUTHORIZATIONS = (
    "",
    "Bearer",
    "Bearer ",
    "Basic YWRtaW46YWRtaW4=",
    "Bearer \xff",
    "Bearer " + "a" * 8000,
    "Bearer a.b.c.d",
    "Bearer eyJhbGciOiJub25lIn0.e30.",
    "bearer undefined",
    "Bearer null",
    "token",
)


async def test_odd_authorization_headers_are_401_or_403(world: World):
    protected = [endpoint for endpoint in ALL if not endpoint.guard.public]
    for place, endpoint in enumerate(protected):
        given = {"authorization": AUTHORIZATIONS[place % len(AUTHORIZATIONS)]}
        answer = await world.client(endpoint.method, path_of(endpoint, world.a), headers=given)
        assert answer.status in (401, 403), (endpoint.name, given, answer)
        assert isinstance(answer.json()["error"], str)


async def test_odd_cookies_end_the_session(world: World):
    for cookie in ("jrt=", "jrt=a.b.c", "jrt", "\xff=1; jrt=x", "jrt=" + "x" * 5000):
        answer = await world.client("POST", "/auth/refresh_token", headers={"cookie": cookie})
        assert (answer.status, answer.json()["error"]) == (401, "ERR_SESSION_EXPIRED")


LIMITED = (
    "oversized length",
    "oversized chunked",
    "too many headers",
    "huge header",
    "huge target",
)
WIDE = {
    "oversized length": b"POST /auth/login HTTP/1.1\r\nHost: h\r\nContent-Length: 999999999\r\n\r\n",
    "long length": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: " + b"9" * 40 + b"\r\n\r\n",
    "too many headers": b"GET / HTTP/1.1\r\nHost: h\r\n" + b"X: 1\r\n" * 2000 + b"\r\n",
    "huge header": b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"a" * 200_000 + b"\r\n\r\n",
    "huge target": b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: h\r\n\r\n",
}
"""The same shapes at the size that the whole server's limits refuse."""


async def test_smuggling_shapes_reach_no_endpoint_of_the_whole_server(world: World):
    """Every shape, in front of a second request that a lax parser would take for its own."""
    behind = (
        f"DELETE /tickets/{world.a.ticket_id} HTTP/1.1\r\nHost: h\r\n"
        f"Authorization: Bearer {world.a.admin}\r\nConnection: close\r\n\r\n"
    ).encode()
    shapes = {name: data for name, data in SMUGGLING.items() if name not in LIMITED} | WIDE
    before = await world.rows_of(world.a)
    settings = msgspec.structs.replace(world.settings, port=0)
    async with listening(settings, world.app.asgi) as port:
        for shape, data in shapes.items():
            answer = await exchange(port, data + behind)
            head, _, shown = answer.partition(b"\r\n\r\n")
            assert head.split()[1][:1] in (b"4", b"5"), (shape, answer)
            assert isinstance(msgspec.json.decode(shown)["error"], str), (shape, answer)
            assert b"connection: close" in head.lower()
    assert await world.rows_of(world.a) == before
    await assert_alive(world)
