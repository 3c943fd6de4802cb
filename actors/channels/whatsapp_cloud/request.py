"""Outbound Structs → the JSON of `POST /{phone-number-id}/messages` and the calls for media."""

from typing import Any
from urllib.parse import quote

import msgspec

from actors.channels.inbound import SharedContact
from actors.channels.outbound import (
    Outbound,
    OutButtons,
    OutContacts,
    OutList,
    OutLocation,
    OutLocationRequest,
    OutMedia,
    OutReaction,
    OutRead,
    OutTemplate,
    OutText,
    OutUrlButton,
    refuse,
)
from actors.channels.whatsapp_cloud.elements import CALLBACK
from actors.channels.whatsapp_cloud.people import phone_digits

Json = dict[str, Any]


def _media(message: OutMedia) -> Json:
    if message.stored:
        refuse("ERR_MEDIA_NOT_UPLOADED", "a stored file must be uploaded before sending")
    part: Json = {"id": message.media_id} if message.media_id else {"link": message.link}
    if message.caption:
        part["caption"] = message.caption
    if message.filename and message.kind == "document":
        part["filename"] = message.filename
    if message.voice and message.kind == "audio":
        part["voice"] = True
    return {"type": message.kind, message.kind: part}


def _contact(contact: SharedContact) -> Json:
    first = contact.first_name or contact.formatted_name
    name = {"formatted_name": contact.formatted_name, "first_name": first}
    if contact.last_name:
        name["last_name"] = contact.last_name
    part: Json = {"name": name}
    if contact.phones:
        part["phones"] = [
            {key: value for key, value in _phone(phone.phone, phone.type, phone.wa_id) if value}
            for phone in contact.phones
        ]
    if contact.emails:
        part["emails"] = [{"email": email} for email in contact.emails]
    if contact.urls:
        part["urls"] = [{"url": url} for url in contact.urls]
    if contact.organization:
        part["org"] = {"company": contact.organization}
    if contact.birthday:
        part["birthday"] = contact.birthday
    return part


def _phone(phone: str, kind: str, wa_id: str) -> tuple[tuple[str, str], ...]:
    return ("phone", phone), ("type", kind), ("wa_id", wa_id)


def _location(message: OutLocation) -> Json:
    point = message.location
    part: Json = {"latitude": point.latitude, "longitude": point.longitude}
    if point.name:
        part["name"] = point.name
    if point.address:
        part["address"] = point.address
    return {"type": "location", "location": part}


def _interactive(message: OutButtons | OutList | OutUrlButton, kind: str, action: Json) -> Json:
    part: Json = {"type": kind, "body": {"text": message.body}, "action": action}
    if message.header:
        part["header"] = {"type": "text", "text": message.header}
    if message.footer:
        part["footer"] = {"text": message.footer}
    return {"type": "interactive", "interactive": part}


def _buttons(message: OutButtons) -> Json:
    replies = [
        {"type": "reply", "reply": {"id": button.id, "title": button.title}}
        for button in message.buttons
    ]
    return _interactive(message, "button", {"buttons": replies})


def _list(message: OutList) -> Json:
    sections: list[Json] = []
    for section in message.sections:
        part: Json = {"title": section.title} if section.title else {}
        part["rows"] = [
            {"id": row.id, "title": row.title}
            | ({"description": row.description} if row.description else {})
            for row in section.rows
        ]
        sections.append(part)
    return _interactive(message, "list", {"button": message.button, "sections": sections})


def _url_button(message: OutUrlButton) -> Json:
    parameters = {"display_text": message.title, "url": message.url}
    return _interactive(message, "cta_url", {"name": "cta_url", "parameters": parameters})


def _template(message: OutTemplate) -> Json:
    part: Json = {"name": message.name, "language": {"code": message.language}}
    if bytes(message.components) not in (b"", b"[]", b"null"):
        part["components"] = message.components
    return {"type": "template", "template": part}


