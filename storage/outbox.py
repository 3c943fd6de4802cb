"""Outbox: every effect on the outside world, committed with the decision that wants it."""

from datetime import datetime
from typing import Final, Literal

import msgspec
import sqlalchemy as sa

from storage.ids import CompanyId, ConnectionId, ContactId, MessageId, OutboxId, TicketId
from storage.metadata import (
    at,
    belongs_to,
    big,
    company,
    document,
    metadata,
    moment,
    number,
    optional,
    reference,
    row_id,
    string,
    version,
)

State = Literal["pending", "sending", "sent", "failed", "unknown", "dead", "cancelled"]

LIVE_STATES: Final[tuple[State, ...]] = ("pending", "sending", "unknown")
"""States that still want the relay; `unknown` waits for a status or a person, never a resend."""

_LIVE = sa.text("state in ('pending', 'sending', 'unknown')")

outbox = sa.Table(
    "outbox",
    metadata,
    company(),
    row_id(),
    string("kind", "send"),
    string("state", "pending"),
    reference("connection_id"),
    reference("contact_id"),
    reference("ticket_id"),
    reference("message_id"),
    optional("provider_id"),
    optional("idempotency_key"),
    document("payload"),
    number("attempt"),
    big("epoch"),
    at("due_at"),
    reference("retry_of"),
    string("policy", "ask"),
    document("error"),
    moment("sending_at"),
    moment("finished_at"),
    at("created_at"),
    at("updated_at"),
    version(),
    belongs_to("ticket_id", "tickets"),
    sa.CheckConstraint(
        "state in ('pending', 'sending', 'sent', 'failed', 'unknown', 'dead', 'cancelled')",
        name="state",
    ),
    sa.UniqueConstraint("company_id", "idempotency_key"),
    sa.Index(
        "ix_outbox_live",
        "company_id",
        "connection_id",
        "contact_id",
        "id",
        postgresql_where=_LIVE,
    ),
    sa.Index("ix_outbox_due", "due_at", postgresql_where=sa.text("state = 'pending'")),
    sa.Index("ix_outbox_mail", "finished_at", "due_at", postgresql_where=sa.text("kind = 'mail'")),
    sa.Index(
        "ix_outbox_ticket",
        "company_id",
        "ticket_id",
        postgresql_where=sa.text("ticket_id is not null"),
    ),
    sa.Index(
        "ix_outbox_message",
        "company_id",
        "message_id",
        postgresql_where=sa.text("message_id is not null"),
    ),
)


class OutboxRow(msgspec.Struct, frozen=True, kw_only=True):
    """One effect to perform. `kind` is send, mark_read, media_fetch, webhook …

    `provider_id` is the message id we chose, on channels that accept ours; `epoch` the owner
    that is sending it; `policy` (ask, drop, resend) what to do when the outcome stays unknown;
    `retry_of` the row whose effect a person asked to repeat.
    """

    company_id: CompanyId
    id: OutboxId
    kind: str = "send"
    state: State = "pending"
    connection_id: ConnectionId | None = None
    contact_id: ContactId | None = None
    ticket_id: TicketId | None = None
    message_id: MessageId | None = None
    provider_id: str | None = None
    idempotency_key: str | None = None
    payload: msgspec.Raw | None = None
    attempt: int = 0
    epoch: int = 0
    due_at: datetime
    retry_of: OutboxId | None = None
    policy: str = "ask"
    error: dict[str, object] | None = None
    sending_at: datetime | None = None
    finished_at: datetime | None = None
    created_at: datetime
    updated_at: datetime
    version: int = 1
