"""The ticket actor: decides everything about one contact's tickets, one turn after the other."""

from collections.abc import Sequence
from itertools import groupby
from typing import TypeVar

import msgspec

from actors.acts import handler
from actors.channels.base import Inbound
from actors.errors import (
    InvalidRequest,
    Moved,
    UnknownConnection,
    UnknownContact,
    UnknownMessage,
)
from actors.sessions.commands import ProviderIdsKnown
from actors.tickets import rules_agent, rules_inbound, rules_merge, rules_sending
from actors.tickets.commands import (
    Absorb,
    CloseTickets,
    ContactRenewed,
    CreateTicket,
    DeleteMessage,
    DeleteTicket,
    Delivered,
    EditMessage,
    LogAccess,
    MarkRead,
    MarkUnread,
    React,
    Retire,
    SendMessage,
    TakeInbound,
    TicketCommand,
    UpdateTicket,
    WriteNote,
    ticket_address,
)
from actors.tickets.deciding import Decider, Rule, UnknownHere
from actors.tickets.decision import Decision
from actors.tickets.ports import TicketPorts
from engine import Actor, ActorStopped, Address, MailboxFull, MailboxPolicy, Turn
from storage.errors import (
    Conflict,
    Duplicate,
    OutcomeUnknown,
    Poisoned,
    Retryable,
    StorageError,
)
from storage.ids import CompanyId, ConnectionId, ContactId, MessageId
from storage.messages import Message
from storage.views import MessageView, TicketView

T = TypeVar("T")

_NOT_HERE = (Moved, UnknownContact, UnknownConnection)
"""Why a delivery cannot be taken by this actor; its sender repeats it."""


