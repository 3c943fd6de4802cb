"""The statements by which the ticket actor writes what it owns, and rows as their values."""

import msgspec

from storage.ids import CompanyId, ConnectionId, TicketId
from storage.inbound_receipts import inbound_receipts
from storage.messages import Message, messages
from storage.old_messages import OldMessage, old_messages
from storage.outbox import OutboxRow, outbox
from storage.ticket_logs import TicketLog, ticket_logs
from storage.ticket_trackings import TicketTracking, ticket_trackings
from storage.tickets import Ticket, tickets
from storage.unit import EVENT_SEQ, Write, delete, insert, update

TICKET_COLUMNS = (
    "status",
    "connection_id",
    "department_id",
    "user_id",
    "last_message",
    "unread_messages",
    "from_me",
    "is_bot",
    "is_active_demand",
    "menus_used",
    "rating_prompts_used",
    "inactive_notified",
    "use_integration",
    "integration_id",
    "last_flow_id",
    "flow_hash",
    "flow_data",
    "updated_at",
)
"""What a decision may change on a ticket."""

TOUCH_COLUMNS = ("last_message", "unread_messages", "from_me", "inactive_notified", "updated_at")
"""What a message alone changes; the common case writes only these."""

ADD_TICKET = insert(
    tickets,
    "company_id",
    "id",
    "uuid",
    "contact_id",
    "channel",
    "is_group",
    "created_at",
    *TICKET_COLUMNS,
)
SET_TICKET = update(tickets, *TICKET_COLUMNS)
# Leaving the active statuses comes before inserts, so that a successor may become the active one.
CLOSE_TICKET = update(tickets, *TICKET_COLUMNS, stage=5)
TOUCH_TICKET = update(tickets, *TOUCH_COLUMNS)
REMOVE_TICKET = delete(tickets)

MESSAGE_COLUMNS = (
    "company_id",
    "id",
    "seq",
    "ticket_id",
    "contact_id",
    "connection_id",
    "department_id",
    "user_id",
    "tracking_id",
    "provider_id",
    "remote_jid",
    "participant",
    "body",
    "media_type",
    "media_path",
    "media_mime",
    "media_name",
    "from_me",
    "ack",
    "read",
    "is_private",
    "is_forwarded",
    "quoted_id",
    "data",
    "sent_at",
    "created_at",
    "updated_at",
)
ADD_MESSAGE = insert(
    messages, *MESSAGE_COLUMNS, claim=("company_id", "connection_id", "provider_id")
)
SET_MESSAGE = update(messages, "body", "is_edited", "is_deleted", "updated_at", guard=None)
REMOVE_MESSAGE = delete(messages)
ADD_OLD_MESSAGE = insert(
    old_messages, "company_id", "id", "message_id", "ticket_id", "body", "created_at"
)
# "read" is both looked for and set: rows that are read already are not written again. It comes
# before the inserts, so that a message of the same unit keeps the mark it was decided with.
READ_MESSAGES = update(
    messages, "read", key=("company_id", "ticket_id", "from_me", "read"), guard=None, stage=6
)
CLAIM = insert(
    inbound_receipts,
    "company_id",
    "connection_id",
    "provider_id",
    claim=("company_id", "connection_id", "provider_id"),
)

ADD_ORDER = insert(
    outbox,
    "company_id",
    "id",
    "kind",
    "connection_id",
    "contact_id",
    "ticket_id",
    "message_id",
    "provider_id",
    "idempotency_key",
    "payload",
    "due_at",
    "policy",
    "created_at",
    "updated_at",
    claim=("company_id", "idempotency_key"),
)

