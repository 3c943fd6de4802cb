"""A small table, statements on it and an open writer, for the tests of the commit path."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import count
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.schema import CreateTable

from storage.bridge import AsyncpgConnection, connect
from storage.database import Database, open_database
from storage.events import DomainEvent
from storage.ids import CompanyId
from storage.owner import Owner, owner_lock
from storage.unit import EVENT_SEQ, Unit, Write, delete, insert, raise_to, update, upsert
from storage.writer import GroupWriter, Limits, open_writer

tables = sa.MetaData()

things = sa.Table(
    "things",
    tables,
    sa.Column("company_id", sa.BigInteger, primary_key=True),
    sa.Column("id", sa.BigInteger, primary_key=True),
    sa.Column("seq", sa.BigInteger),
    sa.Column("key", sa.Text),
    sa.Column("slot", sa.Integer),
    sa.Column("body", sa.Text),
    sa.Column("weight", sa.Integer, sa.CheckConstraint("weight >= 0", name="heavy")),
    sa.Column("rank", sa.Integer, nullable=False, server_default="0"),
    sa.Column("version", sa.Integer, nullable=False, server_default="1"),
    sa.UniqueConstraint("company_id", "key", name="uq_key"),
    sa.UniqueConstraint("company_id", "slot", name="uq_slot"),
)
parts = sa.Table(
    "parts",
    tables,
    sa.Column("company_id", sa.BigInteger, primary_key=True),
    sa.Column("id", sa.BigInteger, primary_key=True),
    sa.Column("thing_id", sa.BigInteger, nullable=False),
    sa.ForeignKeyConstraint(["company_id", "thing_id"], ["things.company_id", "things.id"]),
)
receipts = sa.Table(
    "receipts",
    tables,
    sa.Column("company_id", sa.BigInteger, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
)

ADD = insert(
    things, "company_id", "id", "seq", "key", "body", "weight", claim=("company_id", "key")
)
ADD_SLOT = insert(things, "company_id", "id", "slot")
ADD_PART = insert(parts, "company_id", "id", "thing_id")
RECEIPT = insert(receipts, "company_id", "key", claim=("company_id", "key"))
SET_BODY = update(things, "body")
SET_WEIGHT = update(things, "weight")
FORCE_BODY = update(things, "body", guard=None)
RANK = raise_to(things, "rank", "body")
REMOVE = delete(things)
KEEP = upsert(things, "company_id", "id", "key", "body", key=("company_id", "id"), set=("body",))

COMPANY = CompanyId(1)
_numbers = count(1)


class ThingMade(DomainEvent, frozen=True, kw_only=True):
    """A test's event."""

    kind: ClassVar[str] = "thing.made"
    key: str

    def ids(self) -> dict[str, int | str]:
        """Name the thing."""
        return {"key": self.key}


def next_id() -> int:
    """A fresh row id."""
    return next(_numbers)


def number_from(start: int) -> None:
    """Begin the row ids of this process at `start`."""
    global _numbers
    _numbers = count(start)


def made(key: str, *, company: int = 1) -> ThingMade:
    """An event about `key`."""
    return ThingMade(company_id=CompanyId(company), key=key)


def unit(
    *writes: Write, events: Sequence[DomainEvent] = (), company: int = 1, address: str | None = None
) -> Unit:
    """A unit of one address; by default an address of its own."""
    return Unit(
        company_id=CompanyId(company),
        address=address or f"thing:{next_id()}",
        writes=writes,
        events=tuple(events),
    )


def adding(
    key: str, *, company: int = 1, weight: int = 0, body: str = "", address: str | None = None
) -> Unit:
    """A unit that claims `key`, makes a row and tells of it."""
    row = ADD(company, next_id(), EVENT_SEQ(0), key, body, weight)
    events = [made(key, company=company)]
    return unit(row, events=events, company=company, address=address)


class Rig:
    """An open writer, what it published, and a plain connection to look behind it."""

    def __init__(self, database: Database, owner: Owner, writer: GroupWriter, dsn: str) -> None:
        self.database = database
        self.owner = owner
        self.writer = writer
        self.dsn = dsn
        self.published: list[tuple[int, DomainEvent]] = []

    async def sql(self, text: str, *args: object) -> list[tuple[Any, ...]]:
        """Run SQL on a connection of the plain pool."""
        return await self.database.pool.run(_fetch, text, args, read=True)

    async def script(self, text: str) -> None:
        """Run several statements that take no parameters and return nothing."""

        async def run() -> None:
            connection = await connect(self.dsn, application_name="test")
            try:
                await connection.execute(text)
            finally:
                await connection.close()

        await self.database.bridge.call(run)

    async def keys(self, company: int = 1) -> list[tuple[int, str]]:
        """(seq, key) of every stored thing of a company."""
        return await self.sql(
            "SELECT seq, key FROM things WHERE company_id = $1 ORDER BY seq, key", company
        )

    async def check_streams(self) -> None:
        """Every company's events are numbered 1..n, as its stream row says."""
        broken = await self.sql(
            "SELECT s.company_id, s.last_seq, count(e.seq), min(e.seq), max(e.seq)"
            " FROM company_stream s LEFT JOIN events e USING (company_id) GROUP BY 1, 2"
            " HAVING count(e.seq) <> s.last_seq OR coalesce(max(e.seq), 0) <> s.last_seq"
        )
        assert not broken


async def _fetch(
    connection: AsyncpgConnection, text: str, args: tuple[object, ...]
) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in await connection.fetch(text, *args)]


async def sql(database: Database, dsn: str, text: str, *args: object) -> list[tuple[Any, ...]]:
    """Run SQL on a connection of its own."""

    async def run() -> list[tuple[Any, ...]]:
        connection: AsyncpgConnection = await connect(dsn, application_name="test")
        try:
            return [tuple(row) for row in await connection.fetch(text, *args)]
        finally:
            await connection.close()

    return await database.bridge.call(run)


async def prepare(database: Database, dsn: str, companies: int = 20) -> None:
    """Make the tables, and companies 1 to `companies`."""
    for table in (things, parts, receipts):
        await sql(database, dsn, str(CreateTable(table)))
    await sql(
        database,
        dsn,
        "INSERT INTO companies (id, name) SELECT g, 'company ' || g FROM generate_series(1, $1) g",
        companies,
    )


@asynccontextmanager
async def open_rig(
    dsn: str,
    *,
    through: str | None = None,
    limits: Limits | None = None,
    prepared: bool = False,
    companies: int = 20,
) -> AsyncIterator[Rig]:
    """Own the database `dsn` and write to it, by way of the DSN `through` if one is given."""
    async with open_database(through or dsn, pool=1) as database:
        if not prepared:
            await prepare(database, dsn, companies)
        async with open_database(dsn, pool=2) as direct, owner_lock(direct) as owner:
            published: list[tuple[int, DomainEvent]] = []
            async with open_writer(
                database, owner, publisher=published.extend, limits=limits
            ) as writer:
                rig = Rig(direct, owner, writer, dsn)
                rig.published = published
                yield rig
