"""Statements and transactions on Postgres, with events published only after their commit."""

import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self, TypeVar

import msgspec
import trio
from sqlalchemy.sql import Executable

from storage.acts import Act, Change, current
from storage.audit_chain import link, written
from storage.bridge import AsyncpgConnection, Bridge, open_bridge
from storage.doubts import Doubts
from storage.errors import NotFound, OutcomeUnknown, StorageError
from storage.events import DomainEvent, Publisher
from storage.ids import CompanyId
from storage.pool import Lease, Pool
from storage.sql import Query, bound, fetch_status, fetching, rows_affected
from storage.sqlstates import outcome_unknown, translated

_log = logging.getLogger(__name__)

R = TypeVar("R", bound=msgspec.Struct)
Statement = Query | Executable

POOL_SETTINGS = {
    "timezone": "UTC",
    "jit": "off",
    "statement_timeout": "30s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "10s",
}
"""Session settings of pooled connections: a stopped process must not hold locks for ever."""

NUMBER_AND_STORE = """
WITH stream AS (
    INSERT INTO company_stream AS s (company_id, last_seq) VALUES ($1, $2)
    ON CONFLICT (company_id) DO UPDATE SET last_seq = s.last_seq + EXCLUDED.last_seq
    RETURNING last_seq
)
INSERT INTO events (company_id, seq, kind, ids)
SELECT $1, stream.last_seq - $2 + e.place, e.kind, e.ids
FROM stream, unnest($3::text[], $4::jsonb[]) WITH ORDINALITY AS e (kind, ids, place)
RETURNING seq, created_at
"""
"""Takes the company's stream row, so it must be the last statement before COMMIT."""

AUDIT_NEXT = """
INSERT INTO company_stream AS s (company_id, audit_seq) VALUES ($1, 1)
ON CONFLICT (company_id) DO UPDATE SET audit_seq = s.audit_seq + 1
RETURNING audit_seq, audit_hash
"""
"""Takes the company's stream row as well, for what comes last before COMMIT."""

STORE_WITH_AUDIT = """
WITH stream AS (
    UPDATE company_stream SET last_seq = last_seq + $2, audit_hash = $8 WHERE company_id = $1
    RETURNING last_seq
), noted AS (
    INSERT INTO audit_log (company_id, seq, at, entry, hash) VALUES ($1, $5, $6, $7, $8)
)
INSERT INTO events (company_id, seq, kind, ids)
SELECT $1, stream.last_seq - $2 + e.place, e.kind, e.ids
FROM stream, unnest($3::text[], $4::jsonb[]) WITH ORDINALITY AS e (kind, ids, place)
RETURNING seq, created_at
"""
"""What NUMBER_AND_STORE does, after AUDIT_NEXT, with the audit log's entry."""


def _nobody_listens(_events: object) -> None:
    """Publisher of a database that nobody has subscribed to yet."""


SETTLE = """
UPDATE idempotency_keys SET state = 'done', status = $4, headers = $5, reply = $6
WHERE company_id = $1 AND user_id = $2 AND key = $3 AND state = 'running'
"""
"""A request that changed something is never carried out again, even if its answer is lost."""


class Statements(ABC):
    """The five ways to run a statement, the same on the pool and inside a transaction.

    A statement is a `Query` from `storage.sql.prepared` with its parameters as keywords, or any
    SQLAlchemy Core executable. Cancelling the caller cancels a read; a write that has been handed
    over is finished first.
    """

    @abstractmethod
    async def _run(self, query: Query, args: list[Any], *, status: bool) -> Any:
        """Run it; the rows, or with `status` what the server says of them."""

    async def rows(self, statement: Statement, **params: object) -> list[Any]:
        """Every row as a driver record: by position, by name, `dict(row)`."""
        query, args = bound(statement, params)
        rows: list[Any] = await self._run(query, args, status=False)
        return rows

    async def all(self, statement: Statement, *, into: type[R], **params: object) -> list[R]:
        """Every row as `into`."""
        query, args = bound(statement, params)
        rows = await self._run(query, args, status=False)
        return query.decode(rows, into)

    async def first(self, statement: Statement, *, into: type[R], **params: object) -> R | None:
        """The first row as `into`, or None; write LIMIT yourself."""
        query, args = bound(statement, params)
        rows = await self._run(query, args, status=False)
        return query.decode(rows[:1], into)[0] if rows else None

    async def one(self, statement: Statement, *, into: type[R], **params: object) -> R:
        """The only row as `into`.

        Raises:
            NotFound: there is none.
            ValueError: there is more than one, a fault of the statement.
        """
        query, args = bound(statement, params)
        rows = await self._run(query, args, status=False)
        if not rows:
            raise NotFound
        if len(rows) > 1:
            message = f"{len(rows)} rows where one was expected"
            raise ValueError(message)
        return query.decode(rows, into)[0]

    async def value(self, statement: Statement, **params: object) -> Any:
        """First column of the first row, or None when there is no row."""
        query, args = bound(statement, params)
        rows = await self._run(query, args, status=False)
        return rows[0][0] if rows else None

    async def execute(self, statement: Statement, **params: object) -> int:
        """Run for effect; returns the number of rows written."""
        query, args = bound(statement, params)
        return rows_affected(await self._run(query, args, status=True))


