"""Every mutating route, called so that it does something: for tests over all of them."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import jwt
import msgspec

from api.endpoint.declaration import Endpoint
from api.routes import table
from tests.api.conftest import Company, World
from tests.api.endpoint.conftest import Answer
from tests.api.rows import OPERATORS, samples, stock
from tests.api.test_every_route import body_of, path_of, token_for
from tests.api.test_plain_nouns import PNG, form

BODIES: dict[str, Callable[[Company], Any]] = {
    "tickets.create": lambda c: {"contactId": c.rows["spare_contact_id"]},
    "tickets.update": lambda c: {"userId": c.user_id, "status": "open"},
    "messages.react": lambda c: {"type": "👍"},
    "messages.react_there": lambda c: {"type": "❤️"},
    "contacts.update": lambda c: {"name": "Renamed"},
    "contacts.merge": lambda c: {"contactId": c.rows["spare_contact_id"]},
    "contacts.block": lambda c: {"active": False},
    "connections.create": lambda c: {"name": "Another"},
    "connections.update": lambda c: {"name": "Renamed"},
    "departments.update": lambda c: {"name": "Renamed"},
    "users.update": lambda c: {"name": "Renamed"},
    "tags.create": lambda c: {"name": "Another"},
    "tags.change": lambda c: {"name": "Renamed", "kanban": 1},
    "tagging.tag_contact": lambda c: {"contactId": c.contact_id, "tags": [{"id": c.tag_id}]},
    "tagging.set_wallets": lambda c: {"wallets": [c.user_id]},
    "settings.write_installation": lambda c: {"value": "1"},
    "chats.say": lambda c: {"message": "hi"},
    "company_book.create": lambda c: {
        "name": "New",
        "email": "first@new.test",
        "campaignsEnabled": False,
    },
    "company_book.update": lambda c: {"name": "Renamed"},
    "flows.rename": lambda c: {"flowId": c.rows["flow_id"], "name": "g"},
    "flows.duplicate": lambda c: {"flowId": c.rows["flow_id"]},
    "flows.draw": lambda c: {"idFlow": c.rows["flow_id"], "nodes": [], "connections": []},
    "flows.change_start": lambda c: {"id": c.rows["flow_campaign_id"], "name": "s", "phrase": "x"},
    "contact_files.import_one": lambda c: {"number": "5511999990007", "tags": "fresh"},
    "telephony.keep": lambda c: {"token": "t" * 20},
    "translations.change": lambda c: {"language": "pt", "key": "k", "value": "v"},
    "operator_connections.update_any": lambda c: {"name": "Third"},
    "front.announce_version": lambda c: {"version": "3"},
    "external_messages.send": lambda c: {"number": "5511999990009", "body": "hi"},
    "invoices.create": lambda c: {"companyId": c.id, "value": "1"},
    "number_checks.check": lambda c: {"number": "5511999990009"},
    "api_companies.create": lambda c: {"name": "Next", "email": "first@next.test"},
    "api_companies.update": lambda c: {"name": "Renamed"},
    "api_companies.set_schedules": lambda c: {"schedules": []},
    "api_invoices.create": lambda c: {"companyId": c.id, "value": "1"},
    "api_tokens.create": lambda c: {"name": "t", "scopes": ["messages:send"]},
    "api_tokens.update": lambda c: {"name": "u"},
    "campaigns.save_settings": lambda c: {"settings": {"longerIntervalAfter": 30}},
}
"""Bodies beyond those of `test_every_route`."""

FIELDS = {
    "setting_files.set_logo": {"mode": "Light"},
    "setting_files.set_logo_there": {"mode": "Dark"},
    "setting_files.set_public": {"settingKey": "appLogoLight"},
    "setting_files.set_private": {"settingKey": "gerencianetPixCert"},
}
"""What goes beside an upload."""

TABLES = ("contact_files", "mailing_lists")
"""Nouns whose files are lists of contacts."""

LAST = (
    "tickets.remove",
    "contacts.merge",
    "contacts.remove",
    "departments.remove",
    "connections.stop",
    "connections.remove",
    "operator_connections.stop_any",
    "operator_connections.remove_any",
    "company_book.remove",
)
"""Deletions that take others' rows along."""

