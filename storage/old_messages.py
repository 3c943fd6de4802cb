"""Earlier texts of edited messages."""

from datetime import datetime
from typing import Final

import msgspec
import sqlalchemy as sa

from storage.database import Statements
from storage.ids import CompanyId, MessageId, OldMessageId, TicketId
from storage.metadata import at, belongs_to, company, metadata, owner, row_id, string
from storage.repo import Repo

old_messages = sa.Table(
    "old_messages",
    metadata,
    company(),
    row_id(),
    owner("message_id"),
    owner("ticket_id"),
    string("body"),
    at("created_at"),
    belongs_to("message_id", "messages"),
    sa.Index(None, "company_id", "message_id", "id"),
)


class OldMessage(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A text that a message had until `created_at`."""

    company_id: CompanyId
    id: OldMessageId
    message_id: MessageId
    ticket_id: TicketId
    body: str
    created_at: datetime


_rows: Final = Repo(old_messages, OldMessage, old_messages.c.id)


async def of_message(
    source: Statements, company_id: CompanyId, message_id: MessageId
) -> list[OldMessage]:
    """The earlier texts of a message, the first one first."""
    return await _rows.where(source, company_id, old_messages.c.message_id == message_id)
