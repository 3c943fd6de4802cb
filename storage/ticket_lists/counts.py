"""How long lists are, kept for as long as nothing has happened in their company."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

KEPT: Final = 4096
"""Questions whose counts are remembered; those counted longest ago are forgotten first."""

NEVER: Final = -1
"""No number of an event: nothing is remembered."""


class Counts:
    """Counts with the number of the company's last event at which each was true.

    Whatever changes a ticket is an event of its company. A count is therefore exact while the
    company's number is still the same, which the list's own statement compares.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, tuple[int, int]] = OrderedDict()

    def kept(self, question: Hashable) -> tuple[int, int]:
        """The number of the event at which the kept count was true, and the count."""
        return self._kept.get(question, (NEVER, 0))

    def keep(self, question: Hashable, seq: int, count: int) -> None:
        """Remember that the list was `count` long at the company's event `seq`."""
        self._kept[question] = (seq, count)
        self._kept.move_to_end(question)
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
