"""Ticket logs: who did what to a ticket, in order."""

from datetime import datetime

import msgspec
import sqlalchemy as sa

from storage.ids import CompanyId, DepartmentId, LogId, TicketId, UserId
from storage.metadata import at, belongs_to, company, metadata, owner, reference, row_id, string

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
