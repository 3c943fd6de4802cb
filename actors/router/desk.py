"""What people do to contacts: create, find or create, change, delete, merge."""

from collections.abc import Mapping

import msgspec

from actors.errors import DuplicatedContact, InvalidRequest, UnknownContact
from actors.router.aliases import Alias, number_names
from actors.router.commands import (
    MOST_IMPORTED,
    CreateContact,
    CustomField,
    EnsureContact,
    ImportContacts,
    Imported,
    MergeContacts,
    NewContact,
    UpdateContact,
)
from actors.router.contacts import digits
from actors.router.naming import TRIES, UNSETTLED, Naming
from actors.router.ports import ContactStore
from storage.errors import DatabaseUnavailable, Duplicate
from storage.ids import CompanyId, ContactId
from storage.views import ContactView


class ContactDesk:
    """The requests of agents and API clients about the contacts of one company."""

    def __init__(self, store: ContactStore, naming: Naming, company_id: CompanyId) -> None:
        self._store = store
        self._naming = naming
        self._book = naming.book
        self._company_id = company_id

    async def create(self, command: CreateContact) -> ContactView:
        """Raises DuplicatedContact, InvalidRequest."""
        number = digits(command.contact.number, is_group=command.contact.is_group)
        if await self._find(command.contact, number) is not None:
            raise DuplicatedContact(number)
        try:
            return await self._created(command.contact, number, command.custom_fields)
        except Duplicate:
            raise DuplicatedContact(number) from None

    async def ensure(self, command: EnsureContact) -> ContactView:
        """Raises InvalidRequest."""
        number = digits(command.contact.number, is_group=command.contact.is_group)
        for _ in range(3):
            found = await self._find(command.contact, number)
            if found is not None:
                contact = await self._store.by_id(self._company_id, found)
                if contact is not None:
                    return await self._book.view(contact)
            try:
                return await self._created(command.contact, number, ())
            except Duplicate:
                continue
        raise DuplicatedContact(number)

    async def take_in(self, command: ImportContacts) -> Imported:
        """Somebody else may store one of the numbers meanwhile: then it looks again.

        Raises InvalidRequest, DatabaseUnavailable.
        """
        if len(command.contacts) > MOST_IMPORTED:
            message = f"more than {MOST_IMPORTED} contacts at once"
            raise InvalidRequest(message)
        people = {
            (number := digits(new.number, is_group=new.is_group)): msgspec.structs.replace(
                new, number=number
            )
            for new in command.contacts
        }
        first = _first_spellings(people)
        for _ in range(TRIES):
            known = await self._known(people)
            missing = [
                people[number] for number in dict.fromkeys(first.values()) if number not in known
            ]
            try:
                made = await self._book.create_all(missing)
            except Duplicate:
                continue
            ids = known | made
            contact_ids = {number: ids.get(number) or ids[first[number]] for number in people}
            return Imported(contact_ids=contact_ids, created=len(made))
        raise DatabaseUnavailable(UNSETTLED)

    async def _known(self, people: Mapping[str, NewContact]) -> dict[str, ContactId]:
        """Whose number or name is stored, two statements for all of them."""
        found = await self._store.by_numbers(self._company_id, sorted(people))
        named = {
            alias: number
            for number, new in people.items()
            for alias in number_names(new.channel, number, is_group=new.is_group)
        }
        for row in await self._store.by_alias(
            self._company_id, sorted(alias.alias for alias in named)
        ):
            alias = Alias(row.channel, row.alias)
            if alias in named:
                found.setdefault(named[alias], row.id)
        return found

    async def _created(
        self, typed: NewContact, number: str, fields: tuple[CustomField, ...]
    ) -> ContactView:
        new = msgspec.structs.replace(typed, number=number)
        names = number_names(new.channel, number, is_group=new.is_group)
        return await self._book.create(new, names, fields)

    async def _find(self, new: NewContact, number: str) -> ContactId | None:
        existing = await self._store.by_number(self._company_id, number)
        if existing is not None:
            return existing.id
        names = number_names(new.channel, number, is_group=new.is_group)
        rows = await self._store.by_alias(self._company_id, [name.alias for name in names])
        return next((row.id for row in rows if Alias(row.channel, row.alias) in names), None)

    async def update(self, command: UpdateContact) -> ContactView:
        """Raises UnknownContact, DuplicatedContact, InvalidRequest."""
        try:
            view = await self._book.update(command)
        except Duplicate:
            raise DuplicatedContact(str(command.contact_id)) from None
        self._naming.changed(command.contact_id)
        return view

    async def merge(self, command: MergeContacts) -> ContactView:
        """Raises UnknownContact."""
        winner = await self._store.by_id(self._company_id, command.winner)
        loser = await self._store.by_id(self._company_id, command.loser)
        if winner is None or loser is None or winner.id == loser.id:
            raise UnknownContact(str(command.winner if winner is None else command.loser))
        await self._naming.merge(winner.id, loser.id)
        return await self._book.view(winner)


def _first_spellings(people: Mapping[str, NewContact]) -> dict[str, str]:
    """Each number's first spelling among them, mostly itself: whoever comes in two is one person."""
    first: dict[str, str] = {}
    seen: dict[Alias, str] = {}
    for number, new in people.items():
        names = number_names(new.channel, number, is_group=new.is_group)
        first[number] = next((seen[name] for name in names if name in seen), number)
        seen.update(dict.fromkeys(names, first[number]))
    return first