class TicketActor(Actor, accepts=TicketCommand):
    """All tickets of one contact, on all connections: the only writer of their rows."""

    mailbox = MailboxPolicy(capacity=1024, overflow="backpressure")
    refusals = (StorageError,)
    reload_on = (OutcomeUnknown,)

    def __init__(self, ports: TicketPorts, company_id: CompanyId, contact_id: ContactId) -> None:
        self._ports = ports
        self._company_id = company_id
        self._contact_id = contact_id
        self._decider = Decider(ports, company_id, contact_id)
        self._retired = False
        self._winner: ContactId | None = None

    async def on_start(self) -> None:
        await self._decider.load()

    def _gone(self) -> Exception | None:
        """Why nothing can be decided here any more, if that is so."""
        if not self._retired:
            return None
        if self._winner is None:
            return UnknownContact(str(self._contact_id))
        return Moved(ticket_address(self._company_id, self._winner))

    async def _decide(
        self, rule: Rule[T], *quoted: Message | None, known: dict[str, Message] | None = None
    ) -> tuple[Decision, T, int]:
        """One agent's command. What Postgres cannot store is the asker's fault here."""
        if gone := self._gone():
            raise gone
        try:
            authors = await self._decider.authors((*quoted, *(known or {}).values()))
            return await self._decider.decide(rule, known, authors)
        except UnknownHere:
            raise UnknownContact(str(self._contact_id)) from None
        except Poisoned as error:
            raise InvalidRequest(str(error)) from error

    async def _know(self, command: TicketCommand[T]) -> None:
        if gone := self._gone():
            raise gone
        try:
            await self._decider.know(command.ticket_id)  # type: ignore[attr-defined]
        except UnknownHere:
            raise UnknownContact(str(self._contact_id)) from None

    @handler(fold=64)
    async def take_inbound(self, turns: Sequence[Turn[TakeInbound]]) -> None:
        if len(turns) == 1:
            await self._take(turns[0].command.connection_id, turns)
            return
        for connection_id, run in groupby(turns, key=lambda turn: turn.command.connection_id):
            await self._take(connection_id, list(run))

    async def _take(self, connection_id: ConnectionId, turns: Sequence[Turn[TakeInbound]]) -> None:
        """A run of deliveries in one commit; a bad one is then found by taking each alone."""
        try:
            duplicates = await self._commit_inputs(
                connection_id, [turn.command.inbounds for turn in turns]
            )
        except (Poisoned, Conflict):
            for turn in turns:
                await self._take_alone(connection_id, turn)
        except (Retryable, OutcomeUnknown) as error:
            self._fail(turns, error)
            if isinstance(error, OutcomeUnknown):
                raise
        except _NOT_HERE as gone:
            for turn in turns:
                turn.fail(gone)
        else:
            for turn, seen in zip(turns, duplicates, strict=True):
                stored = len(turn.command.inbounds) - seen
                turn.reply(Delivered(stored=stored, duplicates=seen))

    async def _take_alone(self, connection_id: ConnectionId, turn: Turn[TakeInbound]) -> None:
        """Input by input: what Postgres refuses is kept raw, the rest is stored in its order."""
        stored = duplicates = parked = 0
        try:
            for inbound in turn.command.inbounds:
                try:
                    (seen,) = await self._commit_inputs(connection_id, [(inbound,)])
                    duplicates += seen
                    stored += 1 - seen
                except (Poisoned, Conflict) as error:
                    await self._park(inbound, error)
                    parked += 1
        except (Retryable, OutcomeUnknown) as error:
            self._fail([turn], error)
            if isinstance(error, OutcomeUnknown):
                raise
        except _NOT_HERE as gone:
            turn.fail(gone)
        else:
            turn.reply(Delivered(stored=stored, duplicates=duplicates, parked=parked))

    def _fail(self, turns: Sequence[Turn[TakeInbound]], error: Exception) -> None:
        """Fails these and every queued delivery alike: none may overtake one that is repeated."""
        for turn in turns:
            turn.fail(error)
        self.fail_queued(TakeInbound, error)

    async def _commit_inputs(
        self, connection_id: ConnectionId, deliveries: Sequence[Sequence[Inbound]]
    ) -> list[int]:
        if gone := self._gone():
            raise gone
        wanted = {item for inputs in deliveries for item in rules_inbound.references(inputs)}
        known: dict[str, Message] = {}
        if wanted:
            found = await self._ports.store.by_provider_id(
                self._company_id, connection_id, sorted(wanted)
            )
            known = {message.provider_id: message for message in found if message.provider_id}
            for message in found:
                known |= await self._quoted_by(message)
        try:
            authors = await self._decider.authors(known.values(), rules_inbound.authors(deliveries))
            _, duplicates, _ = await self._decider.decide(
                lambda draft: [
                    rules_inbound.take(draft, connection_id, inputs) for inputs in deliveries
                ],
                known,
                authors,
            )
        except UnknownHere:
            raise UnknownContact(str(self._contact_id)) from None
        self._tell_known(connection_id, deliveries)
        return duplicates

    def _tell_known(
        self, connection_id: ConnectionId, deliveries: Sequence[Sequence[Inbound]]
    ) -> None:
        """Has reports applied that came before the own messages they speak of."""
        ids = rules_inbound.own_ids(deliveries)
        if not ids:
            return
        try:
            self.system.tell_nowait(
                ProviderIdsKnown(
                    company_id=self._company_id, connection_id=connection_id, provider_ids=ids
                )
            )
        except (MailboxFull, ActorStopped):
            return  # the session looks for them when it starts

    async def _park(self, inbound: Inbound, error: Exception) -> None:
        payload = inbound.raw or repr(msgspec.structs.asdict(inbound)).encode(
            errors="backslashreplace"
        )
        await self._ports.dead_letters.park(
            self._company_id, f"ticket:{self._company_id}:{self._contact_id}", str(error), payload
        )

    @handler
    async def create(self, cmd: CreateTicket) -> TicketView:
        decision, ticket, _ = await self._decide(lambda draft: rules_agent.create(draft, cmd))
        return decision.ticket_view(ticket.id)

    @handler
    async def update(self, cmd: UpdateTicket) -> TicketView:
        await self._know(cmd)
        decision, ticket, _ = await self._decide(
            lambda draft: rules_agent.update(draft, self._ports.channels, cmd)
        )
        return decision.ticket_view(ticket.id)

    @handler
    async def delete(self, cmd: DeleteTicket) -> None:
        await self._know(cmd)
        if cmd.ticket_id in self._decider.state.tickets:
            await self._ports.store.delete_older(cmd.company_id, self._contact_id, cmd.ticket_id)
        await self._decide(lambda draft: draft.remove(draft.ticket(cmd.ticket_id)))

    @handler
    async def close_all(self, cmd: CloseTickets) -> int:
        _, closed, _ = await self._decide(
            lambda draft: rules_agent.close_all(draft, self._ports.channels, cmd)
        )
        return closed

    @handler
    async def log_access(self, cmd: LogAccess) -> None:
        await self._know(cmd)
        await self._decide(lambda draft: draft.log(draft.ticket(cmd.ticket_id), "access", cmd.by))

    @handler
    async def mark_read(self, cmd: MarkRead) -> TicketView:
        await self._know(cmd)
        decision, ticket, _ = await self._decide(
            lambda draft: rules_agent.mark_read(
                draft, self._ports.channels, draft.ticket(cmd.ticket_id)
            )
        )
        return decision.ticket_view(ticket.id)

    @handler
    async def mark_unread(self, cmd: MarkUnread) -> TicketView:
        await self._know(cmd)
        decision, ticket, _ = await self._decide(
            lambda draft: rules_agent.mark_unread(draft.ticket(cmd.ticket_id), draft)
        )
        return decision.ticket_view(ticket.id)

    @handler
    async def send(self, cmd: SendMessage) -> MessageView:
        await self._know(cmd)
        quoted = await self._quoted(cmd.quoted_message_id)
        try:
            decision, message, first_seq = await self._decide(
                lambda draft: rules_sending.send(draft, self._ports.channels, cmd, quoted), quoted
            )
        except Duplicate:
            return await self._sent_before(cmd.key)
        return decision.message_view(message, first_seq)

    async def _sent_before(self, key: str) -> MessageView:
        """The reply to a repeated request: the message of the first one."""
        message = await self._ports.store.by_key(self._company_id, key)
        if message is None:
            raise UnknownMessage(key)
        return await self._decider.show(message)

    @handler
    async def write_note(self, cmd: WriteNote) -> MessageView:
        await self._know(cmd)
        quoted = await self._quoted(cmd.quoted_message_id)
        decision, message, first_seq = await self._decide(
            lambda draft: rules_sending.write_note(draft, cmd, quoted), quoted
        )
        return decision.message_view(message, first_seq)

    @handler
    async def react(self, cmd: React) -> MessageView:
        target = await self._message(cmd.message_id)
        decision, message, first_seq = await self._decide(
            lambda draft: rules_sending.react(
                draft, self._ports.channels, target, cmd.emoji, cmd.by
            ),
            target,
        )
        return decision.message_view(message, first_seq)

    @handler
    async def edit(self, cmd: EditMessage) -> MessageView:
        target = await self._message(cmd.message_id)
        decision, message, first_seq = await self._decide(
            lambda draft: rules_sending.edit(draft, self._ports.channels, target, cmd.body),
            known=await self._quoted_by(target),
        )
        return decision.message_view(message, first_seq)

    @handler
    async def delete_message(self, cmd: DeleteMessage) -> MessageView:
        target = await self._message(cmd.message_id)
        await self._decide(
            lambda draft: rules_sending.delete(draft, self._ports.channels, target),
            known=await self._quoted_by(target),
        )
        return await self._decider.show(msgspec.structs.replace(target, is_deleted=True))

    async def _quoted(self, message_id: MessageId | None) -> Message | None:
        if message_id is None:
            return None
        return await self._ports.store.message(self._company_id, self._contact_id, message_id)

    async def _quoted_by(self, message: Message) -> dict[str, Message]:
        """What a message answers: a changed message is shown with it again."""
        quoted = await self._quoted(message.quoted_id)
        return {} if quoted is None else {f"#{quoted.id}": quoted}

    async def _message(self, message_id: MessageId) -> Message:
        """A message of this contact, with its ticket in memory. Raises UnknownMessage."""
        found = await self._quoted(message_id)
        if found is None:
            raise UnknownMessage(str(message_id))
        if self._gone() is None:
            await self._decider.know(found.ticket_id)
        return found

    @handler
    async def renewed(self, cmd: ContactRenewed) -> None:
        await self._decider.load()

    @handler
    async def absorb(self, cmd: Absorb) -> None:
        if gone := self._gone():
            raise gone
        store = self._ports.store
        winner = await store.load(self._company_id, self._contact_id)
        loser = await store.load(self._company_id, cmd.loser)
        if winner.contact is None or loser.contact is None:
            raise UnknownContact(str(cmd.loser))
        snapshot = await self._ports.snapshots.current(self._company_id)
        orders = await store.unfinished(self._company_id, cmd.loser)
        unit = rules_merge.merged(
            self._company_id, winner, loser, snapshot, self._ports.clock(), orders
        )
        await self._ports.saver.save(unit)
        await self._decider.load()

    @handler
    async def retire(self, cmd: Retire) -> None:
        self._retired = True
        self._winner = cmd.winner


def ticket_actor(ports: TicketPorts, address: Address) -> TicketActor:
    """The actor of the contact that `address` names."""
    assert isinstance(address.key, tuple)
    company_id, contact_id = address.key
    return TicketActor(ports, CompanyId(company_id), ContactId(contact_id))