class Tx(Statements):
    """One open transaction of one company; use it from one task only.

    What it changes under an act (`storage.acts`) it notes in the company's audit log itself.
    """

    def __init__(self, database: "Database", company_id: CompanyId) -> None:
        self.company_id = company_id
        self._database = database
        self._lease: Lease | None = None
        self._events: list[DomainEvent] = []
        self._act = current()
        self._changes: list[Change] = []
        self._answer: tuple[int, str, bytes] | None = None

    def keep_answer(self, status: int, headers: dict[str, str], reply: bytes) -> None:
        """Store the answer of the request with what it tells of, for who repeats its key."""
        self._answer = status, msgspec.json.encode(headers).decode(), reply

    def note(self, verb: str, noun: str, row_id: int | None = None) -> None:
        """Have the audit log tell of something that is no row of this transaction."""
        self._changes.append((verb, noun, row_id))

    def publish(self, event: DomainEvent) -> None:
        """Have `event` numbered and stored by this transaction and published after its commit."""
        if event.company_id != self.company_id:
            message = f"event of company {event.company_id} in a tx of {self.company_id}"
            raise ValueError(message)
        self._events.append(event)

    async def _run(self, query: Query, args: list[Any], *, status: bool) -> Any:
        if self._lease is None:
            message = "this transaction is not open"
            raise RuntimeError(message)
        run = fetch_status if status else fetching(query)
        result = await self._lease.run(run, query.sql, args, shield=not query.is_read)
        if self._act is not None and query.effect is not None:
            self._changes += _changed(query.effect, result)
        return result

    async def __aenter__(self) -> Self:
        lease = await self._database.pool.lease()
        try:
            await lease.run(_begin, shield=True)
        except BaseException:
            lease.release()
            raise
        self._lease = lease
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        lease, self._lease = self._lease, None
        assert lease is not None
        try:
            with trio.CancelScope(shield=True):
                if kind is None:
                    await lease.run(self._commit, shield=True)
                else:
                    await lease.run(_rollback, shield=True)
        finally:
            lease.release()

    async def _commit(self, connection: AsyncpgConnection) -> None:
        """Number the events, commit, and queue the publication; on the loop thread."""
        stored: list[Any] = []
        try:
            if self._act is not None and self._changes:
                stored = await self._store_with_audit(connection, self._act)
            elif self._events:
                stored = await connection.fetch(NUMBER_AND_STORE, *self._rows())
        except BaseException:
            await _rollback(connection)
            raise
        numbered = self._pairs(stored)
        try:
            await connection.execute("COMMIT")
        except BaseException as error:
            if outcome_unknown(error):
                if numbered:
                    self._database.doubts.add(numbered, stored[0][1])
                message = "connection lost while committing"
                raise OutcomeUnknown(message) from error
            raise
        if numbered:
            # Queued here, not in the waking trio task: trio wakes tasks in no particular order.
            self._database.publish_soon(numbered)

    async def _store_with_audit(self, connection: AsyncpgConnection, act: Act) -> list[Any]:
        """The events, the entry of the audit log, and the idempotency key that is used up."""
        if act.once is not None:
            await connection.execute(SETTLE, *act.once, *(self._answer or (None, None, None)))
        entry = written(act, self._changes)
        seq, before = await connection.fetchrow(AUDIT_NEXT, self.company_id)
        at = datetime.now(UTC)
        tied = link(self._database.audit_key, before, self.company_id, seq, at, entry.encode())
        rows = self._rows()
        return await connection.fetch(STORE_WITH_AUDIT, *rows, seq, at, entry, tied)

    def _rows(self) -> tuple[CompanyId, int, list[str], list[str]]:
        """The events as NUMBER_AND_STORE takes them."""
        ids = [msgspec.json.encode(event.ids()).decode() for event in self._events]
        kinds = [event.kind for event in self._events]
        return self.company_id, len(self._events), kinds, ids

    def _pairs(self, stored: list[Any]) -> list[tuple[int, DomainEvent]]:
        """The events with the numbers that they were stored under."""
        first = min((row[0] for row in stored), default=0)
        return [(first + place, event) for place, event in enumerate(self._events)]


