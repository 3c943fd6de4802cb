"""The wire noun `queue`, and the brief form nested in tickets and connections."""

from datetime import datetime

import msgspec
from msgspec import UNSET, UnsetType, field

from storage.departments import Department
from storage.ids import CompanyId, ConnectionId, DepartmentId, UserId
from storage.public_urls import NOWHERE


class UserDepartmentView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The join row that frontends read beside each of a user's queues."""

    user_id: UserId
    department_id: DepartmentId = field(name="queueId")


class ConnectionDepartmentView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The join row that frontends read beside each of a connection's queues."""

    connection_id: ConnectionId = field(name="whatsappId")
    department_id: DepartmentId = field(name="queueId")


class DepartmentView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A queue, whole; the join rows appear only where it is nested in a user or connection."""

    id: DepartmentId
    name: str
    color: str
    greeting_message: str
    position: int | None = field(name="orderQueue")
    router_enabled: bool = field(name="ativarRoteador")
    router_minutes: int = field(name="tempoRoteador")
    out_of_hours_message: str
    schedules: list[dict[str, object]]
    company_id: CompanyId
    integration_id: int | None
    file_list_id: int | None
    close_ticket: bool
    chatbots: tuple[()] = ()
    media_path: str | None = None
    media_name: str | None = None
    created_at: datetime
    updated_at: datetime
    user_department: UserDepartmentView | UnsetType = field(name="UserQueue", default=UNSET)
    connection_department: ConnectionDepartmentView | UnsetType = field(
        name="WhatsappQueue", default=UNSET
    )


class DepartmentBrief(msgspec.Struct, frozen=True):
    """What a ticket shows of its queue."""

    id: DepartmentId
    name: str
    color: str


def department_view(
    department: Department,
    *,
    user_id: UserId | None = None,
    connection_id: ConnectionId | None = None,
) -> DepartmentView:
    """Show a department; `user_id` or `connection_id` adds the join row to that owner."""
    return DepartmentView(
        id=department.id,
        name=department.name,
        color=department.color,
        greeting_message=department.greeting_message,
        position=department.position,
        router_enabled=department.router_enabled,
        router_minutes=department.router_minutes,
        out_of_hours_message=department.out_of_hours_message,
        schedules=department.schedules or [],
        company_id=department.company_id,
        integration_id=department.integration_id,
        file_list_id=department.file_list_id,
        media_path=NOWHERE.file(department.company_id, department.media_path),
        media_name=department.media_name,
        close_ticket=department.close_ticket,
        created_at=department.created_at,
        updated_at=department.updated_at,
        user_department=UNSET
        if user_id is None
        else UserDepartmentView(user_id=user_id, department_id=department.id),
        connection_department=UNSET
        if connection_id is None
        else ConnectionDepartmentView(connection_id=connection_id, department_id=department.id),
    )


def department_brief(department: Department) -> DepartmentBrief:
    """Show what a ticket needs of its department."""
    return DepartmentBrief(department.id, department.name, department.color)
