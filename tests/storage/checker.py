"""Judges a history of saved units against the rows and events the database holds afterwards."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from storage.errors import Duplicate, OutcomeUnknown, Poisoned, StorageError
from storage.events import DomainEvent
from tests.storage.writer_kit import Rig, adding

Outcome = Literal["ok", "duplicate", "poisoned", "fail", "unknown", "none"]


class Saved(NamedTuple):
    """One attempt to save one unit; `reign` counts the owners."""

    company: int
    key: str
    outcome: Outcome
    seq: int
    reign: int


class Row(NamedTuple):
    """One stored thing; `reign` is the owner under which it was saved."""

    company: int
    key: str
    seq: int
    reign: int


class History:
    """What producers heard, what was published, and at the end what is stored."""

    def __init__(self) -> None:
        self.saved: list[Saved] = []
        self.published: list[list[tuple[int, DomainEvent]]] = []
        """One list per publisher, each in the order it was called."""
        self.rows: list[Row] = []
        self.events: list[tuple[int, int, str]] = []
        """(company, seq, key)"""

    async def save(
        self, rig: Rig, key: str, *, company: int = 1, weight: int = 0, reign: int = 0
    ) -> Outcome:
        """Save a unit that claims `key`, and note what its producer heard."""
        seq = 0
        outcome: Outcome = "none"
        try:
            wanted = adding(key, company=company, weight=weight, body=str(reign))
            committed = await rig.writer.save(wanted)
            outcome, seq = "ok", committed.first_seq
        except StorageError as error:
            outcome = _outcome(error)
        finally:
            self.saved.append(Saved(company, key, outcome, seq, reign))
        return outcome

    async def read(self, rig: Rig) -> None:
        """Take the rows and events of the database over."""
        rows = await rig.sql("SELECT company_id, key, seq, body FROM things WHERE seq IS NOT NULL")
        self.rows = [Row(company, key, seq, int(body)) for company, key, seq, body in rows]
        events = await rig.sql("SELECT company_id, seq, ids->>'key' FROM events")
        self.events = [(company, seq, key) for company, seq, key in events]

    def violations(self) -> list[str]:
        """Name everything that must not have happened."""
        checks = (_verdicts, _claims, _streams, _publishing, _reigns)
        return [text for check in checks for text in check(self)]


def _outcome(error: StorageError) -> Outcome:
    if isinstance(error, Duplicate):
        return "duplicate"
    if isinstance(error, Poisoned):
        return "poisoned"
    return "unknown" if isinstance(error, OutcomeUnknown) else "fail"


def _verdicts(history: History) -> Iterator[str]:
    """I1, I9, I10: an acknowledged unit is stored with its number, a refused one is not."""
    stored = {(row.company, row.key): row for row in history.rows}
    possible: dict[tuple[int, str], set[Outcome]] = defaultdict(set)
    for saved in history.saved:
        possible[saved.company, saved.key].add(saved.outcome)
        row = stored.get((saved.company, saved.key))
        if saved.outcome == "ok" and (row is None or row.seq != saved.seq):
            yield f"{saved} was acknowledged, stored is {row}"
        if saved.outcome == "duplicate" and row is None:
            yield f"{saved} was called a duplicate of nothing"
        if saved.outcome == "none":
            yield f"{saved} has no verdict"
    for place, outcomes in possible.items():
        if place in stored and not outcomes & {"ok", "unknown", "none"}:
            yield f"{stored[place]} is stored, but its producers heard {outcomes}"


def _claims(history: History) -> Iterator[str]:
    """I2: one row per claim, one acknowledgement per row."""
    acknowledged = Counter((s.company, s.key) for s in history.saved if s.outcome == "ok")
    yield from (f"{key} was acknowledged {n} times" for key, n in acknowledged.items() if n > 1)
    rows = Counter((row.company, row.key) for row in history.rows)
    yield from (f"{key} is stored {n} times" for key, n in rows.items() if n > 1)


def _streams(history: History) -> Iterator[str]:
    """I5: numbers are 1..n per company, and rows carry their events'."""
    seqs: dict[int, list[int]] = defaultdict(list)
    for company, seq, _ in history.events:
        seqs[company].append(seq)
    for company, numbers in seqs.items():
        if sorted(numbers) != list(range(1, len(numbers) + 1)):
            yield f"the numbers of company {company} have gaps or twins"
    events = set(history.events)
    for row in history.rows:
        if (row.company, row.seq, row.key) not in events:
            yield f"{row} has no event of its number"


def _publishing(history: History) -> Iterator[str]:
    """I5, I6: what is published is stored, once, and each publisher's numbers rise."""
    events = set(history.events)
    seen: Counter[tuple[int, int]] = Counter()
    for published in history.published:
        last: dict[int, int] = {}
        for seq, event in published:
            company = event.company_id
            seen[company, seq] += 1
            if (company, seq, event.ids()["key"]) not in events:
                yield f"event {seq} of company {company} was published and is not stored"
            if seq <= last.get(company, 0):
                yield f"event {seq} of company {company} was published after {last[company]}"
            last[company] = max(seq, last.get(company, 0))
    yield from (f"event {place} was published {n} times" for place, n in seen.items() if n > 1)
    for saved in history.saved:
        if saved.outcome == "ok" and (saved.company, saved.seq) not in seen:
            yield f"{saved} was acknowledged and never published"


def _reigns(history: History) -> Iterator[str]:
    """I8: no row of an earlier owner follows a row of a later one."""
    last: dict[int, Row] = {}
    for row in sorted(history.rows, key=lambda row: (row.company, row.seq)):
        before = last.get(row.company)
        if before is not None and row.reign < before.reign:
            yield f"{row} was committed after {before}"
        last[row.company] = row


def doctored(base: History) -> Sequence[tuple[str, History]]:
    """Histories that are wrong in one way each."""
    ok = next(saved for saved in base.saved if saved.outcome == "ok")
    row = next(row for row in base.rows if row.key == ok.key)
    event = (row.company, row.seq, row.key)
    flat = [pair for published in base.published for pair in published]

    def changed(**fields: object) -> History:
        copy = History()
        for name in ("saved", "published", "rows", "events"):
            setattr(copy, name, fields.get(name, getattr(base, name)))
        return copy

    return [
        ("an acknowledged row is missing", changed(rows=[r for r in base.rows if r != row])),
        ("a row is stored twice", changed(rows=[*base.rows, row])),
        ("a unit is acknowledged twice", changed(saved=[*base.saved, ok])),
        ("a refused unit is stored", changed(saved=[ok._replace(outcome="fail")])),
        ("a unit has no verdict", changed(saved=[*base.saved, Saved(1, "?", "none", 0, 0)])),
        (
            "a duplicate of nothing",
            changed(saved=[*base.saved, Saved(1, "?", "duplicate", 0, 0)]),
        ),
        ("an event is missing", changed(events=[e for e in base.events if e != event])),
        ("an event is stored twice", changed(events=[*base.events, event])),
        ("an event was published twice", changed(published=[[*flat, flat[0]]])),
        ("an event was not published", changed(published=[flat[1:]])),
        ("events were published out of order", changed(published=[flat[::-1]])),
        ("an old owner wrote", changed(rows=[row._replace(reign=9), *base.rows[1:]])),
    ]
