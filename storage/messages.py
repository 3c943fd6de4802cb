"""Messages: the bubbles of a conversation, each stored once per provider id."""

from datetime import datetime
from typing import Final

import msgspec
import sqlalchemy as sa

from storage.database import Database, Statements
from storage.ids import (
    CompanyId,
    ConnectionId,
    ContactId,
    DepartmentId,
    MessageId,
    TicketId,
    UserId,
)
from storage.metadata import (
    at,
    belongs_to,
    big,
    company,
    document,
    flag,
    metadata,
    moment,
    number,
    optional,
    owner,
    reference,
    row_id,
    string,
)
from storage.sql import Query, prepared

# History keeps the connection, department and user it happened with, also after their deletion:
# those three columns have no foreign key, so deleting one of them never rewrites the history.
messages = sa.Table(
    "messages",
    metadata,
    company(),
    row_id(),
    big("seq"),
    owner("ticket_id"),
    owner("contact_id"),
    reference("connection_id"),
    reference("department_id"),
    reference("user_id"),
    reference("tracking_id"),
    optional("provider_id"),
    optional("remote_jid"),
    optional("participant"),
    string("body"),
    string("media_type", "conversation"),
    optional("media_path"),
    optional("media_mime"),
    optional("media_name"),
    optional("thumbnail_path"),
    flag("from_me"),
    number("ack"),
    flag("read"),
    flag("is_private"),
    flag("is_forwarded"),
    flag("is_edited"),
    flag("is_deleted"),
    reference("quoted_id"),
    document("data"),
    document("error"),
    moment("sent_at"),
    at("created_at"),
    at("updated_at"),
    belongs_to("ticket_id", "tickets"),
    sa.UniqueConstraint("company_id", "connection_id", "provider_id"),
    sa.Index("ix_messages_conversation", "company_id", "contact_id", "id"),
    sa.Index("ix_messages_ticket", "company_id", "ticket_id", "id"),
    sa.Index("ix_messages_created", "company_id", "created_at", postgresql_include=["from_me"]),
    # New entries wait in a list that housekeeping works in: the commit that stores a message does
    # not pay for it. Three letters of every word of a 64 KB text would cost more than they find.
    sa.Index(
        "ix_messages_text",
        "company_id",
        sa.text("searchable(left(body, 1000)) gin_trgm_ops"),
        postgresql_using="gin",
        postgresql_with={"gin_pending_list_limit": "16384"},
    ),
)

BEGINNING: Final = sa.func.left(messages.c.body, sa.literal_column("1000"))
"""As much of a text as is searched: what the index holds."""


