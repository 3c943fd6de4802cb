"""Deliveries that wait while something is settled about their contact."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import trio

from actors.router.commands import DeliverInbound
from engine import Turn
from storage.ids import ContactId

Delivery = Turn[DeliverInbound]


class Holding:
    """Contacts whose deliveries are kept back, in order of arrival; one holder per contact.

    `route` takes each of them, looked up anew, when its contact is free again.
    """

    def __init__(self, route: Callable[[Delivery], None]) -> None:
        self._route = route
        self._held: dict[ContactId, list[Delivery]] = {}
        self._freed = trio.Event()

    def keep(self, contact_id: ContactId, turn: Delivery) -> bool:
        """Whether the contact is held; the delivery then waits for its end."""
        waiting = self._held.get(contact_id)
        if waiting is None:
            return False
        turn.defer()
        waiting.append(turn)
        return True

    def begin(self, *contacts: ContactId) -> None:
        """Holds contacts that nobody holds."""
        waiting: list[Delivery] = []
        for contact in contacts:
            self._held[contact] = waiting

    def end(self, *contacts: ContactId, error: Exception | None = None) -> None:
        """Lets what waited go on; after `error` nothing may overtake what failed: it fails too."""
        waiting = self._held[contacts[0]]
        for contact in contacts:
            del self._held[contact]
        freed, self._freed = self._freed, trio.Event()
        freed.set()
        for turn in waiting:
            if error is not None:
                turn.fail(error)
            else:
                self._route(turn)

    @asynccontextmanager
    async def hold(self, *contacts: ContactId) -> AsyncGenerator[None]:
        """Keeps deliveries for these contacts back while the block runs; waits for its turn."""
        while any(contact in self._held for contact in contacts):
            await self._freed.wait()
        self.begin(*contacts)
        try:
            yield
        finally:
            self.end(*contacts)