def _content(message: Outbound) -> Json:
    match message:
        case OutText():
            text = {"body": message.body, "preview_url": message.preview_url}
            return {"type": "text", "text": text}
        case OutMedia():
            return _media(message)
        case OutReaction():
            reaction = {"message_id": message.target_id, "emoji": message.emoji}
            return {"type": "reaction", "reaction": reaction}
        case OutContacts():
            cards = [_contact(contact) for contact in message.contacts]
            return {"type": "contacts", "contacts": cards}
        case OutLocation():
            return _location(message)
        case OutTemplate():
            return _template(message)
        case _:
            return _asking(message)


def _asking(message: Outbound) -> Json:
    match message:
        case OutButtons():
            return _buttons(message)
        case OutList():
            return _list(message)
        case OutUrlButton():
            return _url_button(message)
        case OutLocationRequest():
            part = {
                "type": "location_request_message",
                "body": {"text": message.body},
                "action": {"name": "send_location"},
            }
            return {"type": "interactive", "interactive": part}
        case _:
            refuse("ERR_NOT_SUPPORTED", f"{type(message).__name__} cannot be sent here")


def _recipient(message: Outbound) -> Json:
    if message.group_id:
        return {"recipient_type": "group", "to": message.group_id}
    phone = phone_digits(message.to.phone)
    if phone:
        return {"recipient_type": "individual", "to": phone}
    if message.to.bsuid:
        return {"recipient_type": "individual", "recipient": message.to.bsuid}
    refuse("ERR_NO_RECIPIENT", "the contact has neither a phone number nor a user id")


def body_of(message: Outbound, outbox_id: int) -> bytes:
    """The JSON body; our outbox id rides along and comes back with every status."""
    base: Json = {"messaging_product": "whatsapp"}
    if isinstance(message, OutRead):
        base |= {"status": "read", "message_id": message.message_id}
        if message.typing:
            base["typing_indicator"] = {"type": "text"}
        return _encoded(base)
    base |= _recipient(message)
    base |= _content(message)
    if message.quoted_id and not isinstance(message, OutReaction):
        base["context"] = {"message_id": message.quoted_id}
    base["biz_opaque_callback_data"] = f"{CALLBACK}{outbox_id}"
    return _encoded(base)


def _encoded(body: Json) -> bytes:
    try:
        return msgspec.json.encode(body)
    except (ValueError, TypeError, msgspec.MsgspecError) as error:
        refuse("ERR_TEXT_INVALID", f"the message cannot be written as JSON: {error}")


def endpoint(base_url: str, version: str, *parts: str) -> str:
    """The address of a Graph object; ids are data and are quoted."""
    path = "/".join(quote(part, safe="") for part in (version, *parts) if part)
    return f"{base_url.rstrip('/')}/{path}"


def bearer(token: str) -> tuple[str, str]:
    """The authorization header. Raises Unsendable for a token that is no header value."""
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        refuse("ERR_TOKEN", "the connection has no usable access token")
    return "authorization", f"Bearer {token}"


def multipart(fields: dict[str, str], mime: str, content: bytes, boundary: str) -> bytes:
    """A form with one file, as RFC 7578 has it; the file's own name is not sent."""
    lines: list[bytes] = []
    for name, value in fields.items():
        lines.append(_part_head(boundary, name) + b"\r\n" + value.encode() + b"\r\n")
    extension = mime.partition("/")[2].partition(";")[0] or "bin"
    head = _part_head(boundary, "file", f"file.{extension}")
    lines.append(head + f"Content-Type: {mime}\r\n\r\n".encode() + content + b"\r\n")
    lines.append(f"--{boundary}--\r\n".encode())
    return b"".join(lines)


def _part_head(boundary: str, name: str, filename: str = "") -> bytes:
    shown = f'; filename="{filename}"' if filename else ""
    return f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{shown}\r\n'.encode()
