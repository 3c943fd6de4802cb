"""One function per message type: the API's shape → the fields of an InboundMessage.

`media_type` is the wire enum of the family: text rows carry the protocol's content type, media
rows the first half of the mime type.
"""

from collections.abc import Callable
from typing import Any

from actors.channels import inbound
from actors.channels.whatsapp_cloud import bodies, wire
from actors.channels.whatsapp_cloud.digest import hex_digest
from actors.channels.whatsapp_cloud.people import phone_digits

Fields = dict[str, Any]

#: Kinds the API reports only as "unsupported", with the wire enum's word for them.
_UNSUPPORTED = {
    "poll_creation": "pollCreationMessageV3",
    "event_creation": "eventMessage",
    "view_once": "viewOnceMessage",
}


def media_of(kind: str, part: wire.MediaPart) -> inbound.Media:
    """A media reference, with a display name in any case."""
    return inbound.Media(
        kind=kind,
        id=part.id,
        url=part.url,
        mime=part.mime_type,
        sha256=hex_digest(part.sha256),
        filename=part.filename.strip() or bodies.file_name(kind, part.mime_type),
        caption=part.caption,
        voice=part.voice,
        animated=part.animated,
    )


def _media(message: wire.Content) -> Fields:
    kind = "audio" if message.type == "voice" else message.type
    part: wire.MediaPart | None = getattr(message, message.type)
    if part is None:
        return _unknown(message)
    media = media_of(kind, part)
    first_half = media.mime.partition("/")[0].strip().lower()
    row = kind if kind in ("sticker", "document") else first_half
    if row not in ("image", "video", "audio", "application", "document", "sticker"):
        row = kind
    return {"media_type": row, "body": media.caption or media.filename, "media": media}


def _text(message: wire.Content) -> Fields:
    body = message.text.body if message.text else ""
    quoted = message.context is not None and bool(message.context.id)
    return {"media_type": "extendedTextMessage" if quoted else "conversation", "body": body}


def _location(message: wire.Content) -> Fields:
    part = message.location
    if part is None:
        return _unknown(message)
    location = inbound.Location(
        latitude=part.latitude,
        longitude=part.longitude,
        name=part.name,
        address=part.address,
        url=part.url,
    )
    body = bodies.location_body(location)
    return {"media_type": "locationMessage", "body": body, "location": location}


def _card(card: wire.Card) -> inbound.SharedContact:
    name = card.name.formatted_name or card.name.first_name or card.name.last_name
    return inbound.SharedContact(
        formatted_name=name,
        first_name=card.name.first_name,
        last_name=card.name.last_name,
        organization=card.org.company,
        birthday=card.birthday,
        phones=tuple(
            inbound.Phone(phone=p.phone or p.wa_id, type=p.type, wa_id=phone_digits(p.wa_id))
            for p in card.phones
        ),
        emails=tuple(e.email for e in card.emails if e.email),
        urls=tuple(u.url for u in card.urls if u.url),
        vcard=card.vcard,
    )


def _contacts(message: wire.Content) -> Fields:
    cards = tuple(_card(card) for card in message.contacts)
    row = "contactMessage" if len(cards) == 1 else "contactsArrayMessage"
    body = "\n".join(bodies.vcard(card) for card in cards)
    return {"media_type": row, "body": body, "contacts": cards}


def _interactive(message: wire.Content) -> Fields:
    part = message.interactive
    if part is None:
        return _unknown(message)
    for kind, reply in (("button", part.button_reply), ("list", part.list_reply)):
        if reply is not None:
            choice = inbound.Choice(
                kind=kind, id=reply.id, title=reply.title, description=reply.description
            )
            return _chosen(choice, reply.title or reply.id)
    if part.nfm_reply is not None:
        answers = part.nfm_reply.response_json
        choice = inbound.Choice(kind="flow", title=part.nfm_reply.body, data=answers)
        return _chosen(choice, bodies.flow_body(answers))
    if part.call_permission_reply is not None:
        response = part.call_permission_reply.response
        choice = inbound.Choice(kind="call_permission", id=response)
        accepted = "aceita" if response == "accept" else "recusada"
        return _chosen(choice, f"Permissão de chamada {accepted}")
    return _unknown(message)


