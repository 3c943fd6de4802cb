"""The ports of router and sessions on the tables in memory."""

from datetime import datetime

from storage.contact_book import Named
from storage.contacts import Contact, CustomField
from storage.conversations import Loaded
from storage.early_statuses import EarlyStatus
from storage.ids import CompanyId, ConnectionId, ContactId, MessageId, TicketId
from storage.messages import Message
from storage.outbox import OutboxRow
from storage.outbox_queue import Place
from tests.actors.memory import Memory


class MemoryContacts:
    """The router's port on the same tables."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self.look_ups = 0

    async def by_alias(self, company_id: CompanyId, aliases: list[str]) -> list[Named]:
        self.look_ups += 1
        found = []
        for row in self._memory.rows("contact_aliases"):
            if row["alias"] in aliases:
                contact = self._memory.rows("contacts", id=row["contact_id"])[0]
                found.append(
                    Named(
                        row["channel"],
                        row["alias"],
                        contact["id"],
                        contact["name"],
                        contact["number"],
                    )
                )
        return found

    async def by_number(self, company_id: CompanyId, number: str) -> Contact | None:
        found = self._memory.rows("contacts", number=number)
        return self._memory._as(Contact, found[0]) if found else None

    async def by_numbers(self, company_id: CompanyId, numbers: list[str]) -> dict[str, ContactId]:
        rows = self._memory.rows("contacts")
        return {row["number"]: row["id"] for row in rows if row["number"] in numbers}

    async def by_id(self, company_id: CompanyId, contact_id: ContactId) -> Contact | None:
        found = self._memory.rows("contacts", id=contact_id)
        return self._memory._as(Contact, found[0]) if found else None

    async def fields(self, company_id: CompanyId, contact_id: ContactId) -> list[CustomField]:
        return []

    async def load(self, company_id: CompanyId, contact_id: ContactId) -> Loaded:
        return await self._memory.load(company_id, contact_id)

    async def unsettled(
        self,
        company_id: CompanyId,
        connection_id: ConnectionId,
        contact_id: ContactId,
        since: datetime,
    ) -> list[int]:
        return [
            row["id"]
            for row in self._memory.rows("outbox", connection_id=connection_id)
            if row["contact_id"] == contact_id
            and row["state"] in ("sending", "unknown")
            and row["sending_at"] > since
        ]

    async def claimed(self, company_id: CompanyId, connection_id: ConnectionId, key: str) -> bool:
        return bool(self._memory.rows("inbound_receipts", provider_id=key))

    async def known(
        self, company_id: CompanyId, connection_id: ConnectionId, provider_ids: list[str]
    ) -> set[str]:
        rows = self._memory.rows("messages", connection_id=connection_id, from_me=True)
        return {row["provider_id"] for row in rows} & set(provider_ids)

    async def delete_older(
        self, company_id: CompanyId, contact_id: ContactId, ticket_id: TicketId | None
    ) -> None:
        """Leaves all to the commit that deletes: conversations in memory are short."""


class MemoryOutbox:
    """The sessions' port on the same tables."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def _rows(self, **where: object) -> list[OutboxRow]:
        rows = [self._memory._as(OutboxRow, row) for row in self._memory.rows("outbox", **where)]
        return sorted(rows, key=lambda row: row.id)

    async def with_work(self) -> list[Place]:
        live = [r for r in self._rows() if r.state in ("pending", "sending", "unknown")]
        return [Place(r.company_id, r.connection_id) for r in live]

    async def due_somewhere(self, now: datetime) -> list[Place]:
        due = [r for r in self._rows(state="pending") if r.due_at <= now]
        return [Place(r.company_id, r.connection_id) for r in due]

    async def pending(
        self, company_id: CompanyId, connection_id: ConnectionId, after: int, limit: int
    ) -> list[OutboxRow]:
        rows = self._rows(connection_id=connection_id, state="pending")
        return [row for row in rows if row.id > after][:limit]

    async def in_doubt(self, company_id: CompanyId, connection_id: ConnectionId) -> list[OutboxRow]:
        own = self._rows(connection_id=connection_id)
        return [row for row in own if row.state in ("sending", "unknown")]

    async def rows(self, company_id: CompanyId, ids: list[int]) -> list[OutboxRow]:
        return [row for row in self._rows() if row.id in ids]

    async def messages(self, company_id: CompanyId, ids: list[MessageId]) -> list[Message]:
        return [
            self._memory._as(Message, row)
            for row in self._memory.rows("messages")
            if row["id"] in ids
        ]

    async def authors(
        self, company_id: CompanyId, channel: str, participants: list[str]
    ) -> dict[str, Contact]:
        names = {
            row["alias"].partition(":")[2]: row for row in self._memory.rows("contact_aliases")
        }
        return {
            name: self._memory._as(
                Contact, self._memory.rows("contacts", id=names[name]["contact_id"])[0]
            )
            for name in participants
            if name in names
        }

    async def by_provider_id(
        self, company_id: CompanyId, connection_id: ConnectionId, provider_ids: list[str]
    ) -> dict[str, MessageId]:
        return {
            row["provider_id"]: row["id"]
            for row in self._memory.rows("messages", connection_id=connection_id, from_me=True)
            if row["provider_id"] in provider_ids
        }

    async def early(
        self, company_id: CompanyId, connection_id: ConnectionId, provider_ids: list[str]
    ) -> list[EarlyStatus]:
        return [
            self._memory._as(EarlyStatus, row)
            for row in self._memory.rows("early_statuses", connection_id=connection_id)
            if row["provider_id"] in provider_ids
        ]

    async def early_known(self, company_id: CompanyId, connection_id: ConnectionId) -> list[str]:
        early = self._memory.rows("early_statuses", connection_id=connection_id)
        own = {row["provider_id"] for row in self._memory.rows("messages", from_me=True)}
        return sorted(own.intersection(row["provider_id"] for row in early))
