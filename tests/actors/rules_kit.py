"""One decision at a time: a draft about one contact, without a database or a clock."""

from datetime import timedelta

from actors.channels.registry import Channels
from actors.channels.simulator import Simulator
from actors.tickets import rules_inbound
from actors.tickets.decision import Decision
from actors.tickets.draft import Draft
from actors.tickets.showing import Showing
from actors.tickets.state import Conversations
from storage.company_settings import CompanySettings
from storage.ids import ConnectionId, MessageId, TicketId
from storage.messages import Message
from storage.tickets import Ticket
from tests.actors.company import (
    COMPANY,
    LINE,
    NOW,
    connection,
    contact,
    snapshot,
)
from tests.actors.memory import Numbers
from tests.actors.tickets_kit import Nowhere

SIMULATOR = Channels(Simulator(Nowhere()))


def ticket(ticket_id: int = 1, **fields: object) -> Ticket:
    values = {"status": "pending", "connection_id": LINE, "uuid": str(ticket_id), **fields}
    return Ticket(
        company_id=COMPANY,
        id=TicketId(ticket_id),
        contact_id=contact().id,
        **{"created_at": NOW, "updated_at": NOW, **values},
    )


def message(message_id: int = 50, **fields: object) -> Message:
    values = {"provider_id": f"m{message_id}", "body": "old", "connection_id": LINE, **fields}
    return Message(
        company_id=COMPANY,
        id=MessageId(message_id),
        ticket_id=TicketId(1),
        contact_id=contact().id,
        created_at=NOW,
        updated_at=NOW,
        **values,
    )


class Scene:
    """A draft about one contact, and what came of it."""

    def __init__(
        self,
        *tickets: Ticket,
        known: tuple[Message, ...] = (),
        minutes: int = 0,
        group: bool = False,
        config: dict[str, object] | None = None,
        wallets: tuple[int, ...] = (),
    ) -> None:
        person = contact(is_group=group, number="g1" if group else "5511")
        self.state = Conversations(person, tickets, wallets=wallets)
        self.snapshot = snapshot(**(config or {}))
        self.draft = Draft(
            self.state,
            self.snapshot,
            NOW + timedelta(minutes=minutes),
            Numbers().next_nowait,
            {item.provider_id: item for item in known if item.provider_id},
        )

    def take(self, *inputs: object, line: ConnectionId = LINE) -> int:
        return rules_inbound.take(self.draft, line, inputs)

    def done(self) -> Decision:
        return Decision(self.draft, Showing(self.state, self.snapshot), "ticket:1:1")

    def kinds(self) -> list[str]:
        unit = self.done().unit
        return [] if unit is None else [event.kind for event in unit.events]

    def tables(self) -> list[str]:
        unit = self.done().unit
        return [] if unit is None else [write.statement.table.name for write in unit.writes]

    def only(self) -> Ticket:
        (found,) = self.draft.tickets.values()
        return found


def lines(**fields: object) -> dict[str, object]:
    return {"connections": {LINE: connection(LINE, is_default=True, **fields)}}


def settings(**fields: object) -> dict[str, object]:
    return {
        "settings": CompanySettings(company_id=COMPANY, created_at=NOW, updated_at=NOW, **fields)
    }
