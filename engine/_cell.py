"""What the engine keeps per address (`Cell`) and per kind of actor (`Kind`).

An idle actor is one slotted cell, its address and the actor object: no task, no queue. All rarer
needs (system messages, waiting senders, timers, children, watchers) live in `Extra`, made on
first use.
"""

import sys
from collections import deque
from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, Any, Final

import trio
from trio import lowlevel

from engine._actor import Actor
from engine._command import Command
from engine._mailbox import MailboxPolicy
from engine._setbacks import KEPT, Setback
from engine._telemetry import KindStats
from engine._tree import ChildSpec, RestartBudget, Virtual
from engine._turn import Turn
from engine.errors import (
    ActorCrashed,
    ActorStopped,
    Address,
    AskCycle,
    DefinitionError,
    Refusal,
)

if TYPE_CHECKING:  # the core owns kinds and cells
    from engine._core import Core
    from engine._passivation import Bucket
    from engine._timers import Timer
    from engine._worker import Worker

COLD: Final = 0  # no incarnation; the next command (or the supervisor) starts one
STARTING: Final = 1
LIVE: Final = 2
STOPPING: Final = 3
DEAD: Final = 4  # this cell is out of the registry, or closed for good

# What another actor's end makes an ask raise is an answer; it does not crash the asker in turn.
ANSWERS: Final[tuple[type[Exception], ...]] = (
    Refusal,
    ActorCrashed,
    ActorStopped,
    AskCycle,
)

Item = Command[Any] | Turn[Any]
Op = tuple[str, Any]


class _StandIn(deque[Item]):
    """In the place of a queue, with nothing in it: over any bound, so that no item is appended."""

    def __len__(self) -> int:
        return sys.maxsize

    def __bool__(self) -> bool:
        return False


CLOSED: Final = _StandIn()
"""The queue of a dead cell."""

SINGLE: Final = _StandIn()
"""The queue of a cell that has had one item since it was idle: it lies in `Cell.single`.

Most turns of most actors are of one command. They need no queue, which would be the largest
object of a busy actor; the second item makes one (`Mailroom.unfold`).
"""


class Waiting:
    """A sender in line before a full mailbox; `task` is None for those that cannot wait."""

    __slots__ = ("done", "error", "item", "task")

    def __init__(self, item: Item, task: lowlevel.Task | None) -> None:
        self.item = item
        self.task = task
        self.done = False
        self.error: BaseException | None = None


class Extra:
    """The rare parts of a cell."""

    __slots__ = (
        "children",
        "deferred",
        "drained",
        "ended",
        "errors",
        "lines",
        "marks",
        "ops",
        "quiet",
        "stopping",
        "timers",
        "waiters",
        "watchers",
        "watching",
    )

    def __init__(self) -> None:
        self.ops: deque[Op] = deque()
        self.waiters: deque[Waiting] = deque()
        self.deferred: dict[Turn[Any], None] = {}
        self.children: dict[trio.CancelScope, None] = {}
        self.errors: list[Exception] = []
        self.timers: dict[Timer, None] = {}
        self.watchers: dict[Address, None] = {}
        self.watching: dict[Address, None] = {}
        self.quiet: trio.Event | None = None  # set when the last child task has ended
        self.ended: trio.Event | None = None  # see `ending`
        self.drained: trio.Event | None = None  # see `draining`
        self.stopping: Op | None = None  # the system message now being carried out
        self.lines: list[tuple[deque[Waiting], Waiting]] = []  # forwards waiting for room
        self.marks: deque[tuple[int, float]] = deque()

    def ending(self) -> trio.Event:
        """Set when what runs now has ended, or a system message was carried out."""
        if self.ended is None:
            self.ended = trio.Event()
        return self.ended

    def end(self) -> None:
        """Wake those that wait for `ending`."""
        ended, self.ended = self.ended, None
        if ended is not None:
            ended.set()

    def draining(self) -> trio.Event:
        """Set when the actor falls idle, or nobody is there to work on what is queued."""
        if self.drained is None:
            self.drained = trio.Event()
        return self.drained

    def drain(self) -> None:
        """Wake those that wait for `draining`."""
        drained, self.drained = self.drained, None
        if drained is not None:
            drained.set()

    def busy(self) -> bool:
        """Whether something of this incarnation is still under way besides the mailbox."""
        return bool(self.ops or self.waiters or self.deferred or self.children or self.timers)

    def calm(self) -> bool:
        """Whether the incarnation can end without anybody else noticing."""
        return not (
            self.children
            or self.timers
            or self.deferred
            or self.watchers
            or self.watching
            or self.errors
            or self.ended is not None
        )

    def bare(self) -> bool:
        """Whether dropping this object loses nothing."""
        return not (
            self.busy()
            or self.watchers
            or self.watching
            or self.errors
            or self.lines
            or self.ended is not None
            or self.drained is not None
        )


