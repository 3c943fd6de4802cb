"""What holds for every declared route, generated from the route table."""

import time

import jwt
import msgspec
import pytest
from msgspec import inspect as types

from api.endpoint.declaration import Endpoint
from api.routes import table
from tests.api.conftest import Company, World
from tests.api.rows import OPERATORS, samples, stock

IDS = {
    "ticket_id": "ticket_id",
    "ticket_key": "ticket_id",
    "uuid": "uuid",
    "message_id": "message_id",
    "contact_id": "contact_id",
    "connection_id": "connection_id",
    "department_id": "department_id",
    "user_id": "user_id",
    "tag_id": "tag_id",
    "company_id": "id",
}
"""Path parameters that name a row of a company, with where the fixture keeps one."""

ROWS = {key for key, _, _ in samples(Company(**dict.fromkeys(Company.__struct_fields__)), {})}
ROWS |= {"invoice_id", "api_token_id"}
"""Path parameters that name a plain row of a company."""

NAMES = {
    "key": "appName",
    "email": "nobody@x.test",
    "user_email": "user@a.test",
    "company_email": "office@a.test",
    "password": "secret",
    "session_id": "nobody",
    "token": "x" * 20,
    "folder": "company1",
    "place": "user",
}
"""Path parameters that name no row of a company."""

BODIES = {
    "tickets.create": lambda c: {"contactId": c.contact_id},
    "tickets.close_all": lambda c: {"status": "open"},
    "messages.send": lambda c: {"body": "hi"},
    "messages.edit": lambda c: {"body": "hi"},
    "contacts.merge": lambda c: {"contactId": c.contact_id},
    "contacts.create": lambda c: {"name": "New", "number": "5511999990000"},
    "forwards.forward": lambda c: {"messageId": c.message_id, "contactId": c.contact_id},
    "forwards.forward_there": lambda c: {"messageId": c.message_id, "contactId": c.contact_id},
    "interactive_messages.send_list": lambda c: {
        "text": "t",
        "buttonText": "b",
        "sections": [{"rows": [{"title": "r"}]}],
    },
    "interactive_messages.send_link": lambda c: {"buttonText": "b", "copyText": "https://x.test"},
    "interactive_messages.send_call": lambda c: {"buttonText": "b", "copyText": "5511"},
    "interactive_messages.send_copy": lambda c: {"buttonText": "b", "copyText": "x"},
    "interactive_messages.send_pix": lambda c: {
        "sendkey_type": "EVP",
        "sendKey": "k",
        "sendmerchant_name": "m",
    },
    "users.create": lambda c: {"name": "N", "email": "n@x.test", "password": "secret"},
    "departments.create": lambda c: {"name": "N", "color": "#123"},
    "connections.create": lambda c: {"name": "N"},
    "tags.create": lambda c: {"name": "N", "color": "#123"},
    "auth.login": lambda c: {"email": "nobody@x.test", "password": "x"},
    "company_book.set_schedules": lambda c: {"schedules": []},
    "contact_files.ensure": lambda c: {"number": "5511999990001"},
    "messages.edit_there": lambda c: {"body": "hi"},
    "tagging.tag_contact": lambda c: {"contactId": c.contact_id},
    "settings.write_column": lambda c: {"column": "userRating", "data": "enabled"},
}
OWN_COMPANY_DECIDES = {"settings.show_company"}
"""Routes whose path id is ignored, as the family's clients rely on."""

ALL = list(table())
PROTECTED = [endpoint for endpoint in ALL if not endpoint.guard.public]


@pytest.fixture
async def world(world: World) -> World:
    """Both companies with a row of every noun."""
    await stock(world)
    return world


def path_of(endpoint: Endpoint, company: Company) -> str:
    values = {name: getattr(company, field) for name, field in IDS.items()} | NAMES | company.rows
    return endpoint.path.format(**values)


def body_of(endpoint: Endpoint, company: Company) -> object:
    build = BODIES.get(endpoint.name)
    return build(company) if build else ({} if endpoint.body else None)


def token_for(endpoint: Endpoint, world: World) -> str:
    if endpoint.guard.scope:
        return world.installation if endpoint.guard.rank > 2 else world.a.program
    return {0: world.super, 1: world.a.admin, 2: world.a.admin, 3: world.super}[endpoint.guard.rank]


def test_every_path_parameter_is_known_to_these_tests():
    names = {name for endpoint in ALL for name, _ in endpoint.params}
    assert names == IDS.keys() | NAMES.keys() | ROWS | OPERATORS.keys()


