"""The wire noun `whatsapp`: a connection of any channel."""

from collections.abc import Iterable
from datetime import datetime

import msgspec
from msgspec import field

from storage.connections import Connection, ConnectionSecrets, network
from storage.ids import CompanyId, ConnectionId, DepartmentId
from storage.secrets import mask
from storage.snapshots import CompanySnapshot
from storage.views.departments import DepartmentView, department_view
from storage.views.words import enabled

CHANNEL_TYPES = {"whatsapp": "baileys", "whatsapp_cloud": "official", "simulator": "simulator"}


class ConnectionView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A connection, whole, with its queues.

    Secrets are masked, and empty as the QR code is for people who do not manage connections.
    `channel` is the network, `channelType` how it is reached.
    """

    id: ConnectionId
    name: str
    channel: str
    channel_type: str
    status: str
    qrcode: str
    session: str
    number: str | None
    battery: str | None
    plugged: bool
    retries: int
    is_default: bool
    allow_group: bool
    group_as_ticket: str
    color: str
    provider: str
    company_id: CompanyId
    token: str
    external_account_id: str | None = field(name="phone_number_id")
    waba_id: str | None = field(name="waba_id")
    api_version: str
    access_token: str = field(name="send_token")
    verify_token: str
    app_secret: str
    greeting_message: str
    greeting_media: str | None = field(name="greetingMediaAttachment")
    farewell_message: str
    closing_message: str = field(name="complationMessage")
    out_of_hours_message: str
    rating_message: str
    inactive_message: str
    expires_inactive_message: str
    vacation_message: str = field(name="collectiveVacationMessage")
    vacation_start: str | None = field(name="collectiveVacationStart")
    vacation_end: str | None = field(name="collectiveVacationEnd")
    schedules: list[dict[str, object]]
    max_menus: int = field(name="maxUseBotQueues")
    menu_pause: str = field(name="timeUseBotQueues")
    max_rating_prompts: int = field(name="maxUseBotQueuesNPS")
    expires_ticket: str
    expires_rating: int = field(name="expiresTicketNPS")
    expires_when: str = field(name="whenExpiresTicket")
    inactive_after: str = field(name="timeInactiveMessage")
    reopen_minutes: int = field(name="timeCreateNewTicket")
    send_department_after: int = field(name="timeSendQueue")
    send_department_id: DepartmentId | None = field(name="sendIdQueue")
    import_old_messages: datetime | None
    import_recent_messages: datetime | None
    import_status: str | None = field(name="statusImportMessages")
    import_close_tickets: bool = field(name="closedTicketsPostImported")
    import_groups: bool = field(name="importOldMessagesGroups")
    import_department_id: DepartmentId | None = field(name="queueIdImportMessages")
    integration_id: int | None
    prompt_id: int | None
    flow_id_not_phrase: int | None
    flow_id_welcome: int | None
    created_at: datetime
    updated_at: datetime
    departments: tuple[DepartmentView, ...] = field(name="queues")


def connection_view(
    connection: Connection,
    snapshot: CompanySnapshot,
    *,
    manager: bool = False,
    secrets: ConnectionSecrets | None = None,
    department_ids: Iterable[DepartmentId] | None = None,
) -> ConnectionView:
    """Show a connection. `manager` may see the QR code and masked secrets.

    `department_ids` overrides the snapshot's, for a connection it does not know yet.
    """
    if department_ids is None:
        department_ids = snapshot.connection_departments.get(connection.id, ())
    shown = secrets if manager and secrets is not None else ConnectionSecrets()
    return ConnectionView(
        id=connection.id,
        name=connection.name,
        channel=network(connection.channel),
        channel_type=CHANNEL_TYPES.get(connection.channel, connection.channel),
        status=connection.status,
        qrcode=connection.qrcode if manager else "",
        session="",
        number=connection.number,
        battery=connection.battery,
        plugged=connection.plugged,
        retries=connection.retries,
        is_default=connection.is_default,
        allow_group=connection.allow_group,
        group_as_ticket=enabled(connection.group_as_ticket),
        color=connection.color,
        provider="beta",
        company_id=connection.company_id,
        token=mask(shown.token),
        external_account_id=connection.external_account_id,
        waba_id=connection.waba_id,
        api_version=connection.api_version,
        access_token=mask(shown.access_token),
        verify_token=mask(shown.verify_token),
        app_secret=mask(shown.app_secret),
        greeting_message=connection.greeting_message,
        greeting_media=connection.greeting_media,
        farewell_message=connection.farewell_message,
        closing_message=connection.closing_message,
        out_of_hours_message=connection.out_of_hours_message,
        rating_message=connection.rating_message,
        inactive_message=connection.inactive_message,
        expires_inactive_message=connection.expires_inactive_message,
        vacation_message=connection.vacation_message,
        vacation_start=connection.vacation_start,
        vacation_end=connection.vacation_end,
        schedules=connection.schedules or [],
        max_menus=connection.max_menus,
        menu_pause=str(connection.menu_pause),
        max_rating_prompts=connection.max_rating_prompts,
        expires_ticket=str(connection.expires_ticket),
        expires_rating=connection.expires_rating,
        expires_when=connection.expires_when,
        inactive_after=str(connection.inactive_after),
        reopen_minutes=connection.reopen_minutes,
        send_department_after=connection.send_department_after,
        send_department_id=connection.send_department_id,
        import_old_messages=connection.import_old_messages,
        import_recent_messages=connection.import_recent_messages,
        import_status=connection.import_status,
        import_close_tickets=connection.import_close_tickets,
        import_groups=connection.import_groups,
        import_department_id=connection.import_department_id,
        integration_id=connection.integration_id,
        prompt_id=connection.prompt_id,
        flow_id_not_phrase=connection.flow_id_not_phrase,
        flow_id_welcome=connection.flow_id_welcome,
        created_at=connection.created_at,
        updated_at=connection.updated_at,
        departments=tuple(
            department_view(snapshot.departments[department], connection_id=connection.id)
            for department in department_ids
            if department in snapshot.departments
        ),
    )
