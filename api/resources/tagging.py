"""What hangs on contacts and tickets: tags, lanes of the board, wallets."""

import msgspec

from actors.events import ContactChanged, TicketChanged
from actors.tickets.commands import ContactRenewed
from api.endpoint import Ctx, Done, Id, Routes
from api.resources import contacts as contact_book
from api.resources.visibility import visible_ticket
from api.ticket_lists import one_shown
from storage import contacts, tags, ticket_lists
from storage.database import Tx
from storage.ids import ContactId, TagId, TicketId, UserId
from storage.tickets import Ticket
from storage.views import ContactView, TicketView
from storage.views.tags import TagBrief, tag_brief

routes = Routes(tag="tags")


class Tagged(msgspec.Struct):
    """A tag; clients send tags whole, their ids count."""

    id: Id


class Tagging(msgspec.Struct, kw_only=True, rename="camel"):
    """A contact's whole set of tags."""

    contact_id: Id
    tags: list[Tagged] = []


class Wallets(msgspec.Struct):
    """The users whose customer a contact is: ids, or users whole."""

    wallets: list[Id | Tagged] | None = None


class ContactTags(msgspec.Struct, frozen=True):
    """The tags of a contact."""

    tags: list[TagBrief]


@routes.put("/ticket-tags/{ticket_id}/{tag_id}", missing="ERR_NO_TAG_FOUND")
async def put_in_lane(ctx: Ctx, ticket_id: TicketId, tag_id: TagId) -> TicketView:
    """Put a tag on a ticket; a lane takes the place of the lane it was in."""
    ticket = await visible_ticket(ctx, str(ticket_id))
    await ctx.snapshot()  # before the transaction: the view then needs no second connection
    async with ctx.parts.database.begin(ctx.company_id) as tx:
        tag = await tags.rows.get(tx, ctx.company_id, tag_id)
        if tag.kanban:
            await tags.leave_lanes(tx, ctx.company_id, ticket.id)
        await tags.add_to_ticket(tx, ctx.company_id, ticket.id, tag_id)
        view = await _told(tx, ctx, ticket)
    await _wake(ctx, ticket.contact_id)
    return view


@routes.delete("/ticket-tags/{ticket_id}", missing="ERR_NO_TICKET_FOUND")
async def leave_lanes(ctx: Ctx, ticket_id: TicketId) -> Done:
    """Take a ticket out of its lane; its other tags stay."""
    ticket = await visible_ticket(ctx, str(ticket_id))
    await ctx.snapshot()  # before the transaction: the view then needs no second connection
    async with ctx.parts.database.begin(ctx.company_id) as tx:
        await tags.leave_lanes(tx, ctx.company_id, ticket.id)
        await _told(tx, ctx, ticket)
    await _wake(ctx, ticket.contact_id)
    return Done("Ticket tags removed")


@routes.post("/tags/sync", missing="ERR_NO_CONTACT_FOUND", repeatable=True)
async def tag_contact(ctx: Ctx, body: Tagging) -> ContactView:
    """Make these the tags of a contact."""
    contact_id = ContactId(body.contact_id)
    chosen = tuple(TagId(tag.id) for tag in body.tags)
    await ctx.snapshot()  # before the transaction: the view then needs no second connection
    async with ctx.parts.database.begin(ctx.company_id) as tx:
        await contacts.get(tx, ctx.company_id, contact_id)
        await tags.set_of_contact(tx, ctx.company_id, contact_id, chosen)
        view = await _renewed(tx, ctx, contact_id)
    await _wake(ctx, contact_id)
    return view


@routes.delete("/tags-contacts/{tag_id}/{contact_id}", missing="ERR_NO_TAG_FOUND")
async def untag_contact(ctx: Ctx, tag_id: TagId, contact_id: ContactId) -> Done:
    """Take a tag off a contact."""
    database, company_id = ctx.parts.database, ctx.company_id
    await tags.rows.get(database, company_id, tag_id)
    await contacts.get(database, company_id, contact_id)
    await ctx.snapshot()  # before the transaction: the view then needs no second connection
    async with database.begin(company_id) as tx:
        had = await tags.of_contact(tx, company_id, contact_id)
        kept = tuple(tag for tag in had if tag != tag_id)
        await tags.set_of_contact(tx, company_id, contact_id, kept)
        await _renewed(tx, ctx, contact_id)
    await _wake(ctx, contact_id)
    return Done("Tag removed")


@routes.get("/contactTags/{contact_id}", missing="ERR_NO_CONTACT_FOUND")
async def list_of_contact(ctx: Ctx, contact_id: ContactId) -> ContactTags:
    """List the tags of a contact."""
    await contacts.get(ctx.parts.database, ctx.company_id, contact_id)
    found = await tags.of_contact(ctx.parts.database, ctx.company_id, contact_id)
    snapshot = await ctx.parts.snapshots.current(ctx.company_id)
    return ContactTags([tag_brief(snapshot.tags[tag]) for tag in found if tag in snapshot.tags])


@routes.put("/contact-wallet/{contact_id}", missing="ERR_NO_CONTACT_FOUND")
async def set_wallets(ctx: Ctx, contact_id: ContactId, body: Wallets) -> ContactView:
    """Make these users the ones whose customer a contact is."""
    given = [UserId(w.id if isinstance(w, Tagged) else w) for w in body.wallets or ()]
    await ctx.snapshot()  # before the transaction: the view then needs no second connection
    async with ctx.parts.database.begin(ctx.company_id) as tx:
        await contacts.get(tx, ctx.company_id, contact_id)
        await contacts.set_wallets(tx, ctx.company_id, contact_id, given)
        view = await _renewed(tx, ctx, contact_id)
    await _wake(ctx, contact_id)
    return view


async def _renewed(tx: Tx, ctx: Ctx, contact_id: ContactId) -> ContactView:
    """The contact as `tx` leaves it, told to browsers with the change itself.

    A list's count holds until the company has a new event (`storage.ticket_lists.counts`).
    """
    view = await contact_book.read(tx, contact_id, await ctx.snapshot())
    tx.publish(ContactChanged(company_id=ctx.company_id, contact=view))
    return view


async def _told(tx: Tx, ctx: Ctx, ticket: Ticket) -> TicketView:
    """The ticket as `tx` leaves it, told to browsers with the change itself."""
    view = one_shown(await ticket_lists.one(tx, ctx.company_id, ticket.id), await ctx.snapshot())
    tx.publish(TicketChanged(company_id=ctx.company_id, ticket=view))
    return view


async def _wake(ctx: Ctx, contact_id: ContactId) -> None:
    """Have whoever decides for the contact's tickets read it again."""
    await ctx.parts.system.tell(ContactRenewed(company_id=ctx.company_id, contact_id=contact_id))
