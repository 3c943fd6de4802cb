"""The channel port: what every messaging network offers to the actors.

A provider is pure functions and a capability list (`Provider`); `actors/http.py` does the I/O.
The actors see a `Channel`, which adds sending; the simulator implements that directly.
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import msgspec

from actors.channels.inbound import AccountBatch as AccountBatch
from actors.channels.inbound import AccountEvent as AccountEvent
from actors.channels.inbound import Ack as Ack
from actors.channels.inbound import Choice as Choice
from actors.channels.inbound import Conversation as Conversation
from actors.channels.inbound import Identity as Identity
from actors.channels.inbound import IdentityChange as IdentityChange
from actors.channels.inbound import Inbound as Inbound
from actors.channels.inbound import InboundEdit as InboundEdit
from actors.channels.inbound import InboundMessage as InboundMessage
from actors.channels.inbound import InboundRevoke as InboundRevoke
from actors.channels.inbound import InboundStatus as InboundStatus
from actors.channels.inbound import Location as Location
from actors.channels.inbound import Media as Media
from actors.channels.inbound import Order as Order
from actors.channels.inbound import OrderItem as OrderItem
from actors.channels.inbound import Parsed as Parsed
from actors.channels.inbound import Phone as Phone
from actors.channels.inbound import ProviderError as ProviderError
from actors.channels.inbound import Referral as Referral
from actors.channels.inbound import SharedContact as SharedContact
from actors.channels.inbound import Unparsed as Unparsed
from actors.channels.outbound import Accepted as Accepted
from actors.channels.outbound import Button as Button
from actors.channels.outbound import Outbound as Outbound
from actors.channels.outbound import OutButtons as OutButtons
from actors.channels.outbound import OutCallButton as OutCallButton
from actors.channels.outbound import OutContacts as OutContacts
from actors.channels.outbound import OutCopyButton as OutCopyButton
from actors.channels.outbound import OutEdit as OutEdit
from actors.channels.outbound import OutList as OutList
from actors.channels.outbound import OutLocation as OutLocation
from actors.channels.outbound import OutLocationRequest as OutLocationRequest
from actors.channels.outbound import OutMedia as OutMedia
from actors.channels.outbound import OutPix as OutPix
from actors.channels.outbound import OutReaction as OutReaction
from actors.channels.outbound import OutRead as OutRead
from actors.channels.outbound import OutRevoke as OutRevoke
from actors.channels.outbound import OutTemplate as OutTemplate
from actors.channels.outbound import OutText as OutText
from actors.channels.outbound import OutUrlButton as OutUrlButton
from actors.channels.outbound import Rejected as Rejected
from actors.channels.outbound import Row as Row
from actors.channels.outbound import Section as Section
from actors.channels.outbound import SendResult as SendResult
from actors.channels.outbound import Unknown as Unknown
from actors.channels.outbound import Unsendable as Unsendable
from actors.channels.outbound import refuse as refuse
from actors.http import FetchFailed as FetchFailed
from actors.http import HttpFailure as HttpFailure
from actors.http import HttpReply as HttpReply
from actors.http import HttpRequest as HttpRequest


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a channel can do; the actors ask this, never the channel's name.

    `takes_our_id`: the id of a message is chosen by us before sending and repeating a send under
    it cannot double it. `window`: seconds after the contact's last message in which free text may
    be sent (None = always). `media`: outgoing kinds. `composing`: a contact can be shown that its
    message is being answered. `rate` / `pair_rate`: sends per second of one
    number, and to one contact, to start with.
    """

    takes_our_id: bool
    media: frozenset[str] = frozenset()
    reactions: bool = False
    buttons: int = 0
    list_rows: int = 0
    templates: bool = False
    contacts: bool = False
    locations: bool = False
    edits: bool = False
    revokes: bool = False
    reads: bool = False
    composing: bool = False
    groups: bool = False
    text_limit: int = 4096
    window: float | None = None
    rate: float = 80.0
    pair_rate: float = 10.0


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """What a channel must know about one connection; its secrets never show in a repr.

    `external_id` is the provider's id of our number (phone-number id), `api_version` e.g. "v23.0".
    """

    connection_id: int
    company_id: int
    external_id: str
    token: str = ""
    api_version: str = ""
    business_id: str = ""

    def __repr__(self) -> str:
        return f"Account(connection_id={self.connection_id}, external_id={self.external_id!r})"


class Provider(Protocol):
    """A network reached over HTTP, without I/O: what to send, and what an answer means."""

    @property
    def name(self) -> str: ...

    @property
    def capabilities(self) -> Capabilities: ...

    def parse(self, raw: bytes) -> Parsed:
        """Any bytes → neutral Structs; never raises. The caller has checked the signature."""
        ...

    def request(self, account: Account, message: Outbound, *, outbox_id: int) -> HttpRequest:
        """The call that sends `message`. Raises Unsendable for what the network would refuse."""
        ...

    def outcome(self, reply: HttpReply | HttpFailure) -> SendResult:
        """What came of it: accepted, surely not accepted, or unknown. Never guesses."""
        ...


class Channel(Protocol):
    """A messaging network as the actors use it."""

    @property
    def name(self) -> str: ...

    @property
    def capabilities(self) -> Capabilities: ...

    def parse(self, raw: bytes) -> Parsed:
        """Any bytes → neutral Structs; never raises."""
        ...

    def check(self, message: Outbound) -> None:
        """Raises Unsendable if this message can never leave here; call it before storing."""
        ...

    async def refusal(self, account: Account) -> Rejected | None:
        """Why the provider will not serve this account; None when it does, or cannot be asked."""
        ...

    def new_provider_id(self) -> str:
        """A fresh message id of ours ("" unless `capabilities.takes_our_id`)."""
        ...

    async def send(
        self, account: Account, message: Outbound, *, outbox_id: int, provider_id: str = ""
    ) -> SendResult:
        """One attempt. Never raises for anything the network does; cancelled = outcome unknown.

        `provider_id` is the id chosen beforehand where the channel takes ours. Where it does not,
        the caller must have committed that it is sending before it calls.
        """
        ...

    async def fetch(self, account: Account, media: Media, *, limit: int) -> tuple[bytes, str]:
        """The bytes of an inbound file and their claimed content type.

        Raises actors.http.FetchFailed (`permanent` tells whether to repeat); at most `limit` bytes.
        """
        ...


@runtime_checkable
class NumberLookup(Protocol):
    """A channel that can tell whether a number can be written to; not every network can."""

    async def knows(self, account: Account, number: str) -> bool:
        """Whether somebody is reached under these digits."""
        ...


@runtime_checkable
class AddressBook(Protocol):
    """A channel that can read the contacts saved on an account's phone; few networks can."""

    async def saved_contacts(self, account: Account) -> Sequence[SharedContact]:
        """The people of the phone's address book. Raises actors.http.FetchFailed."""
        ...
