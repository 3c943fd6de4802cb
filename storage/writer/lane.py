"""A lane: one shard, one connection, one batch in flight. Runs on the database thread.

Every entry that was taken leaves the lane with a verdict that is known to be true, or goes back to
the queue because it was surely not written. Nothing here is ever cancelled.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from threading import Lock

from storage.bridge import Bridge
from storage.errors import DatabaseUnavailable, Fenced, OutcomeUnknown, StorageError
from storage.sqlstates import CORRUPT, sqlstate
from storage.writer.entry import Entry, Verdicts
from storage.writer.failures import is_certain, is_retryable, verdict
from storage.writer.fair_queue import FairQueue
from storage.writer.frame import Frame
from storage.writer.session import Session
from storage.writer.stats import LaneCounters
from storage.writer.streams import Streams

_log = logging.getLogger(__name__)

PATIENCE = 3.0
"""Seconds of trouble that are answered with patience; longer ones with `DatabaseUnavailable`."""

RETRY_PAUSE = 0.05
BUSY_PAUSE = 0.002

Parts = list[list[Entry]]


class Lane:
    """The writer of one shard under one epoch."""

    def __init__(
        self,
        bridge: Bridge,
        dsn: str,
        *,
        shard: int,
        epoch: int,
        application_name: str,
        lock: Lock,
        report: Callable[[Verdicts], None],
        fenced: Callable[[], None],
        audit_key: bytes = b"",
    ) -> None:
        self.shard = shard
        self.epoch = epoch
        self.queue = FairQueue(lock)
        self.counters = LaneCounters()
        self.stopped: Callable[[], StorageError] | None = None
        """Why nothing is accepted any more; makes the error for each refused unit."""
        self.trouble_since: float | None = None
        self._bridge = bridge
        self._dsn = dsn
        self._application_name = application_name
        self._report = report
        self._fenced = fenced
        self._audit_key = audit_key
        self._streams = Streams()
        self._session: Session | None = None
        self._armed = False
        self._closing = False
        self._puzzled = False
        self._task: asyncio.Task[None] | None = None
        self._verdicts = Verdicts()

    # -- trio side ----------------------------------------------------------------------------

    def submit(self, entry: Entry) -> None:
        """Queue one entry and make sure that the lane is awake."""
        self.queue.inbox.append(entry)
        # The lane clears the flag before it looks at the inbox for the last time.
        if not self._armed:
            self._armed = True
            self._bridge.loop_call_soon(self._wake)

    # -- loop side ----------------------------------------------------------------------------

    async def open(self) -> None:
        """Connect before the first unit comes.

        Raises:
            DatabaseUnavailable: no connection within the lane's patience.
        """
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                await self._connected()
            except DatabaseUnavailable:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(RETRY_PAUSE)
            else:
                return

    async def close(self) -> None:
        """Refuse what is queued, give up an outcome still in doubt, close the connection."""
        self._closing = True
        if self._task is not None:
            await asyncio.wait([self._task])
        self.stop(_closed)
        if self._session is not None and not self._session.closed:
            await self._session.close()

    def stop(self, reason: Callable[[], StorageError]) -> None:
        """Accept nothing any more and refuse what is queued."""
        if self.stopped is None:
            self.stopped = reason
        self._verdicts.refuse(self.queue.drain(), self.stopped)
        self._flush()

    def _wake(self) -> None:
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._serve())

    async def _serve(self) -> None:
        batch: list[Entry] = []
        try:
            while self._has_work():
                batch = self.queue.take()
                await self._do_batch(batch)
        except Exception as error:  # noqa: BLE001 (no entry may be left without a verdict)
            _log.exception("lane %d failed; it writes nothing any more", self.shard)
            self._stop_broken([entry for entry in batch if entry.state == "taken"], error)
        finally:
            self._task = None
            self._flush()

    def _has_work(self) -> bool:
        if self.stopped is not None:
            self.stop(self.stopped)
        if self.queue:
            return True
        self._armed = False
        if self.queue:
            self._armed = True
            return True
        return False

    async def _do_batch(self, batch: list[Entry]) -> None:
        taken = [entry for entry in batch if entry.state == "taken"]
        self._verdicts.dropped += [entry for entry in batch if entry.state == "withdrawn"]
        counters = self.counters
        counters.batches += 1
        committed = counters.units
        busy: set[int] = set()
        parts: Parts = [taken]
        while parts:
            part = parts.pop(0)
            if busy:
                self.queue.give_back([e for e in part if e.company_id in busy])
                part = [e for e in part if e.company_id not in busy]
            if part:
                parts[:0] = await self._attempt(part, busy)
            self._flush()
        counters.largest = max(counters.largest, len(taken))
        if busy and counters.units == committed:
            await asyncio.sleep(BUSY_PAUSE)

    async def _attempt(self, part: list[Entry], busy: set[int]) -> Parts:
        """Try to commit `part`; returns what is left to try, in order."""
        try:
            session = await self._connected()
        except DatabaseUnavailable as error:
            return await self._retry(part, error)
        frame = Frame(session, self.shard, self.epoch, self._streams, self._audit_key)
        before = session.round_trips
        failure: Exception | None = None
        try:
            await frame.run(part)
        except Exception as error:  # noqa: BLE001 (every failure has a meaning, see below)
            failure = error
        self.counters.round_trips += session.round_trips - before
        self.counters.passes += frame.passes
        self._settle(frame, busy)
        if failure is None:
            self.trouble_since = None
            self._puzzled = False
            return []
        if frame.commit_sent and not (is_certain(failure) and not session.closed):
            return await self._look_up(frame, failure)
        return await self._failed(session, frame.left, failure)

    def _settle(self, frame: Frame, busy: set[int]) -> None:
        """Take over what the frame knows for certain."""
        counters = self.counters
        counters.units += len(frame.committed)
        counters.refused += len(frame.refused)
        counters.deferred += len(frame.later)
        self._verdicts.commit(frame.committed)
        self._verdicts.refuse(frame.refused)
        self.queue.give_back(frame.later)
        busy |= frame.busy

    async def _failed(self, session: Session, left: list[Entry], error: Exception) -> Parts:
        """Decide about entries that were surely not written."""
        if isinstance(error, Fenced):
            session.terminate()
            self._stop_fenced(left)
            return []
        if (sqlstate(error) or "").startswith(CORRUPT):
            session.terminate()
            self._stop_corrupt(left, error)
            return []
        if session.closed or is_retryable(error):
            session.terminate()
            return await self._retry(left, error)
        await self._roll_back(session)
        if sqlstate(error) is None and not self._puzzled:
            # Not Postgres' word against a unit: nobody is poison for one failure of ours.
            self._puzzled = True
            return await self._retry(left, error)
        if len(left) > 1:
            self.counters.bisected += 1
            middle = len(left) // 2
            return [left[:middle], left[middle:]]
        for entry in left:
            entry.refuse(verdict(error))
        self.counters.refused += len(left)
        self._verdicts.refuse(left)
        return []

    async def _roll_back(self, session: Session) -> None:
        try:
            await session.rollback()
        except Exception:  # noqa: BLE001 (a dropped connection rolls back as well)
            session.terminate()

    async def _retry(self, left: list[Entry], error: Exception) -> Parts:
        """Wait a moment, or after too long a trouble refuse."""
        now = time.monotonic()
        if self.trouble_since is None:
            self.trouble_since = now
        self.counters.retries += 1
        if now - self.trouble_since > PATIENCE or self._closing:
            message = f"Postgres does not take writes: {error}"
            self._verdicts.refuse(left, lambda: DatabaseUnavailable(message))
            return []
        await asyncio.sleep(RETRY_PAUSE)
        return [left]

    async def _look_up(self, frame: Frame, failure: Exception) -> Parts:
        """Find out by the shard's marker whether the batch was committed."""
        self.counters.lookups += 1
        self._drop_session()
        deadline = time.monotonic() + PATIENCE
        told = False
        while True:
            try:
                marker = await (await self._connected()).marker(self.shard)
                break
            except Exception as error:  # noqa: BLE001 (no verdict is guessed: ask again)
                self._drop_session()
                reason = str(error)
            if time.monotonic() > deadline and not told:
                told = True
                _log.warning("the outcome of a batch is unknown as yet: %s", reason)
                self._verdicts.doubt(frame.left)
                self._flush()
            if self._closing:
                self._verdicts.refuse(frame.left, _unknown)
                return []
            await asyncio.sleep(RETRY_PAUSE)
        if marker is None or marker.epoch != self.epoch:
            self._verdicts.refuse(frame.left, _unknown)
            self._stop_fenced([])
            return []
        if marker.batch == frame.batch:
            self.counters.units += len(frame.left)
            self._verdicts.commit(frame.left)
            return []
        if told:  # their producers reload: writing now would be behind their back
            self._verdicts.refuse(frame.left, _unknown)
            return []
        return await self._retry(frame.left, failure)

    async def _connected(self) -> Session:
        if self._session is not None and not self._session.closed:
            return self._session
        waited = 0.0 if self.trouble_since is None else time.monotonic() - self.trouble_since
        try:
            async with asyncio.timeout(max(0.5, PATIENCE - waited)):
                self._session = await Session.open(self._dsn, self._application_name)
        except Exception as error:
            message = f"no connection: {error}"
            raise DatabaseUnavailable(message) from error
        return self._session

    def _drop_session(self) -> None:
        if self._session is not None:
            self._session.terminate()
            self._session = None

    def _stop_fenced(self, left: list[Entry]) -> None:
        message = f"shard {self.shard} has a newer owner than epoch {self.epoch}"
        _log.error("%s; this process writes nothing more to it", message)
        self._verdicts.refuse(left, lambda: Fenced(message))
        self.stop(lambda: Fenced(message))
        self._bridge.trio_call_soon(self._fenced)

    def _stop_corrupt(self, left: list[Entry], error: Exception) -> None:
        _log.critical("Postgres reports damaged data, lane %d stops: %s", self.shard, error)
        message = f"damaged data: {error}"
        self._verdicts.refuse(left, lambda: DatabaseUnavailable(message, retry_after=30.0))
        self.stop(lambda: DatabaseUnavailable(message, retry_after=30.0))

    def _stop_broken(self, left: list[Entry], error: Exception) -> None:
        self._drop_session()
        message = f"the lane failed: {error!r}"
        self._verdicts.refuse(left, lambda: OutcomeUnknown(message))
        self.stop(lambda: OutcomeUnknown(message))

    def _flush(self) -> None:
        """Hand the verdicts over to the trio thread."""
        if self._verdicts:
            verdicts, self._verdicts = self._verdicts, Verdicts()
            self._bridge.trio_call_soon(lambda: self._report(verdicts))


def _closed() -> StorageError:
    return DatabaseUnavailable("the writer is closed")


def _unknown() -> StorageError:
    return OutcomeUnknown("the connection broke while committing")
