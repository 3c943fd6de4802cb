"""A channel without a network: for the demo, tests and bench.

It takes inbound messages from whoever holds it and hands them on as a provider would (repeating
until they are accepted), records what was sent, and reports delivery after a while. It takes our
message ids: sending twice under one id is one message.
"""

import heapq
import random
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Protocol

import msgspec
import trio

from actors.channels.base import (
    Accepted,
    Account,
    Ack,
    Capabilities,
    Conversation,
    Identity,
    InboundMessage,
    InboundStatus,
    Media,
    Outbound,
    OutRead,
    Parsed,
    Rejected,
    SendResult,
    SharedContact,
    Unparsed,
)
from actors.channels.simulator_files import sample_file
from actors.errors import Busy, UnknownConnection
from engine import errors as engine_errors
from storage.errors import OutcomeUnknown, Retryable
from storage.ids import CompanyId, ConnectionId

CAPABILITIES = Capabilities(
    takes_our_id=True,
    media=frozenset(("image", "video", "audio", "document", "sticker")),
    reactions=True,
    buttons=10,
    list_rows=10,
    templates=True,
    contacts=True,
    locations=True,
    edits=True,
    revokes=True,
    reads=True,
    composing=True,
    groups=True,
    text_limit=65536,
    rate=1000.0,
    pair_rate=1000.0,
)


#: Answers upon which a provider would repeat its delivery.
_REPEATABLE = (
    Retryable,
    OutcomeUnknown,
    Busy,
    engine_errors.Unavailable,
    engine_errors.MailboxFull,
    engine_errors.DeadlineExceeded,
    engine_errors.ActorCrashed,
    engine_errors.ActorStopped,
)


class Sink(Protocol):
    """Where inbound goes; returns when it is committed, raises when the sender shall repeat."""

    async def deliver(
        self, company_id: CompanyId, connection_id: ConnectionId, conversation: Conversation
    ) -> object: ...

    async def statuses(
        self, company_id: CompanyId, connection_id: ConnectionId, reports: Sequence[InboundStatus]
    ) -> object: ...


class AckPlan(msgspec.Struct, frozen=True, kw_only=True):
    """When a sent message is reported as what, in seconds after the send (None = never).

    `doubled` reports everything twice, `shuffled` in any order, `early` reports `sent` before
    `send` has returned. `jitter` stretches each delay by up to that share.
    """

    sent: float | None = 0.05
    delivered: float | None = 0.4
    read: float | None = 2.5
    jitter: float = 0.5
    doubled: bool = False
    shuffled: bool = False
    early: bool = False

    def reports(self, rng: random.Random) -> list[tuple[float, str, Ack]]:
        """(delay, word, rank) of each report of one message."""
        planned = (
            (self.sent, "sent", Ack.SENT),
            (self.delivered, "delivered", Ack.DELIVERED),
            (self.read, "read", Ack.READ),
        )
        steps = [
            (delay * (1 + rng.random() * self.jitter), word, ack)
            for delay, word, ack in planned
            if delay is not None
        ]
        if self.shuffled:
            delays = [delay for delay, _, _ in steps]
            rng.shuffle(delays)
            steps = [(d, word, ack) for d, (_, word, ack) in zip(delays, steps, strict=True)]
        return steps * 2 if self.doubled else steps


class Sent(msgspec.Struct, kw_only=True):
    """A message as the far end has it; `attempts` counts repeated sends under its id."""

    provider_id: str
    account: Account
    outbox_id: int
    message: Outbound
    attempts: int = 1


Verdict = Callable[[Outbound], SendResult | None]


