"""The statements that every plain table of a company needs, written once."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Generic, TypeVar

import msgspec
import sqlalchemy as sa
from msgspec import UNSET

from storage.database import Statements, Tx
from storage.errors import NotFound
from storage.ids import CompanyId
from storage.metadata import columns_of
from storage.search import contains
from storage.sql import prepared

R = TypeVar("R", bound=msgspec.Struct)

COUNTED: Final = 10_000
"""Lists are counted exactly up to this, and always one row past the page that is shown."""

_COMPANY: Final = sa.bindparam("company", type_=sa.BigInteger)
_ROW: Final = sa.bindparam("row", type_=sa.BigInteger)


class Repo(Generic[R]):
    """Reads and writes one table whose key is (company_id, id); foreign rows are not there.

    A table without company_id is the installation's: every company sees all of its rows.
    """

    def __init__(
        self,
        table: sa.Table,
        record: type[R],
        *order: sa.ColumnElement[Any],
        search: tuple[str, ...] = (),
    ) -> None:
        """`search` names the columns that `listed` looks for a text in."""
        self.table = self._table = table
        self.record = self._record = record
        self._searched = tuple(table.c[name] for name in search)
        self._columns = columns_of(table, record)
        self._tenant = "company_id" in table.c
        of_company = table.c.company_id == _COMPANY if self._tenant else sa.true()
        mine = sa.and_(of_company, table.c.id == _ROW)
        self._order = (*order, table.c.id)
        self._get = prepared(sa.select(*self._columns).where(mine))
        self._all = prepared(sa.select(*self._columns).where(of_company).order_by(*self._order))
        self._delete = prepared(sa.delete(table).where(mine))

    async def get(self, source: Statements, company_id: CompanyId, row_id: int) -> R:
        """One row. Raises NotFound."""
        values = self._of(company_id)
        return await source.one(self._get, into=self._record, row=row_id, **values)

    async def find(self, source: Statements, company_id: CompanyId, row_id: int) -> R | None:
        """One row, or None."""
        values = self._of(company_id)
        return await source.first(self._get, into=self._record, row=row_id, **values)

    async def all_of(self, source: Statements, company_id: CompanyId) -> list[R]:
        """Every row of the company in the repository's order; for tables that stay small."""
        return await source.all(self._all, into=self._record, **self._of(company_id))

    async def where(
        self, source: Statements, company_id: CompanyId, *conditions: sa.ColumnElement[bool]
    ) -> list[R]:
        """Every row of the company that meets `conditions`, in the repository's order."""
        found = sa.select(*self._columns).where(*self._mine(company_id), *conditions)
        return await source.all(found.order_by(*self._order), into=self._record)

    def matching(
        self, text: str = "", equal: Mapping[str, object] | None = None
    ) -> tuple[sa.ColumnElement[bool], ...]:
        """Conditions: a searched column contains `text`, and columns have these values.

        A value of None asks for nothing.
        """
        found: list[sa.ColumnElement[bool]] = []
        if text:
            found.append(sa.or_(*(contains(column, text) for column in self._searched)))
        for name, value in (equal or {}).items():
            if value is not None:
                found.append(self._table.c[name] == value)
        return tuple(found)

    async def page(
        self,
        source: Statements,
        company_id: CompanyId,
        *conditions: sa.ColumnElement[bool],
        number: int = 1,
        size: int = 20,
    ) -> tuple[list[R], int]:
        """One page of the rows that meet `conditions`, and how many there are in all."""
        found = sa.select(*self._columns).where(*self._mine(company_id), *conditions)
        wanted = found.order_by(*self._order).limit(size).offset((number - 1) * size)
        most = max(COUNTED, number * size + 1)
        counted = found.with_only_columns(sa.literal(1)).limit(most).subquery()
        rows = await source.all(wanted, into=self._record)
        count: int = await source.value(sa.select(sa.func.count()).select_from(counted))
        return rows, count

    async def insert(self, tx: Tx, company_id: CompanyId, **values: object) -> R:
        """Add a row. Raises UniqueViolation, and Conflict for a reference into nowhere."""
        statement = sa.insert(self._table).values(**(values | self._column_of(company_id)))
        return await tx.one(statement.returning(*self._columns), into=self._record)

    async def change(self, tx: Tx, company_id: CompanyId, row_id: int, values: dict[str, Any]) -> R:
        """Set columns, the time of the change and the next version.

        Raises NotFound, UniqueViolation, and Conflict for a reference into nowhere.
        """
        table = self._table
        kept = {name: value for name, value in values.items() if name in table.c}
        if "updated_at" in table.c:
            kept["updated_at"] = sa.func.now()
        if "version" in table.c:
            kept["version"] = table.c.version + 1
        mine = (*self._mine(company_id), table.c.id == row_id)
        statement = sa.update(table).where(*mine).values(kept)
        return await tx.one(statement.returning(*self._columns), into=self._record)

    async def delete(self, tx: Tx, company_id: CompanyId, row_id: int) -> None:
        """Delete a row with what belongs to it. Raises NotFound."""
        if not await tx.execute(self._delete, row=row_id, **self._of(company_id)):
            raise NotFound

    def _of(self, company_id: CompanyId) -> dict[str, Any]:
        return {"company": company_id} if self._tenant else {}

    def _column_of(self, company_id: CompanyId) -> dict[str, Any]:
        return {"company_id": company_id} if self._tenant else {}

    def _mine(self, company_id: CompanyId) -> tuple[sa.ColumnElement[bool], ...]:
        return (self._table.c.company_id == company_id,) if self._tenant else ()


class Links:
    """A join table: which rows of one table hang on a row of another, in the same company."""

    def __init__(self, table: sa.Table, owner: str, member: str) -> None:
        self._table = table
        self._owner = owner
        self._member = member
        of_owner = sa.and_(table.c.company_id == _COMPANY, table.c[owner] == _ROW)
        self._of = prepared(sa.select(table.c[member]).where(of_owner).order_by(table.c[member]))
        self._clear = prepared(sa.delete(table).where(of_owner))

    async def of(self, source: Statements, company_id: CompanyId, owner_id: int) -> list[int]:
        """The members of one owner, by id."""
        rows = await source.rows(self._of, company=company_id, row=owner_id)
        return [row[0] for row in rows]

    async def replace(
        self, tx: Tx, company_id: CompanyId, owner_id: int, members: Sequence[int]
    ) -> None:
        """Make `members` the members of one owner. Raises Conflict for one that is not there."""
        await tx.execute(self._clear, company=company_id, row=owner_id)
        if members:
            fixed = {"company_id": company_id, self._owner: owner_id}
            rows = [fixed | {self._member: member} for member in dict.fromkeys(members)]
            await tx.execute(sa.insert(self._table).values(rows))


def assigned(patch: msgspec.Struct, *without: str) -> dict[str, Any]:
    """Name and value of every field that a patch sets, except those named in `without`."""
    return {
        name: value
        for name in patch.__struct_fields__
        if name not in without and (value := getattr(patch, name)) is not UNSET
    }
