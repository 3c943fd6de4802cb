"""Tickets: one conversation case of a contact, on one connection."""

import re
from datetime import datetime
from typing import Final, Literal

import msgspec
import sqlalchemy as sa

from storage.database import Statements
from storage.errors import NotFound
from storage.ids import CompanyId, ConnectionId, ContactId, DepartmentId, TicketId, UserId
from storage.metadata import (
    at,
    belongs_to,
    company,
    document,
    flag,
    metadata,
    moment,
    number,
    of_company,
    optional,
    owner,
    reference,
    refers_to,
    row_id,
    string,
    version,
)
from storage.sql import prepared

Status = Literal["pending", "open", "closed", "group", "nps", "lgpd", "bot"]

ACTIVE_STATUSES: Final[tuple[Status, ...]] = ("pending", "open", "group", "nps", "lgpd", "bot")
"""A contact has at most one ticket in one of these per connection; Postgres enforces it."""

_ACTIVE = sa.text("status in ({})".format(", ".join(f"'{status}'" for status in ACTIVE_STATUSES)))

tickets = sa.Table(
    "tickets",
    metadata,
    company(),
    row_id(),
    sa.Column("uuid", sa.Text, nullable=False, unique=True),
    string("status", "pending"),
    owner("contact_id"),
    reference("connection_id"),
    reference("department_id"),
    reference("user_id"),
    string("channel", "whatsapp"),
    string("last_message"),
    number("unread_messages"),
    flag("from_me"),
    flag("is_group"),
    flag("is_bot"),
    flag("is_active_demand"),
    flag("is_out_of_hours"),
    number("menus_used"),
    number("rating_prompts_used"),
    flag("inactive_notified"),
    moment("lgpd_sent_at"),
    moment("lgpd_accepted_at"),
    moment("imported_at"),
    flag("use_integration"),
    reference("integration_id"),
    optional("typebot_session_id"),
    flag("typebot_active"),
    moment("typebot_session_at"),
    flag("flow_webhook"),
    optional("last_flow_id"),
    optional("flow_hash"),
    optional("flow_stopped"),
    document("flow_data"),
    at("created_at"),
    at("updated_at"),
    version(),
    of_company(),
    belongs_to("contact_id", "contacts"),
    refers_to("connection_id", "connections"),
    refers_to("department_id", "departments"),
    refers_to("user_id", "users"),
    sa.CheckConstraint(
        "status in ({})".format(", ".join(f"'{s}'" for s in ("closed", *ACTIVE_STATUSES))),
        name="status",
    ),
    sa.Index(
        "uq_tickets_active",
        "company_id",
        "contact_id",
        "connection_id",
        unique=True,
        postgresql_where=_ACTIVE,
        postgresql_nulls_not_distinct=True,
    ),
    sa.Index("ix_tickets_list", "company_id", "status", sa.text("updated_at DESC")),
    sa.Index(
        "ix_tickets_owner",
        "company_id",
        "user_id",
        sa.text("updated_at DESC"),
        postgresql_where=sa.text("user_id is not null and status <> 'closed'"),
    ),
    sa.Index("ix_tickets_contact", "company_id", "contact_id", "id"),
)


class Ticket(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One conversation case. Its contact's ticket actor is the only writer; `version` guards it.

    `menus_used` and `rating_prompts_used` count automatic menus and rating texts already sent.
    """

    company_id: CompanyId
    id: TicketId
    uuid: str
    status: Status
    contact_id: ContactId
    connection_id: ConnectionId | None = None
    department_id: DepartmentId | None = None
    user_id: UserId | None = None
    channel: str = "whatsapp"
    last_message: str = ""
    unread_messages: int = 0
    from_me: bool = False
    is_group: bool = False
    is_bot: bool = False
    is_active_demand: bool = False
    is_out_of_hours: bool = False
    menus_used: int = 0
    rating_prompts_used: int = 0
    inactive_notified: bool = False
    lgpd_sent_at: datetime | None = None
    lgpd_accepted_at: datetime | None = None
    imported_at: datetime | None = None
    use_integration: bool = False
    integration_id: int | None = None
    typebot_session_id: str | None = None
    typebot_active: bool = False
    typebot_session_at: datetime | None = None
    flow_webhook: bool = False
    last_flow_id: str | None = None
    flow_hash: str | None = None
    flow_stopped: str | None = None
    flow_data: dict[str, object] | None = None
    created_at: datetime
    updated_at: datetime
    version: int = 1

    @property
    def is_active(self) -> bool:
        """Whether this is the contact's one running case on its connection."""
        return self.status in ACTIVE_STATUSES


_t = tickets.c
_OF_COMPANY: Final = _t.company_id == sa.bindparam("company", type_=sa.BigInteger)
_GET: Final = prepared(
    sa.select(tickets).where(_OF_COMPANY, _t.id == sa.bindparam("ticket", type_=sa.BigInteger))
)
_BY_UUID: Final = prepared(
    sa.select(tickets).where(_OF_COMPANY, _t.uuid == sa.bindparam("ticket", type_=sa.Text))
)


_UUID: Final = re.compile(r"[0-9A-Za-z-]{1,64}")


async def get(database: Statements, company_id: CompanyId, ticket_id: TicketId) -> Ticket:
    """One ticket. Raises NotFound."""
    return await database.one(_GET, into=Ticket, company=company_id, ticket=ticket_id)


async def get_by_uuid(database: Statements, company_id: CompanyId, uuid: str) -> Ticket:
    """One ticket by the id that stands in its address in the browser. Raises NotFound.

    What cannot be such an id is not asked for: Postgres takes neither NUL nor half a character.
    """
    if not _UUID.fullmatch(uuid):
        raise NotFound
    return await database.one(_BY_UUID, into=Ticket, company=company_id, ticket=uuid)


async def contacts_with(
    database: Statements,
    company_id: CompanyId,
    status: str,
    *,
    user_id: UserId | None = None,
    connection_id: ConnectionId | None = None,
) -> list[ContactId]:
    """Contacts that have a ticket in `status`, of one agent or on one connection if asked."""
    statement = sa.select(_t.contact_id).where(_t.company_id == company_id, _t.status == status)
    if user_id is not None:
        statement = statement.where(_t.user_id == user_id)
    if connection_id is not None:
        statement = statement.where(_t.connection_id == connection_id)
    rows = await database.rows(statement.group_by(_t.contact_id).order_by(_t.contact_id))
    return [ContactId(row[0]) for row in rows]
