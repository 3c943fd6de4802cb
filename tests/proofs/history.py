"""What the outside saw, and what the database says afterwards: the checker's only inputs."""

from typing import Literal

import msgspec

Outcome = Literal["ok", "fail", "unknown"]


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """One inbound message as its sender saw it; `number` counts up within the conversation."""

    company: int
    conversation: str
    number: int
    provider_id: str
    start: float
    end: float
    outcome: Outcome


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """One row of `messages`."""

    company: int
    conversation: str
    provider_id: str
    from_me: bool
    read: bool
    seq: int
    ack: int = 0


class EventRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row of `events`."""

    company: int
    seq: int
    kind: str


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """One event as one socket received it, in the order of arrival."""

    socket: str
    company: int
    seq: int
    kind: str


class AckSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery state of one message as one socket received it, in the order of arrival."""

    socket: str
    provider_id: str
    ack: int


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """One agent's reply over REST, by its idempotency key."""

    company: int
    key: str
    outcome: Outcome
    outbox_id: int | None = None


class OutboxRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the outbox; `key` is the idempotency key of the reply that made it."""

    id: int
    key: str
    state: str
    same_id_channel: bool = False


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """One send that the provider's witness file holds, in the order of the file."""

    outbox_id: int
    provider_id: str
    conversation: str = ""


class TicketRow(msgspec.Struct, frozen=True, kw_only=True):
    """The unread counter of a conversation's active ticket."""

    company: int
    conversation: str
    unread: int


class EpochWrite(msgspec.Struct, frozen=True, kw_only=True):
    """A committed batch with its owner's epoch, in the order of commit within its shard."""

    epoch: int
    batch: str
    shard: int = 0


class History(msgspec.Struct, kw_only=True):
    """Everything one run left behind."""

    sent: list[Sent] = []
    stored: list[Stored] = []
    events: list[EventRow] = []
    seen: list[Seen] = []
    acks: list[AckSeen] = []
    replies: list[Reply] = []
    outbox: list[OutboxRow] = []
    accepted: list[Accepted] = []
    tickets: list[TicketRow] = []
    batches: list[EpochWrite] = []
