"""What passing a stored message on sends: the same content, as far as it is still here."""

import re
from typing import Final

from actors.channels.base import Location, Outbound, OutContacts, OutLocation, OutMedia, OutText
from actors.errors import NotForwardable
from actors.tickets.commands import StoredFile
from actors.vcards import cards_in
from storage.messages import Message

_CAPTIONED: Final = ("image", "video", "document")
_POINT: Final = re.compile(r"[?&]q=(-?\d{1,3}(?:\.\d+)?)(?:,|%2C)(-?\d{1,3}(?:\.\d+)?)")


def content_of(message: Message) -> tuple[Outbound, StoredFile | None]:
    """The content to send and, for a file of ours, where it lies.

    Raises NotForwardable for deleted messages, private notes, reactions and missing files.
    """
    if message.is_deleted or message.is_private or message.media_type == "reactionMessage":
        raise NotForwardable(message.media_type)
    if message.media_path is not None:
        return _file(message, message.media_path)
    if message.media_mime:  # announced, and not brought in (yet)
        raise NotForwardable(message.media_type)
    if message.media_type.startswith("contact") and (cards := cards_in(message.body)):
        return OutContacts(contacts=cards), None
    if message.media_type.startswith("location") and (point := _location(message.body)):
        return OutLocation(location=point), None
    if not message.body.strip():
        raise NotForwardable(message.media_type)
    return OutText(body=message.body), None


def _file(message: Message, path: str) -> tuple[Outbound, StoredFile | None]:
    name, mime = message.media_name or "", message.media_mime or ""
    kind = message.media_type if message.media_type == "sticker" else mime.partition("/")[0]
    kind = kind if kind in ("image", "video", "audio", "sticker") else "document"
    shown = message.body if message.body != name else ""
    linked = path.startswith(("https://", "http://"))
    content = OutMedia(
        kind=kind,
        link=path if linked else "",
        stored="" if linked else path,
        mime=mime,
        caption=shown if kind in _CAPTIONED else "",
        filename=name,
        voice=mime.startswith("audio/ogg"),
    )
    return content, None if linked else StoredFile(key=path, filename=name, mime=mime)


def _location(body: str) -> Location | None:
    """The point of a map link; our own wire shows locations as `picture|link|description`."""
    found = _POINT.search(body)
    if found is None:
        return None
    named = body.rpartition("|")[2] if "|" in body else ""
    return Location(latitude=float(found[1]), longitude=float(found[2]), name=named[:1000])
