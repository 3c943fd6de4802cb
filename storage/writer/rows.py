"""The rows of one pass: units turned sideways into one set of columns per statement."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from storage.array_literals import array_literal
from storage.audit_chain import link
from storage.unit import Statement
from storage.writer.entry import Entry
from storage.writer.session import Head

Values = tuple[Any, ...]


class Rows:
    """All rows of a pass for one statement, with the entry each belongs to."""

    __slots__ = ("entries", "seq_places", "values")

    def __init__(self) -> None:
        self.values: list[Values] = []
        self.entries: list[Entry] = []
        self.seq_places: set[int] = set()

    def arrays(self, statement: Statement) -> list[str]:
        """One array literal per column, event numbers filled in, repeated keys reduced."""
        return [array_literal(column) for column in self._columns(statement)]

    def _columns(self, statement: Statement) -> list[Sequence[Any]]:
        columns: list[Sequence[Any]] = list(zip(*self.values, strict=True))
        for place in self.seq_places:
            columns[place] = [
                value if value is None or type(value) is int else entry.first_seq + value.index
                for value, entry in zip(columns[place], self.entries, strict=True)
            ]
        if statement.reduces:
            keys = list(zip(*columns[: statement.key_width], strict=True))
            if len(set(keys)) < len(keys):
                return reduced(statement, columns, keys)
        return columns


def reduced(
    statement: Statement, columns: Sequence[Sequence[Any]], keys: Sequence[Values]
) -> list[Sequence[Any]]:
    """Leave one row per key: the highest of a raise, else the last (an upsert keeps the rest).

    Without this, UPDATE applies an arbitrary one of equal keys, and DO UPDATE refuses them all.
    """
    winners: dict[Values, Values] = {}
    for key, row in zip(keys, zip(*columns, strict=True), strict=True):
        old = winners.get(key)
        winners[key] = row if old is None else _merged(statement, old, row)
    return list(zip(*winners.values(), strict=True))


def _merged(statement: Statement, old: Values, new: Values) -> Values:
    if statement.kind == "raise":
        place = statement.key_width
        return new if new[place] > old[place] else old
    if statement.kind == "upsert":
        at = statement.settable
        return tuple(new[i] if i in at else value for i, value in enumerate(old))
    return new


class Pass:
    """One attempt at a set of entries: numbers given, rows grouped by statement."""

    def __init__(self, entries: Sequence[Entry], heads: dict[int, Head], audit_key: bytes) -> None:
        """Number the events and tie the audit log's entries; `heads` are advanced."""
        self.groups: dict[Statement, Rows] = {}
        companies: list[int] = []
        seqs: list[int] = []
        kinds: list[str] = []
        ids: list[str] = []
        self.audit: tuple[list[Any], ...] = ([], [], [], [], [])
        """Columns: company, number, time, entry, link in hex."""
        for entry in entries:
            if entry.event_rows:
                company_id = entry.company_id
                head = heads[company_id]
                seq = head.seq
                entry.first_seq = seq + 1
                for kind, text in entry.event_rows:
                    seq += 1
                    companies.append(company_id)
                    seqs.append(seq)
                    kinds.append(kind)
                    ids.append(text)
                head.seq = seq
            if entry.audit is not None:
                self._note(entry, heads[entry.company_id], audit_key)
            self._add(entry)
        self.events = (companies, seqs, kinds, ids)
        self.heads = heads

    def _note(self, entry: Entry, head: Head, key: bytes) -> None:
        assert entry.audit is not None
        at = datetime.now(UTC)
        head.audit_seq += 1
        text = entry.audit.encode()
        tied = link(key, head.audit_hash, entry.company_id, head.audit_seq, at, text)
        head.audit_hash = tied
        row = (entry.company_id, head.audit_seq, at, entry.audit, tied.hex())
        for column, value in zip(self.audit, row, strict=True):
            column.append(value)

    def _add(self, entry: Entry) -> None:
        groups = self.groups
        for statement, values, seqs in entry.writes:
            rows = groups.get(statement)
            if rows is None:
                rows = groups[statement] = Rows()
            rows.values.append(values)
            rows.entries.append(entry)
            if seqs:
                rows.seq_places.update(seqs)

    def ordered(self) -> Iterable[tuple[Statement, Rows]]:
        """Statements in the order in which they must run."""
        return sorted(self.groups.items(), key=_order)


def _order(item: tuple[Statement, Rows]) -> tuple[int, int, int]:
    return item[0].order
