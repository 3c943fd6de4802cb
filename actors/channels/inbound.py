"""What a channel tells us, in neutral Structs: no provider's wire name past this point."""

from datetime import datetime
from enum import IntEnum

import msgspec


class Ack(IntEnum):
    """Delivery state of an own message; it only ever grows (a later, lower report is ignored).

    `FAILED` is below everything, so a maximum never erases a delivery; a failure is carried by
    `InboundStatus.error` and counts only while the message is not known to be delivered.
    """

    FAILED = 0
    PENDING = 1
    SENT = 2
    DELIVERED = 3
    READ = 4
    PLAYED = 5


class Identity(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Every name under which a provider knows one person; any of them may be missing.

    `phone` is digits with country code and no plus. `bsuid` is the business-scoped user id that
    replaces the phone for people who use a username; `parent_bsuid` its enterprise-wide form.
    `lid` is WhatsApp Web's hidden id, `scoped_id` a page- or Instagram-scoped id.
    """

    phone: str = ""
    bsuid: str = ""
    parent_bsuid: str = ""
    lid: str = ""
    scoped_id: str = ""
    username: str = ""

    def aliases(self) -> tuple[tuple[str, str], ...]:
        """The stable names as (kind, value); a username can change hands and is none."""
        named = (
            ("phone", self.phone),
            ("bsuid", self.bsuid),
            ("parent_bsuid", self.parent_bsuid),
            ("lid", self.lid),
            ("scoped_id", self.scoped_id),
        )
        return tuple(pair for pair in named if pair[1])

    def __bool__(self) -> bool:
        return bool(self.phone or self.bsuid or self.parent_bsuid or self.lid or self.scoped_id)


class Media(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file somewhere at the provider; `filename` is for display, never a path.

    `sha256` is lower-case hex or empty; `url` is a short-lived link that some providers send along.
    """

    kind: str
    id: str = ""
    url: str = ""
    mime: str = ""
    sha256: str = ""
    filename: str = ""
    caption: str = ""
    voice: bool = False
    animated: bool = False


class Location(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A point in WGS 84 degrees."""

    latitude: float
    longitude: float
    name: str = ""
    address: str = ""
    url: str = ""


class Phone(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A number on a contact card; `wa_id` is set when the provider knows it as a user."""

    phone: str
    type: str = ""
    wa_id: str = ""


class SharedContact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A contact card inside a message."""

    formatted_name: str
    first_name: str = ""
    last_name: str = ""
    organization: str = ""
    birthday: str = ""
    phones: tuple[Phone, ...] = ()
    emails: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    vcard: str = ""


class Choice(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the contact tapped: `kind` is button, list, quick_reply, flow or call_permission.

    `id` is the payload we gave the option; `data` is a flow's answers as received (JSON text,
    possibly malformed).
    """

    kind: str
    id: str = ""
    title: str = ""
    description: str = ""
    data: str = ""


class OrderItem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of an order."""

    product_id: str
    quantity: float = 1
    price: float = 0
    currency: str = ""


class Order(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A cart sent from a catalogue."""

    catalog_id: str = ""
    text: str = ""
    items: tuple[OrderItem, ...] = ()


class Referral(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The advertisement or post through which the contact arrived."""

    source_url: str = ""
    source_id: str = ""
    source_type: str = ""
    headline: str = ""
    body: str = ""
    image_url: str = ""
    video_url: str = ""
    click_id: str = ""


class ProviderError(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A provider's error as reported, for the agent and the operator."""

    code: int = 0
    title: str = ""
    details: str = ""


class InboundMessage(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="message", gc=False
):
    """One message of a conversation, in either direction.

    `contact` is the other party, also when `from_me` (typed by the business on its own phone);
    `participant` the author inside a group (`group_id`). `body` and `media_type` are ready to be
    stored: media_type is the wire enum (conversation, image, locationMessage, reactionMessage…).
    A reaction carries `reaction_to` and its emoji as body, empty = taken back. `new_identity` is
    set when the contact changed number or id. `kind` is the provider's own type, dotted.
    `raw` is the provider's JSON of this message without NULs and lone surrogates.
    """

    provider_id: str
    contact: Identity
    timestamp: datetime
    kind: str
    media_type: str
    body: str = ""
    name: str = ""
    from_me: bool = False
    group_id: str = ""
    participant: Identity | None = None
    quoted_id: str = ""
    forwarded: bool = False
    media: Media | None = None
    location: Location | None = None
    contacts: tuple[SharedContact, ...] = ()
    choice: Choice | None = None
    order: Order | None = None
    referral: Referral | None = None
    reaction_to: str = ""
    new_identity: Identity | None = None
    error: ProviderError | None = None
    raw: bytes = b""


class InboundEdit(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="edit"):
    """The text (or caption) of an earlier message, `target_id`, was replaced by `body`."""

    provider_id: str
    target_id: str
    contact: Identity
    timestamp: datetime
    body: str = ""
    media: Media | None = None
    name: str = ""
    from_me: bool = False
    group_id: str = ""
    participant: Identity | None = None
    raw: bytes = b""


class InboundRevoke(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="revoke"):
    """An earlier message, `target_id`, was deleted for everyone."""

    provider_id: str
    target_id: str
    contact: Identity
    timestamp: datetime
    name: str = ""
    from_me: bool = False
    group_id: str = ""
    participant: Identity | None = None
    raw: bytes = b""


Inbound = InboundMessage | InboundEdit | InboundRevoke


class InboundStatus(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="status", gc=False
):
    """A delivery report about an own message.

    May arrive early, late, doubled or out of order. `ack` is its rank (FAILED for a failure, and
    for a status word this program does not know). `outbox_id` is ours, read back from the
    callback data; it identifies a send even before its provider id is known.
    """

    provider_id: str
    status: str
    ack: Ack
    timestamp: datetime
    recipient: Identity
    group_id: str = ""
    participant: Identity | None = None
    outbox_id: int | None = None
    callback_data: str = ""
    error: ProviderError | None = None
    raw: bytes = b""

    @property
    def failed(self) -> bool:
        """Whether the provider says this message will not arrive."""
        return self.status == "failed"


class IdentityChange(msgspec.Struct, frozen=True, kw_only=True, tag="identity_change"):
    """The provider tells, outside any conversation, that `previous` is now `current`."""

    previous: Identity
    current: Identity
    timestamp: datetime
    raw: bytes = b""


class AccountEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="account"):
    """Anything else, kept raw: template and account news, history, calls, unknown fields.

    `kind` is the provider's field name; `key` is the same for a repeated delivery.
    """

    kind: str
    key: str
    raw: bytes


class Conversation(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What one delivery holds for one conversation, in the order of arrival.

    `key` is stable within the delivery only; identity is decided by the aliases of `contact`
    (everything this delivery says about that person) or by `group_id`.
    """

    key: str
    contact: Identity
    inbounds: tuple[Inbound, ...]
    group_id: str = ""
    name: str = ""


class AccountBatch(msgspec.Struct, frozen=True, kw_only=True):
    """What one delivery holds for one of our accounts.

    `account_id` is the provider's id of the number or page that was written to ("" for events of
    the whole business account, which carry only `business_id`). It is what the payload claims:
    who may speak for which company is decided by the URL or the installation's secret.
    """

    account_id: str
    business_id: str = ""
    display_phone: str = ""
    conversations: tuple[Conversation, ...] = ()
    statuses: tuple[InboundStatus, ...] = ()
    identity_changes: tuple[IdentityChange, ...] = ()
    events: tuple[AccountEvent, ...] = ()


class Unparsed(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a delivery that is not what it should be; kept raw with its cause."""

    cause: str
    raw: bytes


class Parsed(msgspec.Struct, frozen=True, kw_only=True):
    """One delivery (webhook body), grouped by account and by conversation."""

    accounts: tuple[AccountBatch, ...] = ()
    unparsed: tuple[Unparsed, ...] = ()
