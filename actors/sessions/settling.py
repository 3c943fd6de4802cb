"""What sends and delivery reports change on rows: pure, from facts to writes and events.

Delivery state only moves forward. A report belongs to a message by our callback data, else by the
provider's id; one that belongs to nothing yet is kept until its id is known.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from actors.channels.base import Ack, InboundStatus
from actors.events import MessageChanged
from storage.contacts import Contact
from storage.early_statuses import EarlyStatus, early_statuses
from storage.events import DomainEvent
from storage.ids import CompanyId, ConnectionId, MessageId, OutboxId
from storage.messages import Message, messages
from storage.outbox import OutboxRow, outbox
from storage.snapshots import CompanySnapshot
from storage.unit import Write, delete, insert, raise_to, update, upsert
from storage.views import message_view

ROW_COLUMNS = (
    "state",
    "attempt",
    "epoch",
    "provider_id",
    "due_at",
    "error",
    "sending_at",
    "finished_at",
    "updated_at",
)
SET_ROW = update(outbox, *ROW_COLUMNS)
ADD_ROW = insert(
    outbox,
    "company_id",
    "id",
    "kind",
    "connection_id",
    "contact_id",
    "ticket_id",
    "message_id",
    "provider_id",
    "payload",
    "due_at",
    "retry_of",
    "policy",
    "created_at",
    "updated_at",
)
RAISE_ACK = raise_to(messages, "ack", "updated_at")
SET_PROVIDER = update(messages, "provider_id", guard=None)
SET_ERROR = update(messages, "error", "updated_at", guard=None)
SET_MEDIA = update(messages, "media_path", "media_mime", "updated_at", guard=None)
KEEP_EARLY = upsert(
    early_statuses,
    "company_id",
    "connection_id",
    "provider_id",
    "ack",
    "outbox_id",
    "error",
    "occurred_at",
    key=("company_id", "connection_id", "provider_id", "ack"),
    set=("outbox_id",),
)
DROP_EARLY = delete(early_statuses, key=("company_id", "connection_id", "provider_id"))

Error = dict[str, object]


class Delta(msgspec.Struct, kw_only=True):
    """What becomes of one message: all fields are applied at once, `ack` only upwards."""

    ack: int = 0
    provider_id: str | None = None
    error: Error | UnsetType | None = UNSET
    media_path: str | None = None
    media_mime: str | None = None

    def take(self, other: "Delta") -> None:
        """Adds what came later."""
        self.ack = max(self.ack, other.ack)
        self.provider_id = other.provider_id or self.provider_id
        self.error = self.error if other.error is UNSET else other.error
        self.media_path = other.media_path or self.media_path
        self.media_mime = other.media_mime or self.media_mime


class RowChange(msgspec.Struct, frozen=True, kw_only=True):
    """The guarded step of an outbox row from `before` (as committed) to `after`."""

    before: OutboxRow
    after: OutboxRow

    def write(self) -> Write:
        """The row as written."""
        before, after = self.before, self.after
        values = tuple([getattr(after, name) for name in ROW_COLUMNS])
        return Write(SET_ROW, (before.company_id, before.id, before.version, *values))


def step(row: OutboxRow, now: datetime, **fields: object) -> RowChange:
    """A step of a row; what it becomes is committed with its next version."""
    after = msgspec.structs.replace(row, updated_at=now, version=row.version + 1, **fields)
    return RowChange(before=row, after=after)


def add_row(row: OutboxRow) -> Write:
    """A new order."""
    return Write(ADD_ROW, tuple([getattr(row, name) for name in ADD_ROW.columns]))


def error_of(report: InboundStatus) -> Error:
    """A provider's failure as shown to agents."""
    found = report.error
    if found is None:
        return {"code": report.status, "message": ""}
    return {"code": found.code, "message": found.title, "details": found.details}


class Facts(msgspec.Struct, kw_only=True):
    """What the database says about the rows a batch speaks of."""

    messages: dict[MessageId, Message] = {}
    rows: dict[OutboxId, OutboxRow] = {}
    by_provider: dict[str, MessageId] = {}
    early: Sequence[EarlyStatus] = ()
    authors: Mapping[str, Contact] = {}

    def author(self, message: Message | None) -> Contact | None:
        """Who wrote a message into a group; None elsewhere."""
        return None if message is None else self.authors.get(message.participant or "")


UNRESOLVED: Final = frozenset(("sending", "unknown"))
DOUBT: Final = "ERR_SEND_UNKNOWN"


def doubtful(error: Error) -> bool:
    """Whether an error only says that nobody knows; any news of the message ends it."""
    return error.get("code") == DOUBT


