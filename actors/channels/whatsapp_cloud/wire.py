"""The webhook's own shapes. Every field has a default: nothing a sender leaves out is an error."""

import msgspec

NOTHING = msgspec.Raw(b"")


class Profile(msgspec.Struct, frozen=True, gc=False):
    name: str = ""
    username: str = ""


class Contact(msgspec.Struct, frozen=True):
    """One of `value.contacts`: who the people of this delivery are."""

    wa_id: str = ""
    user_id: str = ""
    parent_user_id: str = ""
    profile: Profile = Profile()


class Metadata(msgspec.Struct, frozen=True, gc=False):
    display_phone_number: str = ""
    phone_number_id: str = ""


class Value(msgspec.Struct, frozen=True):
    """`value` of a messages or echoes change; elements stay raw so that one bad one fails alone."""

    metadata: Metadata = Metadata()
    contacts: list[Contact] = []
    messages: list[msgspec.Raw] = []
    message_echoes: list[msgspec.Raw] = []
    statuses: list[msgspec.Raw] = []
    user_id_update: list[msgspec.Raw] = []
    errors: msgspec.Raw = NOTHING


class Change(msgspec.Struct, frozen=True):
    field: str = ""
    value: msgspec.Raw = NOTHING


class Entry(msgspec.Struct, frozen=True):
    id: str = ""
    changes: list[Change] = []


class Envelope(msgspec.Struct, frozen=True):
    object: str = ""
    entry: list[Entry] = []


class ReferredProduct(msgspec.Struct, frozen=True, gc=False):
    catalog_id: str = ""
    product_retailer_id: str = ""


class Context(msgspec.Struct, frozen=True):
    id: str = ""
    forwarded: bool = False
    frequently_forwarded: bool = False
    referred_product: ReferredProduct | None = None


class Text(msgspec.Struct, frozen=True, gc=False):
    body: str = ""


class MediaPart(msgspec.Struct, frozen=True, gc=False):
    id: str = ""
    mime_type: str = ""
    sha256: str = ""
    url: str = ""
    caption: str = ""
    filename: str = ""
    voice: bool = False
    animated: bool = False


class LocationPart(msgspec.Struct, frozen=True, gc=False):
    latitude: float = 0.0
    longitude: float = 0.0
    name: str = ""
    address: str = ""
    url: str = ""


class CardName(msgspec.Struct, frozen=True, gc=False):
    formatted_name: str = ""
    first_name: str = ""
    last_name: str = ""


class CardPhone(msgspec.Struct, frozen=True, gc=False):
    phone: str = ""
    wa_id: str = ""
    type: str = ""


class CardEmail(msgspec.Struct, frozen=True, gc=False):
    email: str = ""


class CardUrl(msgspec.Struct, frozen=True, gc=False):
    url: str = ""


class CardOrganization(msgspec.Struct, frozen=True, gc=False):
    company: str = ""


class Card(msgspec.Struct, frozen=True):
    name: CardName = CardName()
    phones: list[CardPhone] = []
    emails: list[CardEmail] = []
    urls: list[CardUrl] = []
    org: CardOrganization = CardOrganization()
    birthday: str = ""
    vcard: str = ""


class Reply(msgspec.Struct, frozen=True, gc=False):
    id: str = ""
    title: str = ""
    description: str = ""


class FlowReply(msgspec.Struct, frozen=True, gc=False):
    name: str = ""
    body: str = ""
    response_json: str = ""


class CallPermission(msgspec.Struct, frozen=True, gc=False):
    response: str = ""
    expiration_timestamp: int = 0


class Interactive(msgspec.Struct, frozen=True):
    type: str = ""
    button_reply: Reply | None = None
    list_reply: Reply | None = None
    nfm_reply: FlowReply | None = None
    call_permission_reply: CallPermission | None = None


class ButtonPart(msgspec.Struct, frozen=True, gc=False):
    payload: str = ""
    text: str = ""


class ReactionPart(msgspec.Struct, frozen=True, gc=False):
    message_id: str = ""
    emoji: str = ""


class Product(msgspec.Struct, frozen=True, gc=False):
    product_retailer_id: str = ""
    quantity: float = 1
    item_price: float = 0
    currency: str = ""


class OrderPart(msgspec.Struct, frozen=True):
    catalog_id: str = ""
    text: str = ""
    product_items: list[Product] = []


class System(msgspec.Struct, frozen=True, gc=False):
    type: str = ""
    body: str = ""
    wa_id: str = ""
    new_wa_id: str = ""
    user_id: str = ""
    parent_user_id: str = ""


class ErrorData(msgspec.Struct, frozen=True, gc=False):
    details: str = ""


class Error(msgspec.Struct, frozen=True):
    code: int = 0
    title: str = ""
    message: str = ""
    error_data: ErrorData = ErrorData()


class ReferralPart(msgspec.Struct, frozen=True, gc=False):
    source_url: str = ""
    source_id: str = ""
    source_type: str = ""
    headline: str = ""
    body: str = ""
    image_url: str = ""
    video_url: str = ""
    thumbnail_url: str = ""
    ctwa_clid: str = ""


class Unsupported(msgspec.Struct, frozen=True, gc=False):
    type: str = ""


class Revoke(msgspec.Struct, frozen=True, gc=False):
    original_message_id: str = ""


class Content(msgspec.Struct, frozen=True):
    """What a message says; an edit nests one."""

    type: str = ""
    context: Context | None = None
    text: Text | None = None
    image: MediaPart | None = None
    video: MediaPart | None = None
    audio: MediaPart | None = None
    voice: MediaPart | None = None
    document: MediaPart | None = None
    sticker: MediaPart | None = None
    location: LocationPart | None = None
    contacts: list[Card] = []
    interactive: Interactive | None = None
    button: ButtonPart | None = None
    reaction: ReactionPart | None = None
    order: OrderPart | None = None
    system: System | None = None
    referral: ReferralPart | None = None
    unsupported: Unsupported | None = None
    errors: list[Error] = []


class Edit(msgspec.Struct, frozen=True):
    original_message_id: str = ""
    message: Content = Content()


class Message(Content, frozen=True):
    """One of `value.messages` or `value.message_echoes`."""

    id: str = ""
    sender: str = msgspec.field(default="", name="from")
    from_user_id: str = ""
    from_parent_user_id: str = ""
    to: str = ""
    to_user_id: str = ""
    to_parent_user_id: str = ""
    timestamp: str = ""
    group_id: str = ""
    edit: Edit | None = None
    revoke: Revoke | None = None


class Status(msgspec.Struct, frozen=True):
    """One of `value.statuses`."""

    id: str = ""
    status: str = ""
    type: str = ""
    timestamp: str = ""
    recipient_id: str = ""
    recipient_user_id: str = ""
    recipient_parent_user_id: str = ""
    recipient_type: str = ""
    recipient_participant_id: str = ""
    recipient_participant_user_id: str = ""
    recipient_participant_parent_user_id: str = ""
    biz_opaque_callback_data: str = ""
    errors: list[Error] = []


class UserIds(msgspec.Struct, frozen=True, gc=False):
    previous: str = ""
    current: str = ""


class UserIdUpdate(msgspec.Struct, frozen=True):
    """One of `value.user_id_update`: a person's business-scoped id changed."""

    wa_id: str = ""
    user_id: UserIds = UserIds()
    timestamp: str = ""
