"""Contacts in and out as spreadsheets: one answer per line, batches that can be repeated."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Final

import msgspec
from msgspec import field

from actors.channels.base import AddressBook, FetchFailed, SharedContact
from actors.errors import NoDefaultConnection, UnknownConnection
from actors.router import MOST_IMPORTED, EnsureContact, ImportContacts, NewContact
from api.endpoint import Ctx, Id, Routes, Short, Stream, Upload, admin, user
from api.errors import Detail, Invalid, Missing, NotAvailable
from api.resources import contacts as contact_book
from api.resources.spreadsheets import (
    ExportQuery,
    LineError,
    Person,
    digits,
    exported,
    people_in,
    tag_names,
)
from storage import contacts, tags
from storage.ids import ConnectionId, ContactId, TagId
from storage.views import ContactView

routes = Routes(tag="contacts", guard=admin, missing="ERR_NO_CONTACT_FOUND")


PAGE: Final = 1000
MOST_NEW_TAGS: Final = 300
"""Of one file."""


class ImportReport(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a file."""

    created: int
    known: int
    failed: list[LineError]


class Phone(msgspec.Struct, kw_only=True):
    """Whose address book is read; the default connection's where none is named."""

    connection_id: Id | None = field(name="whatsappId", default=None)


class PhoneReport(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an address book."""

    message: str = "contacts imported"
    created: int
    known: int


class Entry(msgspec.Struct, kw_only=True, rename="camel"):
    """One contact of an import; `tags` are names, by commas."""

    name: Short = ""
    number: Short = ""
    email: Short = ""
    tags: Short = ""


@routes.get("/contacts/exportCsv", deadline=300.0)
async def export(ctx: Ctx, query: ExportQuery) -> Stream:
    """Download every contact as CSV or, with `format=xlsx`, as a workbook."""
    return await exported("contacts", query.format, ("name", "number", "email"), _pages(ctx))


async def _pages(ctx: Ctx) -> AsyncIterator[list[tuple[str, str, str]]]:
    last = 0
    while rows := await contacts.people_after(ctx.parts.database, ctx.company_id, last, most=PAGE):
        last = rows[-1].id
        yield [(row.name, row.number, row.email) for row in rows]


@routes.post("/contacts/importCsv", deadline=300.0, files=1, repeatable=True)
async def import_file(ctx: Ctx, uploads: tuple[Upload, ...]) -> ImportReport:
    """Store the contacts of a CSV, XLSX or XLS file.

    A line that does not fit is reported, the others stay. Batch by batch is committed: after a
    failure the same file can be sent again, and what it stored before counts as known.
    """
    if not uploads:
        raise Invalid(Detail("$.file", "missing"))
    with ctx.parts.imports.turn(ctx.company_id):
        found = await people_in(uploads[0])
        labels = await _labels(ctx, (name for person in found.people for name in person.tags))
        created = 0
        for start in range(0, len(found.people), MOST_IMPORTED):
            batch = found.people[start : start + MOST_IMPORTED]
            stored = await ctx.parts.system.ask(
                ImportContacts(company_id=ctx.company_id, contacts=_new(batch))
            )
            created += stored.created
            tagged = {stored.contact_ids[person.number]: person.tags for person in batch}
            await _tag(ctx, tagged, labels)
        known = len(found.people) - created + found.repeated
        return ImportReport(created=created, known=known, failed=found.failed)


def _new(people: Sequence[Person]) -> tuple[NewContact, ...]:
    return tuple(NewContact(name=p.name, number=p.number, email=p.email) for p in people)


@routes.post("/contacts/import", deadline=300.0, lacks="channel with an address book")
async def import_phone(ctx: Ctx, body: Phone) -> PhoneReport:
    """Store the people of a phone's address book; 501 where its channel cannot read that."""
    snapshot = await ctx.snapshot()
    if body.connection_id is None:
        own = snapshot.default_connection()
    else:
        own = snapshot.connections.get(ConnectionId(body.connection_id))
        if own is None:
            raise UnknownConnection(str(body.connection_id))
    if own is None:
        raise NoDefaultConnection(str(ctx.company_id))
    channels = ctx.parts.channels
    channel: object = channels.get(own.channel) if own.channel in channels else None
    if not isinstance(channel, AddressBook):
        raise NotAvailable(Detail("$.whatsappId", f"{own.channel} has no address book"))
    account = await ctx.parts.accounts.account(ctx.company_id, own.id)
    try:
        saved = await channel.saved_contacts(account)
    except FetchFailed as error:
        raise Missing(code="ERR_NO_BAILEYS_DATA_FOUND") from error
    people = people_of(saved)
    created = 0
    for start in range(0, len(people), MOST_IMPORTED):
        batch = _new(people[start : start + MOST_IMPORTED])
        command = ImportContacts(company_id=ctx.company_id, contacts=batch)
        created += (await ctx.parts.system.ask(command)).created
    return PhoneReport(created=created, known=len(people) - created)


def people_of(saved: Sequence[SharedContact]) -> list[Person]:
    """Everybody with a number, each number once."""
    found: dict[str, Person] = {}
    for card in saved:
        for phone in card.phones:
            if number := digits(phone.wa_id or phone.phone):
                name = card.formatted_name[:255] or number
                found.setdefault(number, Person(number=number, name=name, email="", tags=()))
    return list(found.values())


@routes.post("/contacts/upload", deadline=300.0, files=1, repeatable=True)
async def import_there(ctx: Ctx, uploads: tuple[Upload, ...]) -> ImportReport:
    """The same under the path that other clients use."""
    return await import_file(ctx, uploads)


@routes.post("/contacts/findOrInsert", guard=user)
async def ensure(ctx: Ctx, body: Entry) -> ContactView:
    """The contact with this number, stored first if it is new."""
    number = digits(body.number)
    if not number:
        raise Invalid(Detail("$.number", "digits with country code"))
    new = NewContact(name=body.name or number, number=number, email=body.email)
    return await ctx.parts.system.ask(EnsureContact(company_id=ctx.company_id, contact=new))


@routes.post("/contactsImport", repeatable=True)
async def import_one(ctx: Ctx, body: Entry) -> ContactView:
    """One contact of an import with its tags, which are made when they are new."""
    try:
        names = tag_names(body.tags)
    except ValueError as error:
        raise Invalid(Detail("$.tags", str(error))) from error
    contact = await ensure(ctx, body)
    if not names:
        return contact
    await _tag(ctx, {contact.id: names}, await _labels(ctx, names))
    return await contact_book.show(ctx, contact.id)


async def _labels(ctx: Ctx, names: Iterable[str]) -> dict[str, TagId]:
    """The company's tags by name in lower case; those of `names` that are new are made.

    Raises Invalid, and makes none, when more than MOST_NEW_TAGS would be.
    """
    wanted = {name.lower(): name for name in names}
    if not wanted:
        return {}
    known = await tags.names_of(ctx.parts.database, ctx.company_id)
    new = [name for key, name in wanted.items() if key not in known]
    if len(new) > MOST_NEW_TAGS:
        raise Invalid(Detail("$.file", f"more than {MOST_NEW_TAGS} new tags"))
    if new:
        async with ctx.parts.database.begin(ctx.company_id) as tx:
            await tags.create_all(tx, ctx.company_id, new, "#A4CCCC")
            known = await tags.names_of(tx, ctx.company_id)
        ctx.parts.snapshots.invalidate(ctx.company_id)
    return known


async def _tag(
    ctx: Ctx, wanted: Mapping[ContactId, Sequence[str]], labels: Mapping[str, TagId]
) -> None:
    """Adds tags by their names."""
    pairs = [
        (contact_id, labels[name.lower()])
        for contact_id, names in wanted.items()
        for name in names
        if name.lower() in labels  # unless somebody deleted it meanwhile
    ]
    if not pairs:
        return
    async with ctx.parts.database.begin(ctx.company_id) as tx:
        await tags.add_to_contacts(tx, ctx.company_id, pairs)
    ctx.parts.snapshots.invalidate(ctx.company_id)