class Cell:
    """One address: its actor while there is one, its queue while it is not idle.

    Made by `new_cell`.
    """

    __slots__ = (
        "actor",
        "address",
        "bucket",
        "busy",
        "extra",
        "handled",
        "kind",
        "longest",
        "phase",
        "queue",
        "single",
        "used",
        "worker",
    )

    address: Address
    kind: "Kind"
    actor: Actor | None
    queue: deque[Item] | None  # None: idle
    single: Any  # an Item: all there is in the mailbox, and `queue` is SINGLE; or None
    extra: Extra | None
    worker: "Worker | None"  # resident: its own; pooled: while a handler waits
    bucket: "Bucket | None"  # where the passivation sweep will find it
    phase: int
    used: float  # trio time: became ready, or last served
    handled: int
    busy: float
    longest: float

    def extras(self) -> Extra:
        """The extra part, made on first use."""
        extra = self.extra
        if extra is None:
            extra = self.extra = Extra()
        return extra

    def holds(self) -> bool:
        """Whether anything is in the mailbox."""
        return self.single is not None or bool(self.queue)

    def depth(self) -> int:
        """How many items are in the mailbox."""
        queue = self.queue
        if queue is SINGLE:
            return 0 if self.single is None else 1
        return len(queue) if queue else 0

    def mark(self, now: float) -> None:
        """Note that what is queued now was queued before now (see `age`)."""
        depth = self.depth()
        if depth:
            marks = self.extras().marks
            marks.append((self.handled + depth, now))
            while marks[0][0] <= self.handled:
                marks.popleft()

    def age(self, now: float) -> float:
        """Seconds the oldest queued command has waited, at most."""
        if not self.holds():
            return 0.0
        since = self.used
        if self.extra is not None:
            for position, marked in self.extra.marks:
                if position > self.handled:
                    since = min(since, marked)
                    break
        return max(0.0, now - since)


def new_cell(address: Address, kind: "Kind") -> Cell:
    """A cold, idle cell; a function, because an `__init__` costs twice as much."""
    cell = Cell()
    cell.address = address
    cell.kind = kind
    cell.actor = cell.queue = cell.single = cell.extra = cell.worker = cell.bucket = None
    cell.phase = COLD
    cell.handled = 0
    cell.used = cell.busy = cell.longest = 0.0
    return cell


class Kind:
    """All that actors of one kind share: declaration, settings of their class, figures.

    Slots, because an instance of this many attributes would keep them in a dict, three times as
    slow, and each turn asks for a dozen.
    """

    __slots__ = (
        "actor_class",
        "bucket",
        "bucket_until",
        "budget",
        "capacity",
        "closed",
        "core",
        "factory",
        "idle_timeout",
        "keep_mailbox",
        "leaving",
        "live",
        "lru",
        "name",
        "on_end",
        "on_start",
        "park_after",
        "plain",
        "policy",
        "quota",
        "reentrant",
        "refusals",
        "resident",
        "setbacks",
        "setbacks_kept",
        "slow",
        "spec",
        "starts",
        "stats",
        "stops",
        "supervisor",
        "swift",
        "traced",
        "virtual",
    )

    def __init__(self, core: "Core", spec: Virtual | ChildSpec) -> None:
        self.core = core
        self.spec = spec
        self.name = spec.name
        self.virtual = isinstance(spec, Virtual)
        self.resident = not isinstance(spec, Virtual) or spec.resident
        self.closed: str | None = "not started"
        self.live = 0
        self.leaving = 0  # of these, told to passivate
        self.quota = 64  # commands per turn of one actor, adapted to their cost
        self.stats = KindStats()
        self.lru: dict[Cell, None] | None = None
        if isinstance(spec, Virtual) and spec.cap is not None:
            self.lru = {}
        self.actor_class: type[Actor] | None = None
        self.plain = Actor.handlers.plain
        self.policy = MailboxPolicy()
        self.capacity: int = self.policy.capacity
        self.idle_timeout = 300.0
        self.refusals: tuple[type[Exception], ...] = ANSWERS
        self.reentrant: frozenset[type] = frozenset()
        self.slow = Actor.slow
        self.park_after = Actor.park_after
        self.keep_mailbox = Actor.keep_mailbox
        self.starts = self.stops = False
        self.swift = False  # an activation has nothing to wait for (see `lifecycle.enliven`)
        self.bucket: Bucket | None = None  # where those activated before `bucket_until` go
        self.bucket_until = -inf
        self.supervisor = ""
        self.setbacks: dict[Address, Setback] = {}
        self.setbacks_kept = KEPT
        self.traced: deque[Setback] = deque()  # those whose error keeps its frames
        self.budget: RestartBudget | None = spec.budget if isinstance(spec, Virtual) else None
        self.on_start: Callable[[Cell], None] | None = None
        self.on_end: Callable[[Cell, BaseException | None], None] | None = None
        self.factory: Callable[..., Actor] = spec.factory
        self._adopt_factory(spec.factory)

    def _adopt_factory(self, factory: Callable[..., Actor]) -> None:
        target = getattr(factory, "func", factory)  # functools.partial
        if isinstance(target, type):
            self.adopt(target)

    def create(self, address: Address) -> Actor:
        """Make the actor object of a new incarnation."""
        if self.virtual:
            return self.factory(address)
        return self.factory()

    def adopt(self, actor_class: type[Actor]) -> None:
        """Take over the settings of the actor class, known at the latest at first activation.

        Raises:
            DefinitionError: another class than before; mailbox, refusals and all that belong to a
                kind would change under its other actors.
        """
        if actor_class is self.actor_class:
            return
        if self.actor_class is not None:
            message = f"kind {self.name!r} is {self.actor_class.__name__}, not {actor_class!r}"
            raise DefinitionError(message)
        self.actor_class = actor_class
        self.plain = actor_class.handlers.plain
        self.policy = actor_class.mailbox
        self.capacity = min(self.policy.capacity, sys.maxsize)  # see _StandIn
        self.idle_timeout = actor_class.idle_timeout if self.virtual else inf
        self.slow = actor_class.slow
        self.park_after = actor_class.park_after
        self.keep_mailbox = actor_class.keep_mailbox
        self.refusals = (*ANSWERS, *actor_class.refusals, *actor_class.reload_on)
        self.reentrant = actor_class.handlers.reentrant
        self.starts = actor_class.on_start is not Actor.on_start
        self.stops = actor_class.on_stop is not Actor.on_stop
        self.bucket_until = -inf
        self.swift = (
            self.virtual
            and not self.starts
            and self.lru is None
            and getattr(self.spec, "gate", None) is None
        )
