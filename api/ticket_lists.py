"""What ticket lists keep between requests: tickets as they were encoded, and how long lists are.

Browsers ask for the same few lists again and again, and most tickets on them have not changed.
A ticket's text is kept under its key, which changes with any row that it shows, and beside the
company's configuration, of which it names users, departments and tags.
"""

from collections import OrderedDict
from typing import Final

import msgspec

from storage.ids import CompanyId
from storage.snapshots import CompanySnapshot
from storage.ticket_lists import Counts, TicketKey, TicketRows
from storage.views import TicketView, ticket_view

KEPT: Final = 8192
"""Tickets of all companies together, some 2 KB each; beyond them whole companies are forgotten."""

Cards = dict[TicketKey, msgspec.Raw]


class TicketLists:
    """Encoded tickets and counts of lists. One per process, and so of one database."""

    def __init__(self, kept: int = KEPT) -> None:
        self.counts = Counts()
        self._limit = kept
        self._kept: OrderedDict[CompanyId, tuple[CompanySnapshot, Cards]] = OrderedDict()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def cards(self, snapshot: CompanySnapshot) -> Cards:
        """The company's tickets as encoded beside exactly this configuration."""
        company_id = snapshot.company_id
        kept = self._kept.get(company_id)
        if kept is None or kept[0] is not snapshot:
            self._forget(company_id)
            kept = self._kept[company_id] = (snapshot, {})
            self._size += 1
        self._kept.move_to_end(company_id)
        self._trim()
        return kept[1]

    def add(self, cards: Cards, rows: TicketRows, snapshot: CompanySnapshot) -> None:
        """Encode `rows` into `cards`, which the caller got for the same configuration."""
        if not rows.tickets:
            return
        before = len(cards)
        for key, view in shown(rows, snapshot).items():
            cards[key] = msgspec.Raw(msgspec.json.encode(view))
        kept = self._kept.get(snapshot.company_id)
        if kept is None or kept[1] is not cards:
            return  # forgotten meanwhile: only this request uses them
        self._size += len(cards) - before
        self._trim()

    def _trim(self) -> None:
        """Forget companies, those asked for longest ago first; an empty one counts as a ticket."""
        while self._size > self._limit and self._kept:
            self._forget(next(iter(self._kept)))

    def _forget(self, company_id: CompanyId) -> None:
        gone = self._kept.pop(company_id, None)
        if gone is not None:
            self._size -= len(gone[1]) + 1


def shown(rows: TicketRows, snapshot: CompanySnapshot) -> dict[TicketKey, TicketView]:
    """Rows as views, by the keys they have now."""
    people = {contact.id: contact for contact in rows.contacts}
    keys = {key.id: key for key in rows.keys}
    return {
        keys[ticket.id]: ticket_view(
            ticket, people[ticket.contact_id], keys[ticket.id].tags, snapshot
        )
        for ticket in rows.tickets
        if ticket.id in keys
    }


def one_shown(rows: TicketRows, snapshot: CompanySnapshot) -> TicketView:
    """The view of the only ticket of `rows`."""
    (view,) = shown(rows, snapshot).values()
    return view
