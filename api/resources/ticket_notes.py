"""Notes of agents on tickets and contacts, and the log of a ticket."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from msgspec import field

from api.endpoint import Ctx, Id, Routes, crud, user
from api.resources.visibility import viewer, viewer_now, visible_ticket
from storage import ticket_logs, ticket_notes
from storage.database import Statements
from storage.ids import ContactId, TicketId, UserId
from storage.ticket_notes import TicketNote
from storage.views.departments import DepartmentBrief, department_brief


class Writer(msgspec.Struct, frozen=True):
    """Who wrote."""

    id: UserId
    name: str
    email: str


class NoteView(TicketNote, frozen=True, kw_only=True, rename="camel"):
    """A note with its writer."""

    user: Writer | None


class NoteQuery(msgspec.Struct, kw_only=True, rename="camel"):
    """Of which ticket or contact."""

    ticket_id: Id | None = None
    contact_id: Id | None = None


class LogView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One line of a ticket's history."""

    id: int
    ticket_id: TicketId
    user_id: UserId | None
    department_id: int | None = field(name="queueId")
    type: str
    created_at: datetime
    updated_at: datetime
    user: Writer | None
    department: DepartmentBrief | None = field(name="queue")


async def _writer(ctx: Ctx, user_id: UserId | None) -> Writer | None:
    snapshot = await ctx.snapshot()
    known = None if user_id is None else snapshot.users.get(user_id)
    return None if known is None else Writer(known.id, known.name, known.email)


async def shown(ctx: Ctx, _: Statements, found: Sequence[TicketNote]) -> list[NoteView]:
    """Notes with their writers."""
    return [
        NoteView(**msgspec.structs.asdict(note), user=await _writer(ctx, note.user_id))
        for note in found
    ]


routes = crud(
    "/ticket-notes",
    ticket_notes.rows,
    noun="ticket_note",
    missing="ERR_NO_TICKETNOTE_FOUND",
    plural="ticketNotes",
    only=("page", "show", "create", "change", "delete"),
    write=user,
    needs=("note",),
    fixed=("user_id",),
    filters={"ticket_id": TicketId, "contact_id": ContactId},
    stamp=lambda ctx: {"user_id": ctx.user_id},
    narrow=lambda ctx: ticket_notes.readable_by(viewer_now(ctx)),
    narrow_writes=lambda ctx: (
        () if ctx.principal.is_admin else ticket_notes.written_by(ctx.user_id)
    ),
    view=NoteView,
    show=shown,
)


@routes.get("/list")
async def list_notes(ctx: Ctx, query: NoteQuery) -> list[NoteView]:
    """List the notes of a ticket or contact, the latest first."""
    wanted = ticket_notes.rows.matching(
        equal={"ticket_id": query.ticket_id, "contact_id": query.contact_id}
    )
    if not wanted:
        return []
    wanted += ticket_notes.readable_by(await viewer(ctx))
    found = await ticket_notes.rows.where(ctx.parts.database, ctx.company_id, *wanted)
    return await shown(ctx, ctx.parts.database, found)


logs = Routes("/tickets-log", tag="tickets", missing="ERR_NO_TICKET_FOUND", paid=True)


@logs.get("/{ticket_id}")
async def list_log(ctx: Ctx, ticket_id: TicketId) -> list[LogView]:
    """Tell what was done to a ticket, the latest first."""
    ticket = await visible_ticket(ctx, str(ticket_id))
    snapshot = await ctx.snapshot()
    views: list[LogView] = []
    for line in await ticket_logs.of_ticket(ctx.parts.database, ctx.company_id, ticket.id):
        known = None if line.department_id is None else snapshot.departments.get(line.department_id)
        view = LogView(
            id=line.id,
            ticket_id=line.ticket_id,
            user_id=line.user_id,
            department_id=line.department_id,
            type=line.type,
            created_at=line.created_at,
            updated_at=line.created_at,
            user=await _writer(ctx, line.user_id),
            department=None if known is None else department_brief(known),
        )
        views.append(view)
    return views
