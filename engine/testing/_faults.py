"""Fault injection: make an actor crash, or its commands come late, without touching its code."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import trio

from engine._actor import Actor
from engine._command import Command
from engine.errors import Address

Factory = Callable[[Address], Actor]


class InjectedCrash(Exception):
    """What `Faults` makes a handler raise."""


class Faults:
    """Decides, before each command of the actors it wraps, whether something goes wrong.

    `Faults(crash_at={3, 7})` crashes at the 3rd and the 7th command of each address, counted
    from 1 over all its incarnations. `delay(command)` gives seconds to wait before the handler.
    `only` restricts both to some types of command.
    """

    def __init__(
        self,
        *,
        crash_at: set[int] | None = None,
        crash_if: Callable[[Address, Command[Any], int], bool] | None = None,
        delay: Callable[[Command[Any]], float] | None = None,
        only: tuple[type[Command[Any]], ...] | None = None,
    ) -> None:
        self.crashes = 0
        self.counts: dict[Address, int] = {}
        self._crash_at = crash_at or set()
        self._crash_if = crash_if
        self._delay = delay
        self._only = only

    def wrap(self, factory: Factory) -> Factory:
        """A factory whose actors suffer these faults in their plain handlers."""
        faulty: dict[type[Actor], type[Actor]] = {}

        def make(address: Address) -> Actor:
            actor = factory(address)
            actor_class = type(actor)
            if actor_class not in faulty:
                faulty[actor_class] = self._faulty(actor_class)
            actor.__class__ = faulty[actor_class]
            return actor

        return make

    def _faulty(self, actor_class: type[Actor]) -> type[Actor]:
        """A subclass of the same layout whose plain handlers go through `_before`."""
        made: type[Actor] = type(actor_class.__name__, (actor_class,), {"__slots__": ()})
        handlers = actor_class.handlers
        faulty = {command: self._around(function) for command, function in handlers.plain.items()}
        made.handlers = replace(handlers, plain=faulty)
        return made

    def _around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        async def faulty(actor: Actor, command: Command[Any]) -> Any:
            if self._only is None or isinstance(command, self._only):
                await self._before(actor.address, command)
            return await function(actor, command)

        return faulty

    async def _before(self, address: Address, command: Command[Any]) -> None:
        count = self.counts[address] = self.counts.get(address, 0) + 1
        if self._delay is not None:
            await trio.sleep(self._delay(command))
        if count in self._crash_at or (
            self._crash_if is not None and self._crash_if(address, command, count)
        ):
            self.crashes += 1
            message = f"injected at command {count} of {address}"
            raise InjectedCrash(message)
