"""The outbox as a queue: what is to be sent, what is in doubt, and the rows that reports refer to."""

from datetime import datetime

import msgspec
import sqlalchemy as sa

from storage.database import Database
from storage.early_statuses import EarlyStatus, early_statuses
from storage.ids import CompanyId, ConnectionId, ContactId, MessageId, OutboxId
from storage.messages import Message, messages
from storage.metadata import columns_of
from storage.outbox import LIVE_STATES, OutboxRow, outbox
from storage.sql import prepared

_COMPANY = sa.bindparam("company_id", type_=sa.BigInteger)
_CONNECTION = sa.bindparam("connection_id", type_=sa.BigInteger)
_IDS = sa.bindparam("ids", type_=sa.ARRAY(sa.BigInteger))
_PROVIDER_IDS = sa.bindparam("provider_ids", type_=sa.ARRAY(sa.Text))
_NOW = sa.bindparam("now", type_=sa.DateTime(timezone=True))

_ROW = columns_of(outbox, OutboxRow)
_LIVE = sa.or_(*(outbox.c.state == sa.literal_column(f"'{state}'") for state in LIVE_STATES))
PENDING = prepared(
    sa.select(*_ROW)
    .where(
        outbox.c.company_id == _COMPANY,
        outbox.c.connection_id == _CONNECTION,
        outbox.c.state == sa.literal_column("'pending'"),
        outbox.c.id > sa.bindparam("after", type_=sa.BigInteger),
    )
    .order_by(outbox.c.id)
    .limit(sa.bindparam("limit", type_=sa.Integer))
)
WAITING = prepared(
    sa.select(outbox.c.company_id, outbox.c.connection_id)
    .where(
        _LIVE,
        outbox.c.connection_id.is_not(None),
    )
    .distinct()
)
DUE_SOMEWHERE = prepared(
    sa.select(outbox.c.company_id, outbox.c.connection_id)
    .where(
        outbox.c.state == sa.literal_column("'pending'"),
        outbox.c.due_at <= _NOW,
        outbox.c.connection_id.is_not(None),
    )
    .distinct()
)
IN_DOUBT = prepared(
    sa.select(*_ROW)
    .where(
        outbox.c.company_id == _COMPANY,
        outbox.c.connection_id == _CONNECTION,
        outbox.c.state.in_((sa.literal_column("'sending'"), sa.literal_column("'unknown'"))),
    )
    .order_by(outbox.c.id)
)
UNSETTLED = prepared(
    sa.select(outbox.c.id).where(
        outbox.c.company_id == _COMPANY,
        outbox.c.connection_id == _CONNECTION,
        outbox.c.contact_id == sa.bindparam("contact_id", type_=sa.BigInteger),
        outbox.c.state.in_((sa.literal_column("'sending'"), sa.literal_column("'unknown'"))),
        outbox.c.sending_at > sa.bindparam("since", type_=sa.DateTime(timezone=True)),
    )
)
UNFINISHED = prepared(
    sa.select(outbox.c.id).where(
        outbox.c.company_id == _COMPANY,
        outbox.c.contact_id == sa.bindparam("contact_id", type_=sa.BigInteger),
        _LIVE,
    )
)
BY_IDS = prepared(
    sa.select(*_ROW).where(outbox.c.company_id == _COMPANY, outbox.c.id == sa.any_(_IDS))
)
MESSAGES = prepared(
    sa.select(*columns_of(messages, Message)).where(
        messages.c.company_id == _COMPANY, messages.c.id == sa.any_(_IDS)
    )
)
BY_PROVIDER = prepared(
    sa.select(messages.c.provider_id, messages.c.id).where(
        messages.c.company_id == _COMPANY,
        messages.c.connection_id == _CONNECTION,
        messages.c.provider_id == sa.any_(_PROVIDER_IDS),
        messages.c.from_me,
    )
)
EARLY = prepared(
    sa.select(*columns_of(early_statuses, EarlyStatus)).where(
        early_statuses.c.company_id == _COMPANY,
        early_statuses.c.connection_id == _CONNECTION,
        early_statuses.c.provider_id == sa.any_(_PROVIDER_IDS),
    )
)

