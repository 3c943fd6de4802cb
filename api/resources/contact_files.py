"""Contacts in and out as CSV: one answer per line, and no cell that a spreadsheet would run."""

import csv
import io
from collections.abc import Sequence

import msgspec

from actors.errors import DomainRefusal
from actors.router import CreateContact, EnsureContact, NewContact
from api.endpoint import Ctx, Raw, Routes, Short, Upload, admin, user
from api.errors import Detail, Invalid
from api.resources import contacts as contact_book
from api.resources.spreadsheets import LineError, digits, lines_of, plain
from storage import contact_lists, tags
from storage.contact_lists import ContactFilter
from storage.ids import TagId
from storage.tags import TagPatch
from storage.views import ContactView

routes = Routes(tag="contacts", guard=admin, missing="ERR_NO_CONTACT_FOUND")


class ImportReport(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a file."""

    created: int
    known: int
    failed: list[LineError]


class Entry(msgspec.Struct, kw_only=True, rename="camel"):
    """One contact of an import; `tags` are names, by commas."""

    name: Short = ""
    number: Short = ""
    email: Short = ""
    tags: Short = ""


@routes.get("/contacts/exportCsv")
async def export(ctx: Ctx) -> Raw:
    """Write every contact to a CSV file, by name."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["name", "number", "email"])
    page = 1
    while True:
        wanted = ContactFilter(is_group=False, page=page, page_size=1000)
        rows = await contact_lists.page(ctx.parts.database, ctx.company_id, wanted)
        for contact in rows.contacts:
            writer.writerow([plain(contact.name), plain(contact.number), plain(contact.email)])
        if len(rows.contacts) < wanted.page_size:
            break
        page += 1
    named = ("content-disposition", 'attachment; filename="contacts.csv"')
    content = "\ufeff" + text.getvalue()
    return Raw(content=content.encode(), content_type="text/csv; charset=utf-8", headers=(named,))


@routes.post("/contacts/importCsv", deadline=300.0)
async def import_csv(ctx: Ctx, uploads: tuple[Upload, ...]) -> ImportReport:
    """Store the contacts of a CSV file; a line that does not fit is reported, the others stay."""
    if not uploads:
        raise Invalid(Detail("$.file", "missing"))
    created = known = 0
    failed: list[LineError] = []
    for line, cells in list(lines_of(uploads[0].content)):
        number = digits(cells["number"])
        if not number:
            failed.append(LineError(line, "no number"))
            continue
        new = NewContact(
            name=cells["name"][:255] or number, number=number, email=cells["email"][:255]
        )
        try:
            await ctx.parts.system.ask(CreateContact(company_id=ctx.company_id, contact=new))
            created += 1
        except DomainRefusal as refusal:
            if refusal.code == "ERR_DUPLICATED_CONTACT":
                known += 1
            else:
                failed.append(LineError(line, refusal.code))
    return ImportReport(created=created, known=known, failed=failed)


@routes.post("/contacts/upload", deadline=300.0)
async def import_there(ctx: Ctx, uploads: tuple[Upload, ...]) -> ImportReport:
    """The same under the path that other clients use."""
    return await import_csv(ctx, uploads)


@routes.post("/contacts/findOrInsert", guard=user)
async def ensure(ctx: Ctx, body: Entry) -> ContactView:
    """The contact with this number, stored first if it is new."""
    number = digits(body.number)
    if not number:
        raise Invalid(Detail("$.number", "digits with country code"))
    new = NewContact(name=body.name or number, number=number, email=body.email)
    return await ctx.parts.system.ask(EnsureContact(company_id=ctx.company_id, contact=new))


@routes.post("/contactsImport")
async def import_one(ctx: Ctx, body: Entry) -> ContactView:
    """One contact of an import with its tags, which are made when they are new."""
    contact = await ensure(ctx, body)
    names = [name.strip()[:255] for name in body.tags.split(",") if name.strip()]
    if not names:
        return contact
    await _tag(ctx, contact, names)
    return await contact_book.show(ctx, contact.id)


async def _tag(ctx: Ctx, contact: ContactView, names: Sequence[str]) -> None:
    async with ctx.parts.database.begin(ctx.company_id) as tx:
        existing = await tags.all_of(tx, ctx.company_id)
        known = {tag.name.lower(): tag.id for tag in existing if not tag.kanban}
        chosen: list[TagId] = list(await tags.of_contact(tx, ctx.company_id, contact.id))
        for name in names:
            if name.lower() not in known:
                made = await tags.create(tx, ctx.company_id, TagPatch(name=name, color="#A4CCCC"))
                known[name.lower()] = made.id
            chosen.append(known[name.lower()])
        await tags.set_of_contact(tx, ctx.company_id, contact.id, tuple(dict.fromkeys(chosen)))
    ctx.parts.snapshots.invalidate(ctx.company_id)
