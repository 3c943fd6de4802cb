"""Connections: the stored side of a session with one number or page of a channel."""

from datetime import datetime

import msgspec
import sqlalchemy as sa
from msgspec import UNSET, UnsetType

from storage.ids import CompanyId, ConnectionId, DepartmentId
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
    reference,
    refers_to,
    row_id,
    string,
    version,
)

NETWORKS = {"whatsapp_cloud": "whatsapp", "simulator": "whatsapp"}
"""The network a channel reaches; a contact known through two channels of it is one contact."""


def network(channel: str) -> str:
    """Name the network that contacts, tickets and frontends know a channel by."""
    return NETWORKS.get(channel, channel)


connections = sa.Table(
    "connections",
    metadata,
    company(),
    row_id(),
    string("name"),
    string("channel", "whatsapp"),
    string("status", "DISCONNECTED"),
    string("qrcode"),
    optional("number"),
    optional("battery"),
    flag("plugged"),
    number("retries"),
    flag("is_default"),
    flag("allow_group"),
    flag("group_as_ticket"),
    string("color"),
    # channel addresses; their secrets are sealed in connection_secrets
    optional("external_account_id"),
    optional("waba_id"),
    string("api_version"),
    sa.Column("token_digest", sa.LargeBinary),
    sa.Column("webhook_digest", sa.LargeBinary),
    # automatic texts
    string("greeting_message"),
    optional("greeting_media"),
    string("farewell_message"),
    string("closing_message"),
    string("out_of_hours_message"),
    string("rating_message"),
    string("inactive_message"),
    string("expires_inactive_message"),
    string("vacation_message"),
    optional("vacation_start"),
    optional("vacation_end"),
    document("schedules"),
    # limits and timers, minutes where they measure time; 0 switches off
    number("max_menus", 3),
    number("menu_pause"),
    number("max_rating_prompts", 3),
    number("expires_ticket"),
    number("expires_rating"),
    string("expires_when", "0"),
    number("inactive_after"),
    number("reopen_minutes"),
    number("send_department_after"),
    reference("send_department_id"),
    # history import
    moment("import_old_messages"),
    moment("import_recent_messages"),
    optional("import_status"),
    flag("import_close_tickets"),
    flag("import_groups"),
    reference("import_department_id"),
    # automation
    reference("integration_id"),
    reference("prompt_id"),
    reference("flow_id_not_phrase"),
    reference("flow_id_welcome"),
    at("created_at"),
    at("updated_at"),
    version(),
    of_company(),
    refers_to("send_department_id", "departments"),
    refers_to("import_department_id", "departments"),
    sa.UniqueConstraint("company_id", "name"),
    sa.UniqueConstraint("channel", "external_account_id"),
    sa.UniqueConstraint("token_digest"),
    sa.UniqueConstraint("webhook_digest"),
    sa.Index(
        "uq_connections_default",
        "company_id",
        "channel",
        unique=True,
        postgresql_where=sa.text("is_default"),
    ),
)

