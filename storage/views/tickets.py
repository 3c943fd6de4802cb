"""The wire noun `ticket`, with everything its card and conversation show nested in it."""

from collections.abc import Iterable
from datetime import datetime

import msgspec
from msgspec import field

from storage.connections import Connection, network
from storage.contacts import Contact
from storage.ids import CompanyId, ConnectionId, ContactId, DepartmentId, TagId, TicketId, UserId
from storage.snapshots import CompanySnapshot
from storage.tickets import Ticket
from storage.views.contacts import ContactView, contact_view, tag_briefs
from storage.views.departments import DepartmentBrief, department_brief
from storage.views.tags import TagBrief
from storage.views.words import enabled


class UserBrief(msgspec.Struct, frozen=True, gc=False):
    """What a ticket shows of its agent."""

    id: UserId
    name: str


class ConnectionBrief(msgspec.Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """What a ticket shows of its connection."""

    id: ConnectionId
    name: str
    channel: str
    status: str
    color: str
    expires_ticket: str
    group_as_ticket: str


class CompanyBrief(msgspec.Struct, frozen=True, gc=False):
    """What a ticket shows of its company."""

    id: CompanyId
    name: str


class TicketView(msgspec.Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """A ticket, whole: its columns under the family's names and what is nested in it."""

    id: TicketId
    uuid: str
    status: str
    unread_messages: int
    last_message: str
    is_group: bool
    user_id: UserId | None
    contact_id: ContactId
    connection_id: ConnectionId | None = field(name="whatsappId")
    department_id: DepartmentId | None = field(name="queueId")
    company_id: CompanyId
    is_bot: bool
    channel: str
    menus_used: int = field(name="amountUsedBotQueues")
    rating_prompts_used: int = field(name="amountUsedBotQueuesNPS")
    from_me: bool
    inactive_notified: bool = field(name="sendInactiveMessage")
    lgpd_sent_at: datetime | None = field(name="lgpdSendMessageAt")
    lgpd_accepted_at: datetime | None
    imported_at: datetime | None = field(name="imported")
    is_out_of_hours: bool = field(name="isOutOfHour")
    use_integration: bool
    integration_id: int | None
    is_active_demand: bool
    typebot_session_id: str | None
    typebot_active: bool = field(name="typebotStatus")
    typebot_session_at: datetime | None = field(name="typebotSessionTime")
    flow_webhook: bool
    last_flow_id: str | None
    flow_hash: str | None = field(name="hashFlowId")
    flow_stopped: str | None
    flow_data: dict[str, object] | None = field(name="dataWebhook")
    created_at: datetime
    updated_at: datetime
    contact: ContactView
    department: DepartmentBrief | None = field(name="queue")
    user: UserBrief | None
    connection: ConnectionBrief | None = field(name="whatsapp")
    tags: tuple[TagBrief, ...]
    company: CompanyBrief


def ticket_view(
    ticket: Ticket,
    contact: Contact | ContactView,
    tags: Iterable[TagId],
    snapshot: CompanySnapshot,
) -> TicketView:
    """Show a ticket of `contact`; `tags` are the ticket's own. Needs no database."""
    department = snapshot.departments.get(ticket.department_id or DepartmentId(0))
    user = snapshot.users.get(ticket.user_id or UserId(0))
    connection = snapshot.connections.get(ticket.connection_id or ConnectionId(0))
    return TicketView(
        id=ticket.id,
        uuid=ticket.uuid,
        status=ticket.status,
        unread_messages=ticket.unread_messages,
        last_message=ticket.last_message,
        is_group=ticket.is_group,
        user_id=ticket.user_id,
        contact_id=ticket.contact_id,
        connection_id=ticket.connection_id,
        department_id=ticket.department_id,
        company_id=ticket.company_id,
        is_bot=ticket.is_bot,
        channel=network(ticket.channel),
        menus_used=ticket.menus_used,
        rating_prompts_used=ticket.rating_prompts_used,
        from_me=ticket.from_me,
        inactive_notified=ticket.inactive_notified,
        lgpd_sent_at=ticket.lgpd_sent_at,
        lgpd_accepted_at=ticket.lgpd_accepted_at,
        imported_at=ticket.imported_at,
        is_out_of_hours=ticket.is_out_of_hours,
        use_integration=ticket.use_integration,
        integration_id=ticket.integration_id,
        is_active_demand=ticket.is_active_demand,
        typebot_session_id=ticket.typebot_session_id,
        typebot_active=ticket.typebot_active,
        typebot_session_at=ticket.typebot_session_at,
        flow_webhook=ticket.flow_webhook,
        last_flow_id=ticket.last_flow_id,
        flow_hash=ticket.flow_hash,
        flow_stopped=ticket.flow_stopped,
        flow_data=ticket.flow_data,
        created_at=ticket.created_at,
        updated_at=ticket.updated_at,
        contact=contact if isinstance(contact, ContactView) else contact_view(contact, snapshot),
        department=None if department is None else department_brief(department),
        user=None if user is None else UserBrief(user.id, user.name),
        connection=None if connection is None else connection_brief(connection),
        tags=tag_briefs(tags, snapshot),
        company=CompanyBrief(snapshot.company.id, snapshot.company.name),
    )


def connection_brief(connection: Connection) -> ConnectionBrief:
    """Show what a ticket needs of its connection."""
    return ConnectionBrief(
        id=connection.id,
        name=connection.name,
        channel=network(connection.channel),
        status=connection.status,
        color=connection.color,
        expires_ticket=str(connection.expires_ticket),
        group_as_ticket=enabled(connection.group_as_ticket),
    )
