"""What happens in the internal chat; only a chat's members hear of it."""

from typing import ClassVar

from storage.events import DomainEvent
from storage.ids import UserId
from storage.views.chats import ChatMessageView, ChatView


class ChatChanged(DomainEvent, frozen=True, kw_only=True):
    """A chat was opened, renamed, got other members, or was read by one."""

    kind: ClassVar[str] = "chat.changed"
    chat: ChatView
    created: bool = False
    read: bool = False

    def ids(self) -> dict[str, int | str]:
        return {"chat": self.chat.id}


class ChatRemoved(DomainEvent, frozen=True, kw_only=True):
    """A chat was deleted; `user_ids` were its members, or one who has left it."""

    kind: ClassVar[str] = "chat.removed"
    chat_id: int
    user_ids: tuple[UserId, ...]

    def ids(self) -> dict[str, int | str]:
        return {"chat": self.chat_id}


class ChatMessageCreated(DomainEvent, frozen=True, kw_only=True):
    """A member wrote."""

    kind: ClassVar[str] = "chat.message_created"
    chat: ChatView
    message: ChatMessageView

    def ids(self) -> dict[str, int | str]:
        return {"chat": self.chat.id, "message": self.message.id}
