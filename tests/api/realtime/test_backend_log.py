"""The server's log on operators' screens: to them alone, without secrets, and cut short in a storm."""

import logging
from typing import Any

import msgspec
import pytest
import trio

from api.realtime.backend_log import LONGEST, MOST
from tests.api.realtime.harness import World, principal, serving
from tests.api.realtime.raw_client import RawClient, open_websocket, until

log = logging.getLogger("test.lines")


@pytest.fixture(autouse=True)
def talkative(caplog: pytest.LogCaptureFixture) -> None:
    """The machine's log begins at info."""
    caplog.set_level(logging.INFO)


async def line(client: RawClient) -> dict[str, Any]:
    """The next line that a client hears."""
    while not (text := await client.text()).startswith(b'42["backendlog",'):
        pass
    heard: dict[str, Any] = msgspec.json.decode(text[2:])[1]
    return heard


async def watching(port: int, token: str = "super") -> RawClient:
    """A client that is told the log, and has been told so."""
    client = await open_websocket(port, token)
    await client.join()
    await client.say(b'427["joinBackendlog"]')
    assert await client.text() == b"437[]"
    assert (await line(client))["logs"][0] == {"currentLevel": "info"}
    return client


def attached() -> int:
    """How many handlers of this kind the loggers know."""
    handlers = logging.getLogger().handlers
    return sum(type(handler).__name__ == "BackendLog" for handler in handlers)


async def test_operators_hear_what_is_logged_in_any_thread() -> None:
    async with serving() as (_, port):
        client = await watching(port)
        log.warning("disk %s", "full", extra={"company": 7, "where": {1, 2}})
        heard = await line(client)
        assert heard["logs"] == [
            "disk full",
            {"logger": "test.lines", "company": 7, "where": [1, 2]},
        ]
        assert heard["level"] == 40
        await trio.to_thread.run_sync(log.error, "from a thread")
        assert (await line(client))["logs"][0] == "from a thread"


async def test_secrets_and_endless_texts_do_not_leave() -> None:
    async with serving() as (_, port):
        client = await watching(port)
        log.info("x" * (2 * LONGEST), extra={"token": "secret", "body": "private"})
        text, details = (await line(client))["logs"]
        assert len(text) == LONGEST
        assert details == {"logger": "test.lines"}
        try:
            raise ValueError("y" * (2 * LONGEST))
        except ValueError:
            log.exception("broke")
        _, details = (await line(client))["logs"]
        assert len(details["error"]) == LONGEST


async def test_nobody_else_hears_or_chooses() -> None:
    async with serving() as (_, port):
        for token in ("admin", "agent", "stranger"):
            client = await open_websocket(port, token)
            await client.join()
            for said in (b'["joinBackendlog"]', b'["setLoglevel","error"]'):
                await client.say(b"427" + said)
                assert await client.text() == b'437["ERR_NO_PERMISSION"]'
        assert attached() == 0


async def test_the_level_is_chosen_but_never_below_the_machines_own() -> None:
    async with serving() as (_, port):
        client, other = await watching(port), await watching(port)
        await client.say(b'42["setLoglevel","error"]')
        for one in (client, other):
            assert (await line(one))["logs"][0] == {"currentLevel": "error"}
        log.warning("not grave enough")
        log.error("grave")
        assert (await line(client))["logs"][0] == "grave"
        await client.say(b'42["setLoglevel","debug"]')
        assert (await line(client))["logs"][0] == {"currentLevel": "info"}
        for odd in (b'"info"', b'"loud"', b"7", b"null"):  # the first is what holds already
            await client.say(b'427["setLoglevel",%b]' % odd)
            assert await client.text() == b"437[]"
        log.debug("whispered")
        log.info("said")
        assert (await line(client))["logs"][0] == "said"


async def test_a_storm_is_cut_short_and_counted() -> None:
    async with serving() as (_, port):
        client = await watching(port)
        for number in range(MOST + 50):
            log.info("line %s", number)
        heard = [(await line(client))["logs"][0] for _ in range(MOST + 1)]
        assert heard == [f"line {n}" for n in range(MOST)] + ["50 lines more were not told"]
        log.info("after")
        assert (await line(client))["logs"][0] == "after"


async def test_when_the_last_has_left_the_loggers_forget_it() -> None:
    async with serving() as (_, port):
        first, second = await watching(port), await watching(port)
        assert attached() == 1
        await first.say(b'427["leaveBackendlog"]')
        assert await first.text() == b"437[]"
        log.info("for the second")
        assert (await line(second))["logs"][0] == "for the second"
        await second.stream.aclose()
        await until(lambda: not _told_again())
        again = await watching(port)
        log.info("for the third")
        assert (await line(again))["logs"][0] == "for the third"
    assert attached() == 0


def _told_again() -> int:
    """A line makes it look who is left."""
    log.info("is anybody there?")
    return attached()


async def test_an_operator_who_comes_back_goes_on_hearing() -> None:
    async with serving() as (server, port):
        client = await open_websocket(port, "super")
        await client.say(b"40")
        pid = msgspec.json.decode((await client.text())[2:])["pid"]
        offset = msgspec.json.decode((await client.text())[2:])[1]
        await client.say(b'42["joinBackendlog"]')
        await line(client)
        await client.stream.aclose()
        await until(lambda: server.stats().websockets == 0)
        await until(lambda: not _told_again())
        again = await open_websocket(port, "super")
        await again.say(b"40" + msgspec.json.encode({"pid": pid, "offset": offset}))
        assert msgspec.json.decode((await again.text())[2:])["pid"] == pid
        log.info("still here")
        assert (await line(again))["logs"][0] == "still here"


async def test_who_is_no_operator_any_more_hears_no_line_more() -> None:
    world = World()
    async with serving(world) as (server, port):
        client = await watching(port)
        world.tokens["super"] = principal(4, profile="admin")
        server.revalidate_user(world.tokens["super"].company_id, world.tokens["super"].user_id)
        assert await client.close_code() == 1000
        await until(lambda: not _told_again())
