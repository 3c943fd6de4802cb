"""Coming back: from the buffer, from the event log where the buffer is short, or afresh."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from trio.testing import wait_all_tasks_blocked

from actors.events import RecordChanged
from api.realtime.recovery import LONGEST
from api.realtime.server import RealtimeServer
from api.realtime.settings import RealtimeSettings
from storage.events import DomainEvent
from storage.ids import CompanyId
from tests.api.realtime.harness import Said, World, principal, serving
from tests.api.realtime.raw_client import RawClient, open_websocket, until

COMPANY = CompanyId(1)
EVERYBODY = ("company-1-mainchannel",)
READY = b'42["ready",'
SMALL = RealtimeSettings(timer_step=0.02, recovery_bytes=600)
"""Room for about five events."""


class Keeper(World):
    """A world that keeps its events and shows them again."""

    def __init__(self) -> None:
        super().__init__()
        self.events: dict[int, DomainEvent | None] = {}
        self.reads = 0
        self.while_reading: list[int] = []
        self.server: RealtimeServer | None = None

    async def events_again(
        self, company_id: CompanyId, seq: int, limit: int
    ) -> Sequence[tuple[int, DomainEvent | None]]:
        assert company_id == COMPANY
        self.reads += 1
        for number in self.while_reading:
            self.say(number)
        self.while_reading.clear()
        await wait_all_tasks_blocked()
        page = sorted(number for number in self.events if number > seq)[: min(limit, 7)]
        return [(number, self.events[number]) for number in page]

    def say(self, *numbers: int, rooms: tuple[str, ...] = EVERYBODY) -> None:
        assert self.server is not None
        for number in numbers:
            said = self.events[number] = Said(
                company_id=COMPANY, rooms=rooms, payload={"n": "x" * 80}
            )
            self.server.emit(COMPANY, number, said)

    async def say_to_all(self, page: int) -> None:
        """An operator of another company deleted a help page."""
        assert self.server is not None
        event = RecordChanged(company_id=CompanyId(2), noun="help", action="delete", record_id=page)
        self.server.emit(event.company_id, 1, event)
        await wait_all_tasks_blocked()

    def ports(self, **changes: Any) -> Any:
        return super().ports(events_again=self.events_again, **changes)


@asynccontextmanager
async def keeping(
    settings: RealtimeSettings = SMALL,
) -> AsyncGenerator[tuple[Keeper, int]]:
    """A server with a short buffer."""
    world = Keeper()
    async with serving(world, settings) as (server, port):
        world.server = server
        yield world, port


async def joined(port: int, token: str = "admin", **auth: str) -> tuple[RawClient, dict[str, Any]]:
    """A client and the answer to its CONNECT."""
    client = await open_websocket(port, token)
    await client.say(b"40" + msgspec.json.encode(auth))
    answer = await client.text()
    assert answer.startswith(b"40"), answer
    return client, msgspec.json.decode(answer[2:])


async def heard(client: RawClient) -> tuple[list[int], str]:
    """Numbers (or help pages) of the events up to `ready`, and the last offset."""
    seen: list[int] = []
    offset = ""
    while not (text := await client.text()).startswith(READY):
        _, payload, offset = msgspec.json.decode(text[2:])
        seen.append(payload.get("seq") or payload["id"])
    return seen, offset


async def leave_after(
    world: Keeper, port: int, *numbers: int, token: str = "admin"
) -> dict[str, str]:
    """Join, hear some events, drop the line; what to come back with."""
    client, answer = await joined(port, token)
    assert (await client.text()).startswith(READY)
    world.say(*numbers)
    for _ in numbers:
        offset = msgspec.json.decode((await client.text())[2:])[2]
    await client.stream.aclose()
    assert world.server is not None
    await until(lambda: world.server is not None and world.server.stats().sockets == 0)
    return {"pid": answer["pid"], "offset": offset, "sid": answer["sid"]}


async def back(port: int, kept: dict[str, str], token: str = "admin") -> tuple[bool, list[int]]:
    """Come back: was it recovered, and what was missed."""
    client, answer = await joined(port, token, pid=kept["pid"], offset=kept["offset"])
    seen, _ = await heard(client)
    return answer["sid"] == kept["sid"], seen


async def test_the_buffer_is_enough_for_a_moment() -> None:
    async with keeping() as (world, port):
        kept = await leave_after(world, port, 1, 2)
        world.say(3, 4, 5)
        assert await back(port, kept) == (True, [3, 4, 5])
        assert world.reads == 0


@pytest.mark.parametrize("namespace", [b"", b"/1,"])
async def test_who_comes_back_before_the_old_line_was_seen_to_break_is_recovered(
    namespace: bytes,
) -> None:
    async with keeping() as (world, port):
        old = await open_websocket(port)
        await old.say(b"40" + namespace)
        start = 2 + len(namespace)
        answer = msgspec.json.decode((await old.text())[start:])
        world.say(1)
        while b'"seq":1' not in (text := await old.text()):
            pass
        kept = {"pid": answer["pid"], "offset": msgspec.json.decode(text[start:])[2]}
        new = await open_websocket(port)
        await new.say(b"40" + namespace + msgspec.json.encode(kept))
        again = msgspec.json.decode((await new.text())[start:])
        assert again == answer
        assert await old.close_code() == 1000
        assert world.server is not None
        assert world.server.stats().sockets == 1


@pytest.mark.parametrize("before", [(), (1,)])
async def test_who_has_heard_nothing_yet_has_a_place_to_come_back_to(
    before: tuple[int, ...],
) -> None:
    async with keeping() as (world, port):
        assert world.server is not None
        world.server.channel(COMPANY)
        world.say(*before)
        client, answer = await joined(port)
        _, offset = msgspec.json.decode((await client.text())[2:])
        await client.stream.aclose()
        await until(lambda: world.server is not None and world.server.stats().sockets == 0)
        world.say(2, 3)
        kept = {"pid": answer["pid"], "offset": offset, "sid": answer["sid"]}
        assert await back(port, kept) == (True, [2, 3])


async def test_a_stolen_place_is_nobody_elses() -> None:
    async with keeping() as (world, port):
        client, answer = await joined(port)
        assert (await client.text()).startswith(READY)
        thief, other = await joined(port, "super", pid=answer["pid"], offset="x")
        assert other["sid"] != answer["sid"]
        world.say(1)
        assert b'"seq":1' in await client.text()
        await thief.stream.aclose()


async def test_what_the_buffer_let_go_comes_from_the_log() -> None:
    async with keeping() as (world, port):
        kept = await leave_after(world, port, 1, 2)
        world.say(*range(3, 50))
        world.while_reading = [50, 51]
        assert await back(port, kept) == (True, list(range(3, 52)))
        assert world.reads > 1


async def test_what_every_company_is_told_is_recovered_from_the_buffer() -> None:
    async with keeping() as (world, port):
        kept = await leave_after(world, port, 1, 2)
        world.say(3)
        await world.say_to_all(900)
        world.say(4)
        assert await back(port, kept) == (True, [3, 900, 4])


async def test_the_buffer_has_what_every_company_was_told_where_the_log_has_the_rest() -> None:
    async with keeping() as (world, port):
        kept = await leave_after(world, port, 1, 2)
        world.say(*range(3, 50))
        await world.say_to_all(900)
        world.say(50)
        recovered, seen = await back(port, kept)
        assert recovered
        assert world.reads
        assert sorted(seen) == [*range(3, 51), 900]


@pytest.mark.parametrize("heard_it", [True, False])
async def test_what_neither_buffer_nor_log_has_is_a_fresh_session_for_who_missed_it(
    heard_it: bool,
) -> None:
    async with keeping() as (world, port):
        assert world.server is not None
        world.server.channel(COMPANY)
        if heard_it:
            await world.say_to_all(900)
        kept = await leave_after(world, port, 1, 2)
        if not heard_it:
            await world.say_to_all(900)
        world.say(*range(3, 50))
        assert await back(port, kept) == ((True, list(range(3, 50))) if heard_it else (False, []))


async def test_a_client_that_was_told_from_the_log_can_come_back_again() -> None:
    async with keeping() as (world, port):
        kept = await leave_after(world, port, 1)
        world.say(*range(2, 30))
        client, _ = await joined(port, pid=kept["pid"], offset=kept["offset"])
        offset = ""
        for _ in range(2, 20):
            offset = msgspec.json.decode((await client.text())[2:])[2]
        await client.stream.aclose()
        await until(lambda: world.server is not None and world.server.stats().sockets == 0)
        assert await back(port, kept | {"offset": offset}) == (True, list(range(20, 30)))


async def test_only_what_its_rooms_heard_is_told_again() -> None:
    async with keeping() as (world, port):
        kept = await leave_after(world, port, 1, token="agent")
        world.say(*range(2, 30), rooms=("company-1-admin",))
        world.say(30)
        world.say(*range(31, 60), rooms=("company-1-admin",))
        assert await back(port, kept, "agent") == (True, [30])


@pytest.mark.parametrize("harm", ["gone", "gap", "permissions", "overrun", "long"])
async def test_what_is_not_certainly_all_of_it_is_a_fresh_session(harm: str) -> None:
    async with keeping() as (world, port):
        world.tokens["agent"] = principal(2, departments=(5,))
        kept = await leave_after(world, port, 1, 2, token="agent")
        last = 4 + LONGEST if harm == "long" else 40
        world.say(*range(3, last))
        match harm:
            case "gone":
                world.events[20] = None
            case "gap":
                del world.events[20]
            case "permissions":
                world.tokens["agent"] = principal(2, departments=(6,))
            case "overrun":
                world.while_reading = list(range(last, last + 40))
        recovered, seen = await back(port, kept, "agent")
        assert not recovered
        assert seen == []


@pytest.mark.parametrize("offset", ["", ".", "x.1.2", "{}.99999.1", "{}.1", "{}.-1.1", "{}.1.x"])
async def test_an_offset_never_given_is_a_fresh_session(offset: str) -> None:
    async with keeping() as (world, port):
        kept = await leave_after(world, port, 1)
        world.say(*range(2, 30))
        boot = kept["offset"].partition(".")[0]
        assert await back(port, kept | {"offset": offset.format(boot)}) == (False, [])
        assert world.reads == 0
