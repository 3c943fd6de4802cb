"""Fault points: places where a test makes the program die, fail, pause or lose its connection.

A specification names a point, which of its passes strikes, and the action:
`writer.commit_sent:3:kill`. Nothing is armed unless `arm` was called; an idle point costs one
look into an empty dictionary.
"""

import os
import signal
import time
from collections.abc import Callable
from typing import Literal, get_args

Action = Literal["kill", "raise", "delay", "cut"]

DELAY = 1.0
"""Seconds that `delay` blocks the thread it strikes on."""

POINTS = frozenset(
    f"{group}.{point}"
    for group, points in {
        "writer": ("taken fenced claimed before_commit commit_sent commit_replied acked published"),
        "http": "worked before_200",
        "send": "before_mark marked written replied before_sent_commit",
        "actor": "loaded decided",
        "takeover": "bumped",
    }.items()
    for point in points.split()
)
"""Every fault point there is."""


class FaultInjected(Exception):
    """The failure that an armed fault point raises."""


class _Armed:
    def __init__(self, passes: int, action: Action) -> None:
        self.passes = passes
        self.action: Action = action


_armed: dict[str, _Armed] = {}


def arm(specification: str) -> None:
    """Arm fault points from `name:n:action[,name:n:action…]`: the n-th pass strikes, once.

    Raises:
        ValueError: an unknown point or action, or n is not a positive number.
    """
    for part in filter(None, specification.split(",")):
        name, _, rest = part.partition(":")
        count, _, action = rest.partition(":")
        if name not in POINTS or action not in get_args(Action) or not count.isdecimal():
            message = f"not a fault: {part!r}"
            raise ValueError(message)
        if int(count) < 1:
            message = f"a fault strikes at pass 1 or later: {part!r}"
            raise ValueError(message)
        _armed[name] = _Armed(int(count), _action(action))


def _action(name: str) -> Action:
    for action in get_args(Action):
        if action == name:
            known: Action = action
            return known
    raise ValueError(name)


def disarm() -> None:
    """Forget every armed point."""
    _armed.clear()


def is_armed(name: str) -> bool:
    """Whether `name` still waits to strike."""
    return name in _armed


def hit(name: str, *, cut: Callable[[], object] | None = None) -> None:
    """Pass the fault point `name`; `cut` drops the connection in use, where there is one.

    Raises:
        FaultInjected: the point was armed with `raise`.
    """
    armed = _armed.get(name)
    if armed is None:
        return
    armed.passes -= 1
    if armed.passes > 0:
        return
    del _armed[name]
    _strike(name, armed.action, cut)


def _strike(name: str, action: Action, cut: Callable[[], object] | None) -> None:
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif action == "delay":
        time.sleep(DELAY)
    elif action == "cut":
        if cut is not None:
            cut()
    else:
        raise FaultInjected(name)