def test_every_endpoint_has_a_name_of_its_own_and_a_summary():
    names = [endpoint.name for endpoint in ALL]
    assert len(names) == len(set(names))
    assert all(endpoint.summary for endpoint in ALL)


async def test_without_a_token_every_protected_route_is_401(world: World):
    for endpoint in PROTECTED:
        answer = await world.call(endpoint.method, path_of(endpoint, world.a))
        assert (endpoint.name, answer.status) == (endpoint.name, 401)


async def test_a_bad_or_expired_token_is_403_everywhere(world: World):
    claims = jwt.decode(world.a.admin, options={"verify_signature": False})
    secret = world.settings.secrets.jwt_secret
    expired = jwt.encode(claims | {"exp": int(time.time()) - 5}, secret, algorithm="HS256")
    forged = jwt.encode(claims, "x" * 40, algorithm="HS256")
    unsigned = jwt.encode(claims, "", algorithm="none")
    other = jwt.encode(claims, secret, algorithm="HS384")
    refresh = jwt.encode(claims, world.settings.secrets.jwt_refresh_secret, algorithm="HS256")
    for token in (expired, forged, unsigned, other, refresh, "a.b.c", world.a.admin[:-2]):
        for endpoint in PROTECTED[:: 1 if token is expired else 9]:
            answer = await world.call(endpoint.method, path_of(endpoint, world.a), token=token)
            assert (endpoint.name, answer.status) == (endpoint.name, 403)


async def test_roles_are_enforced_as_declared(world: World):
    for endpoint in PROTECTED:
        if endpoint.guard.rank > 1:
            answer = await world.call(
                endpoint.method, path_of(endpoint, world.a), token=world.a.user
            )
            assert (endpoint.name, answer.status) == (endpoint.name, 403)
        if endpoint.guard.rank > 2:
            answer = await world.call(
                endpoint.method, path_of(endpoint, world.a), token=world.a.admin
            )
            assert (endpoint.name, answer.status) == (endpoint.name, 403)


async def test_another_companys_ids_are_404_and_change_nothing(world: World):
    before = await world.rows_of(world.b)
    tried = 0
    for endpoint in PROTECTED:
        named = {name for name, _ in endpoint.params}
        if not (IDS.keys() | ROWS) & named or not endpoint.built or endpoint.guard.rank > 2:
            continue
        if endpoint.name in OWN_COMPANY_DECIDES:
            continue
        path = path_of(endpoint, world.b)
        # Operators see every company by design; everybody else sees the own.
        token = token_for(endpoint, world)
        answer = await world.call(endpoint.method, path, body_of(endpoint, world.a), token=token)
        assert (endpoint.name, answer.status) == (endpoint.name, 404)
        tried += 1
    assert tried > 100
    assert await world.rows_of(world.b) == before


async def test_another_companys_ids_in_bodies_and_queries_have_no_effect(world: World):
    before = await world.rows_of(world.b)
    b = world.b
    for method, path, body in (
        ("POST", "/tickets", {"contactId": b.contact_id}),
        ("POST", "/tickets", {"contactId": world.a.contact_id, "whatsappId": b.connection_id}),
        ("PUT", f"/tickets/{world.a.ticket_id}", {"queueId": b.department_id}),
        ("PUT", f"/tickets/{world.a.ticket_id}", {"userId": b.user_id, "status": "open"}),
        ("PUT", f"/users/{world.a.user_id}", {"queueIds": [b.department_id]}),
        ("PUT", f"/whatsapp/{world.a.connection_id}", {"queueIds": [b.department_id]}),
        ("PUT", f"/users/{world.a.user_id}", {"whatsappId": b.connection_id}),
    ):
        answer = await world.call(method, path, body, token=world.a.admin)
        assert 400 <= answer.status < 500, (method, path, body, answer)
    quoting = {"body": "x", "quotedMsg": {"id": b.message_id}}
    sent = await world.call("POST", f"/messages/{world.a.ticket_id}", quoting, token=world.a.admin)
    assert sent.json()["quotedMsgId"] is None
    for query in (
        f"queueIds=[{b.department_id}]",
        f"contactId={b.contact_id}",
        f"companyId={b.id}",
    ):
        listed = await world.call("GET", "/tickets", token=world.a.admin, query=query)
        assert all(t["companyId"] == world.a.id for t in listed.json()["tickets"])
    assert await world.rows_of(world.b) == before


