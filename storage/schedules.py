"""Schedules: messages to one contact at a later time, once or repeated."""

from datetime import datetime
from typing import Final

import sqlalchemy as sa
from msgspec import field

from storage.ids import ConnectionId, ContactId, DepartmentId, TicketId, UserId
from storage.metadata import (
    belongs_to,
    flag,
    moment,
    number,
    optional,
    reference,
    refers_to,
    string,
)
from storage.plain_rows import TenantRow, tenant_table
from storage.repo import Repo

schedules = tenant_table(
    "schedules",
    string("body"),
    moment("send_at"),
    moment("sent_at"),
    reference("contact_id"),
    reference("ticket_id"),
    reference("user_id"),
    reference("ticket_user_id"),
    reference("department_id"),
    reference("connection_id"),
    string("status", "PENDENTE"),
    string("status_ticket", "closed"),
    string("open_ticket", "disabled"),
    optional("media_path"),
    optional("media_name"),
    number("interval_unit", 1),
    number("interval_value"),
    number("send_times", 1),
    number("day_kind", 4),
    number("sent_times"),
    flag("sign"),
    belongs_to("contact_id", "contacts"),
    refers_to("ticket_id", "tickets"),
    refers_to("user_id", "users"),
    refers_to("ticket_user_id", "users"),
    refers_to("department_id", "departments"),
    refers_to("connection_id", "connections"),
    sa.Index(None, "company_id", "contact_id"),
    sa.Index("ix_schedules_due", "send_at", postgresql_where=sa.text("status = 'PENDENTE'")),
)


class Schedule(TenantRow, frozen=True, kw_only=True, rename="camel"):
    """A message to come; units are 1 days, 2 weeks, 3 months, 4 minutes."""

    body: str
    send_at: datetime | None
    sent_at: datetime | None
    contact_id: ContactId | None
    ticket_id: TicketId | None
    user_id: UserId | None
    ticket_user_id: UserId | None
    department_id: DepartmentId | None = field(name="queueId")
    connection_id: ConnectionId | None = field(name="whatsappId")
    status: str
    status_ticket: str
    open_ticket: str
    media_path: str | None
    media_name: str | None
    interval_unit: int = field(name="intervalo")
    interval_value: int = field(name="valorIntervalo")
    send_times: int = field(name="enviarQuantasVezes")
    day_kind: int = field(name="tipoDias")
    sent_times: int = field(name="contadorEnvio")
    sign: bool = field(name="assinar")


rows: Final = Repo(schedules, Schedule, schedules.c.send_at, search=("body",))
