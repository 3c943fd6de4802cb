"""The audit log: one entry for each commit that a person or an API token caused.

Entries are written by the transaction that they tell of, numbered without a gap per company, and
chained (`storage.audit_chain`). The chain's head is in the company's stream row, which every
commit takes last anyway: no second lock, so nothing to deadlock with. Inbound traffic is not here;
it is in `events`.

Nothing is ever deleted, except with its company (the operator's own log keeps the deletion). An
entry is about 300 bytes. When a log has to be split, hash partitions by company keep the key as it
is; to prune one, remember the last pruned (seq, hash) and verify from there (`verify(since=…)`).
"""

from datetime import datetime
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from storage.audit_chain import GENESIS, again, link
from storage.commit_tables import company_stream
from storage.database import Statements
from storage.ids import CompanyId
from storage.metadata import company, metadata
from storage.sql import prepared

audit_log = sa.Table(
    "audit_log",
    metadata,
    company(),
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("entry", JSONB, nullable=False),
    sa.Column("hash", sa.LargeBinary, nullable=False),
)

LOOKED_AT: Final = 20_000
"""A filtered page looks at so many entries at most, and then says where to go on."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One stored entry: `entry` is an Act with its `changes`."""

    company_id: CompanyId
    seq: int
    at: datetime
    entry: dict[str, Any]
    hash: bytes


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The last number of a chain and its link."""

    company_id: CompanyId
    audit_seq: int
    audit_hash: bytes | None


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a look at a chain found: its head, how many entries were read, and what is wrong."""

    head: Head
    entries: int
    faults: tuple[str, ...] = ()


_t = audit_log.c
_COMPANY: Final = sa.bindparam("company", type_=sa.BigInteger)
_HEADS: Final = prepared(
    sa.select(
        company_stream.c.company_id, company_stream.c.audit_seq, company_stream.c.audit_hash
    ).order_by(company_stream.c.company_id)
)
_HEAD: Final = prepared(
    sa.select(
        company_stream.c.company_id, company_stream.c.audit_seq, company_stream.c.audit_hash
    ).where(company_stream.c.company_id == _COMPANY)
)
_UP_FROM: Final = prepared(
    sa.select(audit_log)
    .where(_t.company_id == _COMPANY, _t.seq > sa.bindparam("after", type_=sa.BigInteger))
    .order_by(_t.seq)
    .limit(1_000)
)


async def heads(database: Statements) -> list[Head]:
    """Installation-wide: where every company's chain ends now."""
    return await database.all(_HEADS, into=Head)


async def page(
    database: Statements,
    company_id: CompanyId,
    *,
    before: int | None = None,
    limit: int = 50,
    wanted: dict[str, Any] | None = None,
) -> tuple[list[Entry], int | None]:
    """Entries from the newest back, starting below number `before`.

    `wanted` names keys of the entry with their values (`{"noun": "tags"}`). Returns the entries
    and the `before` of the next page, None at the end; a page may be short, or empty, and yet have
    a next one, because one page looks at no more than LOOKED_AT entries.
    """
    top = before
    if top is None:
        newest = sa.select(sa.func.max(_t.seq)).where(_t.company_id == company_id)
        top = (await database.value(newest) or 0) + 1
    floor = top - LOOKED_AT if wanted else 0
    found = sa.select(audit_log).where(_t.company_id == company_id, _t.seq < top, _t.seq >= floor)
    if wanted:
        found = found.where(_t.entry.contains(wanted))
    rows = await database.all(found.order_by(_t.seq.desc()).limit(limit), into=Entry)
    if len(rows) == limit:
        return rows, rows[-1].seq if rows[-1].seq > 1 else None
    return rows, floor if floor > 1 else None


async def verify(
    database: Statements,
    company_id: CompanyId,
    *,
    key: bytes,
    since: tuple[int, bytes] = (0, GENESIS),
) -> Verdict:
    """Read a company's chain from `since` up to where it ends now, and check it.

    Every entry has to follow the one before without a gap, fit its link, and the last one has to
    be the head's. `since` is a (seq, hash) that was kept elsewhere. Stops at the first fault: what
    comes behind it proves nothing. Raises NotFound for a company without a stream.
    """
    head = await database.one(_HEAD, into=Head, company=company_id)
    seq, before = since
    read = 0
    while seq < head.audit_seq:
        rows = await database.all(_UP_FROM, into=Entry, company=company_id, after=seq)
        for row in rows:
            if row.seq != seq + 1:
                return _fault(head, read, f"entry {seq + 1} is missing")
            if row.hash != link(key, before, row.company_id, row.seq, row.at, again(row.entry)):
                return _fault(head, read, f"entry {row.seq} was altered")
            seq, before, read = row.seq, row.hash, read + 1
            if seq == head.audit_seq:
                break
        if not rows:
            return _fault(head, read, f"entry {seq + 1} is missing")
    if before != (head.audit_hash or GENESIS):
        return _fault(head, read, f"the head does not fit entry {seq}")
    return Verdict(head=head, entries=read)


def _fault(head: Head, read: int, text: str) -> Verdict:
    return Verdict(head=head, entries=read, faults=(text,))
