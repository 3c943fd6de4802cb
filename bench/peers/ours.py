"""Our server for the socket benches: the real one, behind the real edge, with one fake user."""

import gc
import sys
import time
from pathlib import Path
from typing import Any, ClassVar, cast

import msgspec
import trio

from api.edge.connection import AsgiApp
from api.edge.server import EdgeServer, open_listeners
from api.principal import Principal
from api.realtime import wire
from api.realtime.namespaces import Socket
from api.realtime.ports import RealtimePorts
from api.realtime.server import RealtimeServer
from api.realtime.settings import RealtimeSettings
from storage.events import DomainEvent
from storage.ids import CompanyId, TicketId, UserId

PAYLOAD: dict[str, Any] = msgspec.json.decode(Path(__file__).with_name("payload.json").read_bytes())
COMPANY = CompanyId(1)


class Fired(DomainEvent, frozen=True, kw_only=True):
    """One event of a burst."""

    kind: ClassVar[str] = "bench.fired"
    at: int

    def ids(self) -> dict[str, int | str]:
        return {}


def fired(event: Fired) -> list[wire.Push]:
    """Everybody of the company hears it."""
    payload = {**PAYLOAD, "t": event.at}
    return [wire.Push(("company-1-mainchannel",), "company-1-ticket", payload)]


async def authenticate(_: str) -> Principal:
    """Everybody is the same admin."""
    return Principal(
        user_id=UserId(1),
        company_id=COMPANY,
        name="bench",
        profile="admin",
        is_super=False,
        department_ids=(),
        all_ticket=True,
        all_historic=True,
        all_user_chat=True,
        allow_group=True,
        expires_at=4e9,
        family="bench",
    )


async def may_see_ticket(_: Principal, __: str) -> TicketId | None:
    """Nobody asks."""
    return None


WAITS: list[tuple[float, float]] = []
"""Milliseconds between two turns of one task: of the loop's CPU spent on others, and by the clock."""


async def other_task() -> None:
    """A task that every 2 ms asks for its next turn and notes what was done before it came.

    In CPU time of the thread, for what other processes take from the machine is not our doing;
    and by the clock, which on a quiet machine is the same.
    """
    while True:
        await trio.sleep(0.002)
        asked, clock = time.thread_time(), time.perf_counter()
        await trio.lowlevel.checkpoint()
        waited = time.perf_counter() - clock
        WAITS.append(((time.thread_time() - asked) * 1000, waited * 1000))


async def main() -> None:
    """Serve until killed."""
    wire.wire(Fired)(fired)
    ports = RealtimePorts(
        authenticate=authenticate, may_see_ticket=may_see_ticket, sees_ticket=lambda _, __: True
    )
    settings = RealtimeSettings(max_per_user=100_000)  # everybody is the same
    if "chunk" in sys.argv:
        chunk = int(sys.argv[sys.argv.index("chunk") + 1])
        settings = msgspec.structs.replace(settings, sends_per_turn=chunk)
    server = RealtimeServer(settings, ports)
    seq = 0

    def fire(socket: Socket, args: list[Any], __: int | None) -> None:
        nonlocal seq
        for _ in range(args[1]):
            seq += 1
            server.emit(COMPANY, seq, Fired(company_id=COMPANY, at=time.monotonic_ns()))

    def count(socket: Socket, _: list[Any], ack_id: int | None) -> None:
        socket.acknowledge(ack_id)

    def waits(socket: Socket, _: list[Any], ack_id: int | None) -> None:
        cpu, clock = zip(*WAITS, strict=True)
        socket.acknowledge(ack_id, sorted(cpu), sorted(clock))
        WAITS.clear()

    server._inbound._events |= {"fire": fire, "count": count, "waits": waits}
    edge = EdgeServer(cast("AsgiApp", server.asgi))
    listeners = open_listeners("127.0.0.1", 0)
    async with trio.open_nursery() as nursery:
        await nursery.start(server.run)
        nursery.start_soon(edge.serve, listeners)
        if "waits" in sys.argv:
            nursery.start_soon(other_task)
        gc.collect()
        gc.freeze()
        print(listeners[0].getsockname()[1], flush=True)


if __name__ == "__main__":
    trio.run(main)
