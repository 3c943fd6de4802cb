"""What went wrong at each address: errors, crashes within the window, poison commands.

A `Setback` outlives the incarnations it tells of, and also the cell, so that a virtual actor that
left memory cannot start afresh with a clean slate. Each kind keeps thousands of them and forgets
the oldest that are over.
"""

from collections import deque
from typing import TYPE_CHECKING, Final

from engine._turn import Turn

if TYPE_CHECKING:  # a cell's kind keeps setbacks
    from random import Random

    from engine._cell import Cell, Item, Kind
    from engine._tree import RestartBudget

KEPT: Final = 4096
_COMMANDS_KEPT: Final = 64
_TRACED: Final = 256  # setbacks of a kind whose error keeps its traceback


class Setback:
    """The failures of one address: how many, the latest, and until when it backs off."""

    __slots__ = ("cause", "count", "crashes", "error", "poison", "until")

    def __init__(self) -> None:
        self.count = 0  # of incarnations or activations that ended with an error
        self.error: BaseException | None = None  # the latest of these
        self.crashes: deque[float] = deque()  # when, within the window of the budget
        self.until = 0.0  # trio time: the address backs off
        self.cause: BaseException | None = None  # what made it back off
        self.poison: dict[int, int] = {}  # crashes by the hash of the command

    def charge(
        self,
        allowance: "RestartBudget",
        now: float,
        jitter: "Random",
        error: BaseException,
        at_least: int = 0,
    ) -> None:
        """Charge a crash to the budget of the address; in excess of it the address backs off.

        The more crashes are in excess, the longer. Take them for `at_least` so many: a failed
        activation always backs off. `jitter` is of the back-off.
        """
        crashes = self.crashes
        crashes.append(now)
        since = now - allowance.per
        while crashes[0] <= since:
            crashes.popleft()
        excess = len(crashes) - allowance.restarts
        if excess < at_least:
            excess = at_least
        if excess > 0:
            self.until = now + allowance.backoff.delay(excess + 1, jitter.random())
            self.cause = error

    def count_poison(self, item: "Item") -> int:
        """How often an equal command has crashed this address; 0 if its asker needs no answer."""
        if isinstance(item, Turn):
            if item.settled:
                return 0
            item = item.command
        try:
            key = hash(item)
        except Exception:  # noqa: BLE001 - a field of the application's that cannot be hashed
            key = _hash_of_text(item)
        poison = self.poison
        crashes = poison[key] = poison.get(key, 0) + 1
        if len(poison) > _COMMANDS_KEPT:
            del poison[next(iter(poison))]
        return crashes

    def over(self, since: float) -> bool:
        """Whether the crashes and the back-off lie before `since`."""
        return self.until <= since and not (self.crashes and self.crashes[-1] > since)


def _hash_of_text(command: object) -> int:
    try:
        return hash(repr(command))
    except Exception:  # noqa: BLE001 - nor be shown: then all of its type are one
        return hash(type(command))


def remember(cell: "Cell", error: BaseException, now: float) -> Setback:
    """Keep the latest error of an address, and count it."""
    kind = cell.kind
    setback = kind.setbacks.get(cell.address)
    if setback is None:
        if len(kind.setbacks) >= kind.setbacks_kept:
            _forget_half(kind, now)
        setback = kind.setbacks[cell.address] = Setback()
    setback.count += 1
    before, setback.error = setback.error, error
    if before is None or before.__traceback__ is None:
        traced = kind.traced
        traced.append(setback)
        if len(traced) > _TRACED:
            _let_go(traced.popleft().error)
    return setback


def _let_go(error: BaseException | None) -> None:
    """Drop the traceback of an error that is not among the latest.

    Its frames hold the crashed actor and the command. They are not cleared, which would keep the
    lines: it would close the coroutine of a frame that happens to be suspended.
    """
    for _ in range(8):
        if error is None:
            return
        error.__traceback__ = None
        if isinstance(error, BaseExceptionGroup):
            for each in error.exceptions:
                each.__traceback__ = None
        error = error.__cause__ or error.__context__


def _forget_half(kind: "Kind", now: float) -> None:
    """Forget up to half of the setbacks, the oldest that are over.

    Where too many are not over, the next look is put off until there are twice as many: a mass
    crash must not make each crash look at all of them.
    """
    since = now - (kind.budget.per if kind.budget is not None else 0.0)
    over = [address for address, each in kind.setbacks.items() if each.over(since)]
    for address in over[: KEPT // 2]:
        del kind.setbacks[address]
    kind.setbacks_kept = max(KEPT, 2 * len(kind.setbacks))
