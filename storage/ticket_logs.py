"""Ticket logs: who did what to a ticket, in order."""

from datetime import datetime
from typing import Final

import msgspec
import sqlalchemy as sa

from storage.database import Statements
from storage.ids import CompanyId, DepartmentId, LogId, TicketId, UserId
from storage.metadata import at, belongs_to, company, metadata, owner, reference, row_id, string
from storage.repo import Repo

# A log line stays true after its user or department is gone: no foreign keys to them.
ticket_logs = sa.Table(
    "ticket_logs",
    metadata,
    company(),
    row_id(),
    owner("ticket_id"),
    reference("user_id"),
    reference("department_id"),
    string("type"),
    at("created_at"),
    belongs_to("ticket_id", "tickets"),
    sa.Index(None, "company_id", "ticket_id", "id"),
)


class TicketLog(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a ticket's history; `type` is one of the family's words (create, open …)."""

    company_id: CompanyId
    id: LogId
    ticket_id: TicketId
    user_id: UserId | None
    department_id: DepartmentId | None
    type: str
    created_at: datetime


_rows: Final = Repo(ticket_logs, TicketLog, ticket_logs.c.id.desc())


async def of_ticket(
    source: Statements, company_id: CompanyId, ticket_id: TicketId
) -> list[TicketLog]:
    """The history of a ticket, the latest line first."""
    return await _rows.where(source, company_id, ticket_logs.c.ticket_id == ticket_id)
