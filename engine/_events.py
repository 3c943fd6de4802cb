"""The event stream: facts published in one system, to callbacks and bounded streams."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import trio

from engine._command import Event
from engine.errors import Address

E = TypeVar("E", bound=Event)


class ActorFailed(Event, frozen=True, kw_only=True):
    """An incarnation crashed. `command` is what it worked on, if anything."""

    address: Address
    error: BaseException
    command: object = None


class CommandParked(Event, frozen=True, kw_only=True):
    """A poison command was handed to the parking hook."""

    address: Address
    command: object
    crashes: int


class SlowCommand(Event, frozen=True, kw_only=True):
    """Handling took longer than the actor class's `slow` seconds."""

    address: Address
    command: object
    seconds: float


class SupervisorFailed(Event, frozen=True, kw_only=True):
    """A supervisor gave up and escalated."""

    path: str
    error: BaseException


class EventQueue(Generic[E]):
    """A bounded stream of events; when it is full the oldest is dropped and counted."""

    def __init__(self, capacity: int) -> None:
        self.dropped = 0
        self._send, self._receive = trio.open_memory_channel[E](capacity)

    def _put(self, event: E) -> None:
        try:
            self._send.send_nowait(event)
        except trio.WouldBlock:
            self.dropped += 1
            self._receive.receive_nowait()
            self._send.send_nowait(event)

    async def next(self) -> E:
        """The next event, in order of publication."""
        return await self._receive.receive()


class EventStream:
    """Delivers each event to the subscribers of its class and of its base classes."""

    def __init__(self) -> None:
        self._subscribers: dict[type[Event], dict[object, Callable[[Any], None]]] = {}
        self.failures = 0
        self.heard = False  # whether anybody subscribes to anything

    def publish(self, event: Event) -> None:
        """Hand an event to every subscriber, now; a subscriber that raises is counted only."""
        if not self.heard:
            return
        for event_type in type(event).__mro__:
            for callback in tuple(self._subscribers.get(event_type, {}).values()):
                try:
                    callback(event)
                except Exception:  # noqa: BLE001 - a listener cannot break the actor it hears of
                    self.failures += 1

    @contextmanager
    def subscribe(
        self, event_type: type[E], callback: Callable[[E], None]
    ) -> Generator[None, None, None]:
        """Call `callback` (which must not wait) for each event while the block runs."""
        listeners = self._subscribers.setdefault(event_type, {})
        subscription = object()
        listeners[subscription] = callback
        self.heard = True
        try:
            yield
        finally:
            del listeners[subscription]
            if not listeners:
                del self._subscribers[event_type]
            self.heard = bool(self._subscribers)

    @contextmanager
    def stream(
        self, event_type: type[E], capacity: int = 256
    ) -> Generator[EventQueue[E], None, None]:
        """Collect events in a bounded queue while the block runs."""
        queue: EventQueue[E] = EventQueue(capacity)
        with self.subscribe(event_type, queue._put):  # noqa: SLF001 - its writing half
            yield queue
