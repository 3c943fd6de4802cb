"""What can be asked of the session of one connection: the live link of one number."""

from typing import TypeVar

import msgspec

from actors.channels.base import InboundStatus
from engine import Address, Command
from storage.acts import Act, current
from storage.ids import CompanyId, ConnectionId, ContactId, OutboxId
from storage.outbox import OutboxRow
from storage.views import ConnectionView

R_co = TypeVar("R_co", covariant=True)


class SessionCommand(Command[R_co], frozen=True, kw_only=True):
    """A command to the session of a connection."""

    company_id: CompanyId
    connection_id: ConnectionId
    act: Act | None = msgspec.field(default_factory=current)

    @property
    def to(self) -> Address:
        return Address("session", (self.company_id, self.connection_id))


class StartSession(SessionCommand[ConnectionView], frozen=True, kw_only=True):
    """Begins sending; replies the connection with its new status."""


class StopSession(SessionCommand[ConnectionView], frozen=True, kw_only=True):
    """Stops sending; orders already stored wait until the session is started again."""

    reason: str = ""


class ConnectionRenewed(SessionCommand[None], frozen=True, kw_only=True):
    """The connection's configuration was written: load it again."""


class StatusesApplied(msgspec.Struct, frozen=True, kw_only=True):
    """Every report is committed: applied, older than what is known, or kept for later."""

    applied: int = 0
    ignored: int = 0
    early: int = 0


class ApplyStatuses(SessionCommand[StatusesApplied], frozen=True, kw_only=True):
    """Delivery reports of our messages, in any order, doubled, early or late. Foldable."""

    statuses: tuple[InboundStatus, ...]


class ProviderIdsKnown(SessionCommand[None], frozen=True, kw_only=True):
    """Own messages under these ids were committed elsewhere (typed on the phone).

    Reports about them that came before apply now.
    """

    provider_ids: tuple[str, ...]


class HandOver(SessionCommand[tuple[OutboxId, ...]], frozen=True, kw_only=True):
    """Orders to send, oldest first per conversation; replies those that it did not take.

    `oldest`: they are the oldest ones of the outbox. Before it has those, a session takes no other,
    which might overtake them.
    """

    rows: tuple[OutboxRow, ...]
    oldest: bool = False


class ResolveUnknown(SessionCommand[None], frozen=True, kw_only=True):
    """Ends the doubt about a send whose outcome nobody reported.

    `resend` stores a new order that names the old one; otherwise it is given up.
    """

    outbox_id: OutboxId
    resend: bool


class CancelSend(SessionCommand[bool], frozen=True, kw_only=True):
    """Withdraws an order that has not left yet; replies whether it did."""

    outbox_id: OutboxId


class ReconcileUnknown(SessionCommand[None], frozen=True, kw_only=True):
    """The time for a report has passed: what the order's policy says happens now.

    `since` is the healthy intake time, in seconds, at which the waiting began.
    """

    outbox_id: OutboxId
    since: float


RELAY = Address("relay", ())


class ShowComposing(SessionCommand[None], frozen=True, kw_only=True):
    """Shows a contact that an agent answers its message; the provider's id names that message.

    Once, and only if no message of ours is on its way to the contact.
    """

    contact_id: ContactId
    message_id: str


class RelayCommand(Command[R_co], frozen=True, kw_only=True):
    """What the outbox relay is told; nobody waits for it."""

    @property
    def to(self) -> Address:
        return RELAY


class OrdersCommitted(RelayCommand[None], frozen=True, kw_only=True):
    """New outbox rows, in the order in which they were committed."""

    rows: tuple[OutboxRow, ...]


class SessionWoke(RelayCommand[None], frozen=True, kw_only=True):
    """A session has begun and holds no orders; what is due is to be handed over again."""

    company_id: CompanyId
    connection_id: ConnectionId


class OrdersSettled(RelayCommand[None], frozen=True, kw_only=True):
    """A session needs to do nothing more about these orders."""

    company_id: CompanyId
    connection_id: ConnectionId
    ids: tuple[OutboxId, ...]


class ScanOutbox(RelayCommand[None], frozen=True, kw_only=True):
    """Look for due rows that no hint told of."""
