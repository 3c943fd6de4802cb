"""Announcements of the operators to every company."""

from typing import Final

import sqlalchemy as sa
from msgspec import field

from storage.ids import CompanyId
from storage.metadata import flag, number, optional, reference, string
from storage.plain_rows import SharedRow, shared_table
from storage.repo import Repo

announcements = shared_table(
    "announcements",
    number("priority"),
    string("title"),
    string("text"),
    optional("media_path"),
    optional("media_name"),
    flag("status", default=True),
    reference("author_company_id"),
    sa.ForeignKeyConstraint(["author_company_id"], ["companies.id"], ondelete="SET NULL"),
)


class Announcement(SharedRow, frozen=True, kw_only=True, rename="camel"):
    """A notice; `priority` 1 is high, 3 low; the author's company holds its file."""

    priority: int
    title: str
    text: str
    media_path: str | None
    media_name: str | None
    status: bool
    author_company_id: CompanyId | None = field(name="companyId")


rows: Final = Repo(
    announcements,
    Announcement,
    announcements.c.priority,
    announcements.c.created_at.desc(),
    search=("title", "text"),
)
