"""Internal chats: users of one company among themselves."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import sqlalchemy as sa

from storage.database import Statements, Tx
from storage.ids import CompanyId, UserId
from storage.metadata import belongs_to, number, optional, owner, reference, refers_to, string
from storage.plain_rows import TenantRow, tenant_table
from storage.repo import Repo
from storage.search import one_of

chats = tenant_table(
    "chats",
    sa.Column("uuid", sa.Uuid, nullable=False, server_default=sa.text("gen_random_uuid()")),
    string("title"),
    reference("owner_id"),
    string("last_message"),
    refers_to("owner_id", "users"),
    sa.UniqueConstraint("uuid"),
)
chat_users = tenant_table(
    "chat_users",
    owner("chat_id"),
    owner("user_id"),
    number("unreads"),
    belongs_to("chat_id", "chats"),
    belongs_to("user_id", "users"),
    sa.UniqueConstraint("company_id", "chat_id", "user_id"),
    sa.Index(None, "company_id", "user_id"),
)
chat_messages = tenant_table(
    "chat_messages",
    owner("chat_id"),
    reference("sender_id"),
    string("message"),
    optional("media_path"),
    optional("media_name"),
    belongs_to("chat_id", "chats"),
    refers_to("sender_id", "users"),
    sa.Index(None, "company_id", "chat_id", "id"),
)


class Chat(TenantRow, frozen=True, kw_only=True, rename="camel"):
    """A conversation among users; `owner_id` opened it."""

    uuid: UUID
    title: str
    owner_id: UserId | None
    last_message: str


class ChatUser(TenantRow, frozen=True, kw_only=True, rename="camel"):
    """A member of a chat with what they have not read."""

    chat_id: int
    user_id: UserId
    unreads: int


class ChatMessage(TenantRow, frozen=True, kw_only=True, rename="camel"):
    """One message of a chat."""

    chat_id: int
    sender_id: UserId | None
    message: str
    media_path: str | None
    media_name: str | None


rows: Final = Repo(chats, Chat, chats.c.updated_at.desc(), search=("title",))
messages: Final = Repo(chat_messages, ChatMessage, chat_messages.c.id.desc())
_members: Final = Repo(chat_users, ChatUser)


def open_to(user_id: UserId) -> tuple[sa.ColumnElement[bool], ...]:
    """Condition: chats that the user is a member of."""
    mine = sa.select(chat_users.c.chat_id).where(
        chat_users.c.company_id == chats.c.company_id, chat_users.c.user_id == user_id
    )
    return (chats.c.id.in_(mine),)


def in_chat(chat_id: int) -> tuple[sa.ColumnElement[bool], ...]:
    """Condition: messages of one chat."""
    return (chat_messages.c.chat_id == chat_id,)


async def members(
    source: Statements, company_id: CompanyId, chat_ids: Sequence[int]
) -> list[ChatUser]:
    """The members of these chats."""
    there = one_of(chat_users.c.chat_id, list(chat_ids), sa.BigInteger)
    return await _members.where(source, company_id, there)


async def set_members(
    tx: Tx, company_id: CompanyId, chat_id: int, user_ids: Sequence[UserId]
) -> None:
    """Make these users the members; who stays keeps their unread count.

    Raises Conflict for a user that is not there.
    """
    here = (chat_users.c.company_id == company_id, chat_users.c.chat_id == chat_id)
    present = {member.user_id for member in await members(tx, company_id, [chat_id])}
    gone = present.difference(user_ids)
    if gone:
        left = one_of(chat_users.c.user_id, sorted(gone), sa.BigInteger)
        await tx.execute(sa.delete(chat_users).where(*here, left))
    for user_id in dict.fromkeys(user_ids):
        if user_id not in present:
            await _members.insert(tx, company_id, chat_id=chat_id, user_id=user_id)


async def say(
    tx: Tx, company_id: CompanyId, chat_id: int, sender_id: UserId, text: str, **media: str
) -> ChatMessage:
    """Store a message, count it unread for the others and show it in the list of chats."""
    said = await messages.insert(
        tx, company_id, chat_id=chat_id, sender_id=sender_id, message=text, **media
    )
    others = (
        chat_users.c.company_id == company_id,
        chat_users.c.chat_id == chat_id,
        chat_users.c.user_id != sender_id,
    )
    await tx.execute(sa.update(chat_users).where(*others).values(unreads=chat_users.c.unreads + 1))
    last = {"last_message": text or media.get("media_name", "")}
    await rows.change(tx, company_id, chat_id, last)
    return said


async def mark_read(tx: Tx, company_id: CompanyId, chat_id: int, user_id: UserId) -> None:
    """Set a member's unread count to zero."""
    mine = (
        chat_users.c.company_id == company_id,
        chat_users.c.chat_id == chat_id,
        chat_users.c.user_id == user_id,
    )
    await tx.execute(sa.update(chat_users).where(*mine).values(unreads=0))
