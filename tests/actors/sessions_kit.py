"""Sessions and relay on tables in memory, with a channel whose every answer a test decides."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import msgspec
import trio

from actors.channels.base import (
    Accepted,
    Account,
    Ack,
    Capabilities,
    Identity,
    InboundStatus,
    Media,
    Outbound,
    OutRead,
    OutText,
    Parsed,
    Rejected,
    SendResult,
    Unsendable,
)
from actors.channels.registry import Channels
from actors.outbox_relay import OutboxRelay, RelayHints
from actors.sessions import ApplyStatuses
from actors.sessions.actor import session_actor
from actors.sessions.commands import OrdersCommitted
from actors.sessions.ports import SessionPorts
from engine import ChildSpec, Supervisor, System, Virtual, open_system
from storage.ids import ConnectionId, OutboxId
from storage.outbox import OutboxRow
from tests.actors.company import COMPANY, LINE, NOW, Snapshots, connection, snapshot
from tests.actors.memory import Memory, Numbers
from tests.actors.memory_ports import MemoryOutbox

TOO_LONG = ("ERR_TOO_LONG", "too long")


class FarEnd:
    """A channel: `answers` decide sends in turn (a result, a function, an awaitable function)."""

    name = "cloud"

    def __init__(self, *, takes_our_id: bool = False, rate: float = 1000.0) -> None:
        self.capabilities = Capabilities(
            takes_our_id=takes_our_id, rate=rate, reads=True, composing=True
        )
        self.composed: list[str] = []
        self.composing: Callable[[], Awaitable[SendResult]] | None = None
        self.answers: list[object] = []
        self.refuses: Rejected | None = None
        self.calls: list[tuple[int, str, str, float]] = []
        self.running: dict[str, int] = {}
        self.widest: dict[str, int] = {}
        self.seen: Callable[[int], None] | None = None

    def parse(self, raw: bytes) -> Parsed:
        return Parsed()

    def check(self, message: Outbound) -> None:
        if isinstance(message, OutText) and message.body == "unsendable":
            raise Unsendable(*TOO_LONG)

    async def refusal(self, account: Account) -> Rejected | None:
        await trio.sleep(0.01)
        return self.refuses

    def new_provider_id(self) -> str:
        return ""

    async def fetch(self, account: Account, media: Media, *, limit: int) -> tuple[bytes, str]:
        raise AssertionError

    async def send(
        self, account: Account, message: Outbound, *, outbox_id: int, provider_id: str = ""
    ) -> SendResult:
        if isinstance(message, OutRead):
            self.composed.append(message.message_id)
            return await self.composing() if self.composing else Accepted()
        phone = message.to.phone
        self.calls.append((outbox_id, message.body, provider_id, trio.current_time()))
        self.running[phone] = self.running.get(phone, 0) + 1
        self.widest[phone] = max(self.widest.get(phone, 0), self.running[phone])
        try:
            if self.seen is not None:
                self.seen(outbox_id)
            await trio.sleep(0.01)
            answer = self.answers.pop(0) if self.answers else None
            if callable(answer):
                answer = await answer()
            if answer is not None:
                return answer
            return Accepted(provider_id=provider_id or f"wamid.{outbox_id}")
        finally:
            self.running[phone] -= 1


class Accounts:
    """An account without secrets for every connection."""

    async def account(self, company_id: int, connection_id: int) -> Account:
        return Account(connection_id=connection_id, company_id=company_id, external_id="1")


def trio_clock() -> datetime:
    """Time that moves as the tests' clock does."""
    return NOW + timedelta(seconds=trio.current_time() - _START[0])


_START = [0.0]


