"""From a request to a response: guard, decode, call, encode; every error by the one table."""

import logging
import math
from functools import partial
from typing import Any

import msgspec
import trio

from api.endpoint.context import Ctx, PublicCtx
from api.endpoint.coverage import check_coverage
from api.endpoint.declaration import Endpoint
from api.endpoint.decoding import parse_query
from api.endpoint.guards import Authenticate, webhook
from api.errors import NotAvailable, UnsupportedMedia, problem
from api.http_types import Raw, Reply, Request, Response, Stream
from api.logs import bound
from api.parts import Parts
from storage import faults
from storage.acts import Once, acting
from storage.database import Tx
from storage.errors import NotFound

log = logging.getLogger("api.requests")
JSON = ("content-type", "application/json; charset=utf-8")
_encoder = msgspec.json.Encoder(decimal_format="number")


async def answer(endpoint: Endpoint, values: list[str], request: Request, parts: Parts) -> Response:
    """Serve `request` by `endpoint`; never raises anything but cancellation.

    `values` are the path parameters in order. The deadline covers guard, work and encoding; when
    it passes, the client gets 503 and Retry-After, and what was committed stays committed.
    """
    response: Response | None = None
    deadline = trio.current_time() + _seconds(endpoint, parts)
    with bound(request=request.request_id):
        try:
            # A plain scope: `fail_after` costs a generator and a second look at the clock.
            with trio.CancelScope(deadline=deadline) as scope:
                response = await _served(endpoint, values, request, parts, scope)
            if response is not None and endpoint.method != "GET":
                faults.hit("http.before_200")
        except Exception as error:  # noqa: BLE001 (the edge of the program: every error is answered)
            response = refusal(error, request, endpoint)
        if response is None:
            response = refusal(trio.TooSlowError(), request, endpoint)
    parts.metrics.count(endpoint.name, response.status)
    return response


def _seconds(endpoint: Endpoint, parts: Parts) -> float:
    """How long an endpoint may take: its own time, a provider's patience, or the usual."""
    if endpoint.deadline is not None:
        return endpoint.deadline
    settings = parts.settings
    return settings.webhook_deadline if endpoint.guard is webhook else settings.request_deadline


async def _served(
    endpoint: Endpoint,
    values: list[str],
    request: Request,
    parts: Parts,
    scope: trio.CancelScope,
) -> Response:
    principal = await endpoint.guard.admit(request, _authority(endpoint, request, parts))
    if not endpoint.built:
        raise NotAvailable
    if principal is not None:
        await check_coverage(endpoint, principal, parts)
    if request.receive_form is not None:
        scope.deadline = math.inf  # the edge bounds the pace of bodies
        await request.receive_form()
        scope.deadline = trio.current_time() + _seconds(endpoint, parts)
    arguments = _arguments(endpoint, values, request)
    if principal is None:
        return encoded(endpoint, await endpoint.handler(PublicCtx(request, parts), **arguments))
    ctx = Ctx(request, parts, principal)
    with bound(company=principal.company_id, user=principal.user_id):
        if endpoint.method == "POST" and "idempotency-key" in request.headers:
            response = await parts.idempotency.once(
                request,
                ctx.company_id,
                ctx.user_id,
                lambda key: _called(endpoint, ctx, arguments, key),
                scope=principal.keyspace,
            )
        else:
            response = await _called(endpoint, ctx, arguments)
    if principal.program:
        response.headers += parts.api_tokens.headers(principal)
    return response


def _authority(endpoint: Endpoint, request: Request, parts: Parts) -> Authenticate:
    """What tells who a bearer token speaks for: logins, or the external API's tokens."""
    if endpoint.guard.scope:
        return partial(parts.api_tokens.authenticate, address=request.client)
    return parts.auth.bearers.authenticate


async def _called(
    endpoint: Endpoint, ctx: Ctx, arguments: dict[str, Any], key: Once | None = None
) -> Response:
    return encoded(endpoint, await called(endpoint, ctx, arguments, key))


async def called(
    endpoint: Endpoint, ctx: Ctx, arguments: dict[str, Any], key: Once | None = None
) -> Any:
    """The handler's result; what it changes is noted as the caller's act, under its `key`.

    A commit takes the key with it, so that what a crash leaves is not done again; unless the
    endpoint has more to do after it, and may.
    """
    if endpoint.repeatable:
        key = None
    if endpoint.method == "GET" and not endpoint.audited:
        return await endpoint.handler(ctx, **arguments)
    if key is not None:
        ctx.settle = partial(_settled, endpoint, ctx.parts, key)
    with acting(ctx.parts.audit.act(endpoint, ctx, arguments, key)):
        return await endpoint.handler(ctx, **arguments)


def _settled(endpoint: Endpoint, parts: Parts, key: Once, tx: Tx, result: Any) -> None:
    parts.idempotency.keep(tx, key, encoded(endpoint, result))


def _arguments(endpoint: Endpoint, values: list[str], request: Request) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        name: convert(value) for (name, convert), value in zip(endpoint.params, values, strict=True)
    }
    if endpoint.query is not None:
        arguments["query"] = endpoint.query.fields(parse_query(request.query))
    if endpoint.body is not None:
        arguments["body"] = _body(endpoint.body, request)
    if endpoint.uploads:
        arguments["uploads"] = request.uploads
    return arguments


def _body(decoder: Any, request: Request) -> Any:
    if request.form is not None:
        return decoder.fields(request.form)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        return decoder.fields(parse_query(request.body.decode("utf-8", "replace")))
    if kind and kind != "application/json" and not kind.endswith("+json") and request.body:
        raise UnsupportedMedia
    return decoder.body(request.body)


def encoded(endpoint: Endpoint, result: Any) -> Response:
    """A handler's result as a response: JSON unless it says otherwise; None is an empty body."""
    status = endpoint.status
    headers: tuple[tuple[str, str], ...] = ()
    if isinstance(result, Reply):
        status, headers = result.status or status, result.headers
        result = result.body
    if isinstance(result, Raw):
        kind = ("content-type", result.content_type)
        return Response(
            status=result.status, headers=[kind, *result.headers, *headers], body=result.content
        )
    if isinstance(result, Stream):
        kind = ("content-type", result.content_type)
        length = ("content-length", str(result.length))
        return Response(
            status=result.status, headers=[kind, length, *result.headers], chunks=result.chunks
        )
    if result is None and endpoint.returns in (None, type(None)):
        return Response(status=status, headers=[*headers])
    return Response(status=status, headers=[JSON, *headers], body=_encoder.encode(result))


def refusal(error: BaseException, request: Request, endpoint: Endpoint | None = None) -> Response:
    """The family's error body for `error`; our own defects are logged with their traceback."""
    shown = problem(error)
    body = shown.body
    if (
        endpoint
        and endpoint.missing
        and isinstance(error, NotFound)
        and error.code == NotFound.code
    ):
        body = msgspec.structs.replace(body, error=endpoint.missing)
    if shown.logged:
        name = endpoint.name if endpoint else request.path
        log.error("%s failed", name, exc_info=error, extra={"endpoint": name})
    return Response(status=shown.status, headers=[JSON, *shown.headers], body=_encoder.encode(body))