TRACKING_COLUMNS = (
    "connection_id",
    "department_id",
    "user_id",
    "started_at",
    "queued_at",
    "closed_at",
    "finished_at",
    "rating_at",
    "chatbot_at",
    "first_reply_at",
    "rated",
    "updated_at",
)
ADD_TRACKING = insert(
    ticket_trackings, "company_id", "id", "ticket_id", "created_at", *TRACKING_COLUMNS
)
SET_TRACKING = update(ticket_trackings, *TRACKING_COLUMNS, guard=None)
ADD_LOG = insert(
    ticket_logs, "company_id", "id", "ticket_id", "user_id", "department_id", "type", "created_at"
)


def _values(record: msgspec.Struct, columns: tuple[str, ...]) -> tuple[object, ...]:
    return tuple([getattr(record, name) for name in columns])


def add_ticket(ticket: Ticket) -> Write:
    """The row of a new ticket."""
    return Write(ADD_TICKET, _values(ticket, ADD_TICKET.columns))


def set_ticket(before: Ticket, after: Ticket, *, touch: bool) -> Write:
    """The guarded update from `before` (as committed) to `after`."""
    key = (before.company_id, before.id, before.version)
    if touch:
        return Write(TOUCH_TICKET, key + _values(after, TOUCH_COLUMNS))
    statement = CLOSE_TICKET if before.is_active and not after.is_active else SET_TICKET
    return Write(statement, key + _values(after, TICKET_COLUMNS))


def remove_ticket(ticket: Ticket) -> Write:
    """Deletes a ticket and, by its foreign keys, what hangs on it."""
    return REMOVE_TICKET(ticket.company_id, ticket.id)


def add_message(message: Message, event: int, data: msgspec.Raw | None) -> Write:
    """The row of a new message; it carries the number of the unit's `event`-th event."""
    m = message
    return Write(
        ADD_MESSAGE,
        (
            m.company_id,
            m.id,
            EVENT_SEQ(event),
            m.ticket_id,
            m.contact_id,
            m.connection_id,
            m.department_id,
            m.user_id,
            m.tracking_id,
            m.provider_id,
            m.remote_jid,
            m.participant,
            m.body,
            m.media_type,
            m.media_path,
            m.media_mime,
            m.media_name,
            m.from_me,
            m.ack,
            m.read,
            m.is_private,
            m.is_forwarded,
            m.quoted_id,
            data,
            m.sent_at,
            m.created_at,
            m.updated_at,
        ),
    )


def set_message(message: Message) -> Write:
    """The new body and marks of a stored message."""
    return SET_MESSAGE(
        message.company_id,
        message.id,
        message.body,
        message.is_edited,
        message.is_deleted,
        message.updated_at,
    )


def add_old_message(old: OldMessage) -> Write:
    """The text that an edited message had."""
    return Write(ADD_OLD_MESSAGE, _values(old, ADD_OLD_MESSAGE.columns))


def remove_message(message: Message) -> Write:
    """Deletes a private note."""
    return REMOVE_MESSAGE(message.company_id, message.id)


def read_messages(company_id: CompanyId, ticket_id: TicketId) -> Write:
    """Marks every message of the contact in this ticket read."""
    return READ_MESSAGES(company_id, ticket_id, False, False, True)


def claim(company_id: CompanyId, connection_id: ConnectionId, provider_id: str) -> Write:
    """Makes an input that leaves no message row count once."""
    return CLAIM(company_id, connection_id, provider_id)


def add_order(order: OutboxRow) -> Write:
    """The row of an effect to perform."""
    return Write(ADD_ORDER, _values(order, ADD_ORDER.columns))


def add_tracking(tracking: TicketTracking) -> Write:
    """The row of a new run of a ticket."""
    return Write(ADD_TRACKING, _values(tracking, ADD_TRACKING.columns))


def set_tracking(tracking: TicketTracking) -> Write:
    """The new stamps of a run."""
    return Write(
        SET_TRACKING, (tracking.company_id, tracking.id, *_values(tracking, TRACKING_COLUMNS))
    )


def add_log(log: TicketLog) -> Write:
    """One line of a ticket's history."""
    return Write(ADD_LOG, _values(log, ADD_LOG.columns))
