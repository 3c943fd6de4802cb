"""Deficit round robin over companies: a flood of one company adds at most one batch to another's wait.

Every company with work gets the same number of bytes per round; what it does not use is lent to
the others. (M. Shreedhar, G. Varghese: Efficient Fair Queuing using Deficit Round Robin, 1995.)
"""

from collections import deque
from collections.abc import Sequence
from threading import Lock

from storage.writer.entry import Entry

QUANTUM = 16_384
"""Bytes per company and round."""

BATCH_UNITS = 1_000
BATCH_BYTES = 4_000_000


class FairQueue:
    """The queue of one lane. `inbox` is filled by the trio thread, the rest is the loop's."""

    def __init__(self, lock: Lock) -> None:
        self.inbox: deque[Entry] = deque()
        self._lock = lock
        self._companies: dict[int, deque[Entry]] = {}
        self._credit: dict[int, int] = {}
        self._ring: deque[int] = deque()

    def __bool__(self) -> bool:
        return bool(self.inbox or self._ring)

    def _absorb(self) -> None:
        inbox, companies = self.inbox, self._companies
        for _ in range(len(inbox)):
            entry = inbox.popleft()
            queue = companies.get(entry.company_id)
            if queue is None:
                queue = self._enter(entry.company_id)
            queue.append(entry)

    def _enter(self, company_id: int) -> deque[Entry]:
        queue = self._companies[company_id] = deque()
        self._credit[company_id] = 0
        self._ring.append(company_id)
        return queue

    def take(self, *, units: int = BATCH_UNITS, size: int = BATCH_BYTES) -> list[Entry]:
        """Take the next batch, its entries marked as taken; withdrawn entries are among them."""
        self._absorb()
        batch: list[Entry] = []
        ring = self._ring
        with self._lock:
            while ring and len(batch) < units and size > 0:
                company_id = ring[0]
                queue = self._companies[company_id]
                credit = self._credit[company_id]
                if credit <= 0:
                    credit += QUANTUM
                while queue and credit > 0 and size > 0 and len(batch) < units:
                    entry = queue.popleft()
                    batch.append(entry)
                    credit -= entry.size
                    size -= entry.size
                    if entry.state == "queued":
                        entry.state = "taken"
                self._leave_or_rotate(company_id, queue, credit)
        return batch

    def _leave_or_rotate(self, company_id: int, queue: deque[Entry], credit: int) -> None:
        if not queue:
            self._ring.popleft()
            del self._companies[company_id], self._credit[company_id]
            return
        self._credit[company_id] = credit
        if credit <= 0:
            self._ring.rotate(-1)

    def give_back(self, entries: Sequence[Entry]) -> None:
        """Put entries that were surely not written back to their queues' fronts, in order."""
        with self._lock:
            for entry in reversed(entries):
                entry.state = "queued"
                queue = self._companies.get(entry.company_id)
                if queue is None:
                    queue = self._enter(entry.company_id)
                queue.appendleft(entry)

    def drain(self) -> list[Entry]:
        """Take everything."""
        everything: list[Entry] = []
        while self:
            everything.extend(self.take())
        return everything

    def oldest(self) -> float | None:
        """When the entry that waits longest was queued; a cheap estimate, any thread may ask."""
        heads = [queue[0].queued_at for queue in list(self._companies.values()) if queue]
        if self.inbox:
            heads.append(self.inbox[0].queued_at)
        return min(heads, default=None)
