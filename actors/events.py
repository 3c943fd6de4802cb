"""The committed facts that this system's actors and plain writes publish.

An event is built before its commit and published after it, in the company's gapless order.
It carries whole views, so that whoever shows it needs no query; the event log stores only its
kind and ids. `api/realtime/wire.py` is the one place that gives events their wire names.
"""

from typing import ClassVar, Final

import msgspec

from storage.events import DomainEvent
from storage.ids import ConnectionId, ContactId, DepartmentId, TicketId, UserId
from storage.mailing_lists import MailingItem
from storage.snapshots import GRACE
from storage.views import ConnectionView, ContactView, MessageView, TicketView, UserView


class TicketPlace(msgspec.Struct, frozen=True, gc=False):
    """Where agents' lists show a ticket: its column, department and owner; who may see it."""

    status: str
    department_id: DepartmentId | None
    user_id: UserId | None
    is_group: bool = False


def _left(was: TicketPlace | None) -> dict[str, int | str]:
    """The place a ticket left, so that a client that missed the move can still make it."""
    if was is None:
        return {}
    named: dict[str, int | str | None] = {
        "was_status": was.status,
        "was_department": was.department_id,
        "was_user": was.user_id,
        "was_group": 1 if was.is_group else None,
    }
    return {name: value for name, value in named.items() if value is not None}


class TicketChanged(DomainEvent, frozen=True, kw_only=True, gc=False):
    """A ticket was created, moved or changed.

    `was` is the place before this change when the ticket left it (status, department or owner
    differ), else None. A move is shown as `delete` to the rooms of `was`, then `update` to the
    rooms of the new place; a closed ticket, or one that waits for its rating, is only deleted.
    """

    kind: ClassVar[str] = "ticket.changed"
    ticket: TicketView
    was: TicketPlace | None = None
    created: bool = False

    def ids(self) -> dict[str, int | str]:
        return {"ticket": self.ticket.id, **_left(self.was)}


class TicketRemoved(DomainEvent, frozen=True, kw_only=True):
    """A ticket was deleted with its messages."""

    kind: ClassVar[str] = "ticket.removed"
    ticket_id: TicketId
    was: TicketPlace

    def ids(self) -> dict[str, int | str]:
        return {"ticket": self.ticket_id, **_left(self.was)}


class TicketRead(DomainEvent, frozen=True, kw_only=True, gc=False):
    """The unread counter of a ticket went to zero (or was set by an agent)."""

    kind: ClassVar[str] = "ticket.read"
    ticket: TicketView

    def ids(self) -> dict[str, int | str]:
        return {"ticket": self.ticket.id}


class MessageCreated(DomainEvent, frozen=True, kw_only=True, gc=False):
    """A message was stored: inbound, ours, an echo of the phone, or a private note.

    `silent` messages (history imports) are shown in the conversation, not notified.
    """

    kind: ClassVar[str] = "message.created"
    message: MessageView
    ticket: TicketView
    contact: ContactView
    silent: bool = False

    def ids(self) -> dict[str, int | str]:
        return {"message": self.message.id, "ticket": self.ticket.id}


class MessageChanged(DomainEvent, frozen=True, kw_only=True, gc=False):
    """A message's delivery state, body, media or deletion mark changed.

    `place` is where its ticket stands, when the writer of the change knows it.
    """

    kind: ClassVar[str] = "message.changed"
    message: MessageView
    place: TicketPlace | None = None

    def ids(self) -> dict[str, int | str]:
        return {"message": self.message.id}


class MessageRemoved(DomainEvent, frozen=True, kw_only=True):
    """A private note was deleted; nothing remains of it."""

    kind: ClassVar[str] = "message.removed"
    message: MessageView

    def ids(self) -> dict[str, int | str]:
        return {"message": self.message.id, "ticket": self.message.ticket_id}


class ContactChanged(DomainEvent, frozen=True, kw_only=True):
    """A contact was created or changed."""

    kind: ClassVar[str] = "contact.changed"
    contact: ContactView
    created: bool = False

    def ids(self) -> dict[str, int | str]:
        return {"contact": self.contact.id}


class ContactsImported(DomainEvent, frozen=True, kw_only=True):
    """Contacts of an import were created: `count` of them, with consecutive ids."""

    kind: ClassVar[str] = "contacts.imported"
    first_id: ContactId
    count: int

    def ids(self) -> dict[str, int | str]:
        return {"first": self.first_id, "count": self.count}


