"""The supervision tree as data. Nothing here runs: `open_system(tree)` does.

Strategies, as in Erlang/OTP. A child that ends is restarted by its `restart` rule; with
`one_for_one` alone, with `one_for_all` together with all its siblings, with `rest_for_one`
together with the siblings declared after it. Children start in order (the next one starts when
the `on_start` of the last returned) and stop in reverse order.

Tuning. `intensity` restarts within `period` seconds are tolerated; one more and the supervisor
stops its children and fails with the ExceptionGroup of that window, which its own parent treats
as the crash of a permanent child. Choose intensity for the burst you accept and
intensity / period for the sustained rate. Levels multiply: a tree of depth d with intensity n
can restart a leaf (n + 1) ** d - 1 times before the system gives up. Between restarts a child
waits its back-off: none before the first restart of a window, then doubling, with jitter.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from math import inf
from typing import Literal

from engine._actor import Actor
from engine.errors import Address, DefinitionError

Strategy = Literal["one_for_one", "one_for_all", "rest_for_one"]
Restart = Literal["permanent", "transient", "temporary"]
Gate = Callable[[Address], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Backoff:
    """Delay in seconds before the n-th consecutive restart: 0, initial, 2 x initial, ...

    Capped by `maximum` and spread by up to +/- `jitter` (a fraction), so that siblings broken by
    one cause do not come back in step.
    """

    initial: float = 0.1
    maximum: float = 30.0
    jitter: float = 0.2

    def delay(self, restarts: int, uniform: float) -> float:
        """Delay before restart number `restarts` (1 = first); `uniform` is drawn from [0, 1)."""
        if restarts <= 1:
            return 0.0
        plain = min(self.maximum, self.initial * 2.0 ** min(restarts - 2, 60))
        return plain * (1.0 + self.jitter * (2.0 * uniform - 1.0))


@dataclass(frozen=True, slots=True)
class RestartBudget:
    """How often one virtual address may crash: `restarts` within `per` seconds.

    One crash more and the address backs off (doubling with every further crash) and answers
    `Unavailable`. It never escalates: siblings and supervisors do not notice.
    """

    restarts: int = 3
    per: float = 60.0
    backoff: Backoff = field(default_factory=lambda: Backoff(initial=1.0, maximum=60.0))

    def __post_init__(self) -> None:
        if self.restarts < 0 or not 0 < self.per <= inf:
            message = "a budget is of restarts >= 0 within per > 0 seconds"
            raise DefinitionError(message)


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """A resident child of a supervisor; its address is `Address(name, ())`.

    `restart`: permanent children are restarted whenever they end, transient ones only after a
    crash or together with siblings, temporary ones never, not even together with siblings.
    `shutdown`: seconds it may drain its mailbox and run `on_stop` before it is cancelled.
    """

    name: str
    factory: Callable[[], Actor]
    restart: Restart = "permanent"
    shutdown: float = 5.0
    backoff: Backoff = Backoff()


@dataclass(frozen=True, slots=True)
class Virtual:
    """All actors of one kind, by address: activated by their first command, passivated idle.

    `resident=True` gives each incarnation its own task; otherwise a pool of tasks serves all of
    them and an idle actor is one small object. `cap`: live actors beyond which the least recently
    used idle ones are passivated. `gate`: awaited with the address before each activation.
    `shutdown`: seconds in which all of the kind may drain at shutdown.
    """

    name: str
    factory: Callable[[Address], Actor]
    budget: RestartBudget = RestartBudget()
    resident: bool = False
    cap: int | None = None
    gate: Gate | None = None
    shutdown: float = 10.0


@dataclass(frozen=True, slots=True)
class Supervisor:
    """A named group of children with one restart strategy; may contain supervisors."""

    name: str
    strategy: Strategy = "one_for_one"
    intensity: int = 10
    period: float = 60.0
    children: "tuple[ChildSpec | Virtual | Supervisor, ...]" = ()
    backoff: Backoff = Backoff()

    def __post_init__(self) -> None:
        if self.strategy not in ("one_for_one", "one_for_all", "rest_for_one"):
            message = f"unknown strategy {self.strategy!r}"
            raise DefinitionError(message)
        if self.intensity < 0 or not 0 < self.period <= inf:
            message = f"supervisor {self.name!r}: intensity >= 0 and period > 0 seconds"
            raise DefinitionError(message)
        names = [child.name for child in self.children]
        if len(set(names)) != len(names):
            message = f"supervisor {self.name!r} has two children of one name: {names}"
            raise DefinitionError(message)
