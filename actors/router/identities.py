"""People who change their number or id: each change is carried out once, however often it is told.

What counts a change is a claim, stored in the unit that carries it out. A repetition of an old
one, after newer ones, finds its claim and changes nothing.
"""

from hashlib import blake2b

import msgspec

from actors.channels.base import Conversation, Identity, IdentityChange, InboundMessage
from actors.router.aliases import aliases_of
from actors.router.commands import LearnIdentity
from actors.router.naming import Naming
from actors.router.ports import ContactStore
from actors.tickets.writes import claim
from storage.errors import Duplicate
from storage.ids import CompanyId, ConnectionId, ContactId

KIND = "identity:"
"""Begins the claims of changes, which no provider's message id does."""


def changes_in(conversation: Conversation) -> list[InboundMessage]:
    """The messages by which the other party of a conversation tells its new number or id."""
    if conversation.group_id:
        return []
    return [
        item
        for item in conversation.inbounds
        if isinstance(item, InboundMessage) and item.new_identity
    ]


def key_of(change: IdentityChange) -> str:
    """The same for every delivery of one change."""
    told = change.raw or msgspec.json.encode(change)
    return KIND + blake2b(told, digest_size=16).hexdigest()


class Identities:
    """Carries out the changes of one company's contacts."""

    def __init__(self, store: ContactStore, naming: Naming, company_id: CompanyId) -> None:
        self._store = store
        self._naming = naming
        self._company_id = company_id

    async def learn(self, command: LearnIdentity, network: str) -> None:
        """A change told outside any conversation. Raises what `Saver.save` raises."""
        before = aliases_of(network, command.change.previous)
        owners = await self._naming.look_up(before)
        contacts = sorted({owners[name] for name in before if name in owners})
        await self._changed(
            command.connection_id,
            contacts[0] if contacts else None,
            network,
            command.change.current,
            key_of(command.change),
        )

    async def told(
        self, connection_id: ConnectionId, contact_id: ContactId, network: str, item: InboundMessage
    ) -> None:
        """A change told by a message of the contact. Raises what `Saver.save` raises."""
        if item.new_identity:
            key = KIND + item.provider_id
            await self._changed(connection_id, contact_id, network, item.new_identity, key)

    async def _changed(
        self,
        connection_id: ConnectionId,
        contact_id: ContactId | None,
        network: str,
        current: Identity,
        key: str,
    ) -> None:
        if await self._store.claimed(self._company_id, connection_id, key):
            return
        once = claim(self._company_id, connection_id, key)
        if contact_id is not None:
            await self._naming.joined(contact_id, aliases_of(network, current), current.phone, once)
            return
        try:
            await self._naming.book.count(once)
        except Duplicate:
            return
