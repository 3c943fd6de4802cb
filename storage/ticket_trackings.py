"""Ticket trackings: when a case was queued, started, closed and rated, one open row per ticket."""

from datetime import datetime

import msgspec
import sqlalchemy as sa

from storage.ids import CompanyId, ConnectionId, DepartmentId, TicketId, TrackingId, UserId
from storage.metadata import (
    at,
    belongs_to,
    company,
    flag,
    metadata,
    moment,
    owner,
    reference,
    refers_to,
    row_id,
)

ticket_trackings = sa.Table(
    "ticket_trackings",
    metadata,
    company(),
    row_id(),
    owner("ticket_id"),
    reference("connection_id"),
    reference("department_id"),
    reference("user_id"),
    flag("rated"),
    moment("started_at"),
    moment("queued_at"),
    moment("closed_at"),
    moment("finished_at"),
    moment("rating_at"),
    moment("chatbot_at"),
    at("created_at"),
    at("updated_at"),
    moment("first_reply_at"),
    belongs_to("ticket_id", "tickets"),
    refers_to("connection_id", "connections"),
    refers_to("department_id", "departments"),
    refers_to("user_id", "users"),
    sa.Index(None, "company_id", "ticket_id"),
    sa.Index("ix_ticket_trackings_begun", "company_id", "created_at"),
    sa.Index(
        "uq_ticket_trackings_running",
        "company_id",
        "ticket_id",
        unique=True,
        postgresql_where=sa.text("finished_at is null"),
    ),
)


class TicketTracking(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a ticket; the run is over when `finished_at` is set.

    `first_reply_at` is when a person of the company first wrote in it.
    """

    company_id: CompanyId
    id: TrackingId
    ticket_id: TicketId
    connection_id: ConnectionId | None = None
    department_id: DepartmentId | None = None
    user_id: UserId | None = None
    rated: bool = False
    started_at: datetime | None = None
    queued_at: datetime | None = None
    closed_at: datetime | None = None
    finished_at: datetime | None = None
    rating_at: datetime | None = None
    chatbot_at: datetime | None = None
    created_at: datetime
    updated_at: datetime
    first_reply_at: datetime | None = None
