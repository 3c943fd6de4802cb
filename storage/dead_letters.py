"""Dead letters: inputs that Postgres or an actor refused for good, kept raw for an operator."""

from datetime import datetime

import msgspec
import sqlalchemy as sa

from storage.ids import CompanyId, DeadLetterId
from storage.metadata import at, metadata, moment, string

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
