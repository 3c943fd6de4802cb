"""The session actor: the live link of one number, and the owner of what is sent by it."""

import math
from collections.abc import Sequence

import msgspec
import trio

from actors.acts import handler
from actors.channels.base import Account, Channel, Rejected
from actors.channels.registry import UnknownChannel
from actors.errors import AccountRefused, NotConnected, UnknownConnection
from actors.events import SessionChanged
from actors.sessions.commands import (
    ApplyStatuses,
    CancelSend,
    ConnectionRenewed,
    HandOver,
    OrdersCommitted,
    OrdersSettled,
    ProviderIdsKnown,
    ReconcileUnknown,
    RelayCommand,
    ResolveUnknown,
    SessionCommand,
    SessionWoke,
    ShowComposing,
    StartSession,
    StopSession,
)
from actors.sessions.ledger import Entry, Ledger
from actors.sessions.ports import SessionPorts
from actors.sessions.sending import Send, Sender
from actors.sessions.settling import DOUBT, Delta, add_row, step
from engine import (
    Actor,
    ActorStopped,
    Address,
    MailboxFull,
    MailboxPolicy,
    Refusal,
    Turn,
)
from storage.acts import acting
from storage.connections import Connection, connections
from storage.errors import Conflict, NotFound, OutcomeUnknown, StorageError
from storage.ids import CompanyId, ConnectionId, OutboxId
from storage.outbox import OutboxRow
from storage.unit import update
from storage.views import ConnectionView, connection_view

CONNECTED = "CONNECTED"
DISCONNECTED = "DISCONNECTED"
ASKING = 10.0
"""Seconds for which the provider is asked about an account."""

SET_STATUS = update(connections, "status", "qrcode", "retries", "updated_at", guard=None)


