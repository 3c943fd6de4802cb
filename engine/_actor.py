"""Actors: isolated state, a bounded mailbox, one command at a time.

Contract. Subclass `Actor`, name the commands it accepts, and write one `@handler` per command:

- Handlers are registered from their annotations and checked when the class is defined. A command
  below `accepts` without handler, with two handlers, or with a handler of the wrong reply type
  raises `DefinitionError` at import.
- Commands of one sender are handled in the order sent. One command is handled at a time, also
  while its handler awaits; only `@handler(reentrant=True)` handlers interleave with that wait.
- `on_start` returns before the first command; `on_stop` runs after the last one of an orderly
  end (stop, passivation, shutdown), never after a crash.
- What a handler returns is the reply. A raised `Refusal` (or class listed in `refusals`) is the
  reply too; any other exception is a crash: the incarnation ends, its timers and child tasks with
  it, and the next one starts from the factory. Queued commands do not survive a crash unless
  `keep_mailbox` says so, because a sender that repeats the failed one must not be overtaken by
  its own later ones; their askers get `ActorCrashed`, tells become dead letters.
- Cancelling an asker never cancels a handler. A command whose asker left, or whose deadline
  passed, before it was begun is dropped and counted.
"""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, ClassVar, TypeVarTuple

from engine._command import Command
from engine._handlers import Handlers, collect_handlers, is_handler
from engine._mailbox import MailboxPolicy
from engine.errors import ActorStopped, Address, DefinitionError

if TYPE_CHECKING:  # System runs actors; actors only name it
    from engine._cell import Cell
    from engine._core import Core
    from engine._system import System
    from engine._timers import Timer

Ts = TypeVarTuple("Ts")


class Actor:
    """Base of all actors. Class attributes are its settings; see the module's contract.

    mailbox       bound and overflow policy
    idle_timeout  seconds without a command after which a virtual actor is passivated
    refusals      foreign exception classes that are replies, not crashes
    reload_on     refusals after which the incarnation ends all the same (its state is stale);
                  not counted as a crash
    keep_mailbox  exceptions over which queued commands wait for the next incarnation
    park_after    crashes by equal commands after which the command is parked
    slow          seconds of handling after which a command is logged as slow
    """

    __slots__ = ("_cell",)

    mailbox: ClassVar[MailboxPolicy] = MailboxPolicy()
    idle_timeout: ClassVar[float] = 300.0
    refusals: ClassVar[tuple[type[Exception], ...]] = ()
    reload_on: ClassVar[tuple[type[Exception], ...]] = ()
    keep_mailbox: ClassVar[tuple[type[BaseException], ...]] = ()
    park_after: ClassVar[int] = 3
    slow: ClassVar[float] = 1.0
    handlers: ClassVar[Handlers] = Handlers()

    _cell: "Cell"

    def __init_subclass__(cls, accepts: type[Command[Any]] | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in vars(cls).keys() & _OWN_NAMES:
            if is_handler(vars(cls)[name]):
                message = f"{cls.__name__}.{name}: {name!r} has a meaning in every actor"
                raise DefinitionError(message)
        cls.handlers = collect_handlers(cls, accepts)

    @property
    def address(self) -> Address:
        """This actor's address; set before `on_start`."""
        return self._cell.address

    @property
    def system(self) -> "System":
        """The system this actor lives in; set before `on_start`."""
        return self._cell.kind.core.system

    async def on_start(self) -> None:
        """Load state. Commands wait. Raising fails this activation, not the address for ever."""

    async def on_stop(self) -> None:
        """Say goodbye after the last command of an orderly end. Not called after a crash."""

    def _living(self) -> "Core":
        """The engine, for the incarnation at this address; another's may not act in its name."""
        cell = self._cell
        if cell.actor is not self:
            raise ActorStopped(cell.address)
        return cell.kind.core

    def stop(self) -> None:
        """End this incarnation after the current command, ahead of everything queued.

        Queued askers get `ActorStopped`. A supervised child then follows its restart rule; a
        virtual address is activated again by its next command.
        """
        if self._cell.actor is self:
            self._cell.kind.core.stop_itself(self._cell)

    def start_soon(
        self, fn: Callable[[*Ts], Awaitable[object]], *args: *Ts, name: str | None = None
    ) -> None:
        """Run `fn(*args)` as a child task of this incarnation.

        It is cancelled when the incarnation ends, and its crash crashes the actor. An actor with
        running child tasks is not idle.
        """
        self._living().start_child(self._cell, fn, args, name)

    def after(self, seconds: float, command: Command[Any]) -> "Timer":
        """Tell `command` once, `seconds` from now. Dies with this incarnation.

        An actor with a pending `after` is not idle.
        """
        return self._living().start_timer(self._cell, seconds, None, command)

    def every(self, seconds: float, command: Command[Any]) -> "Timer":
        """Tell `command` every `seconds`, without drift; skipped while its mailbox is full.

        Dies with this incarnation. An actor with a running `every` is not idle.
        """
        return self._living().start_timer(self._cell, seconds, seconds, command)

    def watch(self, address: Address) -> None:
        """Have a `Died` sent to this actor when the incarnation at `address` ends."""
        self._living().watch(self._cell, address)

    def unwatch(self, address: Address) -> None:
        """Take back a `watch`."""
        self._cell.kind.core.unwatch(self._cell, address)

    def fail_queued(self, command_type: type[Command[Any]], error: BaseException) -> int:
        """Fail every queued command of this type (subclasses included); returns how many.

        Askers get `error`; tells become dead letters. Commands of senders still waiting for
        room in the mailbox are failed too, so that none overtakes an earlier one.
        """
        return self._living().fail_queued(self._cell, command_type, error)


_OWN_NAMES = frozenset(vars(Actor))