EARLY_KNOWN = prepared(
    sa.select(early_statuses.c.provider_id)
    .join(
        messages,
        sa.and_(
            messages.c.company_id == early_statuses.c.company_id,
            messages.c.connection_id == early_statuses.c.connection_id,
            messages.c.provider_id == early_statuses.c.provider_id,
            messages.c.from_me,
        ),
    )
    .where(early_statuses.c.company_id == _COMPANY, early_statuses.c.connection_id == _CONNECTION)
    .distinct()
)


class Place(msgspec.Struct, frozen=True):
    """A connection of a company."""

    company_id: CompanyId
    connection_id: ConnectionId


async def connections_with_work(database: Database) -> list[Place]:
    """Installation-wide: every connection that has rows to send or in doubt."""
    return await database.all(WAITING, into=Place)


async def connections_due(database: Database, now: datetime) -> list[Place]:
    """Installation-wide: every connection that has a row due."""
    return await database.all(DUE_SOMEWHERE, now=now, into=Place)


async def pending_rows(
    database: Database,
    company_id: CompanyId,
    connection_id: ConnectionId,
    after: OutboxId,
    limit: int,
) -> list[OutboxRow]:
    """The oldest rows after `after` that are to be sent; those that back off keep their place."""
    return await database.all(
        PENDING,
        company_id=company_id,
        connection_id=connection_id,
        after=after,
        limit=limit,
        into=OutboxRow,
    )


async def rows_in_doubt(
    database: Database, company_id: CompanyId, connection_id: ConnectionId
) -> list[OutboxRow]:
    """Rows of a connection whose send began and whose outcome is not committed."""
    return await database.all(
        IN_DOUBT, company_id=company_id, connection_id=connection_id, into=OutboxRow
    )


async def unsettled_sends(
    database: Database,
    company_id: CompanyId,
    connection_id: ConnectionId,
    contact_id: ContactId,
    since: datetime,
) -> list[OutboxId]:
    """Sends of a conversation that began after `since` and have no known outcome."""
    rows = await database.rows(
        UNSETTLED,
        company_id=company_id,
        connection_id=connection_id,
        contact_id=contact_id,
        since=since,
    )
    return [OutboxId(row[0]) for row in rows]


async def unfinished_of(
    database: Database, company_id: CompanyId, contact_id: ContactId
) -> list[OutboxId]:
    """What is still to be done for a contact, or in doubt, on any connection."""
    rows = await database.rows(UNFINISHED, company_id=company_id, contact_id=contact_id)
    return [OutboxId(row[0]) for row in rows]


async def outbox_rows(
    database: Database, company_id: CompanyId, ids: list[OutboxId]
) -> list[OutboxRow]:
    """The rows with these ids, in any state."""
    return await database.all(BY_IDS, company_id=company_id, ids=ids, into=OutboxRow)


async def messages_by_ids(
    database: Database, company_id: CompanyId, ids: list[MessageId]
) -> list[Message]:
    """The messages with these ids."""
    return await database.all(MESSAGES, company_id=company_id, ids=ids, into=Message)


async def own_messages_by_provider_id(
    database: Database,
    company_id: CompanyId,
    connection_id: ConnectionId,
    provider_ids: list[str],
) -> dict[str, MessageId]:
    """Our own messages among these provider ids."""
    rows = await database.rows(
        BY_PROVIDER,
        company_id=company_id,
        connection_id=connection_id,
        provider_ids=provider_ids,
    )
    return {row[0]: row[1] for row in rows}


async def early_statuses_of(
    database: Database,
    company_id: CompanyId,
    connection_id: ConnectionId,
    provider_ids: list[str],
) -> list[EarlyStatus]:
    """Reports that came before these provider ids were known."""
    return await database.all(
        EARLY,
        company_id=company_id,
        connection_id=connection_id,
        provider_ids=provider_ids,
        into=EarlyStatus,
    )


async def early_statuses_known(
    database: Database, company_id: CompanyId, connection_id: ConnectionId
) -> list[str]:
    """Provider ids of own messages that have reports waiting for them."""
    rows = await database.rows(EARLY_KNOWN, company_id=company_id, connection_id=connection_id)
    return [row[0] for row in rows]
