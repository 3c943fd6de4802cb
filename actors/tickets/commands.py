"""What can be asked of the ticket actor of one contact; it owns the contact's tickets."""

from typing import TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from actors.channels.base import Inbound, Outbound
from engine import Address, Command
from storage.acts import Act, current
from storage.ids import (
    CompanyId,
    ConnectionId,
    ContactId,
    DepartmentId,
    MessageId,
    TicketId,
    UserId,
)
from storage.views import MessageView, TicketView

R_co = TypeVar("R_co", covariant=True)


def ticket_address(company_id: CompanyId, contact_id: ContactId) -> Address:
    """Where the tickets of a contact, on all connections, are decided."""
    return Address("ticket", (company_id, contact_id))


class TicketCommand(Command[R_co], frozen=True, kw_only=True):
    """A command to the owner of a contact's tickets.

    Whoever builds one has looked the contact up in `company_id`; a ticket or message id that is
    not this contact's is refused (UnknownTicket, UnknownMessage).
    """

    company_id: CompanyId
    contact_id: ContactId
    act: Act | None = msgspec.field(default_factory=current)

    @property
    def to(self) -> Address:
        return Address("ticket", (self.company_id, self.contact_id))


class Delivered(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Every input is committed, or was before, or is parked raw with its cause.

    `duplicates` counts inputs that had been committed before (or twice in one delivery) and
    `parked` those that Postgres refuses; `stored` the rest.
    """

    stored: int = 0
    duplicates: int = 0
    parked: int = 0


class TakeInbound(TicketCommand[Delivered], frozen=True, kw_only=True, gc=False):
    """Inputs of one conversation from one connection, in order of arrival. Foldable."""

    connection_id: ConnectionId
    inbounds: tuple[Inbound, ...]


class CreateTicket(TicketCommand[TicketView], frozen=True, kw_only=True):
    """An agent opens a conversation. Refused with OtherOpenTicket while one is active there.

    `connection_id` None takes the agent's own, else the company's default connection.
    """

    by: UserId | None
    connection_id: ConnectionId | None = None
    user_id: UserId | None = None
    department_id: DepartmentId | None = None
    status: str = "open"


class UpdateTicket(TicketCommand[TicketView], frozen=True, kw_only=True):
    """The family's one update: it accepts, returns, transfers, closes and reopens.

    Unset fields stay. `farewell` False closes without a closing text; `note` is stored as a
    private note (the message of a transfer); `transferred` marks a transfer, so that its texts
    and log lines apply. Reopening while another ticket of the contact is active on that
    connection returns that one.
    """

    ticket_id: TicketId
    by: UserId | None
    status: str | UnsetType = UNSET
    user_id: UserId | UnsetType | None = UNSET
    department_id: DepartmentId | UnsetType | None = UNSET
    connection_id: ConnectionId | UnsetType | None = UNSET
    unread: int | UnsetType = UNSET
    last_message: str | UnsetType = UNSET
    is_bot: bool | UnsetType = UNSET
    use_integration: bool | UnsetType = UNSET
    integration_id: int | UnsetType | None = UNSET
    bot_budget_used: int | UnsetType = UNSET
    farewell: bool = True
    transferred: bool = False
    note: str = ""


class DeleteTicket(TicketCommand[None], frozen=True, kw_only=True):
    """Deletes the ticket with its messages, trackings and logs."""

    ticket_id: TicketId
    by: UserId | None


class CloseTickets(TicketCommand[int], frozen=True, kw_only=True):
    """Closes every ticket of this contact in `status`, without a farewell; replies how many.

    `user_id` and `connection_id`: only those of this owner, only those on this connection.
    """

    by: UserId | None
    status: str
    connection_id: ConnectionId | None = None
    user_id: UserId | None = None


class LogAccess(TicketCommand[None], frozen=True, kw_only=True):
    """An agent looked into the ticket."""

    ticket_id: TicketId
    by: UserId


class MarkRead(TicketCommand[TicketView], frozen=True, kw_only=True):
    """Sets the unread counter to zero and marks the contact's messages read."""

    ticket_id: TicketId
    by: UserId | None


class MarkUnread(TicketCommand[TicketView], frozen=True, kw_only=True):
    """Shows the ticket as unread again (counter 1 at least)."""

    ticket_id: TicketId


class StoredFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file already in the company's media store: `key` there, name to show, content type."""

    key: str
    filename: str
    mime: str
    size: int = 0


class SendMessage(TicketCommand[MessageView], frozen=True, kw_only=True):
    """Stores our message and, in the same commit, the order to send it.

    `content` is what leaves; its destination (`to`, `group_id`) is filled in from the contact and
    `quoted_id` from `quoted_message_id`. `body` and `media_type` are what agents see; left empty
    they follow from the content. `file` is the stored file that `content` sends. `key` makes a
    repetition of the same request return the first one's message.
    """

    ticket_id: TicketId
    by: UserId | None
    content: Outbound
    body: str = ""
    media_type: str = ""
    file: StoredFile | None = None
    quoted_message_id: MessageId | None = None
    forwarded: bool = False
    key: str = ""


class WriteNote(TicketCommand[MessageView], frozen=True, kw_only=True):
    """A private note: shown to agents, never sent."""

    ticket_id: TicketId
    by: UserId | None
    body: str
    file: StoredFile | None = None
    quoted_message_id: MessageId | None = None


class EditMessage(TicketCommand[MessageView], frozen=True, kw_only=True):
    """Replaces the text of our own message, where the channel can; notes always."""

    message_id: MessageId
    by: UserId | None
    body: str


class DeleteMessage(TicketCommand[MessageView], frozen=True, kw_only=True):
    """Deletes our own message for everyone, where the channel can; removes a private note."""

    message_id: MessageId
    by: UserId | None


class React(TicketCommand[MessageView], frozen=True, kw_only=True):
    """Puts our emoji on a message of the conversation; "" takes it back."""

    message_id: MessageId
    by: UserId | None
    emoji: str


class ContactRenewed(TicketCommand[None], frozen=True, kw_only=True):
    """The router committed a change of this contact: load its row again before the next turn."""


class Retire(TicketCommand[None], frozen=True, kw_only=True):
    """Stops deciding for this contact; everything later is answered with Moved or UnknownContact.

    Sent by the router before it merges (`to` is the winner) or deletes (`to` None) the contact.
    Replies when nothing of this actor is in flight any more.
    """

    winner: ContactId | None = None


class Absorb(TicketCommand[None], frozen=True, kw_only=True):
    """Makes everything of the contact `loser`, whose actor has retired, this contact's.

    Where both have an active ticket on a connection, the older one is closed.
    """

    loser: ContactId
