"""The companies' stream rows: which exist, which somebody else holds, and for how long."""

import logging
import time

from storage.writer.session import Head, Session

_log = logging.getLogger(__name__)

ALARM_AFTER = 1.0
"""Seconds a stream row may be held by somebody else before it is reported."""


class Streams:
    """Locks stream rows without waiting; a company whose row is held waits, the others do not."""

    def __init__(self) -> None:
        self._known: set[int] = set()
        self._busy_since: dict[int, float] = {}

    async def lock(
        self, session: Session, companies: list[int]
    ) -> tuple[dict[int, Head], set[int]]:
        """Lock what is free; returns where each company's stream ends, and the companies to skip."""
        last = await session.lock_streams(companies)
        if len(last) == len(companies):
            if self._busy_since:
                self._seen_free(companies)
            return last, set()
        fresh = [c for c in companies if c not in last and c not in self._known]
        self._known.update(last)
        if fresh:  # a company's first event; the row is known once it is seen committed
            await session.add_streams(fresh)
            last.update(await session.lock_streams(fresh))
        busy = {company for company in companies if company not in last}
        self._seen_free(last)
        for company in busy:
            self._seen_busy(company)
        return last, busy

    def _seen_free(self, companies: "dict[int, Head] | list[int]") -> None:
        for company in companies:
            self._busy_since.pop(company, None)

    def _seen_busy(self, company: int) -> None:
        now = time.monotonic()
        since = self._busy_since.setdefault(company, now)
        if now - since > ALARM_AFTER:
            _log.warning("the stream row of company %d is held for over a second", company)
            self._busy_since[company] = now
            self._known.discard(company)  # it may be gone: then adding it names the reason
