"""The envelope: a command with its reply slot, deadline and ask chain.

A plain `tell` needs none of these, so its command is queued bare. Fold handlers see every
command as a `Turn`, whether somebody waits for it or not.
"""
# ruff: noqa: SLF001 - the envelope's slots are private to the package, not to its class

from math import inf
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast

from outcome import Outcome
from trio import lowlevel

from engine._command import Command

if TYPE_CHECKING:  # the cell names the turn and the turn its cell
    from engine._cell import Cell

C_co = TypeVar("C_co", bound=Command[Any], covariant=True)

PENDING: Final = 0
REPLIED: Final = 1
FAILED: Final = 2
WITHDRAWN: Final = 3
FORWARDED: Final = 4

_ABORTED: Final = lowlevel.Abort.SUCCEEDED


class _Resume:
    """What `reschedule` hands to the woken task; an `outcome.Value` could be used only once."""

    __slots__ = ()

    def unwrap(self) -> None:
        return None


RESUME: Final = cast("Outcome[object]", _Resume())


class Turn(Generic[C_co]):
    """One queued command and the means to answer it exactly once.

    `deadline` is the asker's (trio clock, `inf` if none). The first of `reply`, `fail` and
    `forward` settles the turn; later ones are ignored, as is an answer to an asker that left.
    """

    __slots__ = (
        "_cell",
        "_origin",
        "_parent",
        "_state",
        "_task",
        "_value",
        "command",
        "deadline",
    )

    def __init__(
        self,
        command: C_co,
        deadline: float = inf,
        origin: "Cell | None" = None,
        parent: "Turn[Any] | None" = None,
    ) -> None:
        self.command = command
        self.deadline = deadline
        self._origin = origin  # the actor whose handler asks, if one does
        self._parent = parent  # the turn that handler works on
        self._state = PENDING
        self._value: Any  # once settled: reply, successor, or error and its traceback
        self._task: lowlevel.Task | None = None
        self._cell: Cell | None = None  # the actor that holds this turn of a fold

    @property
    def settled(self) -> bool:
        """Whether it was answered, forwarded, or its asker left."""
        return self._state != PENDING

    def reply(self, value: object = None) -> None:
        """Answer the asker with `value`."""
        self._settle(REPLIED, value)

    def fail(self, error: BaseException) -> None:
        """Answer the asker with an exception."""
        self._settle(FAILED, (error, error.__traceback__))

    def forward(self, command: Command[Any]) -> None:
        """Pass `command` on with this turn's reply slot, deadline and ask chain.

        Never waits: while the recipient's mailbox is full the forwarded turn stands in line
        there. For a `tell` the forwarder's next turn begins only when that line has moved.
        """
        cell = self._cell
        if cell is not None and self._state == PENDING:
            cell.kind.core.forward(cell, self, command)

    def defer(self) -> None:
        """Keep the turn open after the fold handler returns.

        A child task of this incarnation settles it later; if the incarnation ends first, the
        engine fails it (`ActorStopped` or `ActorCrashed`).
        """
        cell = self._cell
        if cell is not None and self._state == PENDING:
            cell.extras().deferred[self] = None

    def _settle(self, state: int, value: object) -> None:
        if self._state != PENDING:
            return
        self._value = value
        self._state = state
        task = self._task
        if task is not None:
            self._task = None
            lowlevel.reschedule(task, RESUME)
        if self._cell is not None:
            self._undefer()

    @property
    def _deferred(self) -> bool:
        cell = self._cell
        return cell is not None and cell.extra is not None and self in cell.extra.deferred

    def _undefer(self) -> None:
        cell = self._cell
        if cell is not None and cell.extra is not None and self in cell.extra.deferred:
            del cell.extra.deferred[self]
            if not cell.extra.deferred:
                cell.extra.drain()

    def _hand_over(self, command: Command[Any]) -> "Turn[Any]":
        """Close this turn in favour of a new one that inherits its asker."""
        successor: Turn[Any] = Turn(command, self.deadline, self._origin, self._parent)
        successor._task = self._task
        self._task = None
        self._state = FORWARDED
        self._value = successor
        if self._cell is not None:
            self._undefer()
        return successor

    def _abandon(self, _: object = None) -> lowlevel.Abort:
        """The asker was cancelled: nobody waits any more; queued work is dropped unseen."""
        turn = self._last()
        turn._task = None
        if turn._state == PENDING:
            turn._state = WITHDRAWN
            if turn._cell is not None:
                turn._undefer()
        return _ABORTED

    def _last(self) -> "Turn[Any]":
        turn: Turn[Any] = self
        while turn._state == FORWARDED:
            turn = turn._value
        return turn

    def _abandoned(self) -> bool:
        """Whether this asker or, through the chain of asks, any earlier one has left."""
        turn: Turn[Any] | None = self
        while turn is not None:
            if turn._state == WITHDRAWN:
                return True
            turn = turn._parent
        return False