class Settlement:
    """The combined effect of a batch of sends and reports on one connection."""

    def __init__(
        self, company_id: CompanyId, connection_id: ConnectionId, facts: Facts, now: datetime
    ) -> None:
        self._company_id = company_id
        self._connection_id = connection_id
        self._facts = facts
        self._now = now
        self._deltas: dict[MessageId, Delta] = {}
        self._steps: dict[OutboxId, RowChange] = {}
        self._early: dict[tuple[str, int], Write] = {}
        self.applied = 0
        self.ignored = 0
        self.kept = 0

    @property
    def steps(self) -> Iterable[RowChange]:
        """The outbox rows that change."""
        return self._steps.values()

    def change(self, message_id: MessageId, delta: Delta) -> None:
        """A message's new delivery state."""
        known = self._deltas.setdefault(message_id, Delta())
        error = self._error_of(message_id)
        if delta.error is None and error is not None and not doubtful(error):
            # Only a report of its arrival outweighs a failure that the provider told.
            delta = msgspec.structs.replace(delta, error=UNSET)
        known.take(delta)
        if delta.provider_id is not None:
            self.known(delta.provider_id, message_id)

    def known(self, provider_id: str, message_id: MessageId | None = None) -> None:
        """A provider id is that of a message: what was reported early about it applies now."""
        message_id = self._facts.by_provider.get(provider_id) if message_id is None else message_id
        if message_id is None:
            return
        self._facts.by_provider[provider_id] = message_id
        for status in self._facts.early:
            if status.provider_id == provider_id:
                self._effect(message_id, status.ack, status.error)
                self._early[provider_id, -1] = DROP_EARLY(
                    self._company_id, self._connection_id, provider_id
                )

    def _error_of(self, message_id: MessageId) -> Error | None:
        """What is wrong with a message, as this batch leaves it so far."""
        delta, message = self._deltas.get(message_id), self._facts.messages.get(message_id)
        if delta is not None and delta.error is not UNSET:
            return delta.error
        return message.error if message is not None else None

    def _effect(self, message_id: MessageId, ack: int, failure: Error | None) -> bool:
        """What a report does to a message; whether that is anything. In any order the same.

        A failure stands while the message is not known to be delivered.
        """
        message = self._facts.messages.get(message_id)
        if message is None:
            return False
        known = self._deltas.get(message_id)
        reached = max(message.ack, known.ack if known is not None else 0)
        error = self._error_of(message_id)
        effect = Delta(ack=0 if failure is not None else ack)
        if failure is not None:
            if reached < Ack.DELIVERED and (error is None or doubtful(error)):
                effect.error = failure
        elif error is not None and ack >= (Ack.SENT if doubtful(error) else Ack.DELIVERED):
            effect.error = None
        if effect.ack <= reached and effect.error is UNSET:
            return False
        self._deltas.setdefault(message_id, Delta()).take(effect)
        return True

    def move(self, change: RowChange) -> bool:
        """An outbox row's step; False where this batch already has one for it."""
        if change.before.id in self._steps:
            return False
        self._steps[change.before.id] = change
        return True

    def report(
        self,
        report: InboundStatus,
        in_flight: Mapping[OutboxId, object],
        *,
        learn: bool = True,
    ) -> None:
        """A delivery report; a row that is being sent right now is left to its sender.

        Without `learn` the message does not get the report's provider id.
        """
        row = self._facts.rows.get(OutboxId(report.outbox_id or 0))
        message_id = row.message_id if row is not None else None
        if message_id is None:
            message_id = self._facts.by_provider.get(report.provider_id)
        if row is not None and row.state in UNRESOLVED and row.id not in in_flight:
            self._resolve(row, report)
        if message_id is None or message_id not in self._facts.messages:
            if row is None:
                self._keep(report)
            return
        failure = error_of(report) if report.failed else None
        changed = self._effect(message_id, int(report.ack), failure)
        message = self._facts.messages[message_id]
        if row is not None and learn and message.provider_id is None and report.provider_id:
            self.change(message_id, Delta(provider_id=report.provider_id))
            changed = True
        if changed:
            self.applied += 1
        else:
            self.ignored += 1

    def _resolve(self, row: OutboxRow, report: InboundStatus) -> None:
        state = "failed" if report.failed else "sent"
        self.move(
            step(
                row,
                self._now,
                state=state,
                provider_id=report.provider_id or row.provider_id,
                finished_at=self._now,
                error=error_of(report) if report.failed else None,
            )
        )

    def _keep(self, report: InboundStatus) -> None:
        self.kept += 1
        self._early[report.provider_id, int(report.ack)] = KEEP_EARLY(
            self._company_id,
            self._connection_id,
            report.provider_id,
            int(report.ack),
            report.outbox_id,
            error_of(report) if report.failed else None,
            report.timestamp,
        )

    def result(
        self, snapshot: CompanySnapshot, *, without_ack: frozenset[MessageId] = frozenset()
    ) -> tuple[list[Write], list[DomainEvent]]:
        """The writes and events; `without_ack` are messages known to be as far already."""
        writes = [change.write() for change in self._steps.values()]
        events: list[DomainEvent] = []
        for message_id, delta in self._deltas.items():
            message = self._facts.messages.get(message_id)
            if message is None:
                continue
            changed = self._apply(message, delta, writes, raising=message_id not in without_ack)
            if changed is not message:
                quoted = self._facts.messages.get(changed.quoted_id or MessageId(0))
                view = message_view(
                    changed,
                    snapshot,
                    contact=self._facts.author(changed),
                    quoted=quoted,
                    quoted_contact=self._facts.author(quoted),
                )
                events.append(MessageChanged(company_id=self._company_id, message=view))
        writes.extend(self._early.values())
        return writes, events

    def _apply(
        self, message: Message, delta: Delta, writes: list[Write], *, raising: bool
    ) -> Message:
        company_id, now = message.company_id, self._now
        fields: dict[str, object] = {}
        if delta.ack > message.ack and raising:
            writes.append(RAISE_ACK(company_id, message.id, delta.ack, now))
            fields["ack"] = delta.ack
        if delta.provider_id is not None and message.provider_id is None:
            writes.append(SET_PROVIDER(company_id, message.id, delta.provider_id))
            fields["provider_id"] = delta.provider_id
        if delta.error is not UNSET and delta.error != message.error:
            writes.append(SET_ERROR(company_id, message.id, delta.error, now))
            fields["error"] = delta.error
        if delta.media_path is not None:
            writes.append(
                SET_MEDIA(company_id, message.id, delta.media_path, delta.media_mime, now)
            )
            fields.update(media_path=delta.media_path, media_mime=delta.media_mime)
        if not fields:
            return message
        return msgspec.structs.replace(message, updated_at=now, **fields)
