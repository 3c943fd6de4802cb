"""Domain events: past-tense facts, numbered per company and published after their commit."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import ClassVar

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from storage.ids import CompanyId
from storage.metadata import company, metadata, string


class DomainEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A committed fact of one company.

    Subclasses set `kind` (stable, `noun.past_verb`) and name the rows they speak of in `ids`;
    only kind and ids are stored, so that an erased person leaves nothing in the event log.
    """

    kind: ClassVar[str]
    company_id: CompanyId

    def ids(self) -> dict[str, int | str]:
        """Identify the rows this event speaks of, enough to load them again."""
        raise NotImplementedError


Publisher = Callable[[Sequence[tuple[int, DomainEvent]]], None]
"""Receives (seq, event) pairs on the trio thread after COMMIT, in seq order per company.

It must not wait and must not raise: the writer calls it before releasing the producers.
"""


# Partitioned by time so that old events leave by dropping a table. The default partition takes
# what no dated one covers; (company_id, seq) is unique because seq is given under the stream row.
events = sa.Table(
    "events",
    metadata,
    company(),
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    string("kind"),
    sa.Column("ids", JSONB, nullable=False, server_default=sa.text("'{}'")),
    sa.Column(
        "created_at", sa.DateTime(timezone=True), primary_key=True, server_default=sa.text("now()")
    ),
    postgresql_partition_by="RANGE (created_at)",
)


class StoredEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A committed event as the log keeps it: its number, kind and the rows it speaks of."""

    company_id: CompanyId
    seq: int
    kind: str
    ids: dict[str, int | str]
    created_at: datetime
