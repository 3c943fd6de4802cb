"""Where pages of lists end, so that the next page is read from there and not counted up to.

Clients ask for pages by number. Whoever asks for one after the other is answered behind the last
row of the page before: rows that came in meanwhile push nothing over, and a deep page costs as
much as the first. A page whose forerunner is not remembered is counted up to, as before.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final

KEPT: Final = 8192
"""Pages of all companies together; those read longest ago are forgotten first."""

GOOD_FOR: Final = 600.0
"""Seconds after which somebody who asks for a later page has not just read the one before."""

Last = tuple[object, ...]


class Bookmarks:
    """The sort keys of the last rows of pages, by question and page number."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: OrderedDict[tuple[Hashable, int], tuple[float, Last]] = OrderedDict()

    def before(self, question: Hashable, page: int) -> Last | None:
        """The sort key of the last row before `page`, if that page was read lately."""
        found = self._kept.get((question, page - 1))
        if found is None or self._clock() - found[0] > GOOD_FOR:
            return None
        return found[1]

    def keep(self, question: Hashable, page: int, last: Last) -> None:
        """Remember that `page` ends with the row of this sort key."""
        self._kept[question, page] = (self._clock(), last)
        self._kept.move_to_end((question, page))
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
