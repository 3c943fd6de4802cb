"""The router of a company: tells conversations apart and hands them on in order of arrival.

What is known is forwarded at once. A name nobody knows is committed first, in a child task; only
deliveries that come under that name wait for it, in their order.
"""

import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from actors.channels.base import Conversation, Identity
from actors.router.aliases import Alias, Known, aliases_of, authors_in, names_of
from actors.router.commands import (
    CreateContact,
    DeleteContact,
    DeliverInbound,
    EnsureContact,
    ImportContacts,
    LearnIdentity,
    MergeContacts,
    RouterCommand,
    UpdateContact,
)
from actors.router.desk import ContactDesk
from actors.router.echoes import Echoes, echoes_in
from actors.router.holding import Holding
from actors.router.identities import Identities, changes_in
from actors.router.naming import EXPECTED, Naming
from actors.router.ports import RouterPorts
from actors.tickets.commands import Delivered, TakeInbound
from engine import Actor, Address, MailboxPolicy, Turn, handler
from storage.acts import acting
from storage.connections import network
from storage.errors import Poisoned, StorageError
from storage.ids import CompanyId, ConnectionId

T = TypeVar("T")


class Parking:
    """Deliveries that wait until the names they came under are committed."""

    __slots__ = ("names", "turns")

    def __init__(self, names: Sequence[Alias]) -> None:
        self.names = tuple(names)
        self.turns: list[Turn[DeliverInbound]] = []


