"""File lists: files that a department or a menu option sends."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import sqlalchemy as sa

from storage.database import Statements, Tx
from storage.errors import NotFound
from storage.ids import CompanyId
from storage.metadata import belongs_to, optional, owner, string
from storage.plain_rows import TenantRow, tenant_table
from storage.repo import Repo
from storage.search import by_name, one_of

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


async def options_of(
    source: Statements, company_id: CompanyId, list_ids: Sequence[int]
) -> list[FileOption]:
    """The files of these lists."""
    there = one_of(file_options.c.file_id, list(list_ids), sa.BigInteger)
    return await options.where(source, company_id, there)


async def keep_options(tx: Tx, company_id: CompanyId, list_id: int, kept: Iterable[int]) -> None:
    """Delete the files of a list that are not among `kept`."""
    mine = (file_options.c.company_id == company_id, file_options.c.file_id == list_id)
    staying = one_of(file_options.c.id, sorted(kept), sa.BigInteger)
    await tx.execute(sa.delete(file_options).where(*mine, sa.not_(staying)))


async def set_option(
    tx: Tx, company_id: CompanyId, list_id: int, option_id: int | None, values: dict[str, Any]
) -> None:
    """Add a file to a list, or change the one with this id. Raises NotFound."""
    if option_id is None:
        await options.insert(tx, company_id, file_id=list_id, **values)
        return
    wanted = options.matching(equal={"id": option_id, "file_id": list_id})
    if not await options.where(tx, company_id, *wanted):
        raise NotFound
    await options.change(tx, company_id, option_id, values)
