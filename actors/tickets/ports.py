"""What the ticket actor needs from the world."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from actors.channels.registry import Channels
from actors.ports import Clock, DeadLetters, Ids, Saver, Snapshots, utc_now
from storage.contacts import Contact
from storage.conversations import Loaded
from storage.ids import CompanyId, ConnectionId, ContactId, MessageId, OutboxId, TicketId
from storage.messages import Message
from storage.outbox import OutboxRow
from storage.tickets import Ticket

Hint = Callable[[Sequence[OutboxRow]], None]
"""Tells the relay that rows were committed; never waits, and may be forgotten."""


def no_hint(_rows: Sequence[OutboxRow]) -> None:
    """For systems without a relay: its scan finds the rows."""


class TicketStore(Protocol):
    """The rows of one contact. Every call raises DatabaseUnavailable when Postgres is away."""

    async def load(self, company_id: CompanyId, contact_id: ContactId) -> Loaded: ...

    async def ticket(
        self, company_id: CompanyId, contact_id: ContactId, ticket_id: TicketId
    ) -> Ticket | None: ...

    async def message(
        self, company_id: CompanyId, contact_id: ContactId, message_id: MessageId
    ) -> Message | None: ...

    async def by_provider_id(
        self, company_id: CompanyId, connection_id: ConnectionId, provider_ids: list[str]
    ) -> Sequence[Message]: ...

    async def authors(
        self, company_id: CompanyId, channel: str, participants: list[str]
    ) -> Mapping[str, Contact]:
        """Who wrote into a group, by the name that messages hold of each."""
        ...

    async def unfinished(self, company_id: CompanyId, contact_id: ContactId) -> Sequence[OutboxId]:
        """The contact's orders that are still to be done, or in doubt."""
        ...

    async def by_key(self, company_id: CompanyId, key: str) -> Message | None: ...

    async def delete_older(
        self, company_id: CompanyId, contact_id: ContactId, ticket_id: TicketId | None
    ) -> None:
        """Deletes all but the newest messages of what is about to be deleted."""
        ...


class TicketPorts(msgspec.Struct, kw_only=True):
    """Everything a ticket actor uses, shared by all of them."""

    store: TicketStore
    saver: Saver
    ids: Ids
    snapshots: Snapshots
    channels: Channels
    dead_letters: DeadLetters
    hint: Hint = no_hint
    clock: Clock = utc_now
