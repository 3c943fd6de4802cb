"""What the router needs from the world."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from actors.ports import Clock, DeadLetters, Ids, Saver, Snapshots, utc_now
from actors.router.aliases import KnownNames
from storage.contact_book import Named
from storage.contacts import Contact, CustomField
from storage.conversations import Loaded
from storage.ids import CompanyId, ConnectionId, ContactId, OutboxId, TicketId


class ContactStore(Protocol):
    """Committed contacts. Every call raises DatabaseUnavailable when Postgres is away."""

    async def by_alias(self, company_id: CompanyId, aliases: list[str]) -> Sequence[Named]: ...

    async def by_number(self, company_id: CompanyId, number: str) -> Contact | None: ...

    async def by_numbers(
        self, company_id: CompanyId, numbers: list[str]
    ) -> dict[str, ContactId]: ...

    async def by_id(self, company_id: CompanyId, contact_id: ContactId) -> Contact | None: ...

    async def fields(
        self, company_id: CompanyId, contact_id: ContactId
    ) -> Sequence[CustomField]: ...

    async def load(self, company_id: CompanyId, contact_id: ContactId) -> Loaded: ...

    async def unsettled(
        self,
        company_id: CompanyId,
        connection_id: ConnectionId,
        contact_id: ContactId,
        since: datetime,
    ) -> Sequence[OutboxId]:
        """The conversation's sends begun after `since` whose provider id is still to come."""
        ...

    async def claimed(self, company_id: CompanyId, connection_id: ConnectionId, key: str) -> bool:
        """Whether an input that left no message was carried out."""
        ...

    async def known(
        self, company_id: CompanyId, connection_id: ConnectionId, provider_ids: list[str]
    ) -> Collection[str]:
        """Those of the ids that messages of ours carry."""
        ...

    async def delete_older(
        self, company_id: CompanyId, contact_id: ContactId, ticket_id: TicketId | None
    ) -> None:
        """Deletes all but the newest messages of what is about to be deleted."""
        ...


class RouterPorts(msgspec.Struct, kw_only=True):
    """Everything a router uses, shared by all of them."""

    store: ContactStore
    saver: Saver
    ids: Ids
    snapshots: Snapshots
    dead_letters: DeadLetters
    clock: Clock = utc_now
    names: KnownNames = msgspec.field(default_factory=KnownNames)
