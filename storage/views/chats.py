"""The wire noun `chat`, with its members, and a message with who wrote it."""

from collections.abc import Sequence

import msgspec

from storage.chats import Chat, ChatMessage, ChatUser
from storage.ids import UserId
from storage.snapshots import CompanySnapshot


class ChatPersonView(msgspec.Struct, frozen=True, kw_only=True):
    """A user as a chat shows one."""

    id: UserId
    name: str
    email: str
    online: bool


class ChatMemberView(ChatUser, frozen=True, kw_only=True, rename="camel"):
    """A member with name and unread count."""

    user: ChatPersonView | None


class ChatView(Chat, frozen=True, kw_only=True, rename="camel"):
    """A chat, whole."""

    owner: ChatPersonView | None
    users: list[ChatMemberView]


class ChatMessageView(ChatMessage, frozen=True, kw_only=True, rename="camel"):
    """A chat's message with its writer."""

    sender: ChatPersonView | None


def chat_view(chat: Chat, members: Sequence[ChatUser], snapshot: CompanySnapshot) -> ChatView:
    """Show a chat; of `members` those of other chats are passed over."""
    shown = [
        ChatMemberView(**msgspec.structs.asdict(member), user=_person(member.user_id, snapshot))
        for member in members
        if member.chat_id == chat.id
    ]
    values = msgspec.structs.asdict(chat)
    return ChatView(**values, owner=_person(chat.owner_id, snapshot), users=shown)


def chat_message_view(message: ChatMessage, snapshot: CompanySnapshot) -> ChatMessageView:
    """Show a message of a chat."""
    values = msgspec.structs.asdict(message)
    values["media_path"] = snapshot.urls.file(message.company_id, message.media_path)
    return ChatMessageView(**values, sender=_person(message.sender_id, snapshot))


def _person(user_id: UserId | None, snapshot: CompanySnapshot) -> ChatPersonView | None:
    known = None if user_id is None else snapshot.users.get(user_id)
    if known is None:
        return None
    return ChatPersonView(id=known.id, name=known.name, email=known.email, online=known.online)