class Simulator:
    """The simulated network of the whole installation. Run `run` in a task of its own.

    `kept` bounds how many sent messages are remembered; `verdict` may decide a send's outcome.
    """

    def __init__(
        self,
        sink: Sink,
        *,
        plan: AckPlan | None = None,
        seed: int = 0,
        kept: int = 10_000,
        verdict: Verdict | None = None,
    ) -> None:
        self._sink = sink
        self._plan = plan or AckPlan()
        self._rng = random.Random(seed)
        self._ids = random.SystemRandom()
        self._kept = kept
        self._verdict = verdict
        self._due: list[tuple[float, int, Account, InboundStatus]] = []
        self._number = 0
        self._wake = trio.Event()
        self._watchers: list[Callable[[Sent], None]] = []
        self.sent: OrderedDict[str, Sent] = OrderedDict()
        self.address_book: tuple[SharedContact, ...] = ()
        self.composing: deque[tuple[int, str]] = deque(maxlen=kept)
        """Connections, and the messages that the far end was shown an answer to was being written."""
        self.distinct = 0
        self.attempts = 0

    @property
    def name(self) -> str:
        """The channel's name in storage."""
        return "simulator"

    @property
    def capabilities(self) -> Capabilities:
        """Everything, under our ids."""
        return CAPABILITIES

    def parse(self, raw: bytes) -> Parsed:
        """JSON of a `Parsed`; anything else is kept as unparsed."""
        try:
            return _PARSED.decode(raw)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return Parsed(unparsed=(Unparsed(cause="not a simulator delivery", raw=raw),))

    def check(self, message: Outbound) -> None:
        """Everything can be sent."""

    async def refusal(self, account: Account) -> Rejected | None:
        """Serves everybody."""
        await trio.lowlevel.checkpoint()
        return None

    async def knows(self, account: Account, number: str) -> bool:
        """Whoever has a number of a real one's length is here."""
        await trio.lowlevel.checkpoint()
        return number.isdigit() and 8 <= len(number) <= 15

    async def saved_contacts(self, account: Account) -> Sequence[SharedContact]:
        """Whom `address_book` holds, on every account's phone."""
        await trio.lowlevel.checkpoint()
        return self.address_book

    def new_provider_id(self) -> str:
        """A fresh random id."""
        return f"SIM{self._ids.getrandbits(96):024X}"

    def watch(self, watcher: Callable[[Sent], None]) -> None:
        """`watcher` is called with every message that arrives at the far end for the first time."""
        self._watchers.append(watcher)

    async def send(
        self, account: Account, message: Outbound, *, outbox_id: int, provider_id: str = ""
    ) -> SendResult:
        """Accepted under `provider_id`, however often it is repeated."""
        await trio.lowlevel.checkpoint()
        self.attempts += 1
        verdict = self._verdict(message) if self._verdict else None
        if isinstance(verdict, Rejected):
            return verdict
        if isinstance(message, OutRead):
            if message.typing:
                self.composing.append((account.connection_id, message.message_id))
            return verdict or Accepted()
        key = provider_id or self.new_provider_id()
        known = self.sent.get(key)
        if known is not None:
            known.attempts += 1
        else:
            self._record(
                Sent(provider_id=key, account=account, outbox_id=outbox_id, message=message)
            )
            if self._plan.early:
                await self._report(account, [_status(key, outbox_id, message, "sent", Ack.SENT)])
        return verdict or Accepted(provider_id=key, state="accepted")

    def _record(self, sent: Sent) -> None:
        self.distinct += 1
        self.sent[sent.provider_id] = sent
        if len(self.sent) > self._kept:
            self.sent.popitem(last=False)
        now = trio.current_time()
        for delay, word, ack in self._plan.reports(self._rng):
            status = _status(sent.provider_id, sent.outbox_id, sent.message, word, ack)
            self._number += 1
            heapq.heappush(self._due, (now + delay, self._number, sent.account, status))
        self._wake.set()
        for watcher in self._watchers:
            watcher(sent)

    async def fetch(self, account: Account, media: Media, *, limit: int) -> tuple[bytes, str]:
        """A small sample file of the kind asked for."""
        await trio.lowlevel.checkpoint()
        return sample_file(media.kind)

    async def receive(
        self, account: Account, sender: Identity, name: str, messages: Sequence[InboundMessage]
    ) -> None:
        """Delivers `messages` of one contact, in order; returns when they are committed.

        What is sent to a number whose connection was deleted reaches nobody.
        """
        conversation = Conversation(
            key="simulator", contact=sender, inbounds=tuple(messages), name=name
        )
        company, connection = CompanyId(account.company_id), ConnectionId(account.connection_id)
        with suppress(UnknownConnection):
            await self._insist(lambda: self._sink.deliver(company, connection, conversation))

    def text(
        self, sender: Identity, body: str, *, name: str = "", media: Media | None = None
    ) -> InboundMessage:
        """An inbound message of now, for `receive`."""
        kind = media.kind if media else "text"
        return InboundMessage(
            provider_id=self.new_provider_id(),
            contact=sender,
            timestamp=datetime.now(UTC),
            kind=kind,
            media_type=_ROWS.get(kind, kind),
            body=body or (media.filename if media else ""),
            name=name,
            media=media,
            raw=b"{}",
        )

    async def run(self) -> None:
        """Reports what is due, for ever; what is refused is repeated."""
        while True:
            now = trio.current_time()
            if self._due and self._due[0][0] <= now:
                await self._report_due(now)
                continue
            self._wake = trio.Event()
            pause = self._due[0][0] - now if self._due else float("inf")
            with trio.move_on_after(pause):
                await self._wake.wait()

    async def _report_due(self, now: float) -> None:
        batches: dict[int, tuple[Account, list[InboundStatus]]] = {}
        while self._due and self._due[0][0] <= now:
            _, _, account, status = heapq.heappop(self._due)
            batches.setdefault(account.connection_id, (account, []))[1].append(status)
        for account, statuses in batches.values():
            await self._report(account, statuses)

    async def _report(self, account: Account, statuses: list[InboundStatus]) -> None:
        company, connection = CompanyId(account.company_id), ConnectionId(account.connection_id)
        await self._insist(lambda: self._sink.statuses(company, connection, statuses))

    async def _insist(self, attempt: Callable[[], Awaitable[object]]) -> None:
        pause = 0.2
        while True:
            try:
                await attempt()
            except _REPEATABLE:
                await trio.sleep(pause)
                pause = min(pause * 2, 10.0)
            else:
                return


_PARSED = msgspec.json.Decoder(Parsed)

_ROWS = {"text": "conversation"}


def _status(key: str, outbox_id: int, message: Outbound, word: str, ack: Ack) -> InboundStatus:
    return InboundStatus(
        provider_id=key,
        status=word,
        ack=ack,
        timestamp=datetime.now(UTC),
        recipient=message.to,
        outbox_id=outbox_id,
    )
