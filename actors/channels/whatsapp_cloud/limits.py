"""The API's limits on what is sent, checked before anything is stored (Meta, "Messages").

Lengths are characters. Each breach has a stable code, so that a client can explain it.
"""

import msgspec

from actors.channels.outbound import (
    Outbound,
    OutButtons,
    OutCallButton,
    OutContacts,
    OutCopyButton,
    OutEdit,
    OutList,
    OutLocation,
    OutMedia,
    OutPix,
    OutReaction,
    OutRevoke,
    OutTemplate,
    OutText,
    OutUrlButton,
    refuse,
)
from actors.channels.whatsapp_cloud.tolerant import BAD_JSON

_COMPONENTS = msgspec.json.Decoder(list[dict[str, object]])

TEXT = 4096
CAPTION = 1024
BODY = 1024
FOOTER = 60
HEADER = 60
BUTTONS = 3
BUTTON_ID = 256
BUTTON_TITLE = 20
ROWS = 10
ROW_ID = 200
ROW_TITLE = 24
ROW_DESCRIPTION = 72
MEDIA_KINDS = frozenset(("image", "video", "audio", "document", "sticker"))


def _fits(text: str, limit: int, code: str, what: str, *, needed: bool = True) -> None:
    if needed and not text.strip():
        refuse(f"{code}_EMPTY", f"{what} is empty")
    if len(text) > limit:
        refuse(f"{code}_TOO_LONG", f"{what} has {len(text)} characters, limit {limit}")


def _count(number: int, limit: int, code: str, what: str) -> None:
    if not 1 <= number <= limit:
        refuse(code, f"{number} {what}, allowed are 1 to {limit}")


def _distinct(ids: list[str], code: str) -> None:
    if len(set(ids)) != len(ids):
        refuse(code, "two options share an id")


def _media(message: OutMedia) -> None:
    if message.kind not in MEDIA_KINDS:
        refuse("ERR_MEDIA_KIND", f"no such kind of media: {message.kind[:40]}")
    sources = [source for source in (message.link, message.media_id, message.stored) if source]
    if len(sources) != 1:
        refuse("ERR_MEDIA_SOURCE", "exactly one of link, media_id and stored is needed")
    if message.link and not message.link.startswith(("https://", "http://")):
        refuse("ERR_MEDIA_LINK", "a link must be an http or https address")
    if message.caption and message.kind in ("audio", "sticker"):
        refuse("ERR_CAPTION_NOT_ALLOWED", f"{message.kind} takes no caption")
    _fits(message.caption, CAPTION, "ERR_CAPTION", "the caption", needed=False)


def _frame(message: OutButtons | OutList | OutUrlButton) -> None:
    _fits(message.body, BODY, "ERR_BODY", "the text")
    _fits(message.header, HEADER, "ERR_HEADER", "the header", needed=False)
    _fits(message.footer, FOOTER, "ERR_FOOTER", "the footer", needed=False)


def _buttons(message: OutButtons) -> None:
    _frame(message)
    _count(len(message.buttons), BUTTONS, "ERR_BUTTONS_COUNT", "buttons")
    for button in message.buttons:
        _fits(button.id, BUTTON_ID, "ERR_BUTTON_ID", "a button's id")
        _fits(button.title, BUTTON_TITLE, "ERR_BUTTON_TITLE", "a button's title")
    _distinct([button.id for button in message.buttons], "ERR_BUTTON_ID_DOUBLED")
    _distinct([button.title for button in message.buttons], "ERR_BUTTON_TITLE_DOUBLED")


def _list(message: OutList) -> None:
    _frame(message)
    _fits(message.button, BUTTON_TITLE, "ERR_LIST_BUTTON", "the list's button")
    rows = [row for section in message.sections for row in section.rows]
    _count(len(rows), ROWS, "ERR_LIST_ROWS", "rows")
    several = len(message.sections) > 1
    for section in message.sections:
        _fits(section.title, ROW_TITLE, "ERR_SECTION_TITLE", "a section's title", needed=several)
        _count(len(section.rows), ROWS, "ERR_LIST_ROWS", "rows in a section")
    for row in rows:
        _fits(row.id, ROW_ID, "ERR_ROW_ID", "a row's id")
        _fits(row.title, ROW_TITLE, "ERR_ROW_TITLE", "a row's title")
        _fits(row.description, ROW_DESCRIPTION, "ERR_ROW_TEXT", "a description", needed=False)
    _distinct([row.id for row in rows], "ERR_ROW_ID_DOUBLED")


def _template(message: OutTemplate) -> None:
    _fits(message.name, 512, "ERR_TEMPLATE_NAME", "the template's name")
    _fits(message.language, 20, "ERR_TEMPLATE_LANGUAGE", "the template's language")
    try:
        _COMPONENTS.decode(message.components)
    except BAD_JSON:
        refuse("ERR_TEMPLATE_COMPONENTS", "the components must be a list of objects")


def _location(message: OutLocation) -> None:
    point = message.location
    if not (-90 <= point.latitude <= 90 and -180 <= point.longitude <= 180):
        refuse("ERR_LOCATION", "latitude or longitude is out of range")


def _contacts(message: OutContacts) -> None:
    _count(len(message.contacts), 257, "ERR_CONTACTS_COUNT", "contacts")
    for contact in message.contacts:
        _fits(contact.formatted_name, 1024, "ERR_CONTACT_NAME", "a contact's name")


def check(message: Outbound) -> None:
    """Raises Unsendable for what the API would surely refuse. Recipients are checked later."""
    match message:
        case OutText():
            _fits(message.body, TEXT, "ERR_TEXT", "the text")
        case OutMedia():
            _media(message)
        case OutButtons():
            _buttons(message)
        case OutList():
            _list(message)
        case OutUrlButton():
            _frame(message)
            _fits(message.title, BUTTON_TITLE, "ERR_BUTTON_TITLE", "the button's title")
            _fits(message.url, 2000, "ERR_BUTTON_URL", "the button's address")
        case OutReaction():
            _fits(message.target_id, 512, "ERR_REACTION_TARGET", "the message reacted to")
            _fits(message.emoji, 32, "ERR_REACTION_EMOJI", "the emoji", needed=False)
        case OutEdit() | OutRevoke():
            refuse("ERR_NOT_SUPPORTED", "this channel cannot change a sent message")
        case _:
            _other(message)


def _other(message: Outbound) -> None:
    match message:
        case OutTemplate():
            _template(message)
        case OutLocation():
            _location(message)
        case OutContacts():
            _contacts(message)
        case OutCallButton() | OutCopyButton() | OutPix():
            refuse(
                "ERR_NOT_SUPPORTED_BY_CHANNEL", "this channel has such buttons in templates only"
            )
        case _:
            _ask(message)


def _ask(message: Outbound) -> None:
    text = getattr(message, "body", None)
    if text is not None:
        _fits(text, BODY, "ERR_BODY", "the text")
