"""Dead letters: inputs that Postgres or an actor refused for good, kept raw for an operator."""

from datetime import datetime
from typing import Final

import msgspec
import sqlalchemy as sa

from storage.database import Database, Statements
from storage.errors import NotFound
from storage.ids import CompanyId, DeadLetterId
from storage.metadata import at, metadata, moment, string
from storage.sql import prepared

dead_letters = sa.Table(
    "dead_letters",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("company_id", sa.BigInteger, sa.ForeignKey("companies.id", ondelete="CASCADE")),
    string("address"),
    string("kind"),
    string("error"),
    sa.Column("payload", sa.LargeBinary, nullable=False),
    at("created_at"),
    moment("replayed_at"),
    sa.Index(None, "company_id"),
)


class DeadLetterRow(msgspec.Struct, frozen=True, kw_only=True):
    """One parked input: where it was going, why it was refused, and its raw bytes."""

    id: DeadLetterId
    company_id: CompanyId | None
    address: str
    kind: str
    error: str
    payload: bytes
    created_at: datetime
    replayed_at: datetime | None


_PARK = prepared(
    sa.insert(dead_letters).values(
        company_id=sa.bindparam("company_id", type_=sa.BigInteger),
        address=sa.bindparam("address", type_=sa.Text),
        kind=sa.bindparam("kind", type_=sa.Text),
        error=sa.bindparam("error", type_=sa.Text),
        payload=sa.bindparam("payload", type_=sa.LargeBinary),
    )
)


def _storable(text: str) -> str:
    """What is parked is what Postgres refused: its cause may quote the very characters."""
    return text.encode(errors="backslashreplace").decode().replace("\0", "\\0")


async def park(
    database: Database,
    company_id: CompanyId | None,
    *,
    address: str,
    kind: str,
    error: str,
    payload: bytes,
) -> None:
    """Keep an input that was refused for good; returns when it is committed."""
    await database.execute(
        _PARK,
        company_id=company_id,
        address=_storable(address),
        kind=kind,
        error=_storable(error),
        payload=payload,
    )


_t = dead_letters.c
_LETTER: Final = _t.id == sa.bindparam("letter", type_=sa.BigInteger)
_WAITING: Final = prepared(
    sa.select(dead_letters)
    .where(_t.replayed_at.is_(None))
    .order_by(_t.id)
    .limit(sa.bindparam("most", type_=sa.BigInteger))
)
_GET: Final = prepared(sa.select(dead_letters).where(_LETTER))
_REPLAYED: Final = prepared(
    sa.update(dead_letters).where(_LETTER).values(replayed_at=sa.func.now())
)


async def waiting(database: Statements, *, most: int = 1000) -> list[DeadLetterRow]:
    """Installation-wide: what is parked and was not dealt with yet, oldest first."""
    return await database.all(_WAITING, into=DeadLetterRow, most=most)


async def get(database: Statements, letter_id: DeadLetterId) -> DeadLetterRow:
    """Installation-wide: one letter. Raises NotFound."""
    found = await database.first(_GET, into=DeadLetterRow, letter=letter_id)
    if found is None:
        message = f"letter {letter_id}"
        raise NotFound(message)
    return found


async def mark_replayed(database: Statements, letter_id: DeadLetterId) -> None:
    """Installation-wide: an operator has dealt with a letter. Raises NotFound."""
    if not await database.execute(_REPLAYED, letter=letter_id):
        message = f"letter {letter_id}"
        raise NotFound(message)
