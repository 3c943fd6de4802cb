"""The outbox relay: hands rows to the sessions that send them, in order per conversation.

New rows arrive as hints of their commit and are handed on without a query. Whatever a hint was
lost for, or a session had no room for, is read from the outbox, oldest first; until it has been,
no later row of that connection is handed on. A session that has just begun to send is given the
oldest rows first, those that back off included. At the start everything unfinished is looked up.
"""

from collections import defaultdict
from collections.abc import Sequence

from actors.sessions.commands import (
    HandOver,
    OrdersCommitted,
    OrdersSettled,
    RelayCommand,
    ScanOutbox,
    SessionWoke,
)
from actors.sessions.ports import SessionPorts
from engine import (
    Actor,
    ActorCrashed,
    ActorStopped,
    Died,
    MailboxFull,
    MailboxPolicy,
    Refusal,
    System,
    Turn,
    handler,
)
from storage.errors import StorageError
from storage.ids import CompanyId, ConnectionId, OutboxId
from storage.outbox import OutboxRow

SCAN_EVERY = 1.0
PAGE = 500

Link = tuple[CompanyId, ConnectionId]


def link_of(row: OutboxRow) -> Link | None:
    """The connection that sends a row; None for effects that are no sends."""
    return None if row.connection_id is None else (row.company_id, row.connection_id)


class RelayHints:
    """The way from a commit to the relay: never waits; what it cannot hand over is read later."""

    def __init__(self) -> None:
        self.missed: set[Link] = set()
        self._system: System | None = None

    def attach(self, system: System) -> None:
        """Names the system in which the relay runs."""
        self._system = system

    def __call__(self, rows: Sequence[OutboxRow]) -> None:
        try:
            if self._system is None:
                raise LookupError
            self._system.tell_nowait(OrdersCommitted(rows=tuple(rows)))
        except (LookupError, MailboxFull, ActorStopped):
            self.missed.update(link for row in rows if (link := link_of(row)) is not None)


class OutboxRelay(Actor, accepts=RelayCommand):
    """Knows which rows the sessions hold; owns nothing."""

    mailbox = MailboxPolicy(capacity=8192, overflow="reject")

    def __init__(self, ports: SessionPorts, hints: RelayHints) -> None:
        self._ports = ports
        self._hints = hints
        self._handed: defaultdict[Link, set[OutboxId]] = defaultdict(set)
        self._behind: set[Link] = set()
        self._busy: set[Link] = set()
        self._asleep: set[Link] = set()

    async def on_start(self) -> None:
        """Recovery: every connection with unfinished rows is woken."""
        found = await self._ports.store.with_work()
        self._behind.update((place.company_id, place.connection_id) for place in found)
        self.every(SCAN_EVERY, ScanOutbox())
        for link in list(self._behind):
            self._serve_soon(link, wake=True)

    @handler(fold=256)
    async def committed(self, turns: Sequence[Turn[OrdersCommitted]]) -> None:
        rows: dict[Link, list[OutboxRow]] = {}
        for turn in turns:
            for row in turn.command.rows:
                link = link_of(row)
                if link is not None:
                    rows.setdefault(link, []).append(row)
            turn.reply(None)
        self._behind |= self._hints.missed
        self._hints.missed.clear()
        for link, own in rows.items():
            if link in self._behind or link in self._busy:
                self._behind.add(link)
                own = []
            self._serve_soon(link, own)

    def _serve_soon(
        self, link: Link, rows: Sequence[OutboxRow] = (), *, wake: bool = False
    ) -> None:
        """`wake` starts the session even if nothing is due: it looks after sends in doubt."""
        if wake:
            self._asleep.add(link)
        if link not in self._busy:
            self._busy.add(link)
            self.start_soon(self._serve, link, rows)

    async def _serve(self, link: Link, rows: Sequence[OutboxRow]) -> None:
        """Hands rows over, then whatever else is to be sent, until the session is full."""
        try:
            await self._wake(link)
            if rows:
                await self._hand(link, rows)
            while link in self._behind:
                # First the mark, then the query: what is committed meanwhile marks it again.
                self._behind.discard(link)
                await self._wake(link)
                if not await self._hand_oldest(link):
                    self._behind.add(link)
                    return
        finally:
            self._busy.discard(link)

    async def _wake(self, link: Link) -> None:
        """Starts a session that is to be woken; one that cannot start is tried by the next scan."""
        if link not in self._asleep:
            return
        self._asleep.discard(link)
        command = HandOver(company_id=link[0], connection_id=link[1], rows=())
        self.watch(command.to)
        try:
            await self.system.ask(command)
        except (Refusal, StorageError, ActorCrashed, ActorStopped):
            self._asleep.add(link)

    async def _hand_oldest(self, link: Link) -> bool:
        """Whether nothing is left to send that the session does not hold."""
        after = OutboxId(0)
        while True:
            try:
                rows = await self._ports.store.pending(*link, after, PAGE)
            except StorageError:
                return False
            if not await self._hand(link, rows, oldest=True):
                return False
            if len(rows) < PAGE:
                return True
            after = rows[-1].id

    async def _hand(self, link: Link, rows: Sequence[OutboxRow], *, oldest: bool = False) -> bool:
        """Whether the session holds all of them now; the oldest are given whole, it may be new."""
        handed = self._handed[link]
        given = tuple([row for row in rows if oldest or row.id not in handed])
        if not given and not oldest:
            return True
        handed.update(row.id for row in given)
        left = await self._ask(link, given, oldest=oldest)
        handed.difference_update(left)
        if left:
            self._behind.add(link)
        return not left

    async def _ask(
        self, link: Link, rows: tuple[OutboxRow, ...], *, oldest: bool
    ) -> tuple[OutboxId, ...]:
        """The rows that the session did not take."""
        command = HandOver(company_id=link[0], connection_id=link[1], rows=rows, oldest=oldest)
        self.watch(command.to)
        try:
            return await self.system.ask(command)
        except (Refusal, StorageError, ActorCrashed, ActorStopped):
            return tuple([row.id for row in rows])

    @handler(fold=256)
    async def settled(self, turns: Sequence[Turn[OrdersSettled]]) -> None:
        for turn in turns:
            command = turn.command
            link = (command.company_id, command.connection_id)
            handed = self._handed[link]
            handed.difference_update(command.ids)
            if len(handed) < PAGE // 2 and link in self._behind:
                self._serve_soon(link)
            turn.reply(None)

    @handler
    async def woke(self, cmd: SessionWoke) -> None:
        self._forget((cmd.company_id, cmd.connection_id), wake=False)

    @handler
    async def died(self, cmd: Died) -> None:
        """A session ended: it is started again, for what it had begun is in doubt."""
        assert isinstance(cmd.address.key, tuple)
        self._forget(cmd.address.key, wake=True)

    def _forget(self, link: Link, *, wake: bool) -> None:
        self._handed.pop(link, None)
        self._behind.add(link)
        self._serve_soon(link, wake=wake)

    @handler
    async def scan(self, cmd: ScanOutbox) -> None:
        self._behind |= self._hints.missed
        self._hints.missed.clear()
        try:
            found = await self._ports.store.due_somewhere(self._ports.clock())
        except StorageError:
            return
        self._behind.update((place.company_id, place.connection_id) for place in found)
        for link in self._behind | self._asleep:
            self._serve_soon(link)
