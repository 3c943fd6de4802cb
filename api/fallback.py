"""What the dispatcher leaves to Quart: the answer for unknown paths."""

from typing import Any, cast

from quart import Response as QuartResponse
from quart import request
from quart_trio import QuartTrio

from api.endpoint.asgi import AsgiApp, header_map, new_request, not_found, wire_headers
from api.endpoint.cors import Cors
from api.http_types import Request, Response
from api.parts import Parts

_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def build_fallback(parts: Parts) -> AsgiApp:
    """A Quart application for whatever a framework is wanted for; it serves no route of ours."""
    app = QuartTrio("chatia")
    app.config["MAX_CONTENT_LENGTH"] = parts.settings.body_limit
    cors = Cors(parts.settings.origins)

    async def take(path: str = "") -> QuartResponse:
        scope: dict[str, Any] = dict(request.scope)
        asked = new_request(scope, header_map(scope))
        return _shown(not_found(asked), asked, cors)

    app.add_url_rule("/", "root", take, methods=_METHODS)
    app.add_url_rule("/<path:path>", "path", take, methods=_METHODS)
    return cast("AsgiApp", app)  # its scopes are typed dictionaries, ours plain ones


def _shown(response: Response, asked: Request, cors: Cors) -> QuartResponse:
    shown = QuartResponse(response.body, status=response.status)
    shown.headers.clear()
    for name, value in wire_headers(response, asked, cors):
        shown.headers.add(name.decode("latin-1"), value.decode("latin-1"))
    return shown
