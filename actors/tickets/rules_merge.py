"""Two contacts turn out to be one: the loser's rows become the winner's, in one unit."""

from datetime import datetime
from itertools import groupby

import msgspec

from actors.events import ContactRemoved, TicketChanged
from actors.tickets import writes
from actors.tickets.decision import place_of
from storage.contacts import contact_aliases, contact_custom_fields, contacts
from storage.conversations import Loaded
from storage.events import DomainEvent
from storage.ids import CompanyId, ContactId
from storage.messages import messages
from storage.outbox import outbox
from storage.snapshots import CompanySnapshot
from storage.tickets import Ticket, tickets
from storage.unit import Statement, Unit, Write, delete, update
from storage.views import contact_view, ticket_view


def _move(table: object) -> Statement:
    """Rows of one contact become another's: the column is both looked for and set."""
    return update(
        table,  # type: ignore[arg-type]
        "contact_id",
        key=("company_id", "contact_id"),
        guard=None,
    )


MOVES = tuple(map(_move, (tickets, messages, contact_aliases, contact_custom_fields, outbox)))
REMOVE_CONTACT = delete(contacts)


def surplus(winner: Loaded, loser: Loaded) -> list[Ticket]:
    """The older of two active tickets on one connection: they are closed by the merge."""
    active = [ticket for ticket in (*winner.tickets, *loser.tickets) if ticket.is_active]
    active.sort(key=lambda ticket: (ticket.connection_id or 0, ticket.created_at, ticket.id))
    return [
        older
        for _, group in groupby(active, key=lambda ticket: ticket.connection_id)
        for older in list(group)[:-1]
    ]


def merged(
    company_id: CompanyId,
    winner: Loaded,
    loser: Loaded,
    snapshot: CompanySnapshot,
    now: datetime,
) -> Unit:
    """The unit that makes `loser` part of `winner`."""
    assert winner.contact is not None
    assert loser.contact is not None
    won, lost = winner.contact, loser.contact
    rows: list[Write] = []
    events: list[DomainEvent] = []
    shown = contact_view(won, snapshot)
    closed = {ticket.id for ticket in surplus(winner, loser)}
    for ticket in (*winner.tickets, *loser.tickets):
        after = ticket
        if ticket.id in closed:
            after = msgspec.structs.replace(
                ticket, status="closed", unread_messages=0, updated_at=now
            )
            rows.append(writes.set_ticket(ticket, after, touch=False))
            rows.append(writes.read_messages(company_id, ticket.id))
            rows.extend(
                writes.set_tracking(
                    msgspec.structs.replace(run, closed_at=now, finished_at=now, updated_at=now)
                )
                for run in (*winner.trackings, *loser.trackings)
                if run.ticket_id == ticket.id
            )
        elif ticket.contact_id == won.id or not ticket.is_active:
            continue
        moved = msgspec.structs.replace(after, contact_id=won.id)
        events.append(
            TicketChanged(
                company_id=company_id,
                ticket=ticket_view(moved, shown, (), snapshot),
                was=place_of(ticket) if after is not ticket else None,
            )
        )
    rows.extend(move(company_id, lost.id, won.id) for move in MOVES)
    rows.append(REMOVE_CONTACT(company_id, lost.id))
    events.append(
        ContactRemoved(company_id=company_id, contact_id=lost.id, merged_into=ContactId(won.id))
    )
    return Unit(
        company_id=company_id,
        address=f"ticket:{company_id}:{won.id}",
        writes=tuple(rows),
        events=tuple(events),
    )
