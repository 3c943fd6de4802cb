"""What the customer sees while an agent types: asked by sockets, shown by the connection's channel."""

from datetime import UTC, datetime, timedelta
from typing import Final

from actors.channels.registry import Channels
from actors.configuration import SnapshotCache
from actors.sessions.commands import ShowComposing
from actors.sessions.composing import Composing
from api.errors import Forbidden
from api.principal import Principal
from api.rate_limits import RateLimit
from api.sockets import seen_ticket
from engine import ActorStopped, MailboxFull, System
from storage import messages
from storage.database import Database
from storage.tickets import Ticket

EVERY: Final = 10.0
"""Seconds for which one showing is good: networks show it for 25, or until an answer comes."""

ALWAYS: Final = timedelta(days=30)
"""How old an answered message may be where the network sets no window."""


class ComposingNotices:
    """Turns "this agent types in that ticket" into an order to the connection's session."""

    def __init__(
        self,
        database: Database,
        system: System,
        snapshots: SnapshotCache,
        channels: Channels,
        composing: Composing,
    ) -> None:
        self._database = database
        self._system = system
        self._snapshots = snapshots
        self._channels = channels
        self._composing = composing
        self._users = RateLimit(burst=10, rate=1.0)
        self._shown = RateLimit(burst=1, rate=1 / EVERY)

    async def show(self, principal: Principal, reference: str) -> None:
        """Have the customer of a ticket (id or uuid) shown that this user writes, if there is a way.

        Clients say it with every few keys: what was said just now is passed over before anything
        is read. Raises Forbidden, DatabaseUnavailable; nothing of what the network does.
        """
        user = f"{principal.company_id}:{principal.user_id}"
        ticket = f"{user}:{reference}"
        if self._shown.wait(ticket) > 0 or self._users.wait(user) > 0:
            return
        self._shown.take(ticket)
        self._users.take(user)
        found = await seen_ticket(self._database, principal, reference)
        if found is None:
            raise Forbidden
        order = await self._order(found)
        if order is None:
            return
        try:
            self._system.tell_nowait(order)
        except (MailboxFull, ActorStopped):
            self._composing.drop()

    async def _order(self, ticket: Ticket) -> ShowComposing | None:
        """None where nobody is to see it, or cannot: it also tells the customer that we have read."""
        if ticket.status != "open" or ticket.is_group or ticket.connection_id is None:
            return None
        snapshot = await self._snapshots.current(ticket.company_id)
        connection = snapshot.connections.get(ticket.connection_id)
        if connection is None or connection.channel not in self._channels:
            return None
        able = self._channels.get(connection.channel).capabilities
        if not able.composing:
            return None
        window = ALWAYS if able.window is None else timedelta(seconds=able.window)
        message_id = await messages.newest_received(
            self._database,
            ticket.company_id,
            ticket.contact_id,
            connection.id,
            datetime.now(UTC) - window,
        )
        if message_id is None:
            return None
        return ShowComposing(
            company_id=ticket.company_id,
            connection_id=connection.id,
            contact_id=ticket.contact_id,
            message_id=message_id,
        )
