"""The actors' ports on Postgres; tests put fakes in their place."""

import logging
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from storage import (
    contact_book,
    conversations,
    dead_letters,
    inbound_receipts,
    messages,
    outbox_queue,
)
from storage.contact_book import Named
from storage.contacts import Contact, CustomField
from storage.conversations import Loaded
from storage.database import Database
from storage.early_statuses import EarlyStatus
from storage.ids import CompanyId, ConnectionId, ContactId, MessageId, OutboxId, TicketId
from storage.messages import Message
from storage.outbox import OutboxRow
from storage.outbox_queue import Place
from storage.tickets import Ticket

log = logging.getLogger("actors.stores")


class PgTickets:
    """The rows of contacts' conversations."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self, company_id: CompanyId, contact_id: ContactId) -> Loaded:
        return await conversations.load_conversations(self._database, company_id, contact_id)

    async def ticket(
        self, company_id: CompanyId, contact_id: ContactId, ticket_id: TicketId
    ) -> Ticket | None:
        return await conversations.find_ticket(self._database, company_id, contact_id, ticket_id)

    async def message(
        self, company_id: CompanyId, contact_id: ContactId, message_id: MessageId
    ) -> Message | None:
        return await conversations.find_message(self._database, company_id, contact_id, message_id)

    async def by_provider_id(
        self, company_id: CompanyId, connection_id: ConnectionId, provider_ids: list[str]
    ) -> Sequence[Message]:
        return await conversations.messages_by_provider_id(
            self._database, company_id, connection_id, provider_ids
        )

    async def authors(
        self, company_id: CompanyId, channel: str, participants: list[str]
    ) -> Mapping[str, Contact]:
        return await contact_book.authors_of(self._database, company_id, channel, participants)

    async def unfinished(self, company_id: CompanyId, contact_id: ContactId) -> Sequence[OutboxId]:
        return await outbox_queue.unfinished_of(self._database, company_id, contact_id)

    async def by_key(self, company_id: CompanyId, key: str) -> Message | None:
        return await conversations.message_by_key(self._database, company_id, key)

    async def delete_older(
        self, company_id: CompanyId, contact_id: ContactId, ticket_id: TicketId | None
    ) -> None:
        await messages.delete_older(self._database, company_id, contact_id, ticket_id)


class PgContacts:
    """Contacts and the names they are known by."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def by_alias(self, company_id: CompanyId, aliases: list[str]) -> Sequence[Named]:
        return await contact_book.contacts_by_alias(self._database, company_id, aliases)

    async def by_number(self, company_id: CompanyId, number: str) -> Contact | None:
        return await contact_book.contact_by_number(self._database, company_id, number)

    async def by_numbers(self, company_id: CompanyId, numbers: list[str]) -> dict[str, ContactId]:
        return await contact_book.contacts_by_numbers(self._database, company_id, numbers)

    async def by_id(self, company_id: CompanyId, contact_id: ContactId) -> Contact | None:
        return await contact_book.contact_by_id(self._database, company_id, contact_id)

    async def fields(self, company_id: CompanyId, contact_id: ContactId) -> Sequence[CustomField]:
        return await contact_book.custom_fields_of(self._database, company_id, contact_id)

    async def load(self, company_id: CompanyId, contact_id: ContactId) -> Loaded:
        return await conversations.load_conversations(self._database, company_id, contact_id)

    async def unsettled(
        self,
        company_id: CompanyId,
        connection_id: ConnectionId,
        contact_id: ContactId,
        since: datetime,
    ) -> Sequence[OutboxId]:
        return await outbox_queue.unsettled_sends(
            self._database, company_id, connection_id, contact_id, since
        )

    async def claimed(self, company_id: CompanyId, connection_id: ConnectionId, key: str) -> bool:
        return await inbound_receipts.is_claimed(self._database, company_id, connection_id, key)

    async def known(
        self, company_id: CompanyId, connection_id: ConnectionId, provider_ids: list[str]
    ) -> Collection[str]:
        return await outbox_queue.own_messages_by_provider_id(
            self._database, company_id, connection_id, provider_ids
        )

    async def delete_older(
        self, company_id: CompanyId, contact_id: ContactId, ticket_id: TicketId | None
    ) -> None:
        await messages.delete_older(self._database, company_id, contact_id, ticket_id)


class PgDeadLetters:
    """Inputs that were refused for good, kept raw for an operator."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def park(self, company_id: CompanyId, source: str, cause: str, payload: bytes) -> None:
        await dead_letters.park(
            self._database,
            company_id,
            address=source,
            kind="inbound",
            error=cause,
            payload=payload,
        )
        log.error(
            "an input was refused for good and is kept raw: see `chatia letters list`",
            extra={"company": company_id, "address": source},
        )


class PgOutbox:
    """Sends and their messages."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def with_work(self) -> Sequence[Place]:
        return await outbox_queue.connections_with_work(self._database)

    async def due_somewhere(self, now: datetime) -> Sequence[Place]:
        return await outbox_queue.connections_due(self._database, now)

    async def pending(
        self, company_id: CompanyId, connection_id: ConnectionId, after: OutboxId, limit: int
    ) -> Sequence[OutboxRow]:
        return await outbox_queue.pending_rows(
            self._database, company_id, connection_id, after, limit
        )

    async def in_doubt(
        self, company_id: CompanyId, connection_id: ConnectionId
    ) -> Sequence[OutboxRow]:
        return await outbox_queue.rows_in_doubt(self._database, company_id, connection_id)

    async def rows(self, company_id: CompanyId, ids: list[OutboxId]) -> Sequence[OutboxRow]:
        return await outbox_queue.outbox_rows(self._database, company_id, ids)

    async def messages(self, company_id: CompanyId, ids: list[MessageId]) -> Sequence[Message]:
        return await outbox_queue.messages_by_ids(self._database, company_id, ids)

    async def authors(
        self, company_id: CompanyId, channel: str, participants: list[str]
    ) -> Mapping[str, Contact]:
        return await contact_book.authors_of(self._database, company_id, channel, participants)

    async def by_provider_id(
        self, company_id: CompanyId, connection_id: ConnectionId, provider_ids: list[str]
    ) -> dict[str, MessageId]:
        return await outbox_queue.own_messages_by_provider_id(
            self._database, company_id, connection_id, provider_ids
        )

    async def early(
        self, company_id: CompanyId, connection_id: ConnectionId, provider_ids: list[str]
    ) -> Sequence[EarlyStatus]:
        return await outbox_queue.early_statuses_of(
            self._database, company_id, connection_id, provider_ids
        )

    async def early_known(
        self, company_id: CompanyId, connection_id: ConnectionId
    ) -> Sequence[str]:
        return await outbox_queue.early_statuses_known(self._database, company_id, connection_id)