class ContactRemoved(DomainEvent, frozen=True, kw_only=True):
    """A contact was deleted, or merged into `merged_into`."""

    kind: ClassVar[str] = "contact.removed"
    contact_id: ContactId
    merged_into: ContactId | None = None

    def ids(self) -> dict[str, int | str]:
        return {"contact": self.contact_id}


class MailingListFilled(DomainEvent, frozen=True, kw_only=True):
    """An upload added `count` items to a contact list, `first_id` before the others.

    `items` are the first of them, as many as lists show at once and a few screens more.
    """

    MOST: ClassVar[int] = 200

    kind: ClassVar[str] = "mailing_list.filled"
    list_id: int
    first_id: int
    count: int
    items: tuple[MailingItem, ...]

    def ids(self) -> dict[str, int | str]:
        return {"list": self.list_id, "first": self.first_id, "count": self.count}


class ConnectionChanged(DomainEvent, frozen=True, kw_only=True):
    """A connection's configuration was created or changed."""

    kind: ClassVar[str] = "connection.changed"
    connection: ConnectionView
    created: bool = False

    def ids(self) -> dict[str, int | str]:
        return {"connection": self.connection.id}


class ConnectionRemoved(DomainEvent, frozen=True, kw_only=True):
    """A connection was deleted; its tickets keep their history without it."""

    kind: ClassVar[str] = "connection.removed"
    connection_id: ConnectionId

    def ids(self) -> dict[str, int | str]:
        return {"connection": self.connection_id}


class SessionChanged(DomainEvent, frozen=True, kw_only=True):
    """The live link of a connection changed its state (status, QR code, number, retries)."""

    kind: ClassVar[str] = "session.changed"
    connection: ConnectionView

    def ids(self) -> dict[str, int | str]:
        return {"connection": self.connection.id}


class UserChanged(DomainEvent, frozen=True, kw_only=True):
    """A user was created or changed; `presence`: it came online or went offline."""

    kind: ClassVar[str] = "user.changed"
    user: UserView
    created: bool = False
    presence: bool = False

    def ids(self) -> dict[str, int | str]:
        return {"user": self.user.id}


class UserRemoved(DomainEvent, frozen=True, kw_only=True):
    """A user was deleted."""

    kind: ClassVar[str] = "user.removed"
    user_id: UserId

    def ids(self) -> dict[str, int | str]:
        return {"user": self.user_id}


class UserLoggedIn(DomainEvent, frozen=True, kw_only=True):
    """A user logged in; that user's other sessions compare the digest and log out.

    `token_digest` is a digest of the new access token, never the token.
    """

    kind: ClassVar[str] = "user.logged_in"
    user_id: UserId
    email: str
    token_digest: str

    def ids(self) -> dict[str, int | str]:
        return {"user": self.user_id, "digest": self.token_digest}


INSTALLATION_NOUNS: Final = frozenset(("announcement", "help", "partner", "plan"))
"""Nouns of the installation's rows, which every company reads."""


class RecordChanged(DomainEvent, frozen=True, kw_only=True):
    """A plain configuration row (department, setting, tag, quick reply …) was written.

    `noun` is the singular English noun of the row, `action` one of create, update, delete;
    `record` is its view (None when deleted). Configuration snapshots reload on the nouns they hold.
    """

    kind: ClassVar[str] = "record.changed"
    noun: str
    action: str
    record_id: int | str
    record: msgspec.Struct | None = None

    def ids(self) -> dict[str, int | str]:
        return {"noun": self.noun, "id": self.record_id, "action": self.action}

    @property
    def is_everybodys(self) -> bool:
        """Whether every company reads the row that was written.

        The event of the company that wrote it tells of it, and no other: one per company would
        keep the writer waiting for thousands of commits. Whoever holds or shows something of
        other companies does by this one what it does for its own.
        """
        of_all = self.noun == "setting" and self.record_id == GRACE
        return of_all or self.noun in INSTALLATION_NOUNS


ALL: tuple[type[DomainEvent], ...] = (
    TicketChanged,
    TicketRemoved,
    TicketRead,
    MessageCreated,
    MessageChanged,
    MessageRemoved,
    ContactChanged,
    ContactsImported,
    ContactRemoved,
    MailingListFilled,
    ConnectionChanged,
    ConnectionRemoved,
    SessionChanged,
    UserChanged,
    UserRemoved,
    UserLoggedIn,
    RecordChanged,
)
"""Every event there is; the wire table must name each or list it as internal."""
