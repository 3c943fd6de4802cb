"""Contacts: reads from storage, every change through the company's router, their one writer."""

import msgspec
from msgspec import UNSET, UnsetType, field

from actors.router import (
    CreateContact,
    CustomField,
    DeleteContact,
    MergeContacts,
    NewContact,
    UpdateContact,
)
from api.endpoint import Ctx, Id, Page, Routes, Short, Text, admin
from api.errors import Detail, Invalid
from storage import contact_lists
from storage.contact_lists import ContactFilter, ContactRows
from storage.contacts import ContactPatch
from storage.contacts import CustomField as StoredField
from storage.database import Statements
from storage.errors import NotFound
from storage.ids import ContactId, TagId, UserId
from storage.snapshots import CompanySnapshot
from storage.views import ContactView, contact_view

routes = Routes("/contacts", tag="contacts", missing="ERR_NO_CONTACT_FOUND")


class ContactQuery(msgspec.Struct, kw_only=True, rename="camel"):
    """What a list of contacts may be narrowed by."""

    search_param: Short = ""
    page_number: Page = 1
    contact_tag: list[Id] = []
    is_group: bool | None = None


class NameQuery(msgspec.Struct):
    """Part of a name or number."""

    name: Short = ""


class ContactPage(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A page of contacts by name."""

    contacts: list[ContactView]
    count: int
    has_more: bool


class ExtraInfo(msgspec.Struct, kw_only=True):
    """A free name and value."""

    name: Short = ""
    value: Text = ""


class ContactBody(msgspec.Struct, kw_only=True, rename="camel"):
    """A contact as people enter it; on a change, what is sent is set."""

    name: Short | UnsetType = UNSET
    number: Short | UnsetType = UNSET
    email: Short | UnsetType = UNSET
    disable_bot: bool | UnsetType = UNSET
    accept_audio: bool | UnsetType = field(name="acceptAudioMessage", default=UNSET)
    active: bool | UnsetType = UNSET
    extra_info: list[ExtraInfo] | UnsetType = UNSET
    is_group: bool = False


class Blocking(msgspec.Struct):
    """Whether a contact may write to us."""

    active: bool = True


class Merging(msgspec.Struct, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """The contact that turned out to be the same person."""

    contact_id: Id


class Removed(msgspec.Struct, frozen=True):
    """A deletion's answer."""

    message: str = "Contact deleted"


@routes.get()
async def list_contacts(ctx: Ctx, query: ContactQuery) -> ContactPage:
    """List contacts by name."""
    wanted = ContactFilter(
        search=query.search_param,
        is_group=query.is_group,
        tag_ids=tuple(TagId(tag) for tag in query.contact_tag),
        page=query.page_number,
    )
    rows = await contact_lists.page(
        ctx.parts.database, ctx.company_id, wanted, marks=ctx.parts.marks
    )
    return ContactPage(contacts=await _shown(ctx, rows), count=rows.count, has_more=rows.more)


@routes.get("/list")
async def list_names(ctx: Ctx, query: NameQuery) -> list[ContactView]:
    """List the first contacts by name, for choosing one."""
    wanted = ContactFilter(search=query.name)
    return await _shown(ctx, await contact_lists.page(ctx.parts.database, ctx.company_id, wanted))


@routes.get("/{contact_id}")
async def show(ctx: Ctx, contact_id: ContactId) -> ContactView:
    """Show a contact with its fields, tags and wallets."""
    snapshot = await ctx.parts.snapshots.current(ctx.company_id)
    return await read(ctx.parts.database, contact_id, snapshot)


@routes.post()
async def create(ctx: Ctx, body: ContactBody) -> ContactView:
    """Store a contact; its number must be new."""
    number = "" if body.number is UNSET else body.number
    if not any(letter.isdigit() for letter in number):
        raise Invalid(Detail("$.number", "digits with country code"))
    new = NewContact(
        name=number if body.name is UNSET or not body.name else body.name,
        number=number,
        email="" if body.email is UNSET else body.email,
        is_group=body.is_group,
        disable_bot=body.disable_bot is True,
        accept_audio_message=body.accept_audio is not False,
    )
    command = CreateContact(
        company_id=ctx.company_id, contact=new, custom_fields=_fields(body.extra_info) or ()
    )
    return await ctx.parts.system.ask(command)


@routes.put("/{contact_id}")
async def update(ctx: Ctx, contact_id: ContactId, body: ContactBody) -> ContactView:
    """Change a contact."""
    patch = ContactPatch(
        name=body.name,
        email=body.email,
        disable_bot=body.disable_bot,
        accept_audio=body.accept_audio,
        active=body.active,
    )
    command = UpdateContact(
        company_id=ctx.company_id,
        contact_id=contact_id,
        patch=patch,
        number=None if body.number is UNSET or not body.number else body.number,
        custom_fields=_fields(body.extra_info),
    )
    return await ctx.parts.system.ask(command)


@routes.put("/block/{contact_id}")
async def block(ctx: Ctx, contact_id: ContactId, body: Blocking) -> ContactView:
    """Block a contact (`active` false) or let it write again."""
    return await _patched(ctx, contact_id, ContactPatch(active=body.active))


@routes.put("/toggleAcceptAudio/{contact_id}")
async def toggle_audio(ctx: Ctx, contact_id: ContactId) -> ContactView:
    """Take voice messages of a contact, or no longer."""
    contact = await show(ctx, contact_id)
    return await _patched(ctx, contact_id, ContactPatch(accept_audio=not contact.accept_audio))


@routes.put("/toggleDisableBot/{contact_id}")
async def toggle_bot(ctx: Ctx, contact_id: ContactId) -> ContactView:
    """Switch bots off for a contact, or on again."""
    contact = await show(ctx, contact_id)
    return await _patched(ctx, contact_id, ContactPatch(disable_bot=not contact.disable_bot))


@routes.post("/{contact_id}/merge", guard=admin, strict=True)
async def merge(ctx: Ctx, contact_id: ContactId, body: Merging) -> ContactView:
    """Make another contact part of this one, with its names, tickets, messages, notes and tags.

    Where both have an active ticket on a connection, the older one is closed.
    """
    loser = ContactId(body.contact_id)
    command = MergeContacts(company_id=ctx.company_id, winner=contact_id, loser=loser)
    await ctx.parts.system.ask(command)
    return await show(ctx, contact_id)


@routes.delete("/{contact_id}")
async def remove(ctx: Ctx, contact_id: ContactId) -> Removed:
    """Delete a contact with its tickets and messages."""
    await ctx.parts.system.ask(DeleteContact(company_id=ctx.company_id, contact_id=contact_id))
    return Removed()


async def _patched(ctx: Ctx, contact_id: ContactId, patch: ContactPatch) -> ContactView:
    command = UpdateContact(company_id=ctx.company_id, contact_id=contact_id, patch=patch)
    return await ctx.parts.system.ask(command)


async def read(source: Statements, contact_id: ContactId, snapshot: CompanySnapshot) -> ContactView:
    """The contact as `source` sees it, a transaction what it wrote. Raises NotFound."""
    wanted = ContactFilter(contact_id=contact_id)
    found = contacts_shown(await contact_lists.page(source, snapshot.company_id, wanted), snapshot)
    if not found:
        raise NotFound
    return found[0]


async def _shown(ctx: Ctx, rows: ContactRows) -> list[ContactView]:
    return contacts_shown(rows, await ctx.parts.snapshots.current(ctx.company_id))


def contacts_shown(rows: ContactRows, snapshot: CompanySnapshot) -> list[ContactView]:
    """A page of rows as views."""
    tags: dict[ContactId, list[TagId]] = {}
    for tag in rows.tags:
        tags.setdefault(tag.contact_id, []).append(tag.tag_id)
    fields: dict[ContactId, list[StoredField]] = {}
    for item in rows.fields:
        fields.setdefault(item.contact_id, []).append(item)
    wallets: dict[ContactId, list[UserId]] = {}
    for wallet in rows.wallets:
        wallets.setdefault(wallet.contact_id, []).append(wallet.user_id)
    return [
        contact_view(
            contact,
            snapshot,
            tags=tags.get(contact.id, ()),
            fields=fields.get(contact.id, ()),
            wallets=wallets.get(contact.id, ()),
        )
        for contact in rows.contacts
    ]


def _fields(given: list[ExtraInfo] | UnsetType) -> tuple[CustomField, ...] | None:
    if given is UNSET:
        return None
    return tuple(CustomField(name=item.name, value=item.value) for item in given if item.name)
