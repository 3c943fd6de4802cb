"""Checks one row at submission, so that no value can fail a batch of other people's rows.

The checks of a row depend only on its values' types; they are worked out once per combination.
"""

from collections.abc import Callable, Sequence, Set
from operator import itemgetter
from typing import Any, NamedTuple

from storage.array_literals import array_literal
from storage.column_types import Check, ColumnType, refuse

_ROW_COST = 64
_VALUE_COST = 16

Values = tuple[Any, ...]
Column = tuple[str, ColumnType]


def _picker(places: Sequence[int]) -> Callable[[Values], Values] | None:
    if not places:
        return None
    if len(places) == 1:
        only = places[0]
        return lambda values: (values[only],)
    return itemgetter(*places)


class Plan(NamedTuple):
    """How to check rows whose values have one combination of types."""

    texts: Callable[[Values], Values] | None
    integers: Callable[[Values], Values] | None
    low: int
    high: int
    """Within these every integer fits its column; beyond them each is checked by itself."""
    stamps: Callable[[Values], Values] | None
    checks: tuple[tuple[int, Check], ...]
    seqs: tuple[int, ...]
    cost: int


class Encoder:
    """Checks and encodes the rows of one statement."""

    __slots__ = ("_columns", "_label", "_plans", "_required", "_seq_type")

    def __init__(
        self, label: str, columns: Sequence[Column], *, required: Set[str], seq_type: type
    ) -> None:
        self._label = label
        self._columns = tuple(columns)
        self._required = required
        self._seq_type = seq_type
        self._plans: dict[tuple[type, ...], Plan] = {}

    def encode(self, values: Values) -> tuple[Values, tuple[int, ...], int]:
        """Return the row as it travels, the places of its event numbers, and its size in bytes.

        Raises:
            Poisoned: Postgres would refuse a value: wrong type or range, U+0000, lone surrogate.
        """
        plan = self._plans.get(tuple(map(type, values))) or self._plan(values)
        texts, integers, low, high, stamps, checks, seqs, size = plan
        if integers is not None:
            numbers = integers(values)
            if max(numbers) > high or min(numbers) < low:
                self._check_ranges(values)
        if texts is not None:
            text = "".join(texts(values))
            size += len(text)
            if not text.isascii() or "\0" in text:
                size += self._check_texts(values)
        if stamps is not None:
            for stamp in stamps(values):
                if stamp.tzinfo is None:
                    raise refuse(self._label, "a naive time")
        if checks:
            values, more = self._apply(plan, values)
            size += more
        return values, seqs, size

    def _apply(self, plan: Plan, values: Values) -> tuple[Values, int]:
        encoded = list(values)
        size = 0
        for place, check in plan.checks:
            try:
                item = encoded[place] = check(encoded[place])
            except (ValueError, OverflowError) as error:
                raise refuse(self._name(place), str(error)) from error
            if type(item) is str:
                size += len(item)
        return tuple(encoded), size

    def _name(self, place: int) -> str:
        return f"{self._label}.{self._columns[place][0]}"

    def _check_ranges(self, values: Values) -> None:
        for place, (_, kind) in enumerate(self._columns):
            value = values[place]
            if kind.bounds and type(value) is not self._seq_type and value is not None:
                low, high = kind.bounds
                if not low <= value <= high:
                    raise refuse(self._name(place), f"{value} does not fit {kind.array}")

    def _check_texts(self, values: Values) -> int:
        size = 0
        for place, (_, kind) in enumerate(self._columns):
            value = values[place]
            if not kind.is_text or not isinstance(value, str) or kind.cast == "jsonb":
                continue
            if "\0" in value:
                raise refuse(self._name(place), "U+0000 in text")
            try:
                size += len(value.encode()) - len(value)
            except UnicodeEncodeError as error:
                raise refuse(self._name(place), "lone surrogate in text") from error
        return size

    def _plan(self, values: Values) -> Plan:
        if len(values) != len(self._columns):
            message = f"{self._label}: {len(values)} values for {len(self._columns)} columns"
            raise TypeError(message)
        present = [
            (place, kind)
            for place, (_, kind) in enumerate(self._columns)
            if self._accepts(place, values[place])
        ]
        bounds = [kind.bounds for _, kind in present if kind.bounds]
        # Ids rarely pass 32 bits, so one look at the extremes mostly does for columns of any width.
        plan = Plan(
            texts=_picker([p for p, kind in present if kind.is_text]),
            integers=_picker([p for p, kind in present if kind.bounds]),
            low=max((low for low, _ in bounds), default=0),
            high=min((high for _, high in bounds), default=0),
            stamps=_picker([p for p, kind in present if kind.array == "timestamptz"]),
            checks=tuple((place, kind.check) for place, kind in present if kind.check),
            seqs=tuple(p for p, value in enumerate(values) if type(value) is self._seq_type),
            cost=_ROW_COST + _VALUE_COST * len(values),
        )
        self._plans[tuple(map(type, values))] = plan
        return plan

    def _accepts(self, place: int, value: object) -> bool:
        """Whether the value needs checks (it is neither NULL nor an event number)."""
        name, kind = self._columns[place]
        if value is None:
            if name in self._required:
                raise refuse(self._name(place), "NULL in a NOT NULL column")
            return False
        if type(value) is self._seq_type:
            if kind.array != "bigint":
                raise refuse(self._name(place), "an event number needs a bigint column")
            return False
        if not isinstance(value, kind.accepts) or (
            isinstance(value, bool) and bool not in kind.accepts and object not in kind.accepts
        ):
            raise refuse(self._name(place), f"{type(value).__name__} for {kind.array}")
        if kind.check is None:
            try:
                array_literal([value])
            except TypeError as error:  # a subclass that has no JSON form
                raise refuse(self._name(place), str(error)) from error
            except UnicodeEncodeError:
                pass  # found again among the texts
        return True
