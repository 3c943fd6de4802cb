"""Scheduled messages to many: contacts and tags of a company, repeated, with each sending."""

from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from msgspec import field

from storage.ids import ConnectionId
from storage.metadata import (
    belongs_to,
    document,
    flag,
    moment,
    number,
    optional,
    owner,
    reference,
    refers_to,
    string,
)
from storage.plain_rows import TenantRow, tenant_table
from storage.repo import Repo

scheduled_messages = tenant_table(
    "scheduled_messages",
    string("name"),
    string("message"),
    moment("send_at"),
    moment("sent_at"),
    reference("connection_id"),
    number("interval_unit", 1),
    number("interval_value"),
    string("day_kind", "4"),
    flag("show_user"),
    flag("open_ticket"),
    document("contacts"),
    document("tags"),
    string("status", "PENDENTE"),
    optional("media_path"),
    optional("media_name"),
    string("media_kind"),
    string("sender"),
    number("send_times", 1),
    refers_to("connection_id", "connections"),
    sa.Index(
        "ix_scheduled_messages_due", "send_at", postgresql_where=sa.text("status = 'PENDENTE'")
    ),
)

scheduled_sendings = tenant_table(
    "scheduled_sendings",
    owner("scheduled_id"),
    string("message"),
    optional("media_path"),
    optional("media_name"),
    moment("sent_at"),
    string("key"),
    belongs_to("scheduled_id", "scheduled_messages"),
    sa.UniqueConstraint("company_id", "scheduled_id", "key"),
)


class ScheduledMessage(TenantRow, frozen=True, kw_only=True, rename="camel"):
    """A message to many at a later time; units as in schedules."""

    name: str = field(name="nome")
    message: str = field(name="mensagem")
    send_at: datetime | None = field(name="data_mensagem_programada")
    sent_at: datetime | None
    connection_id: ConnectionId | None = field(name="id_conexao")
    interval_unit: int = field(name="intervalo")
    interval_value: int = field(name="valor_intervalo")
    day_kind: str = field(name="tipo_dias_envio")
    show_user: bool = field(name="mostrar_usuario_mensagem")
    open_ticket: bool = field(name="criar_ticket")
    contacts: list[Any] | None = field(name="contatos")
    tags: list[Any] | None
    status: str
    media_path: str | None
    media_name: str | None
    media_kind: str = field(name="tipo_arquivo")
    sender: str = field(name="usuario_envio")
    send_times: int = field(name="enviar_quantas_vezes")


class ScheduledSending(TenantRow, frozen=True, kw_only=True, rename="camel"):
    """One sending that took place."""

    scheduled_id: int = field(name="scheduledmessages")
    message: str = field(name="mensagem")
    media_path: str | None
    media_name: str | None
    sent_at: datetime | None = field(name="data_envio")
    key: str


rows: Final = Repo(
    scheduled_messages, ScheduledMessage, scheduled_messages.c.send_at, search=("name", "message")
)
sendings: Final = Repo(scheduled_sendings, ScheduledSending)