def _chosen(choice: inbound.Choice, body: str) -> Fields:
    return {"media_type": "conversation", "body": body, "choice": choice}


def _button(message: wire.Content) -> Fields:
    part = message.button
    if part is None:
        return _unknown(message)
    choice = inbound.Choice(kind="quick_reply", id=part.payload, title=part.text)
    return _chosen(choice, part.text or part.payload)


def _reaction(message: wire.Content) -> Fields:
    part = message.reaction
    if part is None or not part.message_id:
        return _unknown(message)
    return {
        "media_type": "reactionMessage",
        "body": part.emoji,
        "reaction_to": part.message_id,
        "quoted_id": part.message_id,
    }


def _order(message: wire.Content) -> Fields:
    if message.order is None:
        return _unknown(message)
    items = tuple(
        inbound.OrderItem(
            product_id=item.product_retailer_id,
            quantity=item.quantity,
            price=item.item_price,
            currency=item.currency,
        )
        for item in message.order.product_items
    )
    order = inbound.Order(catalog_id=message.order.catalog_id, text=message.order.text, items=items)
    return {"media_type": "conversation", "body": bodies.order_body(order), "order": order}


def _system(message: wire.Content) -> Fields:
    part = message.system
    if part is None:
        return _unknown(message)
    fields: Fields = {"media_type": "protocolMessage", "body": part.body}
    changed = part.type in ("user_changed_number", "user_changed_user_id")
    new = inbound.Identity(
        phone=phone_digits(part.wa_id or part.new_wa_id),
        bsuid=part.user_id,
        parent_bsuid=part.parent_user_id,
    )
    if changed and new:
        fields["new_identity"] = new
    return fields


def _welcome(message: wire.Content) -> Fields:
    return {"media_type": "protocolMessage", "body": "O cliente abriu a conversa."}


def _unknown(message: wire.Content) -> Fields:
    named = message.unsupported.type if message.unsupported else ""
    kind = named or (message.type if message.type != "unsupported" else "")
    row = _UNSUPPORTED.get(named, "protocolMessage")
    return {"media_type": row, "body": bodies.unsupported_body(kind[:60])}


_READERS: dict[str, Callable[[wire.Content], Fields]] = {
    "text": _text,
    "image": _media,
    "video": _media,
    "audio": _media,
    "voice": _media,
    "document": _media,
    "sticker": _media,
    "location": _location,
    "contacts": _contacts,
    "interactive": _interactive,
    "button": _button,
    "reaction": _reaction,
    "order": _order,
    "system": _system,
    "request_welcome": _welcome,
}


def content(message: wire.Content) -> Fields:
    """Everything that depends on the message's type, as keyword arguments."""
    fields = _READERS.get(message.type, _unknown)(message)
    if message.context is not None:
        fields["forwarded"] = message.context.forwarded or message.context.frequently_forwarded
        fields.setdefault("quoted_id", message.context.id)
    if message.referral is not None:
        _refer(fields, message.referral)
    if message.errors:
        fields["error"] = error_of(message.errors)
    return fields


def _refer(fields: Fields, part: wire.ReferralPart) -> None:
    referral = inbound.Referral(
        source_url=part.source_url,
        source_id=part.source_id,
        source_type=part.source_type,
        headline=part.headline,
        body=part.body,
        image_url=part.image_url or part.thumbnail_url,
        video_url=part.video_url,
        click_id=part.ctwa_clid,
    )
    fields["referral"] = referral
    if fields["media_type"] in ("conversation", "extendedTextMessage"):
        fields["media_type"] = "adMetaPreview"
        fields["body"] = bodies.referral_body(referral, fields["body"])


def error_of(errors: list[wire.Error]) -> inbound.ProviderError | None:
    """The first of the reported errors."""
    if not errors:
        return None
    first = errors[0]
    code = first.code if -(2**31) <= first.code < 2**31 else 0
    details = first.error_data.details or first.message
    return inbound.ProviderError(code=code, title=first.title, details=details)


def kind_of(message: wire.Content) -> str:
    """The provider's own name of the type, with its sub-type after a dot."""
    parts = (message.interactive, message.system, message.unsupported)
    sub = next((part.type for part in parts if part is not None and part.type), "")
    return f"{message.type or 'unknown'}.{sub}" if sub else message.type or "unknown"
