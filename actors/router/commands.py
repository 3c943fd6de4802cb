"""What can be asked of a company's router: the owner of its contacts and their aliases."""

from typing import TypeVar

import msgspec

from actors.channels.base import Conversation, IdentityChange
from actors.tickets.commands import Delivered
from engine import Address, Command
from storage.acts import Act, current
from storage.contacts import ContactPatch
from storage.ids import CompanyId, ConnectionId, ContactId
from storage.views import ContactView

R_co = TypeVar("R_co", covariant=True)


class RouterCommand(Command[R_co], frozen=True, kw_only=True):
    """A command to the router of a company."""

    company_id: CompanyId
    act: Act | None = msgspec.field(default_factory=current)

    @property
    def to(self) -> Address:
        return Address("router", self.company_id)


class DeliverInbound(RouterCommand[Delivered], frozen=True, kw_only=True, gc=False):
    """What one delivery holds for one conversation of one connection.

    Replies when every input is committed (or was before, or is parked raw). Order within a
    conversation is the order in which the router receives these.
    """

    connection_id: ConnectionId
    conversation: Conversation


class LearnIdentity(RouterCommand[None], frozen=True, kw_only=True):
    """A provider tells that a person's number or id changed: both names lead to one contact."""

    connection_id: ConnectionId
    change: IdentityChange


class CustomField(msgspec.Struct, frozen=True, kw_only=True):
    """A name and value that an agent keeps about a contact."""

    name: str
    value: str


class NewContact(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent or API client enters; `number` is reduced to its digits."""

    name: str
    number: str
    email: str = ""
    is_group: bool = False
    connection_id: ConnectionId | None = None
    channel: str = "whatsapp"
    accept_audio_message: bool = True
    disable_bot: bool = False


class CreateContact(RouterCommand[ContactView], frozen=True, kw_only=True):
    """Stores a contact. Refused with DuplicatedContact when its number is known."""

    contact: NewContact
    custom_fields: tuple[CustomField, ...] = ()


class EnsureContact(RouterCommand[ContactView], frozen=True, kw_only=True):
    """The contact with this number, stored first if it is new (API sends, imports)."""

    contact: NewContact


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a batch: the contact of every number, and how many of them are new."""

    contact_ids: dict[str, ContactId]
    created: int


class ImportContacts(RouterCommand[Imported], frozen=True, kw_only=True):
    """Stores those of a batch of people whose numbers are new, in one commit; repeatable.

    Numbers that are known keep their contact as it is. At most MOST_IMPORTED of them at once.
    """

    contacts: tuple[NewContact, ...]


MOST_IMPORTED = 200


class UpdateContact(RouterCommand[ContactView], frozen=True, kw_only=True):
    """Changes what is set in `patch` (blocking is `active=False`); a new number is a new alias.

    `custom_fields` None leaves them, a tuple replaces them all.
    """

    contact_id: ContactId
    patch: ContactPatch
    number: str | None = None
    custom_fields: tuple[CustomField, ...] | None = None


class DeleteContact(RouterCommand[None], frozen=True, kw_only=True):
    """Deletes a contact with its tickets and messages, after its ticket actor has stopped."""

    contact_id: ContactId


class MergeContacts(RouterCommand[ContactView], frozen=True, kw_only=True):
    """Makes two contacts one: what was the loser's belongs to the winner afterwards.

    Where both have an active ticket on a connection, the older one is closed.
    """

    winner: ContactId
    loser: ContactId
