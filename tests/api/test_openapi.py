"""The document that is derived from the declarations describes what is served."""

from typing import Any

import msgspec
import pytest

from api.openapi import document
from api.routes import table
from tests.api.conftest import World

DOCUMENT = msgspec.json.decode(
    msgspec.json.encode(document(table(), server_url="https://x.test", version="1"))
)


def walk(node: Any) -> list[dict[str, Any]]:
    if isinstance(node, dict):
        return [node, *(found for value in node.values() for found in walk(value))]
    return [found for value in node for found in walk(value)] if isinstance(node, list) else []


def test_every_route_is_described():
    assert DOCUMENT["openapi"] == "3.1.0"
    described = {(m.upper(), path) for path, item in DOCUMENT["paths"].items() for m in item}
    assert described == {(endpoint.method, endpoint.path) for endpoint in table()}


def test_every_reference_leads_somewhere():
    schemas = DOCUMENT["components"]["schemas"]
    references = {node["$ref"] for node in walk(DOCUMENT) if isinstance(node.get("$ref"), str)}
    assert references
    assert {ref.removeprefix("#/components/schemas/") for ref in references} <= schemas.keys()


@pytest.mark.parametrize("path", DOCUMENT["paths"])
def test_path_parameters_are_declared(path: str):
    wanted = {part[1:-1] for part in path.split("/") if part.startswith("{")}
    for operation in DOCUMENT["paths"][path].values():
        declared = {p["name"] for p in operation["parameters"] if p["in"] == "path"}
        assert declared == wanted
        assert operation["summary"]
        assert {"400", "404", "413"} <= operation["responses"].keys()


def test_unbuilt_routes_declare_501():
    for endpoint in table():
        operation = DOCUMENT["paths"][endpoint.path][endpoint.method.lower()]
        assert ("501" in operation["responses"]) is (not endpoint.built or bool(endpoint.lacks))
        assert ("x-not-built" in operation) is not endpoint.built


def test_operation_ids_are_unique():
    ids = [op["operationId"] for item in DOCUMENT["paths"].values() for op in item.values()]
    assert len(ids) == len(set(ids))


def test_an_independent_validator_accepts_the_document():
    validator = pytest.importorskip("openapi_spec_validator")
    validator.validate(DOCUMENT, cls=validator.OpenAPIV31SpecValidator)


async def test_the_document_is_served(world: World):
    answer = await world.call("GET", "/openapi.json")
    assert answer.status == 200
    assert answer.json()["paths"].keys() == DOCUMENT["paths"].keys()
