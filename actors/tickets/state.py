"""What the ticket actor of one contact remembers: committed rows, and nothing else."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from storage.contacts import Contact, CustomField
from storage.ids import ConnectionId, TagId, TicketId, UserId
from storage.snapshots import CompanySnapshot
from storage.ticket_trackings import TicketTracking
from storage.tickets import Ticket
from storage.views import ContactView

InputKey = tuple[ConnectionId, str]
"""What makes an input count once: its connection and the provider's id."""

RECENT = 128


class Recent:
    """The last committed inputs; enough for a quick "seen", never the reason to trust one."""

    __slots__ = ("_known",)

    def __init__(self, keys: Iterable[InputKey] = ()) -> None:
        self._known: dict[InputKey, None] = dict.fromkeys(keys)

    def __contains__(self, key: InputKey) -> bool:
        return key in self._known

    def add(self, keys: Iterable[InputKey]) -> None:
        """Remembers committed keys and forgets the oldest beyond RECENT."""
        known = self._known
        for key in keys:
            known.pop(key, None)
            known[key] = None
        while len(known) > RECENT:
            del known[next(iter(known))]


class Conversations:
    """The rows of one contact: its active tickets, the newest of each connection, running tracks.

    A decision reads it and never changes it; the actor replaces parts of it after a commit.
    `received` is the newest message of the contact on each connection, by the provider's id; `tags`
    are those of each ticket; `shown` is the contact's view under the snapshot `shown_under`.
    """

    __slots__ = (
        "contact",
        "contact_tags",
        "fields",
        "received",
        "recent",
        "shown",
        "shown_under",
        "tags",
        "tickets",
        "trackings",
        "wallets",
    )

    def __init__(
        self,
        contact: Contact,
        tickets: Iterable[Ticket] = (),
        trackings: Iterable[TicketTracking] = (),
        recent: Iterable[InputKey] = (),
        wallets: Sequence[UserId] = (),
        fields: Sequence[CustomField] = (),
        contact_tags: Sequence[TagId] = (),
        tags: Mapping[TicketId, Sequence[TagId]] | None = None,
        received: Iterable[InputKey] = (),
    ) -> None:
        self.contact = contact
        self.tickets: dict[TicketId, Ticket] = {ticket.id: ticket for ticket in tickets}
        self.trackings: dict[TicketId, TicketTracking] = {
            tracking.ticket_id: tracking for tracking in trackings
        }
        self.recent = Recent(recent)
        self.received: dict[ConnectionId, str] = dict(received)
        self.wallets = wallets
        self.fields = fields
        self.contact_tags = contact_tags
        self.tags = tags or {}
        self.shown: ContactView | None = None
        self.shown_under: CompanySnapshot | None = None

    def forget_old(self) -> None:
        """Drops closed tickets that are not the newest of their connection."""
        newest = {
            connection: newest_on(self.tickets.values(), connection)
            for connection in {ticket.connection_id for ticket in self.tickets.values()}
        }
        self.tickets = {
            ticket.id: ticket
            for ticket in self.tickets.values()
            if ticket.is_active or newest[ticket.connection_id] is ticket
        }

    def forget_deleted(self, snapshot: CompanySnapshot) -> None:
        """Follows the database, which clears references to deleted configuration rows."""
        for ticket in list(self.tickets.values()):
            gone: dict[str, None] = {}
            if ticket.connection_id not in snapshot.connections:
                gone["connection_id"] = None
            if ticket.department_id not in snapshot.departments:
                gone["department_id"] = None
            if ticket.user_id not in snapshot.users:
                gone["user_id"] = None
            if any(getattr(ticket, name) is not None for name in gone):
                self.tickets[ticket.id] = msgspec.structs.replace(ticket, **gone)


def active_on(tickets: Iterable[Ticket], connection_id: ConnectionId | None) -> Ticket | None:
    """The running case on a connection, if there is one."""
    for ticket in tickets:
        if ticket.connection_id == connection_id and ticket.is_active:
            return ticket
    return None


def newest_on(tickets: Iterable[Ticket], connection_id: ConnectionId | None) -> Ticket | None:
    """The case on a connection that changed last."""
    there = [ticket for ticket in tickets if ticket.connection_id == connection_id]
    return max(there, key=lambda ticket: (ticket.updated_at, ticket.id), default=None)
