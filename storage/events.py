"""Domain events: past-tense facts, numbered per company and published after their commit."""

from collections.abc import Callable, Sequence
from typing import ClassVar

import msgspec

from storage.ids import CompanyId


class DomainEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A committed fact of one company.

    Subclasses set `kind` (stable, `noun.past_verb`) and name the rows they speak of in `ids`;
    only kind and ids are stored, so that an erased person leaves nothing in the event log.
    """

    kind: ClassVar[str]
    company_id: CompanyId

    def ids(self) -> dict[str, int | str]:
        """Identify the rows this event speaks of, enough to load them again."""
        raise NotImplementedError


Publisher = Callable[[Sequence[tuple[int, DomainEvent]]], None]
"""Receives (seq, event) pairs on the trio thread after COMMIT, in seq order per company.

It must not wait and must not raise: the writer calls it before releasing the producers.
"""
