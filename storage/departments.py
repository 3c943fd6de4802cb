"""Departments: the groups that tickets wait for (the family's word on the wire is queue)."""

from datetime import datetime
from typing import Final

import msgspec
import sqlalchemy as sa
from msgspec import UNSET, UnsetType

from storage import plans
from storage.database import Statements, Tx
from storage.ids import CompanyId, DepartmentId
from storage.metadata import (
    at,
    company,
    document,
    flag,
    metadata,
    number,
    of_company,
    optional,
    reference,
    refers_to,
    row_id,
    string,
)
from storage.repo import Repo, assigned

departments = sa.Table(
    "departments",
    metadata,
    company(),
    row_id(),
    string("name"),
    string("color"),
    string("greeting_message"),
    sa.Column("position", sa.Integer),
    flag("router_enabled"),
    number("router_minutes"),
    string("out_of_hours_message"),
    document("schedules"),
    flag("close_ticket"),
    reference("integration_id"),
    reference("file_list_id"),
    at("created_at"),
    at("updated_at"),
    optional("media_path"),
    optional("media_name"),
    of_company(),
    refers_to("integration_id", "queue_integrations"),
    refers_to("file_list_id", "file_lists"),
    sa.UniqueConstraint("company_id", "name"),
    sa.UniqueConstraint("company_id", "color"),
)


class Department(msgspec.Struct, frozen=True, kw_only=True):
    """A group of agents. `router_minutes` is the waiting time before another agent is drawn.

    `media_path` is the file that goes with the greeting.
    """

    company_id: CompanyId
    id: DepartmentId
    name: str
    color: str
    greeting_message: str
    position: int | None
    router_enabled: bool
    router_minutes: int
    out_of_hours_message: str
    schedules: list[dict[str, object]] | None
    close_ticket: bool
    integration_id: int | None
    file_list_id: int | None
    created_at: datetime
    updated_at: datetime
    media_path: str | None = None
    media_name: str | None = None


class DepartmentPatch(msgspec.Struct, frozen=True, kw_only=True):
    """The fields a person may change; UNSET leaves a column alone."""

    name: str | UnsetType = UNSET
    color: str | UnsetType = UNSET
    greeting_message: str | UnsetType = UNSET
    position: int | UnsetType | None = UNSET
    router_enabled: bool | UnsetType = UNSET
    router_minutes: int | UnsetType = UNSET
    out_of_hours_message: str | UnsetType = UNSET
    schedules: list[dict[str, object]] | UnsetType | None = UNSET
    close_ticket: bool | UnsetType = UNSET
    integration_id: int | UnsetType | None = UNSET
    file_list_id: int | UnsetType | None = UNSET
    media_path: str | UnsetType | None = UNSET
    media_name: str | UnsetType | None = UNSET


_repo: Final = Repo(departments, Department)


async def get(source: Statements, company_id: CompanyId, department_id: DepartmentId) -> Department:
    """One department. Raises NotFound."""
    return await _repo.get(source, company_id, department_id)


async def create(tx: Tx, company_id: CompanyId, new: DepartmentPatch) -> Department:
    """Store a department.

    Raises UniqueViolation when its name or colour is taken, PlanLimit without room in the plan.
    """
    await plans.make_room(tx, company_id, "departments")
    return await _repo.insert(tx, company_id, **assigned(new))


async def change(
    tx: Tx, company_id: CompanyId, department_id: DepartmentId, patch: DepartmentPatch
) -> Department:
    """Set what the patch sets. Raises NotFound, or UniqueViolation for a taken name or colour."""
    return await _repo.change(tx, company_id, department_id, assigned(patch))


async def delete(tx: Tx, company_id: CompanyId, department_id: DepartmentId) -> None:
    """Delete a department; its tickets stay, without one. Raises NotFound."""
    await _repo.delete(tx, company_id, department_id)
