"""The lane's connection: prepared statements and the fixed statements of every batch."""

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from storage import faults
from storage.array_literals import array_literal
from storage.bridge import AsyncpgConnection, connect
from storage.errors import Fenced

SETTINGS = {
    "timezone": "UTC",
    "jit": "off",
    "synchronous_commit": "on",
    # A stopped owner must not hold its locks: its successor waits for them.
    "idle_in_transaction_session_timeout": "2s",
    "lock_timeout": "1s",
    "statement_timeout": "5s",
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
    # Every statement looks rows up by key. Plans made while a table was small must not scan it
    # when it has grown.
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "plan_cache_mode": "force_generic_plan",
}

# Settings that not every server version or platform knows.
_OPTIONAL_SETTINGS = """
DO $$
BEGIN
    IF current_setting('server_version_num')::int >= 170000 THEN
        PERFORM set_config('transaction_timeout', '10s', false);
    END IF;
    PERFORM set_config('client_connection_check_interval', '1s', false);
EXCEPTION WHEN invalid_parameter_value OR undefined_object THEN NULL;
END $$
"""

LOCK_STREAMS = (
    "SELECT company_id, last_seq, audit_seq, audit_hash FROM company_stream WHERE company_id = ANY($1::bigint[])"
    " ORDER BY 1 FOR NO KEY UPDATE SKIP LOCKED"
)
ADD_STREAMS = (
    "INSERT INTO company_stream (company_id, last_seq)"
    " SELECT u.c0, 0 FROM unnest($1::bigint[]) AS u (c0) ON CONFLICT DO NOTHING"
)
STORE_EVENTS = (
    "WITH stored AS (INSERT INTO events (company_id, seq, kind, ids)"
    " SELECT u.c0, u.c1, u.c2, u.c3::jsonb"
    " FROM unnest("
    "$1::text::bigint[], $2::text::bigint[], $3::text::text[], $4::text::text[]) AS u (c0, c1, c2, c3))"
    " UPDATE company_stream AS s SET last_seq = u.c1"
    " FROM unnest($5::text::bigint[], $6::text::bigint[]) AS u (c0, c1) WHERE s.company_id = u.c0"
)
STORE_EVENTS_AND_AUDIT = (
    "WITH stored AS (INSERT INTO events (company_id, seq, kind, ids)"
    " SELECT u.c0, u.c1, u.c2, u.c3::jsonb FROM unnest("
    "$1::text::bigint[], $2::text::bigint[], $3::text::text[], $4::text::text[])"
    " AS u (c0, c1, c2, c3)),"
    " noted AS (INSERT INTO audit_log (company_id, seq, at, entry, hash)"
    " SELECT u.c0, u.c1, u.c2, u.c3::jsonb, decode(u.c4, 'hex') FROM unnest("
    "$5::text::bigint[], $6::text::bigint[], $7::text::timestamptz[], $8::text::text[],"
    " $9::text::text[]) AS u (c0, c1, c2, c3, c4))"
    " UPDATE company_stream AS s SET last_seq = u.c1, audit_seq = u.c2,"
    " audit_hash = decode(u.c3, 'hex')"
    " FROM unnest($10::text::bigint[], $11::text::bigint[], $12::text::bigint[], $13::text::text[])"
    " AS u (c0, c1, c2, c3) WHERE s.company_id = u.c0"
)
MARKER = "SELECT epoch, batch FROM shards WHERE id = $1 FOR UPDATE"


class Marker(NamedTuple):
    """What a shard's row says: its owner's epoch and the last batch that was committed."""

    epoch: int
    batch: UUID | None


class Head:
    """Where a company's stream and audit log end; a pass moves its own copy on."""

    __slots__ = ("audit_hash", "audit_seq", "seq")

    def __init__(self, seq: int, audit_seq: int, audit_hash: bytes | None) -> None:
        self.seq = seq
        self.audit_seq = audit_seq
        self.audit_hash = audit_hash


