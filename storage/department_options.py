"""Menu options of a department: a tree of numbered answers."""

from typing import Final

import sqlalchemy as sa
from msgspec import field

from storage.ids import DepartmentId
from storage.metadata import belongs_to, optional, owner, reference, string
from storage.plain_rows import TenantRow, tenant_table
from storage.repo import Repo

department_options = tenant_table(
    "department_options",
    string("title"),
    optional("message"),
    optional("option"),
    owner("department_id"),
    reference("parent_id"),
    optional("media_path"),
    optional("media_name"),
    belongs_to("department_id", "departments"),
    belongs_to("parent_id", "department_options"),
    sa.Index(None, "company_id", "department_id"),
)


class DepartmentOption(TenantRow, frozen=True, kw_only=True, rename="camel"):
    """One answer of the menu, below another one or at the top."""

    title: str
    message: str | None
    option: str | None
    department_id: DepartmentId = field(name="queueId")
    parent_id: int | None
    media_path: str | None
    media_name: str | None


rows: Final = Repo(department_options, DepartmentOption)


def children_of(parent: int | None) -> tuple[sa.ColumnElement[bool], ...]:
    """Condition: the options below this one; None: those at the top."""
    column = department_options.c.parent_id
    return (column.is_(None) if parent is None else column == parent,)