connection_departments = sa.Table(
    "connection_departments",
    metadata,
    company(),
    sa.Column("connection_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("department_id", sa.BigInteger, primary_key=True, autoincrement=False),
    at("created_at"),
    belongs_to("connection_id", "connections"),
    belongs_to("department_id", "departments"),
    sa.Index(None, "company_id", "department_id"),
)

connection_secrets = sa.Table(
    "connection_secrets",
    metadata,
    company(),
    sa.Column("connection_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    at("updated_at"),
    belongs_to("connection_id", "connections"),
)


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """One number or page of a channel and how its conversations are handled.

    (channel, external_account_id) is unique over the installation: an inbound webhook belongs to
    one company. Secrets are in `ConnectionSecrets`; here are only digests to find the row by.
    """

    company_id: CompanyId
    id: ConnectionId
    name: str
    channel: str
    status: str
    qrcode: str
    number: str | None
    battery: str | None
    plugged: bool
    retries: int
    is_default: bool
    allow_group: bool
    group_as_ticket: bool
    color: str
    external_account_id: str | None
    waba_id: str | None
    api_version: str
    greeting_message: str
    greeting_media: str | None
    farewell_message: str
    closing_message: str
    out_of_hours_message: str
    rating_message: str
    inactive_message: str
    expires_inactive_message: str
    vacation_message: str
    vacation_start: str | None
    vacation_end: str | None
    schedules: list[dict[str, object]] | None
    max_menus: int
    menu_pause: int
    max_rating_prompts: int
    expires_ticket: int
    expires_rating: int
    expires_when: str
    inactive_after: int
    reopen_minutes: int
    send_department_after: int
    send_department_id: DepartmentId | None
    import_old_messages: datetime | None
    import_recent_messages: datetime | None
    import_status: str | None
    import_close_tickets: bool
    import_groups: bool
    import_department_id: DepartmentId | None
    integration_id: int | None
    prompt_id: int | None
    flow_id_not_phrase: int | None
    flow_id_welcome: int | None
    created_at: datetime
    updated_at: datetime
    version: int


class ConnectionSecrets(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What opens a channel or this connection's own doors; stored sealed, shown masked.

    `token` is the bearer of the external API, `webhook_token` the last part of the webhook URL.
    """

    token: str = ""
    webhook_token: str = ""
    verify_token: str = ""
    access_token: str = ""
    app_secret: str = ""
    session: str = ""
    facebook_user_id: str = ""
    facebook_user_token: str = ""
    facebook_page_id: str = ""
    meta_token: str = ""


class ConnectionPatch(msgspec.Struct, frozen=True, kw_only=True):
    """The fields a person may change; UNSET leaves a column alone."""

    name: str | UnsetType = UNSET
    channel: str | UnsetType = UNSET
    status: str | UnsetType = UNSET
    qrcode: str | UnsetType = UNSET
    number: str | UnsetType | None = UNSET
    is_default: bool | UnsetType = UNSET
    allow_group: bool | UnsetType = UNSET
    group_as_ticket: bool | UnsetType = UNSET
    color: str | UnsetType = UNSET
    external_account_id: str | UnsetType | None = UNSET
    waba_id: str | UnsetType | None = UNSET
    api_version: str | UnsetType = UNSET
    greeting_message: str | UnsetType = UNSET
    greeting_media: str | UnsetType | None = UNSET
    farewell_message: str | UnsetType = UNSET
    closing_message: str | UnsetType = UNSET
    out_of_hours_message: str | UnsetType = UNSET
    rating_message: str | UnsetType = UNSET
    inactive_message: str | UnsetType = UNSET
    expires_inactive_message: str | UnsetType = UNSET
    vacation_message: str | UnsetType = UNSET
    vacation_start: str | UnsetType | None = UNSET
    vacation_end: str | UnsetType | None = UNSET
    schedules: list[dict[str, object]] | UnsetType | None = UNSET
    max_menus: int | UnsetType = UNSET
    menu_pause: int | UnsetType = UNSET
    max_rating_prompts: int | UnsetType = UNSET
    expires_ticket: int | UnsetType = UNSET
    expires_rating: int | UnsetType = UNSET
    expires_when: str | UnsetType = UNSET
    inactive_after: int | UnsetType = UNSET
    reopen_minutes: int | UnsetType = UNSET
    send_department_after: int | UnsetType = UNSET
    send_department_id: DepartmentId | UnsetType | None = UNSET
    import_old_messages: datetime | UnsetType | None = UNSET
    import_recent_messages: datetime | UnsetType | None = UNSET
    import_close_tickets: bool | UnsetType = UNSET
    import_groups: bool | UnsetType = UNSET
    import_department_id: DepartmentId | UnsetType | None = UNSET
    integration_id: int | UnsetType | None = UNSET
    prompt_id: int | UnsetType | None = UNSET
    flow_id_not_phrase: int | UnsetType | None = UNSET
    flow_id_welcome: int | UnsetType | None = UNSET
    department_ids: tuple[DepartmentId, ...] | UnsetType = UNSET
