"""What one actor turn commits: statements declared once per noun, and the unit of their rows.

A statement is declared at module level beside its table. Many units' rows for one statement travel
as typed arrays in a single SQL statement, so a batch costs a fixed number of round trips.

    ADD_MESSAGE = insert(messages, "company_id", "id", "ticket_id", "body", "seq",
                         claim=("company_id", "connection_id", "provider_id"))
    SET_STATUS = update(tickets, "status", "user_id")

    unit = Unit(
        company_id=company_id,
        address=f"ticket:{company_id}:{contact_id}",
        writes=(
            ADD_MESSAGE(company_id, message_id, ticket_id, text, EVENT_SEQ(0)),
            SET_STATUS(company_id, ticket_id, read_version, "open", user_id),
        ),
        events=(MessageCreated(...),),
    )

Inside a batch all rows of one statement are written together: first inserts (parents before
children), then updates, then deletes. `stage` moves a statement before or after the others.
"""

from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from itertools import count
from typing import Any, Literal, NamedTuple

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import NoReferencedTableError

from storage.acts import Act, current
from storage.column_types import ColumnType, column_type
from storage.encoding import Encoder
from storage.events import DomainEvent
from storage.ids import CompanyId
from storage.unit_sql import delete_sql, insert_sql, raise_sql, update_sql, upsert_sql

Kind = Literal["insert", "update", "raise", "delete", "upsert"]

STAGES: dict[Kind, int] = {"insert": 10, "upsert": 20, "update": 30, "raise": 30, "delete": 40}
"""Default order of the statements of one batch."""

_numbers = count()


class EventSeq:
    """Stands for the sequence number of the unit's event at `index`; known at commit only."""

    __slots__ = ("index",)

    def __init__(self, index: int) -> None:
        self.index = index


@cache
def EVENT_SEQ(index: int) -> EventSeq:
    """Return the placeholder for the seq of the unit's `index`-th event (0-based)."""
    return EventSeq(index)


class Statement:
    """One way to write one table; made by `insert`, `update`, `raise_to`, `delete`, `upsert`."""

    __slots__ = (
        "_order",
        "columns",
        "company_place",
        "effect",
        "encoder",
        "guarded",
        "id_place",
        "key_width",
        "kind",
        "number",
        "proof",
        "proof_names",
        "reduces",
        "returns",
        "settable",
        "sql",
        "stage",
        "table",
    )

    def __init__(
        self,
        kind: Kind,
        table: sa.Table,
        columns: Sequence[str],
        sql: str,
        *,
        key: Sequence[str] = (),
        proof: Sequence[str] = (),
        returns: Sequence[str] = (),
        settable: Sequence[str] = (),
        guarded: bool = False,
        stage: int | None = None,
    ) -> None:
        self.kind: Kind = kind
        self.table = table
        self.columns = tuple(columns)
        self.sql = sql
        self.key_width = len(key)
        self.guarded = guarded
        at = {name: place for place, name in enumerate(self.columns)}
        self.proof = tuple(at[name] for name in proof)
        """Places of the values that name a row when it is refused (claim or key)."""
        self.returns = tuple(at[name] for name in returns)
        """Places of the values that RETURNING gives back for each row that took effect."""
        self.proof_names = tuple(proof)
        self.settable = frozenset(at[name] for name in settable)
        """Places that a repeated key overwrites (upsert)."""
        self.reduces = kind in ("raise", "upsert") or (kind == "update" and not guarded)
        """Whether several rows with one key are reduced to one before they are sent."""
        self.company_place = at.get("company_id")
        self.id_place = at.get("id")
        self.effect: tuple[str, str] = (kind, str(table.name))
        self.stage = STAGES[kind] if stage is None else stage
        self.number = next(_numbers)
        self._order: tuple[int, int, int] | None = None
        required = {*key, *(name for name in self.columns if not table.c[name].nullable)}
        if kind == "raise":
            required.add(columns[len(key)])
        if kind == "delete":
            required = set(key)
        self.encoder = Encoder(
            f"{kind} {table.name}",
            [(name, column_type(table.c[name])) for name in self.columns],
            required=required,
            seq_type=EventSeq,
        )

    @property
    def order(self) -> tuple[int, int, int]:
        """Sort key among the statements of a batch: stage, then parents before children."""
        if self._order is None:
            depth = _depth(self.table, frozenset())
            self._order = (self.stage, -depth if self.kind == "delete" else depth, self.number)
        return self._order

    def __call__(self, *values: object) -> "Write":
        """Make one row's write: `SET_STATUS(company_id, ticket_id, version, "open")`."""
        return Write(self, values)

    def __repr__(self) -> str:
        return f"<{self.kind} {self.table.name} {self.columns}>"


