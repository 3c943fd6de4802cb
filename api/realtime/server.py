"""The real-time server: accepts sockets, keeps rooms and fans committed events out."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import trio

from api.realtime.ports import RealtimePorts
from api.realtime.settings import RealtimeSettings
from storage.events import DomainEvent
from storage.ids import CompanyId, UserId

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class RealtimeServer:
    """Socket.IO (both dialects) and the plain WebSocket API over one process's sockets."""

    def __init__(self, settings: RealtimeSettings, ports: RealtimePorts) -> None:
        self._settings = settings
        self._ports = ports

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve the sockets until cancelled; then every client is told and closed."""
        raise NotImplementedError

    async def asgi(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request under `/socket.io/` or `/ws` (needs `run` to be running).

        Polling is plain ASGI; a websocket upgrade takes the socket over by
        `scope["extensions"]["chatia.takeover"]() -> (non-blocking socket, unread bytes)`.
        """
        raise NotImplementedError

    def emit(self, company_id: CompanyId, seq: int, event: DomainEvent) -> None:
        """Send a committed event to the rooms that the wire table names. Never waits or raises.

        Call it on the trio thread, in seq order per company. At most once per socket.
        """
        raise NotImplementedError

    def revoke(self, family: str) -> None:
        """Tell and drop every socket of a revoked login session."""
        raise NotImplementedError

    def revalidate_user(self, company_id: CompanyId, user_id: UserId) -> None:
        """A user's departments, profile or flags changed: its sockets reconnect with new rooms."""
        raise NotImplementedError

    async def drain(self) -> None:
        """Stop accepting, tell the clients that the server goes, and let their buffers empty."""
        raise NotImplementedError
