"""What no socket should send, to the whole server: survived in silence, seen by nobody else."""

import logging
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import cast

import jwt
import msgspec
import pytest
import trio
from hypothesis import strategies as st

from api.app import listening
from api.realtime.inbound import Host, Inbound
from tests.api.conftest import World
from tests.api.fuzzing import JSON, encoded, fuzz
from tests.api.realtime.raw_client import OPENED, RawClient, http, open_websocket, upgrade_request

EVENTS = sorted(Inbound(cast("Host", None))._events)
"""Every event name that the server listens to."""

ODD_PACKETS = [
    b"",
    b"4",
    b"42",
    b"42[",
    b"42{}",
    b"42[]",
    b'42"joinChatBox"',
    b"42[1,2]",
    b"429999999999999999999[]",
    b'42/none,["joinNotification"]',
    b"43[1]",
    b"44{}",
    b"45",
    b'451-["joinChatBox",{"_placeholder":true,"num":9}]',
    b'452-["joinChatBox"]',
    b"40/company,{",
    b"40/999999,{}",
    b"49",
    b"3probe",
    b'42["disconnect"]',
    b'42["connect",1]',
    b"5",
    b"6",
    b"9",
    b'42["joinChatBox","' + b"x" * 20_000 + b'"]',
]


@asynccontextmanager
async def served(world: World) -> AsyncGenerator[int]:
    settings = msgspec.structs.replace(world.settings, port=0)
    async with listening(settings, world.app.asgi) as port:
        try:
            yield port
        finally:
            while OPENED:
                await OPENED.pop().aclose()


async def answered(client: RawClient, number: int) -> None:
    """The connection still does what it is asked: an acknowledged join."""
    await client.say(b'42%d["joinTickets","open"]' % number)
    with trio.fail_after(10):
        while not (await client.text()).startswith(b"43%d[" % number):
            pass


async def hears_inbound(world: World, client: RawClient, phone: str) -> None:
    """A customer's message still reaches this socket."""
    await client.say(b'42["joinTickets","pending"]', b'42["joinNotification"]')
    await answered(client, 999_999_999)
    await world.receive(world.a, phone, "marker")
    with trio.fail_after(10):
        while b"marker" not in await client.text():
            pass


async def joined(port: int, token: str) -> RawClient:
    client = await open_websocket(port, token)
    await client.join()
    return client


async def test_odd_arguments_of_every_event_are_survived_by_the_connection(
    world: World, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.ERROR)
    numbers = iter(range(1, 10**9))
    async with served(world) as port:
        client = await joined(port, world.a.admin)

        async def check(case: tuple[str, list[object], bool]) -> None:
            name, arguments, acknowledged = case
            number = b"%d" % (10**6 + next(numbers)) if acknowledged else b""
            await client.say(b"42" + number + encoded([name, *arguments]))
            await answered(client, next(numbers))

        await fuzz(
            st.tuples(
                st.sampled_from([*EVENTS, "", "nobody", "__proto__"]),
                st.lists(JSON, max_size=3),
                st.booleans(),
            ),
            check,
            300,
        )
        await hears_inbound(world, client, "5511900000001")
    assert not caplog.records


async def test_odd_packets_end_their_own_connection_at_most(
    world: World, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.ERROR)
    async with served(world) as port:
        good = await joined(port, world.a.admin)
        for packet in ODD_PACKETS:
            bad = await joined(port, world.a.user)
            await bad.say(packet, b'427["joinTickets","open"]')
            with trio.fail_after(10):
                while (frame := await bad.frame()) is not None and frame[0] != 8:
                    if frame[1].startswith(b"437["):
                        break
            await bad.stream.aclose()
            await answered(good, 1)
        await hears_inbound(world, good, "5511900000002")
    assert not caplog.records


