"""What the dispatcher leaves to Quart: multipart uploads, and the answer for unknown paths."""

from typing import Any, cast

from quart import Response as QuartResponse
from quart import request
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from api.endpoint.asgi import AsgiApp, header_map, new_request, not_found, wire_headers
from api.endpoint.cors import Cors
from api.endpoint.declaration import Endpoint
from api.endpoint.handling import answer, refusal
from api.errors import ApiError, BadRequest, TooLarge
from api.http_types import Request, Response, Upload
from api.parts import Parts

_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def build_fallback(parts: Parts) -> AsgiApp:
    """A Quart application that parses multipart bodies and answers them by the same endpoints."""
    app = QuartTrio("chatia")
    app.config["MAX_CONTENT_LENGTH"] = parts.settings.upload_limit
    app.config["BODY_TIMEOUT"] = parts.settings.request_deadline
    cors = Cors(parts.settings.origins)

    async def take(path: str = "") -> QuartResponse:
        scope: dict[str, Any] = dict(request.scope)
        asked = new_request(scope, header_map(scope))
        found: tuple[Endpoint, list[str]] | None = scope.get("chatia.endpoint")
        if found is None:
            return _shown(not_found(asked), asked, cors)
        endpoint, values = found
        try:
            await _read_form(asked)
        except ApiError as error:
            return _shown(refusal(error, asked, endpoint), asked, cors)
        return _shown(await answer(endpoint, values, asked, parts), asked, cors)

    app.add_url_rule("/", "root", take, methods=_METHODS)
    app.add_url_rule("/<path:path>", "path", take, methods=_METHODS)
    return cast("AsgiApp", app)  # its scopes are typed dictionaries, ours plain ones


async def _read_form(asked: Request) -> None:
    """Parse the multipart body into fields and uploads. Raises TooLarge or BadRequest."""
    try:
        form = await request.form
        files = await request.files
    except RequestEntityTooLarge as error:
        raise TooLarge from error
    except (HTTPException, ValueError) as error:
        raise BadRequest(code="ERR_MALFORMED_FORM") from error
    asked.form = {name: form.getlist(name) for name in form}
    asked.uploads = tuple(
        _upload(field.removesuffix("[]"), item) for field in files for item in files.getlist(field)
    )


def _upload(field: str, item: Any) -> Upload:
    return Upload(
        field=field,
        filename=(item.filename or "")[:255],
        content_type=(item.mimetype or "application/octet-stream")[:255],
        content=item.stream.read(),
    )


def _shown(response: Response, asked: Request, cors: Cors) -> QuartResponse:
    shown = QuartResponse(response.body, status=response.status)
    shown.headers.clear()
    for name, value in wire_headers(response, asked, cors):
        shown.headers.add(name.decode("latin-1"), value.decode("latin-1"))
    return shown
