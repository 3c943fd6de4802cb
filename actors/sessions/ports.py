"""What sessions and the relay need from the world."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from actors.channels.base import Account
from actors.channels.registry import Channels
from actors.intake_health import IntakeHealth
from actors.media import MediaStore
from actors.ports import Clock, Ids, Saver, Snapshots, utc_now
from actors.sessions.composing import Composing
from storage.contacts import Contact
from storage.early_statuses import EarlyStatus
from storage.ids import CompanyId, ConnectionId, MessageId, OutboxId
from storage.messages import Message
from storage.outbox import OutboxRow
from storage.outbox_queue import Place


class OutboxStore(Protocol):
    """Committed sends and their messages. Raises DatabaseUnavailable when Postgres is away."""

    async def with_work(self) -> Sequence[Place]: ...

    async def due_somewhere(self, now: datetime) -> Sequence[Place]: ...

    async def pending(
        self, company_id: CompanyId, connection_id: ConnectionId, after: OutboxId, limit: int
    ) -> Sequence[OutboxRow]:
        """The oldest rows after `after` that are to be sent, those that back off among them."""
        ...

    async def in_doubt(
        self, company_id: CompanyId, connection_id: ConnectionId
    ) -> Sequence[OutboxRow]: ...

    async def rows(self, company_id: CompanyId, ids: list[OutboxId]) -> Sequence[OutboxRow]: ...

    async def messages(self, company_id: CompanyId, ids: list[MessageId]) -> Sequence[Message]: ...

    async def authors(
        self, company_id: CompanyId, channel: str, participants: list[str]
    ) -> Mapping[str, Contact]:
        """Who wrote into a group, by the name that messages hold of each."""
        ...

    async def by_provider_id(
        self, company_id: CompanyId, connection_id: ConnectionId, provider_ids: list[str]
    ) -> dict[str, MessageId]: ...

    async def early_known(
        self, company_id: CompanyId, connection_id: ConnectionId
    ) -> Sequence[str]:
        """Provider ids with reports that came early and own messages that came later."""
        ...

    async def early(
        self, company_id: CompanyId, connection_id: ConnectionId, provider_ids: list[str]
    ) -> Sequence[EarlyStatus]: ...


class Accounts(Protocol):
    """What a channel must know about a connection, secrets included."""

    async def account(self, company_id: CompanyId, connection_id: ConnectionId) -> Account:
        """Raises NotFound, DatabaseUnavailable."""
        ...


MediaLimit = Callable[[], Awaitable[int]]
"""The largest inbound file in bytes, as it is set now."""


async def no_smaller_limit() -> int:
    """What holds where nobody sets a limit."""
    return 64 * 1024 * 1024


class SessionPorts(msgspec.Struct, kw_only=True):
    """Everything a session uses, shared by all of them.

    `epoch` is this process's ownership number, stored with every send it begins. `media_limit`
    is asked before each download. `patience` is how long a doubtful send holds its conversation back, `reconcile` how
    long a report may resolve it before the policy does, both in seconds; of the latter only those
    count in which reports could come in.
    """

    store: OutboxStore
    saver: Saver
    ids: Ids
    snapshots: Snapshots
    channels: Channels
    accounts: Accounts
    media: MediaStore | None = None
    media_limit: MediaLimit = no_smaller_limit
    epoch: int = 0
    patience: float = 30.0
    reconcile: float = 600.0
    composing: Composing = msgspec.field(default_factory=Composing)
    health: IntakeHealth = msgspec.field(default_factory=IntakeHealth)
    clock: Clock = utc_now