async def test_commands_with_odd_arguments_are_answered_on_the_plain_socket(
    world: World, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.ERROR)
    request = upgrade_request("").replace(
        b"/socket.io/?EIO=4&transport=websocket&", b"/ws?token=%b"
    )
    async with served(world) as port:
        stream, head, rest = await http(port, request % world.a.admin.encode())
        assert head.startswith(b"HTTP/1.1 101 "), head
        client = RawClient(stream, rest)
        numbers = iter(range(1, 10**9))

        async def check(case: tuple[str, dict[str, object], str]) -> None:
            name, arguments, key = case
            number = next(numbers)
            await client.say(encoded({"id": number, "do": name, "with": arguments, "key": key}))
            with trio.fail_after(10):
                while b'"id":%d,' % number not in (text := await client.text()):
                    pass
            assert set(msgspec.json.decode(text)) & {"ok", "error"}
            assert b"ERR_INTERNAL" not in text

        known = [
            "subscribe",
            "send",
            "note",
            "edit",
            "delete",
            "accept",
            "close",
            "transfer",
            "return",
            "read",
            "nobody",
            "",
        ]
        names = st.dictionaries(
            st.sampled_from(["ticketId", "messageId", "body", "userId", "queueId", "status", "x"]),
            st.one_of(JSON, st.just(world.b.ticket_id), st.just(world.a.ticket_id)),
            max_size=4,
        )
        await fuzz(st.tuples(st.sampled_from(known), names, st.text(max_size=10)), check, 200)
    assert not caplog.records
    assert len(await messages_of(world)) == 1  # what the customer of b wrote


async def messages_of(world: World) -> list[object]:
    shown = await world.call(
        "GET", f"/messages/{world.b.ticket_id}", token=world.b.admin, query="markAsRead=false"
    )
    found: list[object] = shown.json()["messages"]
    return found


async def test_ids_of_another_company_join_nothing(world: World):
    async with served(world) as port:
        spy = await joined(port, world.a.admin)
        nobodys = 10**9
        said: set[bytes] = set()
        foreign = (world.b.ticket_id, world.b.uuid, str(world.b.ticket_id), nobodys)
        for number, key in enumerate(foreign, 1):
            await spy.say(b'42%d["joinChatBox",%b]' % (number, encoded(key)))
            while not (text := await spy.text()).startswith(b"43%d[" % number):
                pass
            said.add(text.partition(b"[")[2])
        assert said == {b'"ERR_NO_PERMISSION"]'}  # nothing tells whether a ticket exists
        await spy.say(b"40/%d," % world.b.id)
        while not (text := await spy.text()).startswith(b"44/%d," % world.b.id):
            pass
        await spy.say(b'42["joinTickets","pending"]', b'42["joinNotification"]')
        await answered(spy, 9)
        await world.receive(world.b, f"551190000000{world.b.id}", "secret of b")
        await world.receive(world.a, "5511900000003", "marker")
        heard = b""
        with trio.fail_after(10):
            while b"marker" not in heard:
                heard += await spy.text()
        assert b"secret of b" not in heard


async def test_expired_forged_and_missing_tokens_are_refused(world: World):
    claims = jwt.decode(world.a.admin, options={"verify_signature": False})
    secret = world.settings.secrets.jwt_secret
    expired = jwt.encode(claims | {"exp": int(time.time()) - 5}, secret, algorithm="HS256")
    forged = jwt.encode(claims, "x" * 40, algorithm="HS256")
    unsigned = jwt.encode(claims, "", algorithm="none")
    async with served(world) as port:
        for token in ("", "undefined", "a.b.c", expired, forged, unsigned):
            client = await open_websocket(port, token)
            await client.say(b"40")
            with trio.fail_after(10):
                assert (await client.text()).startswith(b"44{"), token
            request = upgrade_request("").replace(
                b"/socket.io/?EIO=4&transport=websocket&", b"/ws?token=" + token.encode()
            )
            _, head, _ = await http(port, request)
            assert head.split()[1] in (b"401", b"403"), (token, head)
