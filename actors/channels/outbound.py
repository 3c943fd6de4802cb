"""What we ask a channel to do, in neutral Structs, and what came of it."""

from typing import NoReturn

import msgspec

from actors.channels.inbound import Identity, Location, SharedContact


class OutboundBase(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """To whom: `to` (a person, by any alias the channel accepts) or `group_id`; `quoted_id` is the
    provider id of the message being answered."""

    to: Identity = Identity()
    group_id: str = ""
    quoted_id: str = ""


class OutText(OutboundBase, frozen=True, kw_only=True, omit_defaults=True, tag="text"):
    """Plain text."""

    body: str
    preview_url: bool = False


class OutMedia(OutboundBase, frozen=True, kw_only=True, omit_defaults=True, tag="media"):
    """A file: exactly one of `link` (fetched by the provider), `media_id` (already there) or
    `stored` (a key of our media store, uploaded just before sending). `kind` is image, video,
    audio, document or sticker."""

    kind: str
    link: str = ""
    media_id: str = ""
    stored: str = ""
    mime: str = ""
    caption: str = ""
    filename: str = ""
    voice: bool = False


class OutReaction(OutboundBase, frozen=True, kw_only=True, omit_defaults=True, tag="reaction"):
    """An emoji on the message `target_id`; "" takes it back."""

    target_id: str
    emoji: str = ""


class OutContacts(OutboundBase, frozen=True, kw_only=True, omit_defaults=True, tag="contacts"):
    """One or more contact cards."""

    contacts: tuple[SharedContact, ...]


class OutLocation(OutboundBase, frozen=True, kw_only=True, omit_defaults=True, tag="location"):
    """A point on the map."""

    location: Location


class Button(msgspec.Struct, frozen=True, kw_only=True):
    """A tappable answer; `id` comes back as `Choice.id`."""

    id: str
    title: str


class OutButtons(OutboundBase, frozen=True, kw_only=True, omit_defaults=True, tag="buttons"):
    """A text with a few answers to tap."""

    body: str
    buttons: tuple[Button, ...]
    header: str = ""
    footer: str = ""


class OutUrlButton(OutboundBase, frozen=True, kw_only=True, omit_defaults=True, tag="url_button"):
    """A text with one button that opens a page."""

    body: str
    title: str
    url: str
    header: str = ""
    footer: str = ""


class OutCallButton(OutboundBase, frozen=True, kw_only=True, omit_defaults=True, tag="call_button"):
    """A text with one button that dials `phone`."""

    body: str
    title: str
    phone: str
    header: str = ""


class OutCopyButton(OutboundBase, frozen=True, kw_only=True, omit_defaults=True, tag="copy_button"):
    """A text with one button that copies `code`."""

    body: str
    title: str
    code: str
    header: str = ""


class OutPix(OutboundBase, frozen=True, kw_only=True, omit_defaults=True, tag="pix"):
    """A card by which the contact pays into the Pix key `key`; `amount` in cents, 0 = open.

    `key_type` is one of CPF, CNPJ, EMAIL, PHONE, EVP.
    """

    body: str
    key: str
    key_type: str
    merchant: str
    amount: int = 0


class Row(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One option of a list; `id` comes back as `Choice.id`."""

    id: str
    title: str
    description: str = ""


class Section(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A titled group of options."""

    rows: tuple[Row, ...]
    title: str = ""


class OutList(OutboundBase, frozen=True, kw_only=True, omit_defaults=True, tag="list"):
    """A text with a menu of options that opens by `button`."""

    body: str
    button: str
    sections: tuple[Section, ...]
    header: str = ""
    footer: str = ""


class OutTemplate(OutboundBase, frozen=True, kw_only=True, omit_defaults=True, tag="template"):
    """A message the provider has approved beforehand; `components` is its parameter JSON."""

    name: str
    language: str
    components: msgspec.Raw = msgspec.Raw(b"[]")


class OutLocationRequest(
    OutboundBase, frozen=True, kw_only=True, omit_defaults=True, tag="location_request"
):
    """A text with a button by which the contact sends a location."""

    body: str


class OutRead(OutboundBase, frozen=True, kw_only=True, omit_defaults=True, tag="read"):
    """Marks `message_id` (and what came before it) read; `typing` also shows that we write."""

    message_id: str
    typing: bool = False


class OutEdit(OutboundBase, frozen=True, kw_only=True, omit_defaults=True, tag="edit"):
    """Replaces the text of our message `target_id`."""

    target_id: str
    body: str


class OutRevoke(OutboundBase, frozen=True, kw_only=True, omit_defaults=True, tag="revoke"):
    """Deletes our message `target_id` for everyone."""

    target_id: str


Outbound = (
    OutText
    | OutMedia
    | OutReaction
    | OutContacts
    | OutLocation
    | OutButtons
    | OutUrlButton
    | OutCallButton
    | OutCopyButton
    | OutPix
    | OutList
    | OutTemplate
    | OutLocationRequest
    | OutRead
    | OutEdit
    | OutRevoke
)


class Unsendable(Exception):
    """This message can never leave by this channel; `code` is stable (ERR_…), text says why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def refuse(code: str, message: str) -> NoReturn:
    """Raises Unsendable."""
    raise Unsendable(code, message)


class Accepted(msgspec.Struct, frozen=True, kw_only=True, tag="accepted"):
    """The provider took the message; delivery is reported later by status."""

    provider_id: str = ""
    state: str = ""


class Rejected(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="rejected"):
    """Surely not accepted: sending again cannot double the message.

    `permanent`: repeating is useless. Otherwise wait `retry_after` seconds; `scope` says what to
    slow down or stop: this message, the (number, contact) pair, the number, or the whole account.
    `alert`: an operator must act. `category` names the row of the provider's error table.
    """

    code: str
    message: str = ""
    permanent: bool = False
    retry_after: float = 0.0
    scope: str = "message"
    category: str = ""
    alert: bool = False


class Unknown(msgspec.Struct, frozen=True, kw_only=True, tag="unknown"):
    """The provider may or may not have accepted it; only its status report can tell."""

    reason: str


SendResult = Accepted | Rejected | Unknown
