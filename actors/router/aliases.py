"""The names that conversations come under, and which contact each of them means."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from actors.channels.base import Conversation, Identity
from storage.contact_book import Named
from storage.ids import CompanyId, ContactId


class Alias(NamedTuple):
    """One name of a person or group: the network, and the name with its kind."""

    channel: str
    alias: str


KEPT = 500_000
"""Names kept in memory, some 400 bytes each; the ones learned first are forgotten beyond."""


def aliases_of(channel: str, identity: Identity) -> tuple[Alias, ...]:
    """Every stable name of a person on a network, a phone in both its spellings."""
    names = [Alias(channel, f"{kind}:{value}") for kind, value in identity.aliases()]
    if twin := twin_of(identity.phone):
        names.append(Alias(channel, f"phone:{twin}"))
    return tuple(names)


def twin_of(number: str) -> str:
    """The other spelling of a Brazilian mobile's number: without its ninth digit, or with it; else "".

    Mobiles got a 9 before their eight digits (Anatel, resolution 553 of 2010); WhatsApp tells many
    of them without it still, while people type it. Landlines begin with 2 to 5 and have none.
    """
    if not number.startswith("55") or len(number) not in (12, 13):
        return ""
    area, rest = number[:4], number[4:]
    if len(rest) == 8:
        return f"{area}9{rest}" if rest[0] in _MOBILE else ""
    return f"{area}{rest[1:]}" if rest[0] == "9" and rest[1] in _MOBILE else ""


_MOBILE: Final = frozenset("6789")


def names_of(channel: str, conversation: Conversation) -> tuple[Alias, ...]:
    """The names a conversation comes under: the group's, else those of the other party."""
    if conversation.group_id:
        return (Alias(channel, f"group:{conversation.group_id}"),)
    return aliases_of(channel, conversation.contact)


def authors_in(conversation: Conversation) -> dict[Identity, str]:
    """Who wrote into a group, with the names they go by; nobody elsewhere."""
    if not conversation.group_id:
        return {}
    authors: dict[Identity, str] = {}
    for item in conversation.inbounds:
        if item.participant and not item.from_me:
            authors[item.participant] = item.name or authors.get(item.participant, "")
    return authors


def number_of(identity: Identity) -> str:
    """What a person's `number` column holds: the phone where there is one."""
    aliases = identity.aliases()
    return aliases[0][1] if aliases else ""


def number_names(channel: str, number: str, *, is_group: bool) -> tuple[Alias, ...]:
    """The names under which a number that somebody typed may come in."""
    if is_group:
        kind = "group"
    elif channel != "whatsapp":
        kind = "scoped_id"
    else:
        kind = "phone" if number.isdigit() else "bsuid"
    twin = twin_of(number) if kind == "phone" else ""
    return tuple([Alias(channel, f"{kind}:{spelling}") for spelling in (number, twin) if spelling])


class Known:
    """A contact as routers remember it; `unnamed` while its name is only its number."""

    __slots__ = ("contact_id", "names", "unnamed")

    def __init__(self, contact_id: ContactId, *, unnamed: bool) -> None:
        self.contact_id = contact_id
        self.unnamed = unnamed
        self.names: list[Alias] = []


class KnownNames:
    """Committed names of all companies that are in memory; the ones learned first are forgotten.

    One per process: ten thousand companies may know as many people as one alone.
    """

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._names: dict[tuple[CompanyId, Alias], Known] = {}
        self._contacts: dict[tuple[CompanyId, ContactId], Known] = {}

    def __len__(self) -> int:
        return len(self._names)

    def get(self, company_id: CompanyId, alias: Alias) -> Known | None:
        """The contact of a name, if it is in memory."""
        return self._names.get((company_id, alias))

    def read(self, company_id: CompanyId, rows: Sequence[Named]) -> None:
        """Remembers what a statement found."""
        for row in rows:
            known = self._contacts.get((company_id, row.id))
            if known is None:
                known = self._contacts[company_id, row.id] = Known(row.id, unnamed=True)
            known.unnamed = row.name == row.number
            self._learn(company_id, Alias(row.channel, row.alias), known)
        while len(self._names) > self._kept:
            self._drop(next(iter(self._names)))

    def _learn(self, company_id: CompanyId, alias: Alias, known: Known) -> None:
        key = company_id, alias
        before = self._names.get(key)
        if before is known:
            return
        if before is not None:
            self._drop(key)
        self._names[key] = known
        known.names.append(alias)

    def _drop(self, key: tuple[CompanyId, Alias]) -> None:
        known = self._names.pop(key)
        known.names.remove(key[1])
        if not known.names:
            del self._contacts[key[0], known.contact_id]

    def forget(self, company_id: CompanyId, contact_id: ContactId) -> None:
        """Drops every name of a contact; the next look reads the database."""
        known = self._contacts.get((company_id, contact_id))
        for alias in [] if known is None else [*known.names]:
            self._drop((company_id, alias))
