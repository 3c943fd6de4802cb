"""One element of a webhook → one neutral Struct, or None when it says too little to be stored."""

import re
from datetime import UTC, datetime
from typing import Any

import msgspec

from actors.channels.inbound import (
    Ack,
    Identity,
    IdentityChange,
    Inbound,
    InboundEdit,
    InboundMessage,
    InboundRevoke,
    InboundStatus,
    Media,
)
from actors.channels.whatsapp_cloud import wire
from actors.channels.whatsapp_cloud.content import content, error_of, kind_of, media_of
from actors.channels.whatsapp_cloud.people import LONGEST_ID, People, phone_digits
from actors.channels.whatsapp_cloud.tolerant import tolerant

ACKS = {
    "sent": Ack.SENT,
    "delivered": Ack.DELIVERED,
    "read": Ack.READ,
    "played": Ack.PLAYED,
    "failed": Ack.FAILED,
}

#: Prefix of the callback data that carries our outbox id through the provider and back.
CALLBACK = "v1:"

_CHANGED = re.compile(r"changed from (\S+) to (\S+)\s*$")
_LATEST = 7_258_118_400  # the year 2200; beyond it a number is milliseconds or nonsense


def moment(text: str, now: datetime) -> datetime:
    """Unix seconds (or milliseconds) in decimal; anything else is `now`."""
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        return now
    seconds = int(text)
    if seconds > _LATEST:
        seconds //= 1000
    return datetime.fromtimestamp(seconds, UTC) if 0 < seconds <= _LATEST else now


def _party(message: wire.Message, people: People, *, echo: bool) -> tuple[Identity, str]:
    if echo:
        return people.find(message.to, message.to_user_id, message.to_parent_user_id)
    return people.find(message.sender, message.from_user_id, message.from_parent_user_id)


def _renamed(message: wire.Message, found: Identity) -> Identity:
    """A changed id is announced without a sender: the old one stands in the text only."""
    system = message.system
    if found or system is None or not system.user_id:
        return found
    match = _CHANGED.search(system.body)
    if match is None or match.group(2) != system.user_id:
        return Identity(bsuid=system.user_id)
    return Identity(bsuid=match.group(1))


def inbound_of(raw: msgspec.Raw, people: People, *, echo: bool, now: datetime) -> Inbound | None:
    """A message, edit or revoke; None without a message id or without anybody it belongs to."""
    message = tolerant(wire.Message, raw)
    party, name = _party(message, people, echo=echo)
    party = _renamed(message, party)
    known = len(message.id) <= LONGEST_ID and len(message.group_id) <= LONGEST_ID
    if not message.id or not known or not (party or message.group_id):
        return None
    group = message.group_id
    common: dict[str, Any] = {
        "provider_id": message.id,
        "contact": Identity() if group else party,
        "timestamp": moment(message.timestamp, now),
        "name": name,
        "from_me": echo,
        "group_id": group,
        "participant": party if group and not echo else None,
        "raw": bytes(raw),
    }
    return _typed(message, common)


def _typed(message: wire.Message, common: dict[str, Any]) -> Inbound:
    edit, revoke = message.edit, message.revoke
    if message.type == "edit" and edit is not None and edit.original_message_id:
        body, media = _edited(edit.message)
        return InboundEdit(target_id=edit.original_message_id, body=body, media=media, **common)
    if message.type == "revoke" and revoke is not None and revoke.original_message_id:
        return InboundRevoke(target_id=revoke.original_message_id, **common)
    return InboundMessage(kind=kind_of(message), **common, **content(message))


def _edited(new: wire.Content) -> tuple[str, Media | None]:
    part: wire.MediaPart | None = getattr(new, new.type, None) if new.type in _MEDIA else None
    if part is not None:
        return part.caption, media_of(new.type, part)
    return content(new)["body"], None


_MEDIA = frozenset(("image", "video", "audio", "document", "sticker"))


def status_of(raw: msgspec.Raw, people: People, now: datetime) -> InboundStatus | None:
    """A delivery report; None when it names no message or reports a call."""
    status = tolerant(wire.Status, raw)
    if not status.id or len(status.id) > LONGEST_ID or status.type == "call":
        return None
    group = status.recipient_id if status.recipient_type == "group" else ""
    participant = None
    if group:
        recipient = Identity()
        participant, _ = people.find(
            status.recipient_participant_id,
            status.recipient_participant_user_id,
            status.recipient_participant_parent_user_id,
        )
    else:
        recipient, _ = people.find(
            status.recipient_id, status.recipient_user_id, status.recipient_parent_user_id
        )
    word = status.status.lower()
    return InboundStatus(
        provider_id=status.id,
        status=word,
        ack=ACKS.get(word, Ack.FAILED),
        timestamp=moment(status.timestamp, now),
        recipient=recipient,
        group_id=group,
        participant=participant,
        outbox_id=outbox_id_of(status.biz_opaque_callback_data),
        callback_data=status.biz_opaque_callback_data,
        error=error_of(status.errors),
        raw=bytes(raw),
    )


def outbox_id_of(callback: str) -> int | None:
    """The outbox id in our callback data; None if it is not ours."""
    digits = callback.removeprefix(CALLBACK)
    if digits == callback or not (digits.isascii() and digits.isdigit()) or len(digits) > 19:
        return None
    number = int(digits)
    return number if number < 2**63 else None


def identity_change_of(raw: msgspec.Raw, now: datetime) -> IdentityChange | None:
    """A changed business-scoped id, as told by the user_id_update field."""
    update = tolerant(wire.UserIdUpdate, raw)
    if not update.user_id.previous or not update.user_id.current:
        return None
    phone = phone_digits(update.wa_id)
    return IdentityChange(
        previous=Identity(phone=phone, bsuid=update.user_id.previous),
        current=Identity(phone=phone, bsuid=update.user_id.current),
        timestamp=moment(update.timestamp, now),
        raw=bytes(raw),
    )
