"""Two contacts turn out to be one: the loser's rows become the winner's, in one unit."""

from collections.abc import Iterable
from datetime import datetime
from itertools import groupby
from typing import TypeVar

import msgspec

from actors.events import ContactRemoved, TicketChanged
from actors.tickets import writes
from actors.tickets.decision import place_of
from storage.contacts import (
    contact_aliases,
    contact_custom_fields,
    contact_wallets,
    contacts,
)
from storage.conversations import Loaded
from storage.events import DomainEvent
from storage.ids import CompanyId, ContactId, OutboxId
from storage.messages import messages
from storage.outbox import outbox
from storage.schedules import schedules
from storage.snapshots import CompanySnapshot
from storage.tags import contact_tags
from storage.ticket_notes import ticket_notes
from storage.tickets import Ticket, tickets
from storage.unit import Statement, Unit, Write, delete, insert, update
from storage.views import contact_view, ticket_view


def _move(table: object) -> Statement:
    """Rows of one contact become another's: the column is both looked for and set."""
    return update(
        table,  # type: ignore[arg-type]
        "contact_id",
        key=("company_id", "contact_id"),
        guard=None,
    )


K = TypeVar("K")
MOVES = tuple(
    map(
        _move,
        (
            tickets,
            messages,
            contact_aliases,
            contact_custom_fields,
            schedules,
            ticket_notes,
        ),
    )
)
# By their ids: no index leads from a contact to all it was ever sent.
MOVE_ORDER = update(outbox, "contact_id", guard=None)
_TAG, _WALLET = ("company_id", "contact_id", "tag_id"), ("company_id", "contact_id", "user_id")
ADD_TAG = insert(contact_tags, *_TAG, claim=_TAG)
ADD_WALLET = insert(contact_wallets, *_WALLET, claim=_WALLET)
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
    orders: Iterable[OutboxId] = (),
) -> Unit:
    """The unit that makes `loser` part of `winner`, with everything that hangs on it.

    `orders` are the loser's that are still to be done, or in doubt.
    """
    assert winner.contact is not None
    assert loser.contact is not None
    won, lost = winner.contact, loser.contact
    rows: list[Write] = []
    events: list[DomainEvent] = []
    tags = [row.tag_id for row in winner.contact_tags]
    new_tags = _without(tags, (row.tag_id for row in loser.contact_tags))
    wallets = [row.user_id for row in winner.wallets]
    new_wallets = _without(wallets, (row.user_id for row in loser.wallets))
    rows.extend(ADD_TAG(company_id, won.id, tag_id) for tag_id in new_tags)
    rows.extend(ADD_WALLET(company_id, won.id, user_id) for user_id in new_wallets)
    shown = contact_view(
        won,
        snapshot,
        tags=tags + new_tags,
        fields=(*winner.fields, *loser.fields),
        wallets=wallets + new_wallets,
    )
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
        labels = [row.tag_id for row in (*winner.tags, *loser.tags) if row.ticket_id == ticket.id]
        events.append(
            TicketChanged(
                company_id=company_id,
                ticket=ticket_view(moved, shown, labels, snapshot),
                was=place_of(ticket) if after is not ticket else None,
            )
        )
    rows.extend(move(company_id, lost.id, won.id) for move in MOVES)
    rows.extend(MOVE_ORDER(company_id, order, won.id) for order in orders)
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


def _without(known: list[K], others: Iterable[K]) -> list[K]:
    return [item for item in others if item not in known]
