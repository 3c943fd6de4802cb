"""Tables of connections, their departments and their sealed secrets."""

import sqlalchemy as sa

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

CHANNELS = ("whatsapp", "whatsapp_cloud", "simulator", "facebook", "instagram", "webchat")
"""Every way of reaching a network."""

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
    refers_to("integration_id", "queue_integrations"),
    refers_to("prompt_id", "prompts"),
    sa.UniqueConstraint("company_id", "name"),
    sa.UniqueConstraint("channel", "external_account_id"),
    sa.UniqueConstraint("token_digest"),
    sa.UniqueConstraint("webhook_digest"),
    sa.Index(
        "uq_connections_default",
        "company_id",
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
