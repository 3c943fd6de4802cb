"""What the real-time server needs from the rest of the program, as plain async functions."""

from collections.abc import Awaitable, Callable, Sequence

import msgspec

from api.principal import Principal
from storage.event_log import EventPage
from storage.events import DomainEvent
from storage.ids import CompanyId, TicketId, UserId
from storage.views import TicketView

Authenticate = Callable[[str], Awaitable[Principal]]
"""Token (without `Bearer `) or cookie value -> Principal.

Any exception refuses the socket. Its `code` attribute, when there is one, is what the client is
told; exceptions without one are logged and answered as an internal error.
"""

MaySeeTicket = Callable[[Principal, str], Awaitable[TicketId | None]]
"""May this principal open the ticket (id or uuid, as the client wrote it)?

The ticket's id when it may, None when the ticket is another company's, missing or not visible.
"""

SeesTicket = Callable[[Principal, TicketView], bool]
"""The same for a ticket at hand; pure."""

Revalidate = Callable[[Principal], Awaitable[Principal]]
"""The principal as of now (fresh departments and flags); raises when the session was revoked."""

PresenceChanged = Callable[[CompanyId, UserId, bool], None]
"""A user's first socket came (True) or the last one went (False). Must not wait or raise."""

EventsSince = Callable[[CompanyId, int, int], Awaitable[EventPage]]
"""(company, seq, limit) -> the committed events after seq, in order."""

EventsAgain = Callable[[CompanyId, int, int], Awaitable[Sequence[tuple[int, DomainEvent | None]]]]
"""(company, seq, limit) -> the events after seq as they would be told now; None: nothing left."""


class CommandRefused(Exception):
    """The answer of a command is no; `code` is REST's, `retry_after` counts seconds."""

    def __init__(
        self, code: str, details: tuple[object, ...] = (), retry_after: float | None = None
    ) -> None:
        super().__init__(code)
        self.code = code
        self.details = details
        self.retry_after = retry_after


RunCommand = Callable[[Principal, str, dict[str, object], str], Awaitable[object]]
"""One command of the plain WebSocket API: (principal, name, arguments, key) -> encodable reply.

A repetition under the same key (not empty) gets the first one's reply. Raises CommandRefused.
"""


ShowComposing = Callable[[Principal, str], Awaitable[None]]
"""(principal, ticket id or uuid): have the ticket's customer shown that this user writes.

Returns when that is on its way, or when there is no way; what is said too often is passed over. A
`code` attribute of what it raises is what the client is told.
"""


class RealtimePorts(msgspec.Struct, frozen=True, kw_only=True):
    """The functions the server calls; the optional ones switch a feature off when absent."""

    authenticate: Authenticate
    may_see_ticket: MaySeeTicket
    sees_ticket: SeesTicket
    authenticate_cookie: Authenticate | None = None
    revalidate: Revalidate | None = None
    presence_changed: PresenceChanged | None = None
    events_since: EventsSince | None = None
    run_command: RunCommand | None = None
    events_again: EventsAgain | None = None
    show_composing: ShowComposing | None = None
