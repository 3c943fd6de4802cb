"""The commands of the plain WebSocket API: declared endpoints, asked over a socket.

A command names one endpoint and is served by that endpoint's own handler, after the same decoding
and with the same rights, limits and idempotency keys; only the way in and out differs. Fields of
`with` that the endpoint's path names go there, the rest is the body.
"""

import logging
from collections.abc import Callable
from typing import Any, Final

import msgspec
import trio

from api.endpoint import Ctx, Endpoint
from api.endpoint.coverage import check_coverage
from api.endpoint.handling import called, encoded
from api.errors import Detail, ErrorBody, Forbidden, Invalid, Missing, problem
from api.http_types import Request, Response
from api.logs import bound
from api.parts import Parts
from api.principal import Principal
from api.realtime.ports import CommandRefused
from api.resources import contacts, messages, tickets
from storage.acts import Once
from storage.errors import NotFound

log = logging.getLogger("api.requests")

COMMANDS: Final[dict[str, Callable[..., Any]]] = {
    "sendMessage": messages.send,
    "editMessage": messages.edit,
    "deleteMessage": messages.remove,
    "react": messages.react,
    "createTicket": tickets.create,
    "updateTicket": tickets.update,
    "markUnread": tickets.mark_unread,
    "showTicket": tickets.show,
    "createContact": contacts.create,
}
"""What can be asked by its name on the socket; `subscribe` is the socket's own."""

_WIRE_NAMES: Final = {"ticket_key": "ticketId", "ticket_id": "ticketId", "message_id": "messageId"}
_ENDPOINTS: Final = {
    endpoint.handler: endpoint
    for routes in (messages.routes, tickets.routes, contacts.routes)
    for endpoint in routes
}


class StreamCommands:
    """Runs commands once `parts` is there (the sockets are made before the rest of the server)."""

    def __init__(self) -> None:
        self.parts: Parts | None = None

    async def run(
        self, principal: Principal, name: str, given: dict[str, object], key: str
    ) -> object:
        """The reply of the endpoint behind `name`; the first one when `key` was used before.

        Raises CommandRefused with the code that REST answers.
        """
        try:
            if self.parts is None:
                raise Missing(code="ERR_NOT_AVAILABLE")
            endpoint = _ENDPOINTS.get(COMMANDS[name]) if name in COMMANDS else None
            if endpoint is None:
                raise Missing(code="ERR_NO_SUCH_COMMAND")
            with trio.fail_after(endpoint.deadline or self.parts.settings.request_deadline):
                return await _run(self.parts, principal, endpoint, given, key)
        except Exception as error:
            raise _refused(error, name) from error


async def _run(
    parts: Parts, principal: Principal, endpoint: Endpoint, given: dict[str, object], key: str
) -> object:
    if not endpoint.guard.allows(principal):
        raise Forbidden
    await check_coverage(endpoint, principal, parts)
    arguments, request = _request(endpoint, given, key)
    ctx = Ctx(request, parts, principal)

    async def work(once: Once) -> Response:
        return encoded(endpoint, await called(endpoint, ctx, arguments, once))

    with bound(company=principal.company_id, user=principal.user_id):
        if not key:
            return await called(endpoint, ctx, arguments)
        response = await parts.idempotency.once(
            request, ctx.company_id, ctx.user_id, work, scope=principal.keyspace
        )
    if response.status >= 400:
        refused = msgspec.json.decode(response.body, type=ErrorBody)
        raise CommandRefused(refused.error, refused.details)
    return msgspec.json.decode(response.body) if response.body else None


def _request(
    endpoint: Endpoint, given: dict[str, object], key: str
) -> tuple[dict[str, Any], Request]:
    """The handler's arguments and the REST request that this command stands for."""
    rest = dict(given)
    arguments: dict[str, Any] = {}
    path = endpoint.path
    for name, convert in endpoint.params:
        wire = _WIRE_NAMES[name]
        text = str(rest.pop(wire, ""))
        if not text:
            raise Invalid(Detail(f"$.{wire}", "missing"))
        arguments[name] = convert(text)
        path = path.replace(f"{{{name}}}", text)
    body = msgspec.json.encode(rest)
    if endpoint.body is not None:
        arguments["body"] = endpoint.body.body(body)
    if endpoint.uploads:
        arguments["uploads"] = ()
    headers = {"idempotency-key": key} if key else {}
    return arguments, Request(method=endpoint.method, path=path, headers=headers, body=body)


def _refused(error: Exception, name: str) -> CommandRefused:
    if isinstance(error, CommandRefused):
        return error
    shown = problem(error)
    if shown.logged:
        log.error("command %s failed", name, exc_info=error)
    code = shown.body.error
    missing = getattr(_ENDPOINTS.get(COMMANDS.get(name, problem)), "missing", None)
    if missing and isinstance(error, NotFound) and error.code == NotFound.code:
        code = missing
    after = dict(shown.headers).get("retry-after")
    return CommandRefused(code, shown.body.details, float(after) if after else None)
