"""The contacts' one writer: stores new ones, new names of known ones, and what people change."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from msgspec import UNSET

from actors.errors import DuplicatedContact, InvalidRequest, UnknownContact
from actors.events import ContactChanged, ContactRemoved, ContactsImported, TicketRemoved
from actors.router.aliases import Alias, number_names
from actors.router.commands import CustomField as NewField
from actors.router.commands import NewContact, UpdateContact
from actors.router.ports import RouterPorts
from actors.tickets.decision import place_of
from storage.contacts import (
    Contact,
    CustomField,
    contact_aliases,
    contact_custom_fields,
    contacts,
)
from storage.errors import StaleVersion
from storage.events import DomainEvent
from storage.ids import CompanyId, ContactId, CustomFieldId
from storage.unit import Unit, Write, delete, insert, update
from storage.views import ContactView, contact_view

CONTACT_COLUMNS = (
    "name",
    "number",
    "email",
    "remote_jid",
    "profile_pic_url",
    "picture_path",
    "picture_updated",
    "disable_bot",
    "accept_audio",
    "active",
    "lgpd_accepted_at",
    "connection_id",
    "updated_at",
)
ADD_CONTACT = insert(
    contacts,
    "company_id",
    "id",
    "channel",
    "is_group",
    "created_at",
    *CONTACT_COLUMNS,
    claim=("company_id", "number"),
)
SET_CONTACT = update(contacts, *CONTACT_COLUMNS)
REMOVE_CONTACT = delete(contacts)
ADD_ALIAS = insert(
    contact_aliases,
    "company_id",
    "channel",
    "alias",
    "contact_id",
    claim=("company_id", "channel", "alias"),
)
ADD_FIELD = insert(
    contact_custom_fields,
    "company_id",
    "id",
    "contact_id",
    "name",
    "value",
    "created_at",
    "updated_at",
)
REMOVE_FIELDS = delete(contact_custom_fields, key=("company_id", "contact_id"), stage=5)


def digits(number: str, *, is_group: bool) -> str:
    """A typed number as it is stored. Raises InvalidRequest when nothing is left of it."""
    found = number.strip() if is_group else "".join(filter(str.isdigit, number))
    if not found:
        message = f"number {number!r}"
        raise InvalidRequest(message)
    return found


class ContactBook:
    """Reads and writes the contacts of one company, each write as a unit of its own.

    Every write raises what `Saver.save` raises, except where it says otherwise.
    """

    def __init__(self, ports: RouterPorts, company_id: CompanyId) -> None:
        self._ports = ports
        self._company_id = company_id

    async def view(self, contact: Contact, fields: Sequence[CustomField] = ()) -> ContactView:
        """A contact as clients see it."""
        snapshot = await self._ports.snapshots.current(self._company_id)
        return contact_view(contact, snapshot, fields=fields)

    async def create(
        self, new: NewContact, aliases: Sequence[Alias], fields: Sequence[NewField] = ()
    ) -> ContactView:
        """Stores a contact with its names and free fields, in one unit.

        Raises Duplicate when one of the names is taken: then nothing is stored.
        """
        contact_id = ContactId(await self._ports.ids.take("contacts"))
        contact = _contact(self._company_id, contact_id, new, self._ports.clock())
        rows = await self._fields(contact_id, fields)
        shown = await self.view(contact, rows)
        writes = [_contact_row(contact), *self._alias_rows(contact_id, aliases)]
        event = ContactChanged(company_id=self._company_id, contact=shown, created=True)
        await self._save(contact_id, [*writes, *map(_field_row, rows)], event)
        return shown

    async def create_all(self, people: Sequence[NewContact]) -> dict[str, ContactId]:
        """Stores contacts with the names of their numbers, in one unit; their ids by number.

        Raises Duplicate when one of the numbers or names is taken: then none is stored.
        """
        if not people:
            return {}
        first, now = await self._ports.ids.take("contacts", len(people)), self._ports.clock()
        made = [
            _contact(self._company_id, ContactId(first + place), new, now)
            for place, new in enumerate(people)
        ]
        writes = [_contact_row(contact) for contact in made]
        for contact in made:
            names = number_names(contact.channel, contact.number, is_group=contact.is_group)
            writes += self._alias_rows(contact.id, names)
        event = ContactsImported(
            company_id=self._company_id, first_id=ContactId(first), count=len(made)
        )
        await self._save(ContactId(first), writes, event)
        return {contact.number: contact.id for contact in made}

    async def add_aliases(self, contact_id: ContactId, aliases: Sequence[Alias]) -> None:
        """Stores further names of a contact. Raises Duplicate when one of them is taken."""
        await self._save(contact_id, self._alias_rows(contact_id, aliases))

    def _alias_rows(self, contact_id: ContactId, aliases: Sequence[Alias]) -> list[Write]:
        return [
            ADD_ALIAS(self._company_id, alias.channel, alias.alias, contact_id) for alias in aliases
        ]

    async def _save(
        self, contact_id: ContactId, writes: Sequence[Write], *events: DomainEvent
    ) -> None:
        unit = Unit(
            company_id=self._company_id,
            address=f"contact:{self._company_id}:{contact_id}",
            writes=tuple(writes),
            events=events,
        )
        await self._ports.saver.save(unit)

    async def rename(self, contact_id: ContactId, name: str) -> bool:
        """Names a contact that had only its number; whether it still had."""
        contact = await self._ports.store.by_id(self._company_id, contact_id)
        if contact is None or contact.name != contact.number:
            return False
        await self._change(contact, {"name": name})
        return True

    async def learn(
        self, contact_id: ContactId, aliases: Sequence[Alias], number: str, once: Write
    ) -> None:
        """Stores further names and a new number ("" keeps the old one) with the claim `once`.

        The number stays where another contact has the new one. Raises Duplicate, StaleVersion.
        """
        contact = await self._ports.store.by_id(self._company_id, contact_id)
        if contact is None:
            raise StaleVersion(str(contact_id))
        extra = [*self._alias_rows(contact_id, aliases), once]
        if not number or await self._ports.store.by_number(self._company_id, number) is not None:
            await self._save(contact_id, extra)
            return
        name = {"name": number} if contact.name == contact.number else {}
        await self._change(contact, {"number": number, **name}, extra)

    async def count(self, once: Write) -> None:
        """Stores a claim that changes no contact. Raises Duplicate."""
        await self._save(ContactId(0), [once])

    async def _change(
        self, contact: Contact, fields: dict[str, object], extra: Sequence[Write] = ()
    ) -> Contact:
        now: datetime = self._ports.clock()
        changed = msgspec.structs.replace(
            contact, updated_at=now, version=contact.version + 1, **fields
        )
        values = tuple(getattr(changed, name) for name in CONTACT_COLUMNS)
        key = (contact.company_id, contact.id, contact.version)
        event = ContactChanged(company_id=self._company_id, contact=await self.view(changed))
        await self._save(contact.id, [Write(SET_CONTACT, key + values), *extra], event)
        return changed

    async def update(self, command: UpdateContact) -> ContactView:
        """What people change.

        Raises UnknownContact, DuplicatedContact, InvalidRequest.
        """
        for attempt in range(3):
            try:
                return await self._update(command)
            except StaleVersion:
                if attempt == 2:
                    raise
        raise AssertionError

    async def _update(self, command: UpdateContact) -> ContactView:
        contact = await self._ports.store.by_id(self._company_id, command.contact_id)
        if contact is None:
            raise UnknownContact(str(command.contact_id))
        fields = {
            name: value
            for name, value in msgspec.structs.asdict(command.patch).items()
            if value is not UNSET
        }
        wanted = command.number if command.number is not None else fields.pop("number", None)
        aliases: tuple[Alias, ...] = ()
        if wanted is not None:
            number = digits(str(wanted), is_group=contact.is_group)
            if number != contact.number:
                fields["number"] = number
                aliases = await self._free(contact, number)
        extra = self._alias_rows(contact.id, aliases)
        kept: Sequence[CustomField] = ()
        if command.custom_fields is None:
            kept = await self._ports.store.fields(self._company_id, contact.id)
        else:
            kept = await self._fields(contact.id, command.custom_fields)
            extra.append(REMOVE_FIELDS(self._company_id, contact.id))
            extra.extend(map(_field_row, kept))
        changed = await self._change(contact, fields, extra)
        return await self.view(changed, kept)

    async def _free(self, contact: Contact, number: str) -> tuple[Alias, ...]:
        """The names that a new number adds. Raises DuplicatedContact where it is taken."""
        aliases = number_names(contact.channel, number, is_group=contact.is_group)
        names = [alias.alias for alias in aliases]
        taken = {
            Alias(row.channel, row.alias): row.id
            for row in await self._ports.store.by_alias(self._company_id, names)
        }
        other = await self._ports.store.by_number(self._company_id, number)
        owners = {taken[alias] for alias in aliases if alias in taken}
        if other is not None or owners - {contact.id}:
            raise DuplicatedContact(number)
        return tuple(alias for alias in aliases if alias not in taken)

    async def _fields(self, contact_id: ContactId, fields: Sequence[NewField]) -> list[CustomField]:
        now = self._ports.clock()
        return [
            CustomField(
                company_id=self._company_id,
                id=CustomFieldId(await self._ports.ids.take("contact_custom_fields")),
                contact_id=contact_id,
                name=field.name,
                value=field.value,
                created_at=now,
                updated_at=now,
            )
            for field in fields
        ]

    async def remove(self, contact_id: ContactId) -> None:
        """Deletes a contact with everything that hangs on it. Raises UnknownContact."""
        loaded = await self._ports.store.load(self._company_id, contact_id)
        if loaded.contact is None:
            raise UnknownContact(str(contact_id))
        await self._ports.store.delete_older(self._company_id, contact_id, None)
        events: list[DomainEvent] = [
            TicketRemoved(company_id=self._company_id, ticket_id=ticket.id, was=place_of(ticket))
            for ticket in loaded.tickets
            if ticket.is_active
        ]
        events.append(ContactRemoved(company_id=self._company_id, contact_id=contact_id))
        await self._save(contact_id, [REMOVE_CONTACT(self._company_id, contact_id)], *events)


def _contact(
    company_id: CompanyId, contact_id: ContactId, new: NewContact, now: datetime
) -> Contact:
    return Contact(
        company_id=company_id,
        id=contact_id,
        name=new.name or new.number,
        number=new.number,
        email=new.email,
        channel=new.channel,
        is_group=new.is_group,
        accept_audio=new.accept_audio_message,
        disable_bot=new.disable_bot,
        connection_id=new.connection_id,
        created_at=now,
        updated_at=now,
    )


def _contact_row(contact: Contact) -> Write:
    return Write(ADD_CONTACT, tuple(getattr(contact, name) for name in ADD_CONTACT.columns))


def _field_row(field: CustomField) -> Write:
    return Write(ADD_FIELD, tuple(getattr(field, name) for name in ADD_FIELD.columns))