class Message(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One bubble. `seq` is the number of the event that created it.

    `provider_id` is the channel's id (`wid` on the wire), unique per connection; None until the
    provider has named an outbound message. `contact_id` is the conversation's contact, also for
    our own messages. `ack` (0 pending or failed, 1 clock, 2 sent, 3 delivered, 4 read, 5 played)
    never decreases. `media_path` is relative to the company's public folder, or an absolute
    address. `sent_at` is the provider's time. `data` is the raw provider message.
    """

    company_id: CompanyId
    id: MessageId
    seq: int = 0
    ticket_id: TicketId
    contact_id: ContactId
    connection_id: ConnectionId | None = None
    department_id: DepartmentId | None = None
    user_id: UserId | None = None
    tracking_id: int | None = None
    provider_id: str | None = None
    remote_jid: str | None = None
    participant: str | None = None
    body: str = ""
    media_type: str = "conversation"
    media_path: str | None = None
    media_mime: str | None = None
    media_name: str | None = None
    thumbnail_path: str | None = None
    from_me: bool = False
    ack: int = 0
    read: bool = False
    is_private: bool = False
    is_forwarded: bool = False
    is_edited: bool = False
    is_deleted: bool = False
    quoted_id: MessageId | None = None
    data: dict[str, object] | None = None
    error: dict[str, object] | None = None
    sent_at: datetime | None = None
    created_at: datetime
    updated_at: datetime


_t = messages.c
_OF_COMPANY: Final = _t.company_id == sa.bindparam("company", type_=sa.BigInteger)
_GET: Final = prepared(
    sa.select(messages).where(_OF_COMPANY, _t.id == sa.bindparam("message", type_=sa.BigInteger))
)
_PERIOD: Final = prepared(
    sa.select(messages)
    .where(
        _OF_COMPANY,
        _t.created_at >= sa.bindparam("start", type_=sa.DateTime(timezone=True)),
        _t.created_at < sa.bindparam("end", type_=sa.DateTime(timezone=True)),
    )
    .order_by(_t.created_at, _t.id)
    .limit(sa.bindparam("most", type_=sa.BigInteger))
)
LOOKED_BACK: Final = 50
"""Messages of a conversation among which the contact's newest is looked for."""

_latest = (
    sa.select(_t.id, _t.provider_id, _t.from_me, _t.connection_id, _t.created_at)
    .where(_OF_COMPANY, _t.contact_id == sa.bindparam("contact", type_=sa.BigInteger))
    .order_by(_t.id.desc())
    .limit(LOOKED_BACK)
    .subquery()
)
_NEWEST_RECEIVED: Final = prepared(
    sa.select(_latest.c.provider_id)
    .where(
        _latest.c.from_me.is_(False),
        _latest.c.provider_id.is_not(None),
        _latest.c.connection_id == sa.bindparam("connection", type_=sa.BigInteger),
        _latest.c.created_at >= sa.bindparam("since", type_=sa.DateTime(timezone=True)),
    )
    .order_by(_latest.c.id.desc())
    .limit(1)
)

KEPT: Final = 1_000
"""The newest messages of what is to be deleted, which go with it in one commit."""


def _older(of: sa.Column[int]) -> Query:
    """Delete some of the messages that are older than the newest ones."""
    newest = (
        sa.select(_t.id)
        .where(_OF_COMPANY, of == sa.bindparam("of", type_=sa.BigInteger))
        .order_by(_t.id.desc())
        .offset(KEPT)
        .limit(KEPT)
    )
    return prepared(sa.delete(messages).where(_OF_COMPANY, _t.id.in_(newest)))


_OLDER: Final = _older(_t.contact_id)
_OLDER_OF_TICKET: Final = _older(_t.ticket_id)

_WORKED_IN: Final = sa.text("SELECT gin_clean_pending_list('ix_messages_text')")


async def work_in_texts(database: Database) -> int:
    """Installation-wide: work the texts of new messages into their index; returns how many pages."""
    pages: int = await database.value(_WORKED_IN)
    return pages


async def get(database: Statements, company_id: CompanyId, message_id: MessageId) -> Message:
    """One message. Raises NotFound."""
    return await database.one(_GET, into=Message, company=company_id, message=message_id)


async def newest_received(
    database: Statements,
    company_id: CompanyId,
    contact_id: ContactId,
    connection_id: ConnectionId,
    since: datetime,
) -> str | None:
    """The provider's id of the contact's newest message on a connection, stored `since` then.

    Looked for among the conversation's last messages only: what is further back, we have answered.
    """
    found: str | None = await database.value(
        _NEWEST_RECEIVED,
        company=company_id,
        contact=contact_id,
        connection=connection_id,
        since=since,
    )
    return found


async def of_period(
    database: Statements, company_id: CompanyId, start: datetime, end: datetime, *, most: int
) -> list[Message]:
    """The company's messages stored from `start` up to, not including, `end`, oldest first."""
    return await database.all(
        _PERIOD, into=Message, company=company_id, start=start, end=end, most=most
    )


async def delete_older(
    database: Database, company_id: CompanyId, contact_id: ContactId, ticket_id: TicketId | None
) -> None:
    """Delete all but the newest messages of a conversation, or of one ticket, that is to be deleted.

    In portions, for a commit that other companies wait for must not be long: what is left goes with
    the contact or the ticket. Nobody may write to the conversation meanwhile.
    """
    query, of = (_OLDER, contact_id) if ticket_id is None else (_OLDER_OF_TICKET, ticket_id)
    while await database.execute(query, company=company_id, of=of) == KEPT:
        pass
