"""The text an agent reads for each kind of message, in the form the family's frontends expect.

Locations are `picture|link|description`, advertisements `picture|link|title|body|text`, contact
cards are vCards; everything else is plain text.
"""

from urllib.parse import quote

import msgspec

from actors.channels.inbound import Location, Order, Referral, SharedContact

#: One transparent pixel, where the frontends want a map thumbnail that the API does not send.
PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGA"
    "WjR9awAAAABJRU5ErkJggg=="
)

_EXTENSIONS = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/webp": "webp",
    "image/gif": "gif",
    "video/mp4": "mp4",
    "video/3gpp": "3gp",
    "audio/ogg": "ogg",
    "audio/mpeg": "mp3",
    "audio/mp4": "m4a",
    "audio/aac": "aac",
    "audio/amr": "amr",
    "application/pdf": "pdf",
    "text/plain": "txt",
}


def file_name(kind: str, mime: str) -> str:
    """A name to show for a file that came without one."""
    extension = _EXTENSIONS.get(mime.partition(";")[0].strip().lower(), "bin")
    return f"{kind}.{extension}"


def _part(text: str) -> str:
    return text.replace("|", "/").replace("\n", " ").strip()


def location_body(location: Location) -> str:
    """Picture, map link and description joined by bars."""
    point = f"{location.latitude},{location.longitude}"
    named = ", ".join(part for part in (_part(location.name), _part(location.address)) if part)
    link = f"https://maps.google.com/maps?q={quote(point)}&z=17&hl=pt-BR"
    return f"{PIXEL}|{link}|{named or point}"


def referral_body(referral: Referral, text: str) -> str:
    """The advertisement that led here, and what the contact wrote."""
    parts = (referral.image_url, referral.source_url, referral.headline, referral.body, text)
    return "|".join(_part(part) for part in parts)


def _escaped(text: str) -> str:
    return text.replace("\r", "").replace("\n", "\\n")


def vcard(contact: SharedContact) -> str:
    """RFC 2426 text of a card; the card as sent, if it came with one."""
    if contact.vcard:
        return contact.vcard
    name = _escaped(contact.formatted_name)
    family, given = _escaped(contact.last_name), _escaped(contact.first_name)
    lines = ["BEGIN:VCARD", "VERSION:3.0", f"N:{family};{given};;;", f"FN:{name}"]
    if contact.organization:
        lines.append(f"ORG:{_escaped(contact.organization)};")
    for phone in contact.phones:
        waid = f";waid={phone.wa_id}" if phone.wa_id else ""
        kind = f";type={phone.type}" if phone.type else ""
        lines.append(f"TEL{kind}{waid}:{_escaped(phone.phone)}")
    lines += [f"EMAIL:{_escaped(email)}" for email in contact.emails]
    lines += [f"URL:{_escaped(url)}" for url in contact.urls]
    if contact.birthday:
        lines.append(f"BDAY:{_escaped(contact.birthday)}")
    return "\n".join([*lines, "END:VCARD"])


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:.2f}"


def order_body(order: Order) -> str:
    """The cart as lines of text."""
    lines = ["Pedido do catálogo"]
    for item in order.items:
        price = f" x {_number(item.price)} {item.currency}".rstrip() if item.price else ""
        lines.append(f"{_number(item.quantity)} x {item.product_id}{price}")
    if order.text:
        lines.append(order.text)
    return "\n".join(lines)


def flow_body(answers: str) -> str:
    """A flow's answers as lines; what is no JSON object is shown as it came."""
    try:
        pairs = msgspec.json.decode(answers, type=dict[str, object])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return answers
    shown = {key: value for key, value in pairs.items() if key != "flow_token"}
    lines = [f"{key}: {_plain(value)}" for key, value in shown.items()]
    return "Formulário respondido\n" + "\n".join(lines) if lines else "Formulário respondido"


def _plain(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def unsupported_body(kind: str) -> str:
    """Instead of a content that the API withholds."""
    named = f" ({kind})" if kind else ""
    return f"Mensagem não suportada pela API do WhatsApp{named}. Veja no celular."
