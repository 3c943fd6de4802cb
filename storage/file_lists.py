"""File lists: files that a department or a menu option sends."""

from typing import Final

from storage.metadata import belongs_to, optional, owner, string
from storage.plain_rows import TenantRow, tenant_table
from storage.repo import Repo
from storage.search import by_name

file_lists = tenant_table("file_lists", string("name"), string("message"))

file_options = tenant_table(
    "file_options",
    owner("file_id"),
    string("name"),
    optional("path"),
    optional("media_type"),
    belongs_to("file_id", "file_lists"),
)


class FileList(TenantRow, frozen=True, kw_only=True, rename="camel"):
    """A list with the text that goes before its files."""

    name: str
    message: str


class FileOption(TenantRow, frozen=True, kw_only=True, rename="camel"):
    """One file of a list; `path` is its place below the company's public folder."""

    file_id: int
    name: str
    path: str | None
    media_type: str | None


lists: Final = Repo(file_lists, FileList, by_name(file_lists.c.name), search=("name", "message"))
options: Final = Repo(file_options, FileOption)
