"""Finds out which units of a pass were refused, and whether by a committed row or by a neighbour.

A unit that lost against another unit of its own batch is not refused: that one may still fail. Of
the two the later one goes back to the queue and meets the committed row, or none, in the next
batch. That the *later* one gives way, whoever won, keeps the order and lets every batch get on: two
units that each lost one row to the other would otherwise give way to each other for ever.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from storage.errors import Duplicate, Poisoned, StaleVersion, StorageError
from storage.unit import Statement
from storage.writer.entry import Entry
from storage.writer.rows import Rows

Values = tuple[Any, ...]
Claim = tuple[sa.Table, tuple[str, ...], Values]
Outcome = tuple[Statement, Rows, Sequence[Values]]
"""A statement that proves its effect, its rows, and what RETURNING gave back."""


class Refusals:
    """The verdicts of one pass that did not fully take effect."""

    def __init__(self, outcomes: Sequence[Outcome]) -> None:
        self._winners: dict[Claim, list[tuple[Entry, Statement]]] = {}
        self._duplicates: dict[Entry, list[Values]] = {}
        self._errors: dict[Entry, StorageError] = {}
        self._rivals: dict[Entry, set[Entry]] = {}
        losers: list[tuple[Statement, Entry, Values]] = []
        for statement, rows, returned in outcomes:
            losers += self._sort_out(statement, rows, set(returned))
        for statement, entry, values in losers:
            self._judge(statement, entry, values)

    def _claim(self, statement: Statement, values: Values) -> Claim:
        return statement.table, statement.proof_names, tuple(values[p] for p in statement.proof)

    def _sort_out(
        self, statement: Statement, rows: Rows, returned: set[Values]
    ) -> list[tuple[Statement, Entry, Values]]:
        """Note the winner of every row, return the others."""
        losers: list[tuple[Statement, Entry, Values]] = []
        highest: dict[Values, Any] = {}
        taken: set[Values] = set()
        for entry, values in zip(rows.entries, rows.values, strict=True):
            identity = tuple(values[place] for place in statement.returns)
            won = identity in returned
            if won and statement.kind == "raise":
                won = _rises(highest, identity, values[statement.key_width])
            elif won:
                won = identity not in taken
                taken.add(identity)
            if won:
                claim = self._claim(statement, values)
                self._winners.setdefault(claim, []).append((entry, statement))
            else:
                losers.append((statement, entry, values))
        return losers

    def _judge(self, statement: Statement, entry: Entry, values: Values) -> None:
        claim = self._claim(statement, values)
        winners = self._winners.get(claim, [])
        rivals = {winner for winner, _ in winners if winner is not entry}
        if rivals:
            for rival in rivals:
                self._rivals.setdefault(entry, set()).add(rival)
                self._rivals.setdefault(rival, set()).add(entry)
        elif winners and statement.kind == "insert":
            self._errors[entry] = Poisoned(f"the unit claims {claim[2]} twice")
        elif any(same is statement for _, same in winners):
            pass  # a unit that raises one row twice means the higher value
        elif statement.guarded:
            self._errors[entry] = StaleVersion(f"{statement.table.name} {claim[2]} has changed")
        else:
            self._duplicates.setdefault(entry, []).append(claim[2])

    def __bool__(self) -> bool:
        """False when rows are missing only because raises of one row were merged."""
        return bool(self._errors or self._duplicates or self._rivals)

    def split(self, entries: Sequence[Entry]) -> tuple[list[Entry], list[Entry], list[Entry]]:
        """Part the entries into (run again, put back into the queue, refused with their error)."""
        again: dict[Entry, None] = {}
        later: list[Entry] = []
        refused: list[Entry] = []
        for entry in entries:
            error = self._error(entry)
            if error is not None:
                entry.error = error
                refused.append(entry)
            elif self._rivals.get(entry, set()) & again.keys():
                later.append(entry)
            else:
                again[entry] = None
        return list(again), later, refused

    def _error(self, entry: Entry) -> StorageError | None:
        error = self._errors.get(entry)
        keys = self._duplicates.get(entry)
        return Duplicate(tuple(keys)) if error is None and keys else error


def _rises(highest: dict[Values, Any], key: Values, value: Any) -> bool:
    """Whether the value is above all earlier ones of this row in the batch."""
    before = highest.get(key)
    if before is not None and value <= before:
        return False
    highest[key] = value
    return True