OF_B = {
    "company_book.remove",
    "operator_connections.remove_any",
    "operator_connections.stop_any",
}
SEPARATE = {"auth.return_from", "external_messages.send_linked"}
"""Need a login of its own kind (`test_login_sessions`), a server elsewhere (`test_external_api`)."""

OWN_MESSAGE = {"messages.edit", "messages.edit_there", "messages.remove"}


async def mutated(world: World) -> AsyncIterator[tuple[Endpoint, Answer]]:
    """Call each built mutating route of a person or program once, deletions last."""
    for endpoint in await prepared(world):
        yield endpoint, await call(world, endpoint)


async def prepared(world: World) -> list[Endpoint]:
    """Every such route in the order in which each finds what it needs, which is made here."""
    await stock(world)
    for number in ("5511999991111", "5511999992222"):
        made = await world.call(
            "POST", "/contacts", {"name": "S", "number": number}, token=world.a.admin
        )
        world.a.rows["spare_contact_id"] = made.json()["id"]
    path = f"/messages/{world.a.ticket_id}"
    sent = await world.call("POST", path, {"body": "mine"}, token=world.a.admin)
    world.a.rows["own_message_id"] = sent.json()["id"]
    found = [e for e in table() if e.built and e.method != "GET" and not e.guard.public]
    return [e for e in sorted(found, key=_place) if e.name not in SEPARATE]


def _place(endpoint: Endpoint) -> tuple[bool, int, int]:
    """Deletions last, children before parents."""
    if endpoint.method != "DELETE":
        return False, 0, 0
    last = LAST.index(endpoint.name) + 1 if endpoint.name in LAST else 0
    return True, last, -len(endpoint.path)


async def call(world: World, endpoint: Endpoint, *, key: str = "", more: bytes = b"") -> Answer:
    """Call one of them; `key` is an idempotency key, `more` makes it another request."""
    headers = {"idempotency-key": key} if key else {}
    company = world.b if endpoint.name in OF_B else world.a
    if endpoint.name == "settings.write_setting":
        path = "/settings/keepUserAndQueue"
        return await world.call("PUT", path, {"value": "disabled"}, token=world.a.admin)
    if endpoint.name == "login_sessions.end":
        other = jwt.decode(world.a.user, options={"verify_signature": False})["sessionId"]
        return await world.call("DELETE", f"/auth/sessions/{other}", token=world.a.admin)
    if endpoint.name in OWN_MESSAGE:
        company = msgspec.structs.replace(company, message_id=company.rows["own_message_id"])
    path, token = path_of(endpoint, company), token_for(endpoint, world)
    if endpoint.method == "DELETE" and path.startswith("/api/"):
        path = await _another(world, endpoint, path)
    body = _body(endpoint, company)
    if endpoint.uploads and endpoint.name not in BODIES and "send" not in endpoint.name:
        line = f"name,number,tags\nAna,55119{len(endpoint.path):08},file\n"
        content = line.encode() if endpoint.noun in TABLES else PNG
        raw, kind = form("file", "upload", content + more, **FIELDS.get(endpoint.name, {}))
        headers |= kind
    else:
        raw = (b"" if body is None else msgspec.json.encode(body)) + more
    return await world.client(endpoint.method, path, body=raw, headers=headers, token=token)


async def _another(world: World, endpoint: Endpoint, path: str) -> str:
    """A row for the external API to delete: the one at `path` was deleted by a person."""
    collection = path.rpartition("/")[0]
    create = next(e for e in table() if e.path == collection and e.method == "POST")
    body = _body(create, world.a) | {"name": "Other", "email": "other@x.test"}
    made = await world.call("POST", collection, body, token=token_for(create, world))
    return f"{collection}/{made.json()['id']}"


def _body(endpoint: Endpoint, company: Company) -> Any:
    build = BODIES.get(endpoint.name)
    if build is not None:
        return build(company)
    shared = [(key, path, body) for key, (path, body) in OPERATORS.items()]
    for key, path, body in [*samples(company, company.rows), *shared]:
        if endpoint.path.removeprefix("/api") in (path, f"{path}/{{{key}}}") or (
            endpoint.path in (path, f"{path}/{{{key}}}")
        ):
            fresh = {
                "name": f"{endpoint.name} {endpoint.method}",
                "number": f"55{len(endpoint.name)}{len(endpoint.method)}",
            }
            return {name: fresh.get(name, value) for name, value in body.items()}
    return body_of(endpoint, company)