class SessionActor(Actor, accepts=SessionCommand):
    """Sends for one connection and applies what its provider reports; writes delivery state."""

    mailbox = MailboxPolicy(capacity=4096, overflow="backpressure")
    idle_timeout = math.inf
    refusals = (StorageError,)
    reload_on = (OutcomeUnknown,)

    def __init__(
        self, ports: SessionPorts, company_id: CompanyId, connection_id: ConnectionId
    ) -> None:
        self._ports = ports
        self._company_id = company_id
        self._connection_id = connection_id
        self._in_flight: dict[OutboxId, Send] = {}
        self._ledger = Ledger(ports, company_id, connection_id, self._in_flight, self.stop)
        self._sender: Sender | None = None
        self._doubtful: list[OutboxRow] = []  # found at the start; they come before all others
        self._wanted = 0
        self._has_oldest = False

    async def on_start(self) -> None:
        """Loads the link; sends that a dead process had begun are in doubt from here on."""
        self.start_soon(self._ledger.run)
        connection = await self._connection()
        if connection is not None:
            await self._doubt()
            known = await self._ports.store.early_known(self._company_id, self._connection_id)
            if known:
                self._ledger.submit(Entry(known=known))
            if connection.status == CONNECTED:
                await self._open(connection)
        self._tell(SessionWoke(company_id=self._company_id, connection_id=self._connection_id))

    async def on_stop(self) -> None:
        """Lets the sends under way end; nothing new is begun."""
        if self._sender is not None:
            self._sender.stop()
            await self._sender.idle()

    async def _connection(self) -> Connection | None:
        try:
            snapshot = await self._ports.snapshots.current(self._company_id)
        except NotFound:
            return None
        return snapshot.connections.get(self._connection_id)

    async def _doubt(self) -> None:
        """What was `sending` when the last incarnation ended may have left, or not."""
        now = self._ports.clock()
        rows = await self._ports.store.in_doubt(self._company_id, self._connection_id)
        for row in rows:
            if row.state == "sending":
                error: dict[str, object] = {"code": DOUBT, "message": "interrupted"}
                change = step(row, now, state="unknown", error=error)
                deltas = {row.message_id: Delta(error=error)} if row.message_id else {}
                await self._ledger.commit(Entry(rows=[change], deltas=deltas))
                row = change.after
            self._doubtful.append(row)
            self._reconcile_later(row.id)

    def _reconcile_later(self, outbox_id: OutboxId, since: float | None = None) -> None:
        """The policy decides after enough healthy intake from now, or from `since` of it."""
        healthy = self._ports.health.seconds()
        since = healthy if since is None else since
        command = ReconcileUnknown(
            company_id=self._company_id,
            connection_id=self._connection_id,
            outbox_id=outbox_id,
            since=since,
        )
        # Never at once: while intake is ill the count stands still.
        self.after(max(self._ports.reconcile - (healthy - since), 0.001), command)

    async def _link(self, connection: Connection) -> tuple[Channel, Account]:
        """Raises NotConnected where the channel is not set up here."""
        try:
            channel = self._ports.channels.get(connection.channel)
            account = await self._ports.accounts.account(self._company_id, self._connection_id)
        except (UnknownChannel, NotFound):
            raise NotConnected(connection.name) from None
        return channel, account

    async def _open(self, connection: Connection) -> None:
        """Begins to send. Raises NotConnected where the channel is not set up here."""
        channel, account = await self._link(connection)
        self._sender = Sender(
            self._ports,
            channel,
            account,
            self._ledger,
            self.start_soon,
            self._orders_settled,
            lambda row: self._reconcile_later(row.id),
            self._in_flight,
        )
        self._has_oldest = False
        self._sender.take(self._doubtful)
        self._doubtful.clear()

    def _orders_settled(self, ids: Sequence[OutboxId]) -> None:
        self._tell(
            OrdersSettled(
                company_id=self._company_id, connection_id=self._connection_id, ids=tuple(ids)
            )
        )

    def _tell(self, command: RelayCommand[None]) -> None:
        """Upward talk: a relay that does not hear it finds out by its scan."""
        try:
            self.system.tell_nowait(command)
        except (MailboxFull, ActorStopped):
            return

    @handler(fold=16)
    async def start(self, turns: Sequence[Turn[StartSession]]) -> None:
        """From child tasks: reports go on being applied while the provider is asked."""
        for turn in turns:
            turn.defer()
            self._wanted += 1
            self.start_soon(self._start, turn, self._wanted)

    async def _start(self, turn: Turn[StartSession], wanted: int) -> None:
        try:
            with acting(turn.command.act):
                turn.reply(await self._started(wanted))
        except (Refusal, StorageError) as error:
            turn.fail(error)

    async def _started(self, wanted: int) -> ConnectionView:
        """Raises UnknownConnection, NotConnected, AccountRefused."""
        connection = await self._connection()
        if connection is None:
            raise UnknownConnection(str(self._connection_id))
        refused = await self._refusal(connection)
        if wanted != self._wanted:
            raise NotConnected(connection.name)  # stopped or started again meanwhile
        if refused is not None:
            self._close()
            await self._set_status(connection, DISCONNECTED)
            raise AccountRefused(refused.code, refused.message)
        if self._sender is None:
            await self._open(connection)
        view = await self._set_status(connection, CONNECTED)
        self._tell(SessionWoke(company_id=self._company_id, connection_id=self._connection_id))
        return view

    async def _refusal(self, connection: Connection) -> Rejected | None:
        """What the provider says against the account; who cannot be asked says nothing."""
        channel, account = await self._link(connection)
        with trio.move_on_after(ASKING):
            return await channel.refusal(account)
        return None

    def _close(self) -> None:
        if self._sender is not None:
            self._sender.stop()
        self._sender = None

    @handler
    async def end(self, cmd: StopSession) -> ConnectionView:
        connection = await self._connection()
        if connection is None:
            raise UnknownConnection(str(self._connection_id))
        self._wanted += 1
        self._close()
        return await self._set_status(connection, DISCONNECTED)

    async def _set_status(self, connection: Connection, status: str) -> ConnectionView:
        now = self._ports.clock()
        changed = msgspec.structs.replace(
            connection, status=status, qrcode="", retries=0, updated_at=now
        )
        view = connection_view(changed, await self._ports.snapshots.current(self._company_id))
        write = SET_STATUS(self._company_id, self._connection_id, status, "", 0, now)
        event = SessionChanged(company_id=self._company_id, connection=view)
        await self._ledger.commit(Entry(writes=[write], events=[event]))
        return view

    @handler
    async def renewed(self, cmd: ConnectionRenewed) -> None:
        connection = await self._connection()
        if connection is None:
            self._close()
        elif self._sender is not None:
            self._sender.account = await self._ports.accounts.account(
                self._company_id, self._connection_id
            )

    @handler(fold=64)
    async def apply(self, turns: Sequence[Turn[ApplyStatuses]]) -> None:
        """A report about a send under way is noted first: its sender may be left without answer."""
        entries: list[Entry] = []
        for turn in turns:
            if self._sender is not None:
                self._sender.note(turn.command.statuses)
            entry = Entry(reports=turn.command.statuses)
            entries.append(entry)
            self._ledger.submit(entry)
        for turn, entry in zip(turns, entries, strict=True):
            await entry.done.wait()
            if entry.error is not None:
                turn.fail(entry.error)
                continue
            turn.reply(entry.applied)
            if self._sender is not None:
                self._sender.resolved(turn.command.statuses)

    @handler(fold=64)
    async def learned(self, turns: Sequence[Turn[ProviderIdsKnown]]) -> None:
        """What fails here is made good when the session loads again."""
        ids = [item for turn in turns for item in turn.command.provider_ids]
        self._ledger.submit(Entry(known=ids))
        for turn in turns:
            turn.reply(None)

    @handler
    async def hand_over(self, cmd: HandOver) -> tuple[OutboxId, ...]:
        self._has_oldest = self._has_oldest or cmd.oldest
        if self._sender is None or not self._has_oldest:
            return tuple(row.id for row in cmd.rows)
        return tuple(self._sender.take(cmd.rows))

    @handler
    async def compose(self, cmd: ShowComposing) -> None:
        sender, composing = self._sender, self._ports.composing
        may = sender is not None and composing.may(self._connection_id)
        if sender is not None and may and sender.spare(cmd.contact_id):
            self.start_soon(composing.show, sender.channel, sender.account, cmd.message_id)
        else:
            composing.drop()

    @handler
    async def cancel(self, cmd: CancelSend) -> bool:
        """Compare and set: what has begun meanwhile is not cancelled."""
        if self._sender is not None:
            self._sender.cancel(cmd.outbox_id)
        row = await self._row(cmd.outbox_id)
        if row is None or row.state != "pending" or row.id in self._in_flight:
            return False
        now = self._ports.clock()
        change = step(row, now, state="cancelled", finished_at=now)
        try:
            await self._ledger.commit(Entry(rows=[change]))
        except Conflict:
            return False
        return True

    async def _row(self, outbox_id: OutboxId) -> OutboxRow | None:
        rows = await self._ports.store.rows(self._company_id, [outbox_id])
        return rows[0] if rows and rows[0].connection_id == self._connection_id else None

    @handler
    async def resolve(self, cmd: ResolveUnknown) -> None:
        row = await self._row(cmd.outbox_id)
        if row is not None and row.state == "unknown":
            await self._give_up(row, resend=cmd.resend)

    @handler
    async def reconcile(self, cmd: ReconcileUnknown) -> None:
        row = await self._row(cmd.outbox_id)
        if row is None or row.state != "unknown" or row.policy == "ask":
            return
        if self._ports.health.seconds() - cmd.since < self._ports.reconcile:
            self._reconcile_later(row.id, cmd.since)
            return
        await self._give_up(row, resend=row.policy == "resend")

    async def _give_up(self, row: OutboxRow, *, resend: bool) -> None:
        """Ends the doubt about an order; a resend is an order of its own that names it."""
        now = self._ports.clock()
        entry_rows = [step(row, now, state="dead", finished_at=now)]
        if not resend:
            await self._ledger.commit(Entry(rows=entry_rows))
            return
        again = msgspec.structs.replace(
            row,
            id=OutboxId(await self._ports.ids.take("outbox")),
            state="pending",
            attempt=0,
            error=None,
            sending_at=None,
            due_at=now,
            retry_of=row.id,
            created_at=now,
            updated_at=now,
            version=1,
        )
        deltas = {row.message_id: Delta(error=None)} if row.message_id else {}
        await self._ledger.commit(Entry(rows=entry_rows, deltas=deltas, writes=[add_row(again)]))
        self._tell(OrdersCommitted(rows=(again,)))


def session_actor(ports: SessionPorts, address: Address) -> SessionActor:
    """The session of the connection that `address` names."""
    assert isinstance(address.key, tuple)
    company_id, connection_id = address.key
    return SessionActor(ports, CompanyId(company_id), ConnectionId(connection_id))