class Database(Statements):
    """The pool, the bridge under it, and who hears of committed events."""

    def __init__(self, dsn: str, bridge: Bridge, pool: Pool, audit_key: bytes = b"") -> None:
        self.dsn = dsn
        self.audit_key = audit_key
        self.bridge = bridge
        self.pool = pool
        self.publisher: Publisher = _nobody_listens
        self.doubts = Doubts(dsn, self.publish_soon)

    def publish_soon(self, pairs: Sequence[tuple[int, DomainEvent]]) -> None:
        """Hand committed events over to the trio thread, in the order of the calls."""
        self.bridge.trio_call_soon(lambda: self._publish(pairs))

    def _publish(self, pairs: Sequence[tuple[int, DomainEvent]]) -> None:
        try:
            self.publisher(pairs)
        except Exception:  # noqa: BLE001 (told; the rows are committed, and hubs reread the log)
            _log.exception("the publisher failed on %d events", len(pairs))

    def begin(self, company_id: CompanyId) -> Tx:
        """A transaction: `async with database.begin(company_id) as tx`.

        Leaving the block commits; an exception rolls back and publishes nothing. Both are finished
        even if the task is cancelled meanwhile. Events get the company's next numbers as the last
        act before COMMIT and reach `publisher` right after it, in number order; the answers of two
        commits may overtake each other on their way, so the receiver orders by number.

        Raises:
            OutcomeUnknown: the connection broke while COMMIT was on its way; the events are
                published later if it turns out to have been committed.
            DatabaseUnavailable: Postgres does not answer; nothing was committed.
        """
        return Tx(self, company_id)

    async def _run(self, query: Query, args: list[Any], *, status: bool) -> Any:
        run = fetch_status if status else fetching(query)
        return await self.pool.run(run, query.sql, args, read=query.is_read)


def _changed(effect: tuple[str, str], result: Any) -> list[Change]:
    """The rows that a statement wrote: named where it returned their ids, else only their table."""
    kind, table = effect
    if isinstance(result, str):
        return [(kind, table, None)] if rows_affected(result) else []
    return [(kind, table, _number_of(row)) for row in result]


def _number_of(row: Any) -> int | None:
    """A row's id; the names of login sessions are texts, and nobody else's business."""
    found = row.get("id")
    return found if isinstance(found, int) else None


async def _begin(connection: AsyncpgConnection) -> None:
    await connection.execute("BEGIN")


async def _rollback(connection: AsyncpgConnection) -> None:
    """Undo; a connection that cannot even do that is dropped, which undoes as well."""
    try:
        await connection.execute("ROLLBACK")
    except Exception as error:
        connection.terminate()
        if not isinstance(translated(error), StorageError):
            raise


@asynccontextmanager
async def open_database(
    dsn: str,
    *,
    pool: int = 8,
    patience: float = 3.0,
    application_name: str = "chatia",
    audit_key: bytes = b"",
) -> AsyncGenerator[Database]:
    """Connect to Postgres for the length of the block.

    Args:
        dsn: `postgresql://user:password@host:port/database` (or `?host=/socket/folder`).
        pool: most connections open at once; they are opened when needed.
        patience: seconds that a statement waits for Postgres to come (back) before it raises.
        application_name: how the connections appear in `pg_stat_activity`.
        audit_key: what the audit log's links are made with.

    Raises:
        DatabaseUnavailable: no connection within `patience` seconds.
    """
    async with open_bridge() as bridge:
        lanes = Pool(
            bridge,
            dsn,
            size=pool,
            patience=patience,
            settings=POOL_SETTINGS,
            application_name=application_name,
        )
        try:
            await lanes.open()
            yield Database(dsn, bridge, lanes, audit_key)
        finally:
            with trio.CancelScope(shield=True):
                await lanes.close()
