"""The names that conversations come under, and which contact each of them means."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from actors.channels.base import Conversation, Identity
from storage.contact_book import Named
from storage.ids import ContactId


class Alias(NamedTuple):
    """One name of a person or group: the network, and the name with its kind."""

    channel: str
    alias: str


KEPT = 200_000
"""Names kept in memory per company; the ones learned first are forgotten beyond."""


def aliases_of(channel: str, identity: Identity) -> tuple[Alias, ...]:
    """Every stable name of a person on a network."""
    return tuple([Alias(channel, f"{kind}:{value}") for kind, value in identity.aliases()])


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
    """The name under which a number that somebody typed will come in."""
    if is_group:
        kind = "group"
    elif channel != "whatsapp":
        kind = "scoped_id"
    else:
        kind = "phone" if number.isdigit() else "bsuid"
    return (Alias(channel, f"{kind}:{number}"),)


class Known:
    """A contact as the router remembers it; `unnamed` while its name is only its number."""

    __slots__ = ("contact_id", "unnamed")

    def __init__(self, contact_id: ContactId, *, unnamed: bool) -> None:
        self.contact_id = contact_id
        self.unnamed = unnamed


class AliasCache:
    """Committed names of one company; bounded, and empty at first."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._names: dict[Alias, Known] = {}

    def get(self, alias: Alias) -> Known | None:
        """The contact of a name, if it is in memory."""
        return self._names.get(alias)

    def learn(self, aliases: Iterable[Alias], known: Known) -> None:
        """Remembers committed names."""
        for alias in aliases:
            self._names[alias] = known
        while len(self._names) > self._kept:
            del self._names[next(iter(self._names))]

    def read(self, rows: Sequence[Named]) -> None:
        """Remembers what a statement found."""
        contacts: dict[ContactId, Known] = {}
        for row in rows:
            known = contacts.get(row.id)
            if known is None:
                known = contacts[row.id] = Known(row.id, unnamed=row.name == row.number)
            self.learn([Alias(row.channel, row.alias)], known)

    def forget(self, contact_id: ContactId) -> None:
        """Drops every name of a contact; the next look reads the database."""
        for alias in [a for a, known in self._names.items() if known.contact_id == contact_id]:
            del self._names[alias]
