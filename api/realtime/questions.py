"""What sockets ask of the rest of the server: with patience, and with a code for every no."""

import logging
from collections.abc import Awaitable
from typing import Any, Final

import trio

from api.principal import Principal
from api.realtime.host import Host
from storage.errors import Retryable

log = logging.getLogger(__name__)

FORBIDDEN: Final = "ERR_NO_PERMISSION"
NO_TOKEN: Final = "ERR_SESSION_EXPIRED"  # the family's words for: log in
EXPIRED: Final = "ERR_SESSION_EXPIRED"
INTERNAL: Final = "ERR_INTERNAL"
OVERLOADED: Final = "ERR_OVERLOADED"
PATIENCE: Final = 10.0
"""Seconds for which a client waits."""

ASKS: Final = 8
"""How often a question is asked again because its answer was overtaken."""


class Refused(Exception):
    """The client may not; `code` is what it is told. `passing`: it may come again soon."""

    def __init__(self, code: str, *, passing: bool = False) -> None:
        super().__init__(code)
        self.code = code
        self.passing = passing


async def as_of_now(host: Host, principal: Principal, seen: int) -> Principal:
    """The principal, read again while its rights were withdrawn after `seen`: those who are already
    in are found by their rooms, whoever is admitted with no further wait is as well.
    """
    port = host.ports.revalidate
    for _ in range(ASKS):
        if port is None or not host.withdrawals.since(principal, seen):
            return principal
        seen = host.withdrawals.count
        principal = await answer(port(principal))
    raise Refused(INTERNAL, passing=True)


async def answer(question: Awaitable[Any]) -> Any:
    """Await a port within the patience of a client; every failure becomes a `Refused`."""
    try:
        with trio.fail_after(PATIENCE):
            return await question
    except Exception as error:
        code = getattr(error, "code", None)
        if not isinstance(code, str):
            log.exception("a socket's question failed")
            raise Refused(INTERNAL, passing=True) from error
        raise Refused(code, passing=isinstance(error, Retryable)) from error
