"""From a rule to a committed decision: the one place where the writer's verdicts are answered."""

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from actors.tickets.decision import Decision
from actors.tickets.draft import Draft
from actors.tickets.ports import TicketPorts
from actors.tickets.showing import Showing
from actors.tickets.state import Conversations, InputKey
from storage import faults
from storage.contacts import Contact
from storage.errors import Duplicate, StaleVersion, UniqueViolation
from storage.ids import CompanyId, ContactId, TagId, TicketId
from storage.messages import Message
from storage.views import MessageView

T = TypeVar("T")
Rule = Callable[[Draft], T]


class UnknownHere(Exception):
    """There is no such contact in this company."""


class _Empty(Exception):
    """The reserved ids of a table are used up."""

    def __init__(self, table: str) -> None:
        super().__init__(table)
        self.table = table


class Decider:
    """Loads the rows of one contact and turns rules about them into commits.

    The state changes only after a commit has returned. Verdicts: `Duplicate` removes the named
    inputs and decides again; a guard or unique conflict loads again and decides once more; every
    other error leaves the state as it was and is raised.
    """

    def __init__(self, ports: TicketPorts, company_id: CompanyId, contact_id: ContactId) -> None:
        self._ports = ports
        self._company_id = company_id
        self._contact_id = contact_id
        self._address = f"ticket:{company_id}:{contact_id}"
        self._state: Conversations | None = None

    @property
    def state(self) -> Conversations:
        """The committed rows. Raises UnknownHere."""
        if self._state is None:
            raise UnknownHere
        return self._state

    async def load(self) -> None:
        """Reads the rows; to be awaited only when no earlier unit can still commit."""
        loaded = await self._ports.store.load(self._company_id, self._contact_id)
        if loaded.contact is None:
            self._state = None
            return
        tags: dict[TicketId, list[TagId]] = {}
        for tag in loaded.tags:
            tags.setdefault(tag.ticket_id, []).append(tag.tag_id)
        recent = [
            (item.connection_id, item.provider_id, item.from_me)
            for item in loaded.recent
            if item.connection_id is not None and item.provider_id is not None
        ]
        self._state = Conversations(
            loaded.contact,
            loaded.tickets,
            loaded.trackings,
            [(connection_id, provider_id) for connection_id, provider_id, _ in recent],
            wallets=[wallet.user_id for wallet in loaded.wallets],
            fields=loaded.fields,
            contact_tags=[tag.tag_id for tag in loaded.contact_tags],
            tags=tags,
            received=[(place, item) for place, item, from_me in recent if not from_me],
        )
        faults.hit("actor.loaded")

    async def show(self, message: Message) -> MessageView:
        """A stored message as agents see it."""
        snapshot = await self._ports.snapshots.current(self._company_id)
        return Showing(self.state, snapshot).message(message, self.state.contact, None)

    async def authors(
        self, messages: Iterable[Message | None], names: Iterable[str] = ()
    ) -> Mapping[str, Contact]:
        """Who wrote these messages of a group, and who goes by these names; nobody elsewhere."""
        contact = self.state.contact
        wanted = {message.participant for message in messages if message is not None}
        labels = sorted(name for name in {*wanted, *names} if name)
        if not contact.is_group or not labels:
            return {}
        return await self._ports.store.authors(self._company_id, contact.channel, labels)

    async def know(self, ticket_id: TicketId) -> None:
        """Has the ticket in memory, if it is this contact's; old closed ones are read first."""
        if ticket_id not in self.state.tickets:
            found = await self._ports.store.ticket(self._company_id, self._contact_id, ticket_id)
            if found is not None:
                self.state.tickets[ticket_id] = found

    async def decide(
        self,
        rule: Rule[T],
        known: Mapping[str, Message] | None = None,
        authors: Mapping[str, Contact] | None = None,
    ) -> tuple[Decision, T, int]:
        """Applies `rule`, commits what it decides, and remembers it.

        Returns the decision, the rule's result and the number of the first event. Raises Retryable
        (surely not committed), Poisoned, OutcomeUnknown, StaleVersion or UniqueViolation (twice),
        Duplicate (of something other than an input).
        """
        refused: set[InputKey] = set()
        reloaded = False
        while True:
            decision, result = await self._draft(rule, known, refused, authors)
            if decision.unit is None:
                return decision, result, 0
            faults.hit("actor.decided")
            try:
                receipt = await self._ports.saver.save(decision.unit)
            except Duplicate as duplicate:
                if not self._learn(duplicate, refused):
                    raise
            except (StaleVersion, UniqueViolation):
                if reloaded:
                    raise
                reloaded = True
                await self._reload()
            else:
                decision.apply(self.state)
                if decision.orders:
                    self._ports.hint(decision.orders)
                return decision, result, receipt.first_seq

    async def _draft(
        self,
        rule: Rule[T],
        known: Mapping[str, Message] | None,
        refused: set[InputKey],
        authors: Mapping[str, Contact] | None,
    ) -> tuple[Decision, T]:
        while True:
            state = self.state
            snapshot = self._ports.snapshots.peek(self._company_id)
            if snapshot is None:
                snapshot = await self._ports.snapshots.current(self._company_id)
            if state.shown_under is not snapshot:
                state.forget_deleted(snapshot)
            now = self._ports.clock()
            draft = Draft(state, snapshot, now, self._next_id, known, refused, authors)
            try:
                result = rule(draft)
            except _Empty as empty:
                await self._ports.ids.take(empty.table)
                continue
            return Decision(draft, Showing(state, snapshot), self._address), result

    def _next_id(self, table: str) -> int:
        try:
            return self._ports.ids.next_nowait(table)
        except LookupError:
            raise _Empty(table) from None

    def _learn(self, duplicate: Duplicate, refused: set[InputKey]) -> bool:
        """Takes the committed inputs out of the next attempt; whether there were any."""
        before = len(refused)
        for key in duplicate.keys:
            if len(key) == 3 and key[0] == self._company_id:
                refused.add((key[1], key[2]))  # type: ignore[arg-type]
        self.state.recent.add(refused)
        return len(refused) > before

    async def _reload(self) -> None:
        needed = set(self.state.tickets)
        await self.load()
        for ticket_id in needed:
            await self.know(ticket_id)
