"""Who is who in one delivery: phone numbers and business-scoped ids of the same person, joined."""

import re

from actors.channels.inbound import Identity
from actors.channels.whatsapp_cloud.wire import Contact

#: Longer than any id of the API; what is longer is not an id and would not fit an index.
LONGEST_ID = 512

_NOT_DIGIT = re.compile(r"[^0-9]")


def phone_digits(text: str) -> str:
    """Digits of a phone or wa_id ("" when there are none, or too many for a number)."""
    digits = text if text.isdecimal() and text.isascii() else _NOT_DIGIT.sub("", text)
    return digits if len(digits) <= 32 else ""


def _bsuid(text: str) -> str:
    return text if len(text) <= LONGEST_ID else ""


class People:
    """The `contacts` of one change, found by any id they carry."""

    __slots__ = ("_by_id", "_only")

    def __init__(self, contacts: list[Contact]) -> None:
        self._by_id: dict[str, Contact] = {}
        for contact in contacts:
            for alias in (phone_digits(contact.wa_id), contact.user_id):
                if alias:
                    self._by_id.setdefault(alias, contact)
        self._only = contacts[0] if len(contacts) == 1 else None

    def find(self, phone: str, bsuid: str, parent: str = "") -> tuple[Identity, str]:
        """Everything known about that person, and the profile name ("" when not given).

        A message without any sender id belongs to the only contact of its change, if there is
        just one.
        """
        digits = phone_digits(phone)
        known = self._by_id.get(bsuid) or self._by_id.get(digits)
        if known is None and not digits and not bsuid:
            known = self._only
        if known is None:
            return Identity(phone=digits, bsuid=_bsuid(bsuid), parent_bsuid=_bsuid(parent)), ""
        found = Identity(
            phone=digits or phone_digits(known.wa_id),
            bsuid=_bsuid(bsuid or known.user_id),
            parent_bsuid=_bsuid(parent or known.parent_user_id),
            username=known.profile.username,
        )
        return found, known.profile.name.strip()
