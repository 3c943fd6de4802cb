"""Which names mean which contact: read in one statement, committed before they are used."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager

from actors.channels.base import Conversation
from actors.router.aliases import Alias, Known, number_of
from actors.router.commands import NewContact
from actors.router.contacts import ContactBook
from actors.router.ports import RouterPorts
from actors.tickets.commands import Absorb, ContactRenewed, Retire, ticket_address
from engine import ActorCrashed, ActorStopped, MailboxFull, Refusal, System
from storage.errors import DatabaseUnavailable, Duplicate, StaleVersion, StorageError
from storage.ids import CompanyId, ConnectionId, ContactId
from storage.unit import Write

EXPECTED = (Refusal, StorageError, ActorCrashed, ActorStopped)
"""What a task of the router hands to its askers instead of crashing the router."""

Hold = Callable[..., AbstractAsyncContextManager[None]]
"""Keeps deliveries for some contacts back while the block runs."""

TRIES = 5
UNSETTLED = "the names of a contact did not settle"


class Naming:
    """Keeps the names of one company's contacts, in memory and in the database."""

    def __init__(
        self, ports: RouterPorts, company_id: CompanyId, system: Callable[[], System], hold: Hold
    ) -> None:
        self._store = ports.store
        self._company_id = company_id
        self._system = system
        self._hold = hold
        self._renaming: set[ContactId] = set()
        self.book = ContactBook(ports, company_id)
        self._saver = ports.saver
        self._names = ports.names

    async def look_up(self, names: Iterable[Alias]) -> dict[Alias, ContactId]:
        """One statement for all of these names; what it finds is remembered."""
        wanted = sorted({name.alias for name in names})
        rows = await self._store.by_alias(self._company_id, wanted)
        self._names.read(self._company_id, rows)
        return {Alias(row.channel, row.alias): row.id for row in rows}

    async def make_known(
        self, names: Sequence[Alias], conversation: Conversation, connection_id: ConnectionId
    ) -> None:
        """Afterwards every name leads to one contact, in the database and in memory.

        Somebody else may commit one of them meanwhile (a merge, an import): then it looks again.
        """
        for _ in range(TRIES):
            owners = await self.look_up(names)
            contacts = sorted({owners[name] for name in names if name in owners})
            missing = [name for name in names if name not in owners]
            try:
                if not contacts:
                    await self._new(names, conversation, connection_id)
                elif len(contacts) > 1:
                    await self.merge(contacts[0], contacts[1])
                elif missing:
                    await self.book.add_aliases(contacts[0], missing)
                else:
                    return
            except Duplicate:
                continue
        raise DatabaseUnavailable(UNSETTLED)

    async def _new(
        self, names: Sequence[Alias], conversation: Conversation, connection_id: ConnectionId
    ) -> None:
        """A new contact; one that an agent had typed in before gets the names instead."""
        number = conversation.group_id or number_of(conversation.contact)
        existing = await self._store.by_number(self._company_id, number)
        if existing is not None:
            await self.book.add_aliases(existing.id, names)
            return
        new = NewContact(
            name=conversation.name,
            number=number,
            is_group=bool(conversation.group_id),
            connection_id=connection_id,
            channel=names[0].channel,
        )
        await self.book.create(new, names)

    async def joined(
        self, contact_id: ContactId, names: Sequence[Alias], phone: str, once: Write
    ) -> None:
        """Further names turn out to be this contact's; whoever had them is merged into it.

        Nothing changes where the claim `once`, stored with the names and the number, exists.
        Rows that somebody else changes meanwhile are read again.
        """
        for _ in range(TRIES):
            owners = await self.look_up(names)
            others = sorted({owners[name] for name in names if name in owners} - {contact_id})
            missing = [name for name in names if name not in owners]
            try:
                if others:
                    await self.merge(contact_id, others[0])
                    continue
                await self.book.learn(contact_id, missing, phone, once)
            except Duplicate as duplicate:
                if once.values in duplicate.keys:
                    return
            except StaleVersion:
                continue
            else:
                self.changed(contact_id)
                return
        raise DatabaseUnavailable(UNSETTLED)

    async def merge(self, winner: ContactId, loser: ContactId) -> None:
        """Everything of `loser` becomes `winner`'s; nothing of either is decided meanwhile."""
        system = self._system()
        retire = Retire(company_id=self._company_id, contact_id=loser, winner=winner)
        absorb = Absorb(company_id=self._company_id, contact_id=winner, loser=loser)
        async with self._hold(winner, loser):
            await system.ask(retire)
            try:
                await system.ask(absorb)
            except EXPECTED:
                # Nothing moved: the next command finds the loser's rows as they were.
                await system.stop(retire.to)
                raise
            finally:
                await self._settle(f"ticket:{self._company_id}:{winner}", loser)

    async def remove(self, contact_id: ContactId) -> None:
        """Deletes a contact after its ticket actor has stopped deciding."""
        system = self._system()
        async with self._hold(contact_id):
            retire = Retire(company_id=self._company_id, contact_id=contact_id)
            await system.ask(retire)
            try:
                await self.book.remove(contact_id)
            finally:
                await self._settle(f"contact:{self._company_id}:{contact_id}", contact_id)
                await system.stop(retire.to)

    async def _settle(self, address: str, contact_id: ContactId) -> None:
        """Forgets a contact that may be gone; not before it is known whether its unit was stored.

        Looked up earlier, it would be found, remembered, and gone a moment later for good.
        """
        try:
            await self._saver.settled(address)
        finally:
            self._names.forget(self._company_id, contact_id)

    async def name(self, known: Known, name: str) -> None:
        """Names a contact that has only its number; a failure is made good by the next message."""
        if known.contact_id in self._renaming:
            return
        self._renaming.add(known.contact_id)
        try:
            changed = await self.book.rename(known.contact_id, name)
            known.unnamed = False
            if changed:
                self.renew(known.contact_id)
        except EXPECTED:
            return
        finally:
            self._renaming.discard(known.contact_id)

    def known(self, alias: Alias) -> Known | None:
        """The contact of a name, if it is in memory."""
        return self._names.get(self._company_id, alias)

    def changed(self, contact_id: ContactId) -> None:
        """What is remembered of a contact is read again, here and by its ticket actor."""
        self._names.forget(self._company_id, contact_id)
        self.renew(contact_id)

    def renew(self, contact_id: ContactId) -> None:
        """Has the contact's ticket actor, if it is awake, load the changed row."""
        system = self._system()
        if not system.is_live(ticket_address(self._company_id, contact_id)):
            return
        try:
            system.tell_nowait(ContactRenewed(company_id=self._company_id, contact_id=contact_id))
        except (MailboxFull, ActorStopped):
            return
