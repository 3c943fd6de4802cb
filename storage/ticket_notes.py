"""Ticket notes: what agents write down about a case or a contact."""

from datetime import datetime
from typing import Final

import msgspec
import sqlalchemy as sa

from storage.ids import CompanyId, ContactId, NoteId, TicketId, UserId
from storage.metadata import (
    at,
    belongs_to,
    company,
    metadata,
    of_company,
    reference,
    refers_to,
    row_id,
    string,
)
from storage.repo import Repo
from storage.ticket_lists.sight import Viewer, hangs_on_visible

ticket_notes = sa.Table(
    "ticket_notes",
    metadata,
    company(),
    row_id(),
    string("note"),
    reference("user_id"),
    reference("contact_id"),
    reference("ticket_id"),
    at("created_at"),
    at("updated_at"),
    of_company(),
    refers_to("user_id", "users"),
    belongs_to("contact_id", "contacts"),
    refers_to("ticket_id", "tickets"),
    sa.Index(None, "company_id", "ticket_id"),
    sa.Index(None, "company_id", "contact_id"),
)


class TicketNote(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A note of an agent; it outlives its ticket, not its contact."""

    company_id: CompanyId
    id: NoteId
    note: str
    user_id: UserId | None
    contact_id: ContactId | None
    ticket_id: TicketId | None
    created_at: datetime
    updated_at: datetime


rows: Final = Repo(ticket_notes, TicketNote, ticket_notes.c.id.desc(), search=("note",))


def readable_by(viewer: Viewer) -> tuple[sa.ColumnElement[bool], ...]:
    """Condition: notes on contacts, the viewer's own, and those on tickets that they may open."""
    if viewer.is_admin:
        return ()
    without = ticket_notes.c.ticket_id.is_(None)
    visible = hangs_on_visible(viewer, ticket_notes)
    return (sa.or_(without, *written_by(viewer.user_id), visible),)


def written_by(user_id: UserId) -> tuple[sa.ColumnElement[bool], ...]:
    """Condition: the notes of one user."""
    return (ticket_notes.c.user_id == user_id,)
