"""Sends of one connection: one at a time per conversation, conversations side by side.

A channel that takes our message id may be asked again under the same id. Any other is asked at
most once per order: `sending` is committed before the first byte, and an outcome that nobody knows
stays `unknown` until a report or a person resolves it.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

import msgspec
import trio

from actors.channels.base import (
    Accepted,
    Account,
    Ack,
    Capabilities,
    Channel,
    InboundStatus,
    Media,
    Outbound,
    Rejected,
    SendResult,
    Unknown,
    Unsendable,
)
from actors.media import MediaFailed, fetch_inbound
from actors.sessions.ledger import Entry, Ledger
from actors.sessions.pacing import TokenBucket
from actors.sessions.ports import SessionPorts
from actors.sessions.settling import DOUBT, Delta, Error, RowChange, step
from storage import faults
from storage.errors import Conflict, OutcomeUnknown, Poisoned, Retryable
from storage.ids import ContactId, MessageId, OutboxId
from storage.outbox import OutboxRow

ROOM = 2_000
"""Orders kept in memory per connection; the rest waits in the outbox."""

ATTEMPTS = 8
FIRST_PAUSE = 2.0
LONGEST_PAUSE = 600.0
FETCHES = 4

FETCH = "media_fetch"
CONTACT = "contact"

_OUTBOUND: msgspec.json.Decoder[Outbound] = msgspec.json.Decoder(Outbound)
_MEDIA = msgspec.json.Decoder(Media)

Lane = tuple[str, int]


class Send:
    """An order in memory. `reported` is the provider id by which a report spoke of it."""

    __slots__ = ("cancelled", "reported", "row", "settled")

    def __init__(self, row: OutboxRow) -> None:
        self.row = row
        self.reported: str | None = None
        self.cancelled = False
        self.settled = trio.Event()


def lane_of(row: OutboxRow) -> Lane:
    """What must keep its order: a conversation; every download for itself."""
    if row.kind == FETCH:
        return (FETCH, row.id)
    return (CONTACT, row.contact_id or 0)


def pause_before(attempt: int, asked: float = 0.0) -> float:
    """Seconds before attempt number `attempt` (the second is 2), at least what was asked for."""
    return max(asked, min(FIRST_PAUSE * 2.0 ** (attempt - 2), LONGEST_PAUSE))


def wait_before(row: OutboxRow, now: datetime) -> float:
    """Seconds until an order is due; a clock that was set back makes a pause no longer than it was."""
    return max(0.0, min(row.due_at - now, row.due_at - row.updated_at).total_seconds())


class Sender:
    """Sends what it is handed; `settled` is told which orders need no more work here."""

    def __init__(
        self,
        ports: SessionPorts,
        channel: Channel,
        account: Account,
        ledger: Ledger,
        start_soon: Callable[..., None],
        settled: Callable[[Sequence[OutboxId]], None],
        in_doubt: Callable[[OutboxRow], None],
        in_flight: dict[OutboxId, Send],
    ) -> None:
        self._ports = ports
        self.channel = channel
        self.account = account
        self._ledger = ledger
        self._start_soon = start_soon
        self._settled = settled
        self._in_doubt = in_doubt
        self._doubtful: dict[OutboxId, Send] = {}
        self._in_flight = in_flight
        self._known: dict[OutboxId, Send] = {}
        self._lanes: dict[Lane, deque[Send]] = {}
        self._bucket = TokenBucket(self.capabilities.rate)
        self._fetches = trio.CapacityLimiter(FETCHES)
        self._running = True
        self._ended = trio.Event()

    @property
    def capabilities(self) -> Capabilities:
        """What the channel can."""
        return self.channel.capabilities

    def take(self, rows: Iterable[OutboxRow]) -> list[OutboxId]:
        """Queues orders, oldest first per conversation; returns those there is no room for."""
        refused: list[OutboxId] = []
        for row in rows:
            if row.id in self._known:
                continue
            if not self._running or len(self._known) >= ROOM:
                refused.append(row.id)
                continue
            send = self._known[row.id] = Send(row)
            lane = lane_of(row)
            queue = self._lanes.get(lane)
            if queue is not None:
                queue.append(send)
            else:
                self._lanes[lane] = deque((send,))
                self._start_soon(self._run, lane)
        return refused

    def stop(self) -> None:
        """Begins no further send; what is under way ends as usual."""
        self._running = False
        for send in self._doubtful.values():
            send.settled.set()

    async def idle(self) -> None:
        """Returns when no send is under way."""
        while self._in_flight:
            self._ended = trio.Event()
            await self._ended.wait()

    def note(self, reports: Iterable[InboundStatus]) -> None:
        """A report names a send under way: whatever its call returns, it was accepted."""
        for report in reports:
            send = self._in_flight.get(OutboxId(report.outbox_id or 0))
            if send is not None and report.provider_id:
                send.reported = report.provider_id

    def resolved(self, reports: Iterable[InboundStatus]) -> None:
        """Committed reports end the doubt about their sends; their conversations go on."""
        for report in reports:
            send = self._doubtful.get(OutboxId(report.outbox_id or 0))
            if send is not None:
                send.settled.set()

    def spare(self, contact_id: ContactId) -> bool:
        """Takes a pass for what is no message: nothing is on its way to the contact, none is due."""
        return self._running and (CONTACT, contact_id) not in self._lanes and self._bucket.spare()

    def cancel(self, outbox_id: OutboxId) -> None:
        """Has an order passed over; one whose call is under way is not touched."""
        send = self._known.get(outbox_id)
        if send is not None and outbox_id not in self._in_flight:
            send.cancelled = True

    def _drop(self, send: Send) -> None:
        del self._known[send.row.id]
        self._settled([send.row.id])

    async def _run(self, lane: Lane) -> None:
        queue = self._lanes[lane]
        while queue and self._running:
            send = queue[0]
            try:
                await self._finish(send)
            finally:
                queue.popleft()
                self._drop(send)
        for send in queue:
            self._drop(send)
        del self._lanes[lane]

    async def _finish(self, send: Send) -> None:
        """Works on one order until nothing more is to be done about it here."""
        if (rest := wait_before(send.row, self._ports.clock())) > 0:
            await trio.sleep(rest)
        while self._running and not send.cancelled:
            try:
                pause = await self._attempt(send)
            except (Conflict, Poisoned, OutcomeUnknown):
                return  # somebody else changed the row, or this session has to load it again
            if pause is None:
                return
            await trio.sleep(pause)

    async def _attempt(self, send: Send) -> float | None:
        """One attempt; seconds until the next, or None when there is none."""
        if send.row.state == "unknown":
            await self._wait_for_report(send)
            return None
        if send.row.kind == FETCH:
            async with self._fetches:
                return await self._fetch(send)
        try:
            message = _OUTBOUND.decode(send.row.payload or b"")
            self.channel.check(message)
        except (msgspec.MsgspecError, Unsendable) as error:
            code = error.code if isinstance(error, Unsendable) else "ERR_VALIDATION"
            await self._failed(send, "failed", {"code": code, "message": str(error)})
            return None
        await self._bucket.take()
        self._in_flight[send.row.id] = send
        try:
            if not self.capabilities.takes_our_id:
                await self._mark(send)
            result = await self.channel.send(
                self.account,
                message,
                outbox_id=send.row.id,
                provider_id=send.row.provider_id or "",
            )
            faults.hit("send.replied")
            return await self._take_result(send, result)
        finally:
            self._in_flight.pop(send.row.id, None)
            self._ended.set()

    async def _mark(self, send: Send) -> None:
        """Commits that the send begins, before its first byte."""
        faults.hit("send.before_mark")
        now = self._ports.clock()
        await self._commit(
            send,
            step(
                send.row,
                now,
                state="sending",
                attempt=send.row.attempt + 1,
                epoch=self._ports.epoch,
                sending_at=now,
            ),
        )
        faults.hit("send.marked")

    async def _take_result(self, send: Send, result: SendResult) -> float | None:
        if isinstance(result, Unknown) and self.capabilities.takes_our_id:
            # The same id again cannot double it.
            result = Rejected(code="ERR_SENDING_WAPP_MSG", message=result.reason)
        if send.reported is not None and not isinstance(result, Accepted):
            result = Accepted(provider_id=send.reported)
        if isinstance(result, Accepted):
            await self._sent(send, result)
            return None
        if isinstance(result, Unknown):
            await self._unknown(send, result)
            return None
        return await self._rejected(send, result)

    async def _sent(self, send: Send, result: Accepted) -> None:
        faults.hit("send.before_sent_commit")
        row = send.row
        provider_id = result.provider_id or row.provider_id
        change = step(
            row,
            self._ports.clock(),
            state="sent",
            provider_id=provider_id,
            finished_at=self._ports.clock(),
            error=None,
        )
        delta = Delta(ack=int(Ack.SENT), error=None)
        if not self.capabilities.takes_our_id:
            delta.provider_id = provider_id
        try:
            await self._commit(send, change, delta)
        except (Conflict, Poisoned):
            # Another message carries this id: what was sent stays sent.
            delta.provider_id = None
            await self._commit(send, change, delta)

    async def _unknown(self, send: Send, result: Unknown) -> None:
        """Nobody knows: never sent again by itself. The conversation waits a while for a report."""
        change = step(
            send.row,
            self._ports.clock(),
            state="unknown",
            error={"code": DOUBT, "message": result.reason},
        )
        await self._commit(send, change, Delta(error=change.after.error))
        if send.reported is not None:
            await self._sent(send, Accepted(provider_id=send.reported))
            return
        del self._in_flight[send.row.id]
        self._in_doubt(send.row)
        await self._wait_for_report(send)

    async def _wait_for_report(self, send: Send) -> None:
        """A doubtful send holds its conversation back: until a report comes, or patience ends.

        What a dead process had begun has used up some of it. A clock that was set back meanwhile
        cannot make the wait longer than the whole.
        """
        begun = send.row.sending_at or self._ports.clock()
        waited = max(0.0, (self._ports.clock() - begun).total_seconds())
        self._doubtful[send.row.id] = send
        with trio.move_on_after(max(0.0, self._ports.patience - waited)):
            await send.settled.wait()
        del self._doubtful[send.row.id]

    async def _rejected(self, send: Send, result: Rejected) -> float | None:
        attempt = send.row.attempt + (1 if self.capabilities.takes_our_id else 0)
        error: Error = {"code": result.code, "message": result.message}
        if result.scope in ("number", "account") and result.retry_after:
            self._bucket.pause(result.retry_after)
        if result.permanent:
            await self._failed(send, "failed", error)
            return None
        if attempt >= ATTEMPTS:
            await self._failed(send, "dead", error)
            return None
        return await self._later(send, attempt, error, result.retry_after)

    async def _later(self, send: Send, attempt: int, error: Error, asked: float) -> float:
        pause = pause_before(attempt + 1, asked)
        now = self._ports.clock()
        change = step(
            send.row,
            now,
            state="pending",
            attempt=attempt,
            due_at=now + timedelta(seconds=pause),
            error=error,
        )
        await self._commit(send, change)
        return pause

    async def _failed(self, send: Send, state: str, error: Error) -> None:
        now = self._ports.clock()
        change = step(send.row, now, state=state, finished_at=now, error=error)
        await self._commit(send, change, Delta(error=error))

    async def _fetch(self, send: Send) -> float | None:
        """Brings an inbound file in; repeating it is harmless."""
        store = self._ports.media
        try:
            media = _MEDIA.decode(send.row.payload or b"")
        except msgspec.MsgspecError as error:
            await self._failed(send, "failed", {"code": "ERR_VALIDATION", "message": str(error)})
            return None
        if store is None:
            await self._failed(send, "failed", {"code": "ERR_WAPP_DOWNLOAD_MEDIA"})
            return None
        try:
            limit = await self._ports.media_limit()
        except Retryable as error:
            return max(error.retry_after, FIRST_PAUSE)
        outcome = await fetch_inbound(self.channel, store, self.account, media, limit=limit)
        if isinstance(outcome, MediaFailed):
            error_: Error = {"code": "ERR_WAPP_DOWNLOAD_MEDIA", "message": outcome.reason}
            attempt = send.row.attempt + 1
            if outcome.permanent or attempt >= ATTEMPTS:
                await self._failed(send, "failed", error_)
                return None
            return await self._later(send, attempt, error_, 0.0)
        now = self._ports.clock()
        change = step(send.row, now, state="sent", finished_at=now, error=None)
        stored = outcome.stored
        await self._commit(
            send, change, Delta(media_path=stored.key, media_mime=stored.mime, error=None)
        )
        return None

    async def _commit(self, send: Send, change: RowChange, delta: Delta | None = None) -> None:
        """Commits a step of this order; waits as long as Postgres is away, for it must not be lost.

        Raises Conflict or Poisoned, and OutcomeUnknown when the session has to load again.
        """
        deltas: dict[MessageId, Delta] = {}
        if delta is not None and send.row.message_id is not None:
            deltas[send.row.message_id] = delta
        pause = 0.2
        while True:
            try:
                await self._ledger.commit(Entry(rows=[change], deltas=deltas))
            except Retryable as error:
                await trio.sleep(max(pause, error.retry_after))
                pause = min(pause * 2, 10.0)
            else:
                send.row = change.after
                return