class Link:
    """A running relay and session, and the rows behind them."""

    def __init__(
        self,
        memory: Memory,
        far: FarEnd,
        system: System,
        hints: RelayHints,
        numbers: Numbers,
        ports: SessionPorts,
    ) -> None:
        self.health = ports.health
        self.composing = ports.composing.stats
        self.memory = memory
        self.far = far
        self.system = system
        self.hints = hints
        self._numbers = numbers

    def order(self, body: str, *, phone: str = "5511", told: bool = True, **fields: object) -> int:
        """Commits a message and its order, as a ticket actor would; returns the order's id."""
        row = self.stored(self.memory, self._numbers, body, phone=phone, **fields)
        if told:
            self.hints([row])
        return row.id

    @staticmethod
    def stored(
        memory: Memory, numbers: Numbers, body: str, *, phone: str = "5511", **fields: object
    ) -> OutboxRow:
        message_id, outbox_id = numbers.next_nowait("messages"), numbers.next_nowait("outbox")
        values = {
            "company_id": COMPANY,
            "id": OutboxId(outbox_id),
            "connection_id": LINE,
            "contact_id": int(phone),
            "message_id": message_id,
            "payload": msgspec.Raw(
                msgspec.json.encode(OutText(to=Identity(phone=phone), body=body))
            ),
            "due_at": trio_clock(),
            "created_at": NOW,
            "updated_at": NOW,
            **fields,
        }
        row = OutboxRow(**values)
        memory.tables.setdefault("outbox", []).append(msgspec.structs.asdict(row))
        memory.tables.setdefault("messages", []).append(
            {
                "company_id": COMPANY,
                "id": message_id,
                "ticket_id": 1,
                "contact_id": int(phone),
                "connection_id": LINE,
                "provider_id": row.provider_id,
                "body": body,
                "from_me": True,
                "ack": 1,
                "error": None,
                "quoted_id": None,
                "created_at": NOW,
                "updated_at": NOW,
            }
        )
        return row

    def row(self, outbox_id: int) -> dict[str, object]:
        return self.memory.rows("outbox", id=outbox_id)[0]

    def message(self, outbox_id: int) -> dict[str, object]:
        return self.memory.rows("messages", id=self.row(outbox_id)["message_id"])[0]

    async def until(self, condition: Callable[[], bool], seconds: float = 3600) -> None:
        with trio.fail_after(seconds):
            while not condition():  # noqa: ASYNC110 (the clock jumps)
                await trio.sleep(0.05)

    async def state(self, outbox_id: int, state: str) -> None:
        await self.until(lambda: self.row(outbox_id)["state"] == state)

    async def report(self, *reports: InboundStatus) -> object:
        return await self.system.ask(
            ApplyStatuses(company_id=COMPANY, connection_id=LINE, statuses=reports)
        )


def status(
    provider_id: str, word: str = "delivered", outbox_id: int | None = None
) -> InboundStatus:
    """A delivery report."""
    ranks = {"sent": Ack.SENT, "delivered": Ack.DELIVERED, "read": Ack.READ, "failed": Ack.FAILED}
    return InboundStatus(
        provider_id=provider_id,
        status=word,
        ack=ranks[word],
        timestamp=NOW,
        recipient=Identity(phone="5511"),
        outbox_id=outbox_id,
    )


def session_ports(
    memory: Memory, far: FarEnd, numbers: Numbers, *, line: ConnectionId = LINE
) -> SessionPorts:
    """Everything a session needs, in memory."""
    shown = snapshot(connections={line: connection(line, channel=far.name)})
    return SessionPorts(
        store=MemoryOutbox(memory),
        saver=memory,
        ids=numbers,
        snapshots=Snapshots(shown),
        channels=Channels(far),
        accounts=Accounts(),
        epoch=7,
        clock=trio_clock,
    )


@asynccontextmanager
async def open_link(
    memory: Memory | None = None, far: FarEnd | None = None, numbers: Numbers | None = None
) -> AsyncIterator[Link]:
    """A relay and the session of LINE on `memory`."""
    _START[0] = _START[0] or trio.current_time()
    memory, far = memory or Memory(), far or FarEnd()
    numbers = numbers or Numbers()
    using, hints = session_ports(memory, far, numbers), RelayHints()
    tree = Supervisor(
        "domain",
        children=(
            Virtual("session", lambda address: session_actor(using, address), resident=True),
            ChildSpec("relay", lambda: OutboxRelay(using, hints)),
        ),
    )
    async with open_system(tree) as system:
        hints.attach(system)
        yield Link(memory, far, system, hints, numbers, using)


__all__ = ["FarEnd", "Link", "OrdersCommitted", "open_link", "session_ports", "status"]
