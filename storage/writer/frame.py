"""One transaction: fence, stream rows, writes, events, COMMIT; repeated without refused units.

The frame is optimistic: numbers are given before the claims are inserted, because refusals are
rare. A pass in which every claim was accepted and every guard matched is committed. Otherwise it is
rolled back as a whole, the refused units leave, and the others get fresh numbers in a new pass, so
that nothing of a refused unit, not even a gap in its company's numbers, remains.
"""

import asyncio
from collections.abc import Sequence
from uuid import UUID, uuid4

from storage import faults
from storage.writer.entry import Entry
from storage.writer.refusals import Outcome, Refusals
from storage.writer.rows import Pass
from storage.writer.session import Head, Session
from storage.writer.streams import Streams

WORK_LIMIT = 10.0
"""Seconds a pass may take before COMMIT; then the connection is taken for dead."""

COMMIT_LIMIT = 5.0
"""Seconds COMMIT may take before its outcome is looked up on another connection."""


class Frame:
    """One attempt to commit some entries. After `run`, or its failure, every entry is in one list.

    `committed` was stored; `refused` have their error, for good; `later` go back to the queue;
    `left` were not stored when `run` raised before COMMIT, and nobody knows when it raised after.
    """

    def __init__(
        self, session: Session, shard: int, epoch: int, streams: Streams, audit_key: bytes
    ) -> None:
        self._session = session
        self._shard = shard
        self._epoch = epoch
        self._streams = streams
        self._audit_key = audit_key
        self.left: list[Entry] = []
        self.later: list[Entry] = []
        self.refused: list[Entry] = []
        self.committed: list[Entry] = []
        self.busy: set[int] = set()
        """Companies whose stream row somebody else holds."""
        self.batch: UUID = uuid4()
        self.passes = 0
        self.commit_sent = False
        self._watchdog: asyncio.TimerHandle | None = None

    async def run(self, entries: Sequence[Entry]) -> None:
        """Commit what can be committed.

        Raises:
            Fenced: the shard has a newer owner; nothing was written.
            Exception: whatever the driver says; see `commit_sent` for what it means.
        """
        self.left = list(entries)
        try:
            while self.left:
                await self._pass()
        finally:
            self._watch(None)

    async def _pass(self) -> None:
        self.passes += 1
        session = self._session
        self._watch(WORK_LIMIT)
        faults.hit("writer.taken", cut=session.terminate)
        self.batch = uuid4()
        await session.begin(self._shard, self._epoch, self.batch)
        heads = await self._lock_streams()
        if not self.left:
            await session.rollback()
            return
        work = Pass(self.left, heads, self._audit_key)
        refusals = await self._write(work)
        faults.hit("writer.claimed", cut=session.terminate)
        if refusals is not None:
            await session.rollback()
            self._drop(refusals)
            return
        if work.heads:
            await session.store_events(work.events, work.audit, work.heads)
        await self._commit()

    async def _lock_streams(self) -> dict[int, Head]:
        companies = {
            entry.company_id for entry in self.left if entry.event_rows or entry.audit is not None
        }
        if not companies:
            return {}
        last, busy = await self._streams.lock(self._session, sorted(companies))
        if busy:
            self.busy |= busy
            self.later += [entry for entry in self.left if entry.company_id in busy]
            self.left = [entry for entry in self.left if entry.company_id not in busy]
        return last

    async def _write(self, work: Pass) -> Refusals | None:
        """Run every statement; returns the refusals when not every row took effect."""
        outcomes: list[Outcome] = []
        complete = True
        for statement, rows in work.ordered():
            returned = await self._session.fetch(statement.sql, *rows.arrays(statement))
            if statement.returns:
                complete = complete and len(returned) == len(rows.values)
                outcomes.append((statement, rows, returned))
        if complete:
            return None
        proofs = [(s, rows, [tuple(r) for r in returned]) for s, rows, returned in outcomes]
        return Refusals(proofs) or None

    def _drop(self, refusals: Refusals) -> None:
        self.left, later, refused = refusals.split(self.left)
        self.later += later
        self.refused += refused

    async def _commit(self) -> None:
        session = self._session
        faults.hit("writer.before_commit", cut=session.terminate)
        self._watch(COMMIT_LIMIT)
        self.commit_sent = True
        await session.commit()
        faults.hit("writer.commit_replied", cut=session.terminate)
        self.committed, self.left = self.left, []

    def _watch(self, limit: float | None) -> None:
        if self._watchdog is not None:
            self._watchdog.cancel()
        self._watchdog = (
            asyncio.get_running_loop().call_later(limit, self._session.terminate)
            if limit is not None
            else None
        )