async def test_malformed_and_mistyped_bodies_are_4xx_in_the_familys_shape(world: World):
    for endpoint in ALL:
        if endpoint.body is None or not endpoint.built:
            continue
        token = None if endpoint.guard.public else token_for(endpoint, world)
        path = path_of(endpoint, world.a)
        for raw in (b"{", b"[1]", b'"x"', b"nul", b"\xff\xfe", b'{"a":' * 3000):
            answer = await world.client(endpoint.method, path, body=raw, token=token)
            assert (endpoint.name, answer.status) == (endpoint.name, 400)
            assert answer.json()["error"].startswith("ERR_")
        for raw in _mistyped(endpoint):
            answer = await world.client(endpoint.method, path, body=raw, token=token)
            assert (endpoint.name, raw, answer.status) == (endpoint.name, raw, 400)


def _mistyped(endpoint: Endpoint) -> list[bytes]:
    """One body for each field, with an object where no field takes one."""
    node = types.type_info(endpoint.body_type)
    assert isinstance(node, types.StructType)
    bodies = []
    for field in node.fields:
        leaves = {type(leaf) for leaf in _leaves(field.type)}
        if not leaves & {types.DictType, types.AnyType, types.StructType, types.ListType}:
            bodies.append(msgspec.json.encode({field.encode_name: {"a": [{}]}}))
    return bodies


def _leaves(node: types.Type) -> list[types.Type]:
    if isinstance(node, types.Metadata):
        return _leaves(node.type)
    if isinstance(node, types.UnionType):
        return [leaf for member in node.types for leaf in _leaves(member)]
    return [node]


async def test_bodies_over_the_limit_are_413(world: World):
    huge = b'{"name":"' + b"x" * 250_000 + b'"}'
    for endpoint in ALL:
        if endpoint.body is not None:
            token = None if endpoint.guard.public else token_for(endpoint, world)
            answer = await world.client(
                endpoint.method, path_of(endpoint, world.a), body=huge, token=token
            )
            assert (endpoint.name, answer.status) == (endpoint.name, 413)


async def test_reads_answer_and_case_and_slashes_do_not_matter(world: World):
    for endpoint in ALL:
        if endpoint.method != "GET" or endpoint.tag in ("webhooks", "media"):
            continue
        token = token_for(endpoint, world)
        path = path_of(endpoint, world.a)
        query = "" if endpoint.strict else "column=userRating"
        plain = await world.call("GET", path, token=token, query=query)
        assert plain.status == (200 if endpoint.built else 501), (endpoint.name, plain)
        fixed = endpoint.path.split("{")[0]
        odd = await world.call(
            "GET", path.replace(fixed, fixed.upper()) + "/", token=token, query=query
        )
        assert (endpoint.name, odd.status) == (endpoint.name, plain.status)


READ_ONLY = {"id": 1, "companyId": 999, "company_id": 999, "super": True, "tokenVersion": 9}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/users/{a.user_id}", {"name": "Renamed"}),
        ("PUT", "/queue/{a.department_id}", {"greetingMessage": "hi"}),
        ("PUT", "/tags/{a.tag_id}", {"color": "#000"}),
        ("PUT", "/contacts/{a.contact_id}", {"name": "Renamed"}),
        ("PUT", "/tickets/{a.ticket_id}", {"unreadMessages": 0}),
        ("PUT", "/whatsapp/{a.connection_id}", {"name": "Renamed"}),
        ("PUT", "/settings/anything", {"value": "v"}),
    ],
)
async def test_unknown_and_read_only_fields_change_nothing(
    world: World, method: str, path: str, body: dict[str, object]
):
    path = path.format(a=world.a)
    answer = await world.call(
        method, path, body | READ_ONLY | {"zzz": {"a": 1}}, token=world.a.admin
    )
    assert answer.status == 200, answer
    shown = answer.json()
    assert shown["companyId"] == world.a.id
    assert shown.get("super", False) is False
    assert shown.get("tokenVersion", 0) == 0
    assert next(iter(body.items())) in shown.items()


async def test_garbage_queries_are_answered(world: World):
    for endpoint in ALL:
        if endpoint.query is None or endpoint.method != "GET" or not endpoint.built:
            continue
        token = token_for(endpoint, world)
        for query in (
            "pageNumber=x",
            "pageNumber=0",
            "queueIds=[",
            "tags={}",
            "%00=%ff",
            "a" * 5000,
        ):
            answer = await world.call("GET", path_of(endpoint, world.a), token=token, query=query)
            assert answer.status < 500, (endpoint.name, query, answer)
