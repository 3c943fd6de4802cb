"""What the rules of the sockets need from the server around them."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from api.principal import Principal
from api.realtime.backend_log import BackendLog
from api.realtime.channel import Channel
from api.realtime.namespaces import Connection, Socket
from api.realtime.ports import RealtimePorts
from api.realtime.withdrawals import Withdrawals
from storage.ids import CompanyId


class Host(Protocol):
    """What the rules need from the server around them."""

    ports: RealtimePorts
    withdrawals: Withdrawals
    backend_log: BackendLog

    def channel(self, company_id: CompanyId) -> Channel:
        """The company's channel, made when it is missing."""
        ...

    def spawn(self, work: Callable[..., Awaitable[None]], *args: object) -> None:
        """Run something that waits; its errors are its own business."""

    def seconds_left(self, principal: Principal) -> float:
        """How long the principal's token is still good, in seconds."""
        ...

    def arrived(self, socket: Socket) -> None:
        """A socket is in its rooms."""

    def crowded(self, principal: Principal) -> bool:
        """Whether this user has as many sockets as one may have."""
        ...

    def departed(self, socket: Socket, reason: str) -> None:
        """A socket left; its rooms are still known."""

    def stream_ended(self, stream: object) -> None:
        """A connection of the plain WebSocket API is over."""

    def supersede(self, pid: object, namespace: str, principal: Principal) -> None:
        """A client comes back: its old connection is over, whether we noticed or not."""

    def look_at(self, connection: Connection, delay: float) -> None:
        """Tick the connection's session within `delay` seconds."""

    def now(self) -> float:
        """The monotonic clock of the sockets."""
        ...
