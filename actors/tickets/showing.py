"""Rows of one contact as the views that replies and events carry; each view is built once."""

import msgspec

from actors.tickets.state import Conversations
from storage.contacts import Contact
from storage.ids import TicketId
from storage.messages import Message
from storage.snapshots import CompanySnapshot
from storage.tickets import Ticket
from storage.views import (
    ContactView,
    MessageView,
    TicketView,
    contact_view,
    message_view,
    ticket_view,
)


class Showing:
    """Views of one decision. The contact's view is kept with the state while nothing changes it."""

    __slots__ = ("_snapshot", "_state", "_tickets")

    def __init__(self, state: Conversations, snapshot: CompanySnapshot) -> None:
        self._state = state
        self._snapshot = snapshot
        self._tickets: dict[TicketId, tuple[Ticket, TicketView]] = {}

    def contact(self) -> ContactView:
        """The conversation's contact."""
        state = self._state
        if state.shown is None or state.shown_under is not self._snapshot:
            state.shown = contact_view(
                state.contact,
                self._snapshot,
                tags=state.contact_tags,
                fields=state.fields,
                wallets=state.wallets,
            )
            state.shown_under = self._snapshot
        return state.shown

    def ticket(self, ticket: Ticket) -> TicketView:
        """A ticket with everything nested in it."""
        known = self._tickets.get(ticket.id)
        if known is not None and known[0] is ticket:
            return known[1]
        tags = self._state.tags.get(ticket.id, ())
        view = ticket_view(ticket, self.contact(), tags, self._snapshot)
        self._tickets[ticket.id] = (ticket, view)
        return view

    def message(
        self,
        message: Message,
        author: Contact,
        quoted: Message | None,
        quoted_author: Contact | None = None,
    ) -> MessageView:
        """A message with its author and the message it answers."""
        return message_view(
            message, self._snapshot, contact=author, quoted=quoted, quoted_contact=quoted_author
        )


def author_of(contact: Contact, name: str, number: str) -> Contact:
    """Who wrote into a group and is no contact: shown with a name and number of its own."""
    return msgspec.structs.replace(
        contact, name=name or number, number=number, is_group=False, picture_path=None
    )