class Session:
    """One connection of a lane. Counts its round trips."""

    def __init__(self, connection: AsyncpgConnection) -> None:
        self._connection = connection
        self._prepared: dict[str, Any] = {}
        self.round_trips = 0

    @classmethod
    async def open(cls, dsn: str, application_name: str) -> "Session":
        """Connect and set what protects the others from us."""
        connection = await connect(dsn, settings=SETTINGS, application_name=application_name)
        await connection.execute(_OPTIONAL_SETTINGS)
        return cls(connection)

    @property
    def closed(self) -> bool:
        """Whether the connection is gone."""
        return self._connection.is_closed()

    def terminate(self) -> None:
        """Cut the connection; a statement under way fails at once."""
        self._connection.terminate()

    async def close(self) -> None:
        """Say goodbye."""
        await self._connection.close(timeout=2.0)

    async def fetch(self, sql: str, *columns: object) -> list[Any]:
        """Run one prepared statement."""
        self.round_trips += 1
        statement = self._prepared.get(sql)
        if statement is None:
            statement = self._prepared[sql] = await self._connection.prepare(sql)
        rows: list[Any] = await statement.fetch(*columns)
        return rows

    async def begin(self, shard: int, epoch: int, batch: UUID) -> None:
        """Open a transaction that holds the shard's row under our epoch and bears its marker.

        Raises:
            Fenced: the shard has a newer owner.
        """
        self.round_trips += 1
        status = await self._connection.execute(
            "BEGIN ISOLATION LEVEL READ COMMITTED;"
            f"UPDATE shards SET batch = '{batch}' WHERE id = {shard:d} AND epoch = {epoch:d}"
        )
        if status != "UPDATE 1":
            message = f"shard {shard} has a newer owner than epoch {epoch}"
            raise Fenced(message)
        faults.hit("writer.fenced", cut=self.terminate)

    async def lock_streams(self, companies: list[int]) -> dict[int, Head]:
        """Lock the stream rows that nobody else holds; returns where each one ends."""
        rows = await self.fetch(LOCK_STREAMS, companies)
        return {row[0]: Head(row[1], row[2], row[3]) for row in rows}

    async def add_streams(self, companies: list[int]) -> None:
        """Make the stream rows of new companies."""
        await self.fetch(ADD_STREAMS, companies)

    async def store_events(
        self, events: Sequence[list[Any]], audit: Sequence[list[Any]], heads: dict[int, Head]
    ) -> None:
        """Insert the events and the audit log's entries, and advance the companies' streams."""
        columns = [*events, *audit, list(heads)] if audit[0] else [*events, list(heads)]
        columns.append([head.seq for head in heads.values()])
        if audit[0]:
            columns.append([head.audit_seq for head in heads.values()])
            hashes = (head.audit_hash for head in heads.values())
            columns.append([None if one is None else one.hex() for one in hashes])
        sql = STORE_EVENTS_AND_AUDIT if audit[0] else STORE_EVENTS
        await self.fetch(sql, *[array_literal(column) for column in columns])

    async def commit(self) -> None:
        """Send COMMIT and await its answer."""
        self.round_trips += 1
        committing = self._connection.execute("COMMIT")
        if faults.is_armed("writer.commit_sent"):
            committing = await self._sent(committing)
        status = await committing
        if status != "COMMIT":
            message = f"COMMIT was answered {status}"
            raise RuntimeError(message)

    async def _sent(self, committing: Any) -> Any:
        """Let the bytes leave before the fault strikes."""
        task = asyncio.get_running_loop().create_task(committing)
        for _ in range(3):
            await asyncio.sleep(0)
        try:
            faults.hit("writer.commit_sent", cut=self.terminate)
        except faults.FaultInjected:
            self.terminate()
        return task

    async def rollback(self) -> None:
        """Undo the open transaction."""
        self.round_trips += 1
        await self._connection.execute("ROLLBACK")

    async def marker(self, shard: int) -> Marker | None:
        """Wait for every transaction that holds the shard's row, then read it."""
        rows = await self.fetch(MARKER, shard)
        return Marker(rows[0][0], rows[0][1]) if rows else None