class Write(NamedTuple):
    """One row for one statement, values in the statement's column order."""

    statement: Statement
    values: tuple[Any, ...]


class Unit(msgspec.Struct, frozen=True, kw_only=True):
    """All or nothing: every write and event of one decision.

    `address` names the actor (or other single writer) that decided; at most one unit of an address
    is in flight. Events get consecutive sequence numbers in their company's stream. Under an `act`
    (by default the one in force where the unit is made) it bears an entry of the audit log.
    """

    company_id: CompanyId
    address: str
    writes: tuple[Write, ...]
    events: tuple[DomainEvent, ...] = ()
    act: Act | None = msgspec.field(default_factory=current)


class Committed(NamedTuple):
    """The verdict: stored and flushed. Event i has number `first_seq + i` (0 without events)."""

    first_seq: int
    events: int

    @property
    def seqs(self) -> range:
        """Sequence numbers of the unit's events, in their order."""
        return range(self.first_seq, self.first_seq + self.events)


def _depth(table: sa.Table, below: frozenset[sa.Table]) -> int:
    """Count the longest chain of parents above `table`; a cycle counts once."""
    parents: set[sa.Table] = set()
    for key in table.foreign_keys:
        with suppress(NoReferencedTableError):
            parents.add(key.column.table)
    parents -= {table, *below}
    return 1 + max((_depth(parent, below | {table}) for parent in parents), default=0)


def _types(table: sa.Table, names: Sequence[str]) -> list[ColumnType]:
    return [column_type(table.c[name]) for name in names]


def insert(
    table: sa.Table, *columns: str, claim: tuple[str, ...] = (), stage: int | None = None
) -> Statement:
    """Insert rows; columns that are not named get the table's server defaults.

    `claim` names the columns of a unique constraint or index: where such a row is committed
    already, nothing is inserted and the *whole unit* is refused with `Duplicate`, whose `keys` are
    the claims. Any other unique conflict is `UniqueViolation` for this unit alone.
    """
    returns: tuple[str, ...] = ()
    if claim:
        # The row's own id names it exactly; without one its claim has to.
        returns = ("id",) if "id" in columns else claim
    sql = insert_sql(table, columns, _types(table, columns), claim, returns)
    return Statement("insert", table, columns, sql, proof=claim, returns=returns, stage=stage)


def update(
    table: sa.Table,
    *set_columns: str,
    key: tuple[str, ...] = ("company_id", "id"),
    guard: str | None = "version",
    stage: int | None = None,
) -> Statement:
    """Set columns of one row. Values: the key's, then the guard's, then the set columns'.

    With a guard the row must still have the version that was read, and gets the next one; else the
    unit is refused with `StaleVersion`. Without one the last write of a batch wins and a missing
    row is passed over.
    """
    guards = (guard,) if guard else ()
    columns = (*key, *guards, *set_columns)
    sql = update_sql(table, columns, _types(table, columns), key, guard)
    proof = key if guard else ()
    return Statement(
        "update",
        table,
        columns,
        sql,
        key=key,
        proof=proof,
        returns=proof,
        guarded=guard is not None,
        stage=stage,
    )


def raise_to(
    table: sa.Table,
    column: str,
    *also: str,
    key: tuple[str, ...] = ("company_id", "id"),
    stage: int | None = None,
) -> Statement:
    """Raise `column`, never lower it; `also` are set along. Values: key, column, also.

    Where the stored value (or an earlier one of this batch) is as high already, the unit is refused
    with `Duplicate`, whose `keys` are the rows' keys. NULL counts as lowest.
    """
    columns = (*key, column, *also)
    sql = raise_sql(table, columns, _types(table, columns), len(key))
    return Statement("raise", table, columns, sql, key=key, proof=key, returns=key, stage=stage)


def delete(
    table: sa.Table, key: tuple[str, ...] = ("company_id", "id"), stage: int | None = None
) -> Statement:
    """Delete one row by its key; a missing row is passed over."""
    sql = delete_sql(table, key, _types(table, key))
    return Statement("delete", table, key, sql, key=key, stage=stage)


def upsert(
    table: sa.Table,
    *columns: str,
    key: tuple[str, ...],
    set: tuple[str, ...],
    stage: int | None = None,
) -> Statement:
    """Insert a row, or set the columns `set` of the one that has this `key` (a unique constraint).

    Of several rows with one key in a batch the last one's `set` columns win.
    """
    ordered = (*key, *(name for name in columns if name not in key))
    if ordered != columns:
        message = f"upsert {table.name}: name the key columns first"
        raise ValueError(message)
    sql = upsert_sql(table, columns, _types(table, columns), key, set)
    return Statement("upsert", table, columns, sql, key=key, settable=set, stage=stage)
