"""Own messages that come back: told apart from those typed on the phone.

A provider that chooses the ids itself may report our own message before the answer to our call
has told its id. Stored at once, it would stand there twice. So an own message under an id that
nobody knows waits while the conversation has a send whose id is still to come.
"""

from collections.abc import Sequence
from datetime import timedelta

import trio

from actors.channels.base import Conversation, InboundMessage
from actors.router.ports import RouterPorts
from storage.ids import CompanyId, ConnectionId, ContactId, OutboxId

PATIENCE = 30.0
"""Seconds after its beginning for which a send is waited for."""

LOOK_EVERY = 0.1


def echoes_in(conversation: Conversation) -> list[str]:
    """The provider ids of the own messages among what came in."""
    return [
        item.provider_id
        for item in conversation.inbounds
        if isinstance(item, InboundMessage) and item.from_me
    ]


class Echoes:
    """Waits for the sends of one company that an own message may be the echo of."""

    def __init__(self, ports: RouterPorts, company_id: CompanyId) -> None:
        self._ports = ports
        self._company_id = company_id

    async def settled(
        self, connection_id: ConnectionId, contact_id: ContactId, echoes: Sequence[str]
    ) -> None:
        """Returns when every echo's id is known, or no send is left that it could belong to.

        Only sends begun before the call count. Raises DatabaseUnavailable.
        """
        store, company_id = self._ports.store, self._company_id
        waited_for: set[OutboxId] | None = None
        with trio.move_on_after(PATIENCE):
            while True:
                since = self._ports.clock() - timedelta(seconds=PATIENCE)
                found = await store.unsettled(company_id, connection_id, contact_id, since)
                begun = set(found)
                waited_for = begun if waited_for is None else waited_for & begun
                if not waited_for:
                    return
                known = await store.known(company_id, connection_id, list(echoes))
                if len(known) == len(set(echoes)):
                    return
                await trio.sleep(LOOK_EVERY)
