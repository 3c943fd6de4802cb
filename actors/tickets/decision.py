"""A finished decision: the unit to commit, and what its actor remembers once it is committed."""

import msgspec

from actors.events import (
    MessageChanged,
    MessageCreated,
    TicketChanged,
    TicketPlace,
    TicketRead,
    TicketRemoved,
)
from actors.tickets import writes
from actors.tickets.draft import Draft
from actors.tickets.showing import Showing
from actors.tickets.state import Conversations
from storage.events import DomainEvent
from storage.ids import MessageId, TicketId
from storage.messages import Message
from storage.outbox import OutboxRow
from storage.tickets import Ticket
from storage.unit import Unit, Write
from storage.views import MessageView, TicketView


def place_of(ticket: Ticket) -> TicketPlace:
    """Where lists show a ticket."""
    return TicketPlace(ticket.status, ticket.department_id, ticket.user_id, ticket.is_group)


def moved(before: Ticket, after: Ticket) -> bool:
    """Whether a ticket leaves the lists it stood in."""
    return (
        before.status != after.status
        or before.department_id != after.department_id
        or before.user_id != after.user_id
    )


class Decision:
    """What one turn decided. `unit` is None when there is nothing to commit."""

    __slots__ = ("_after", "_draft", "_message_views", "_positions", "_showing", "unit")

    def __init__(self, draft: Draft, showing: Showing, address: str) -> None:
        self._draft = draft
        self._showing = showing
        self._after: dict[TicketId, Ticket] = {}
        self._positions: dict[MessageId, int] = {}
        self._message_views: dict[MessageId, MessageView] = {}
        writing, events = self._assemble()
        self.unit: Unit | None = None
        if writing:
            self.unit = Unit(
                company_id=draft.company_id,
                address=address,
                writes=tuple(writing),
                events=tuple(events),
            )

    @property
    def orders(self) -> list[OutboxRow]:
        """The effects that this decision wants performed."""
        return self._draft.orders

    def _assemble(self) -> tuple[list[Write], list[DomainEvent]]:
        draft = self._draft
        writing = list(draft.writes)
        ticket_events = self._tickets(writing)
        for tracking, is_new in draft.tracked.values():
            add = writes.add_tracking if is_new else writes.set_tracking
            writing.append(add(tracking))
        writing.extend(
            writes.read_messages(draft.company_id, ticket_id) for ticket_id in draft.read_tickets
        )
        events: list[DomainEvent] = ticket_events
        self._messages(writing, events)
        events.extend(draft.events)
        return writing, events

    def _tickets(self, writing: list[Write]) -> list[DomainEvent]:
        """The rows and events of tickets that were opened, changed or deleted."""
        draft = self._draft
        committed = draft.state.tickets
        talked = {new.message.ticket_id for new in draft.messages.values()}
        events: list[DomainEvent] = []
        for ticket_id, after in draft.tickets.items():
            before = committed.get(ticket_id)
            if before is after:
                continue
            if before is None:
                writing.append(writes.add_ticket(after))
                self._after[ticket_id] = after
                events.append(self._ticket_changed(after, None, created=True))
                continue
            deep = ticket_id in draft.deep
            writing.append(writes.set_ticket(before, after, touch=not deep))
            self._after[ticket_id] = msgspec.structs.replace(after, version=before.version + 1)
            if deep and moved(before, after):
                events.append(self._ticket_changed(after, place_of(before)))
            elif deep or ticket_id not in talked:
                events.append(self._ticket_touched(ticket_id, after, deep=deep))
        events.extend(
            TicketRemoved(company_id=draft.company_id, ticket_id=ticket.id, was=place_of(ticket))
            for ticket in draft.removed.values()
        )
        return events

    def _ticket_changed(
        self, ticket: Ticket, was: TicketPlace | None, *, created: bool = False
    ) -> TicketChanged:
        return TicketChanged(
            company_id=ticket.company_id,
            ticket=self._showing.ticket(ticket),
            was=was,
            created=created,
        )

    def _ticket_touched(self, ticket_id: TicketId, after: Ticket, *, deep: bool) -> DomainEvent:
        if not deep and ticket_id in self._draft.read_tickets:
            return TicketRead(company_id=after.company_id, ticket=self._showing.ticket(after))
        return self._ticket_changed(after, None)

    def _messages(self, writing: list[Write], events: list[DomainEvent]) -> None:
        draft, showing = self._draft, self._showing
        contact = showing.contact()
        for new in draft.messages.values():
            message = new.message
            ticket = draft.tickets[message.ticket_id]
            view = showing.message(message, new.author, new.quoted, draft.author(new.quoted))
            self._message_views[message.id] = view
            self._positions[message.id] = len(events)
            writing.append(writes.add_message(message, len(events), new.data))
            events.append(
                MessageCreated(
                    company_id=message.company_id,
                    message=view,
                    ticket=showing.ticket(ticket),
                    contact=contact,
                    silent=new.silent,
                )
            )
        for message in draft.changed.values():
            quoted = draft.stored_ids.get(message.quoted_id or MessageId(0))
            author = draft.author(message)
            view = showing.message(message, author, quoted, draft.author(quoted))
            self._message_views[message.id] = view
            ticket_now = draft.tickets.get(message.ticket_id)
            writing.append(writes.set_message(message))
            events.append(
                MessageChanged(
                    company_id=message.company_id,
                    message=view,
                    place=place_of(ticket_now) if ticket_now is not None else None,
                )
            )

    def message_view(self, message: Message, first_seq: int) -> MessageView:
        """The message as replied to its sender, with its number."""
        view = self._message_views[message.id]
        position = self._positions.get(message.id)
        return view if position is None else msgspec.structs.replace(view, seq=first_seq + position)

    def ticket_view(self, ticket_id: TicketId) -> TicketView:
        """The ticket as this decision leaves it."""
        return self._showing.ticket(self._draft.tickets[ticket_id])

    def apply(self, state: Conversations) -> None:
        """Remembers what was committed; only to be called when `save` has returned."""
        draft = self._draft
        state.tickets.update(self._after)
        for ticket_id in draft.removed:
            state.tickets.pop(ticket_id, None)
        state.trackings = draft.trackings
        state.recent.add(draft.claimed)
        for new in draft.messages.values():
            message = new.message
            if not message.from_me and message.connection_id and message.provider_id:
                state.received[message.connection_id] = message.provider_id
        if len(state.tickets) > 1:
            state.forget_old()
