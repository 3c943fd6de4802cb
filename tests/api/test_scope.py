"""The route table against the list of routes in scope: nothing missing, nothing forgotten."""

import re
import sys

import pytest

from api.endpoint.declaration import Endpoint
from api.routes import table
from tests.api.conftest import World
from tests.api.routes_in_scope import IN_SCOPE
from tests.api.rows import stock
from tests.api.test_every_route import path_of, token_for

Route = tuple[str, str]


def scope() -> dict[Route, list[str]]:
    """Each route in scope with its origin and marks."""
    found: dict[Route, list[str]] = {}
    for line in IN_SCOPE.strip().splitlines():
        method, path, *rest = line.split()
        found[method, path.lower()] = rest
    return found


def declared() -> dict[Route, Endpoint]:
    return {
        (endpoint.method, re.sub(r"\{[^}]*\}", "{}", endpoint.path).lower()): endpoint
        for endpoint in table()
    }


def test_every_route_in_scope_is_declared():
    missing = scope().keys() - declared().keys()
    assert not missing


def test_the_routes_that_answer_501_are_exactly_the_marked_ones():
    routes = declared()
    later = {route for route, marks in scope().items() if "501" in marks}
    unbuilt = {route for route in scope() if not routes[route].built}
    assert unbuilt == later
    beyond = {route for route, endpoint in routes.items() if not endpoint.built} - later
    assert beyond <= {route for route in routes if route[1].startswith("/subscription/")}


def test_counts(capsys: pytest.CaptureFixture[str]):
    routes, wanted = declared(), scope()
    built = [route for route in wanted if routes[route].built]
    with capsys.disabled():
        sys.stdout.write(
            f"\nroutes in scope {len(wanted)}: built {len(built)}, "
            f"declared 501 {len(wanted) - len(built)}; declared besides {len(routes.keys() - wanted)}\n"
        )
    assert len(built) > 200


async def test_unbuilt_routes_answer_501_and_say_so(world: World):
    await stock(world)
    tried = 0
    for endpoint in table():
        if endpoint.built:
            continue
        token = None if endpoint.guard.public else token_for(endpoint, world)
        answer = await world.call(endpoint.method, path_of(endpoint, world.a), token=token)
        assert (endpoint.name, answer.status) == (endpoint.name, 501)
        assert answer.json()["error"] == "ERR_NOT_AVAILABLE"
        tried += 1
    assert tried
