"""The OpenAPI 3.1 document, derived from the declared endpoints and never written by hand."""

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import inspect as types

from api.endpoint.declaration import Endpoint
from api.errors import ErrorBody
from api.http_types import Raw, Stream

_REF = "#/components/schemas/{name}"
RAW = (Raw, Stream, Stream | Raw)
_ERRORS = {
    "400": "The request does not fit",
    "401": "No session",
    "402": "Not in the company's plan, over its limit, or past the due date",
    "403": "Not allowed, closed here, or the access token is expired or invalid",
    "404": "No such row in this company",
    "406": "The file is not of a kind that fits",
    "409": "Contradicts a committed row",
    "413": "Body too large",
    "422": "Idempotency-Key reused with another request",
    "429": "Too many requests; see Retry-After",
    "431": "Request head too large",
    "503": "Not committed; repeat after Retry-After",
}


def document(endpoints: Iterable[Endpoint], *, server_url: str, version: str) -> dict[str, Any]:
    """Describe `endpoints`: paths, parameters, bodies, replies, errors and who may ask."""
    declared = list(endpoints)
    models = _models(declared)
    schemas, components = msgspec.json.schema_components(
        models, schema_hook=_anything, ref_template=_REF
    )
    for component in components.values():
        _decimals_are_numbers(component)
    by_type = {_key(model): schema for model, schema in zip(models, schemas, strict=True)}
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in declared:
        operation = _operation(endpoint, by_type, components)
        paths.setdefault(endpoint.path or "/", {})[endpoint.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "ChatIA Flow", "version": version},
        "servers": [{"url": server_url}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "program": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token of /api-tokens with the named scope, or a connection's",
                },
            },
        },
    }


def _decimals_are_numbers(node: Any) -> None:
    """Amounts of money leave as JSON numbers; msgspec describes them as text."""
    if isinstance(node, dict):
        if node.get("format") == "decimal":
            del node["format"]
            node["type"] = "number"
        for inner in node.values():
            _decimals_are_numbers(inner)
    elif isinstance(node, list):
        for inner in node:
            _decimals_are_numbers(inner)


def _anything(_type: type[Any]) -> dict[str, Any]:
    """The schema of types that carry free JSON."""
    return {"description": "Any JSON value"}


def _models(endpoints: list[Endpoint]) -> list[Any]:
    found: dict[str, Any] = {_key(ErrorBody): ErrorBody}
    for endpoint in endpoints:
        for model in (endpoint.body_type, endpoint.query_type, endpoint.returns):
            if model not in (None, type(None), *RAW):
                found[_key(model)] = model
    return list(found.values())


def _key(model: Any) -> str:
    return f"{getattr(model, '__module__', '')}.{model!r}"


def _operation(
    endpoint: Endpoint, schemas: dict[str, Any], components: dict[str, Any]
) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": endpoint.name,
        "tags": [endpoint.tag],
        "summary": endpoint.summary,
        "parameters": [*_path(endpoint), *_query(endpoint, components)],
        "responses": _responses(endpoint, schemas),
    }
    if not endpoint.guard.public:
        operation["security"] = [_security(endpoint)]
    if endpoint.guard.rank > 1 and not endpoint.guard.scope:
        operation["description"] = f"For {endpoint.guard.name.replace('_', ' ')}s only."
    if endpoint.guard.flag:
        operation["description"] = f"For admins, and users with `{endpoint.guard.flag}`."
    if endpoint.method == "POST" and not endpoint.guard.public:
        operation["parameters"].append(_IDEMPOTENCY)
    if not endpoint.built:
        operation["x-not-built"] = True
    if endpoint.body_type is not None:
        operation["requestBody"] = _body(endpoint, schemas)
    return operation


def _security(endpoint: Endpoint) -> dict[str, list[str]]:
    scope = endpoint.guard.scope
    return {"program": [scope]} if scope else {"bearer": []}


_IDEMPOTENCY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "maxLength": 255},
    "description": "The same key and request get the same answer; one of them executes.",
}


def _path(endpoint: Endpoint) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "integer" if convert.__name__ == "to_id" else "string"},
        }
        for name, convert in endpoint.params
    ]


def _query(endpoint: Endpoint, components: dict[str, Any]) -> list[dict[str, Any]]:
    if endpoint.query_type is None:
        return []
    node = types.type_info(endpoint.query_type)
    assert isinstance(node, types.StructType)
    properties = components[endpoint.query_type.__name__]["properties"]
    return [
        {
            "name": field.encode_name,
            "in": "query",
            "required": field.required,
            "schema": properties[field.encode_name],
        }
        for field in node.fields
    ]


def _body(endpoint: Endpoint, schemas: dict[str, Any]) -> dict[str, Any]:
    schema = {"schema": schemas[_key(endpoint.body_type)]}
    content = {"application/json": schema}
    if endpoint.uploads:
        content["multipart/form-data"] = schema
    return {"content": content, "required": False}


def _responses(endpoint: Endpoint, schemas: dict[str, Any]) -> dict[str, Any]:
    refused = {"application/json": {"schema": schemas[_key(ErrorBody)]}}
    found = {
        code: {"description": text, "content": refused}
        for code, text in _ERRORS.items()
        if not (code == "402" and not _may_cost(endpoint))
        and not (code == "406" and not endpoint.uploads)
    }
    if not endpoint.built:
        found["501"] = {"description": "Declared, not built yet", "content": refused}
    if endpoint.lacks:
        found["501"] = {"description": f"This installation has no {endpoint.lacks}"}
        found["501"]["content"] = refused
    for status, text in endpoint.says:
        fixed = {"application/json": {"schema": {"const": text}}}
        found[str(status)] = {"description": f"`{text}`", "content": fixed}
    return {str(endpoint.status): _success(endpoint, schemas)} | found


def _may_cost(endpoint: Endpoint) -> bool:
    """Whether the company's plan or due date may stand against it."""
    asks = endpoint.paid or endpoint.feature is not None or endpoint.limit is not None
    return asks or bool(endpoint.guard.scope) or endpoint.name in _DOORS


_DOORS = {"auth.login"}
"""Public endpoints that refuse a company that is switched off."""


def _success(endpoint: Endpoint, schemas: dict[str, Any]) -> dict[str, Any]:
    returns = endpoint.returns
    if returns in (None, type(None)):
        return {"description": "Done"}
    if returns in RAW:
        return {"description": "Done", "content": {"*/*": {}}}
    schema = {"application/json": {"schema": schemas[_key(returns)]}}
    return {"description": "Done", "content": schema}