class RouterActor(Actor, accepts=RouterCommand):
    """The owner of a company's contacts and their names."""

    mailbox = MailboxPolicy(capacity=8192, overflow="reject")
    idle_timeout = math.inf
    refusals = (StorageError,)

    def __init__(self, ports: RouterPorts, company_id: CompanyId) -> None:
        self._ports = ports
        self._company_id = company_id
        self._holding = Holding(lambda turn: self._route(turn, self._names(turn.command)))
        self._echoes = Echoes(ports, company_id)
        self._naming = Naming(ports, company_id, lambda: self.system, self._holding.hold)
        self._identities = Identities(ports.store, self._naming, company_id)
        self._desk = ContactDesk(ports.store, self._naming, company_id)
        self._parked: dict[Alias, Parking] = {}

    @handler(fold=256)
    async def deliver(self, turns: Sequence[Turn[DeliverInbound]]) -> None:
        try:
            if self._ports.snapshots.peek(self._company_id) is None:
                await self._ports.snapshots.current(self._company_id)
            names = [self._names(turn.command) for turn in turns]
            authors = [own for turn in turns for own in self._authors(turn.command).values()]
            await self._look_up([*names, *authors])
        except StorageError as error:
            for turn in turns:
                turn.fail(error)
            self.fail_queued(DeliverInbound, error)
            return
        for turn, own in zip(turns, names, strict=True):
            self._route(turn, own)

    async def _look_up(self, names: Sequence[Sequence[Alias]]) -> None:
        """One statement for every name of this run that is neither in memory nor being stored."""
        known, parked = self._naming.known, self._parked
        missing = {
            alias for own in names for alias in own if known(alias) is None and alias not in parked
        }
        if missing:
            await self._naming.look_up(missing)

    def _network(self, connection_id: ConnectionId) -> str:
        snapshot = self._ports.snapshots.peek(self._company_id)
        connection = snapshot.connections.get(connection_id) if snapshot else None
        return network(connection.channel) if connection is not None else "whatsapp"

    def _names(self, command: DeliverInbound) -> tuple[Alias, ...]:
        return names_of(self._network(command.connection_id), command.conversation)

    def _authors(self, command: DeliverInbound) -> dict[Identity, tuple[Alias, ...]]:
        """The names of those who wrote into a group, where its connection takes groups."""
        authors = authors_in(command.conversation)
        if not authors:
            return {}
        snapshot = self._ports.snapshots.peek(self._company_id)
        connection = snapshot.connections.get(command.connection_id) if snapshot else None
        if connection is None or not connection.allow_group:
            return {}
        channel = network(connection.channel)
        return {author: aliases_of(channel, author) for author in authors}

    def _all_known(self, command: DeliverInbound) -> bool:
        """Whether everybody who wrote into a group is a contact."""
        return all(
            self._naming.known(alias) is not None
            for names in self._authors(command).values()
            for alias in names
        )

    def _route(
        self, turn: Turn[DeliverInbound], names: Sequence[Alias], *, learned: bool = False
    ) -> None:
        """Forwards the delivery, or parks it until its names are known. Never waits.

        `learned`: what it tells about its sender is committed already.
        """
        known: Known | None = None
        settled = bool(names)
        for alias in names:
            parking = self._parked.get(alias)
            if parking is not None:
                turn.defer()
                parking.turns.append(turn)
                return
            found = self._naming.known(alias)
            settled = settled and found is not None
            if known is not None and found is not None and known.contact_id != found.contact_id:
                settled = False
            known = found or known
        if settled and not learned:
            settled = not changes_in(turn.command.conversation) and self._all_known(turn.command)
        if known is not None and settled:
            self._forward(turn, known)
        elif names:
            self._park(turn, names)
        else:
            turn.defer()
            self.start_soon(self._keep_raw, turn, "no name to know the sender by")

    def _park(self, turn: Turn[DeliverInbound], names: Sequence[Alias]) -> None:
        parking = Parking(names)
        parking.turns.append(turn)
        for alias in names:
            self._parked[alias] = parking
        turn.defer()
        self.start_soon(self._settle, parking, turn.command)

    def _forward(self, turn: Turn[DeliverInbound], known: Known) -> None:
        if self._holding.keep(known.contact_id, turn):
            return
        if echoes := echoes_in(turn.command.conversation):
            turn.defer()
            self._holding.begin(known.contact_id)
            self.start_soon(self._pass_echoes, turn, known, echoes)
        else:
            self._hand_on(turn, known)

    async def _pass_echoes(
        self, turn: Turn[DeliverInbound], known: Known, echoes: Sequence[str]
    ) -> None:
        """Hands on own messages once they cannot be those of a send whose id is still to come."""
        failure: Exception | None = None
        try:
            await self._echoes.settled(turn.command.connection_id, known.contact_id, echoes)
        except StorageError as error:
            failure = error
            turn.fail(error)
        else:
            self._hand_on(turn, known)
        finally:
            self._holding.end(known.contact_id, error=failure)

    def _hand_on(self, turn: Turn[DeliverInbound], known: Known) -> None:
        command = turn.command
        conversation = command.conversation
        if known.unnamed and conversation.name:
            self.start_soon(self._naming.name, known, conversation.name)
        turn.forward(
            TakeInbound(
                company_id=self._company_id,
                contact_id=known.contact_id,
                connection_id=command.connection_id,
                inbounds=conversation.inbounds,
            )
        )

    async def _settle(self, parking: Parking, command: DeliverInbound) -> None:
        """Commits what is not known about the names, then lets the parked deliveries go."""
        error: Exception | None = None
        try:
            await self._naming.make_known(
                parking.names, command.conversation, command.connection_id
            )
            await self._learn_from(command, parking.names)
        except EXPECTED as refused:
            error = refused
        for alias in parking.names:
            del self._parked[alias]
        for place, turn in enumerate(parking.turns):
            if error is None:
                self._route(turn, self._names(turn.command), learned=place == 0)
            elif isinstance(error, Poisoned):
                self.start_soon(self._keep_raw, turn, str(error))
            else:
                turn.fail(error)

    async def _learn_from(self, command: DeliverInbound, names: Sequence[Alias]) -> None:
        """Commits the new numbers and ids that a delivery tells, and a group's authors."""
        known_as = authors_in(command.conversation)
        for author, own in self._authors(command).items():
            talk = Conversation(key="", contact=author, inbounds=(), name=known_as[author])
            await self._naming.make_known(own, talk, command.connection_id)
        for item in changes_in(command.conversation):
            owners = await self._naming.look_up(names)
            contact_id = next(iter(owners.values()))
            channel = self._network(command.connection_id)
            await self._identities.told(command.connection_id, contact_id, channel, item)

    async def _keep_raw(self, turn: Turn[DeliverInbound], cause: str) -> None:
        """Keeps inputs as they came where not even their sender can be stored."""
        inbounds = turn.command.conversation.inbounds
        try:
            for inbound in inbounds:
                payload = inbound.raw or repr(inbound).encode(errors="backslashreplace")
                await self._ports.dead_letters.park(
                    self._company_id, f"router:{self._company_id}", cause, payload
                )
        except EXPECTED as error:
            turn.fail(error)
        else:
            turn.reply(Delivered(parked=len(inbounds)))

    def _answer_later(
        self, turn: Turn[Any], work: Callable[[T], Awaitable[object]], argument: T
    ) -> None:
        """Answers from a child task: what people do to contacts never delays a delivery."""
        turn.defer()
        self.start_soon(_answer, turn, work, argument)

    @handler(fold=64)
    async def learn(self, turns: Sequence[Turn[LearnIdentity]]) -> None:
        for turn in turns:
            self._answer_later(turn, self._learn, turn.command)

    async def _learn(self, command: LearnIdentity) -> None:
        await self._ports.snapshots.current(self._company_id)
        await self._identities.learn(command, self._network(command.connection_id))

    @handler(fold=64)
    async def create(self, turns: Sequence[Turn[CreateContact]]) -> None:
        for turn in turns:
            self._answer_later(turn, self._desk.create, turn.command)

    @handler(fold=64)
    async def ensure(self, turns: Sequence[Turn[EnsureContact]]) -> None:
        for turn in turns:
            self._answer_later(turn, self._desk.ensure, turn.command)

    @handler(fold=64)
    async def take_in(self, turns: Sequence[Turn[ImportContacts]]) -> None:
        for turn in turns:
            self._answer_later(turn, self._desk.take_in, turn.command)

    @handler(fold=64)
    async def update(self, turns: Sequence[Turn[UpdateContact]]) -> None:
        for turn in turns:
            self._answer_later(turn, self._desk.update, turn.command)

    @handler(fold=64)
    async def delete(self, turns: Sequence[Turn[DeleteContact]]) -> None:
        for turn in turns:
            self._answer_later(turn, self._naming.remove, turn.command.contact_id)

    @handler(fold=64)
    async def merge(self, turns: Sequence[Turn[MergeContacts]]) -> None:
        for turn in turns:
            self._answer_later(turn, self._desk.merge, turn.command)


async def _answer(turn: Turn[Any], work: Callable[[T], Awaitable[object]], argument: T) -> None:
    try:
        with acting(turn.command.act):
            turn.reply(await work(argument))
    except EXPECTED as error:
        turn.fail(error)


def router_actor(ports: RouterPorts, address: Address) -> RouterActor:
    """The router of the company that `address` names."""
    assert isinstance(address.key, int)
    return RouterActor(ports, CompanyId(address.key))
