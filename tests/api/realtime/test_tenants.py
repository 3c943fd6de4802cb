"""Beside the namespaces' matrix: no event crosses by the plain API, and none by recovery."""

from typing import Any

import msgspec
import pytest

from api.realtime.server import RealtimeServer
from storage.event_log import EventPage
from storage.ids import CompanyId
from tests.api.realtime.harness import Said, World, principal, serving
from tests.api.realtime.raw_client import RawClient, http, open_websocket, until, upgrade_request

TOKENS = {"": 0, "nonsense": 0, "expired": 0, "revoked": 0, "stranger": 2, "agent": 1, "admin": 1}
"""Whose each token is; 0: nobody's."""
ROOMS = "company-{0}-mainchannel company-{0}-admin company-{0}-agent company-{0}-open 7 user-1"


class Logs(World):
    """A world with an event log per company; every read is written down."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens["revoked"] = principal(8)
        self.revoked.add("revoked")
        self.read: set[int] = set()

    async def events_since(self, company_id: CompanyId, seq: int, limit: int) -> EventPage:
        self.read.add(company_id)
        return EventPage(events=(), has_more=False, complete=True, last_seq=0)

    def ports(self, **changes: Any) -> Any:
        return super().ports(events_since=self.events_since, **changes)


def say(server: RealtimeServer, company: int, seq: int) -> None:
    """An event to every kind of room of one company."""
    rooms = tuple(ROOMS.format(company).split())
    payload = {"of": company}
    server.emit(
        CompanyId(company), seq, Said(company_id=CompanyId(company), rooms=rooms, payload=payload)
    )


@pytest.mark.parametrize("since", ["", ',"since":0'])
@pytest.mark.parametrize("token", TOKENS)
async def test_the_plain_api_tells_a_token_its_own_company_and_nothing_else(
    token: str, since: str
) -> None:
    world = Logs()
    async with serving(world) as (server, port):
        request = upgrade_request(f"token={token}").replace(b"/socket.io/", b"/ws")
        stream, head, rest = await http(port, request)
        own = TOKENS[token]
        assert head.split()[1] == (b"101" if own else b"401")
        for company in (1, 2):
            server.channel(CompanyId(company))
        if own:
            client = RawClient(stream, rest)
            await client.say(b'{"id":1,"do":"subscribe"%b}' % since.encode())
            answer = msgspec.json.decode(await client.text())
            if "error" in answer:  # an agent and the log
                await client.say(b'{"id":1,"do":"subscribe"}')
                assert "ok" in msgspec.json.decode(await client.text())
            say(server, 3 - own, 1)
            say(server, own, 1)
            heard = msgspec.json.decode(await client.text())
            assert heard["data"]["of"] == own
        assert world.read <= {own}


@pytest.mark.parametrize("namespace", ["/", "/1", "/2", "/workspace-1", "/workspace-2"])
@pytest.mark.parametrize("token", TOKENS)
async def test_a_place_of_the_other_company_brings_nothing_of_it(
    token: str, namespace: str
) -> None:
    where = b"" if namespace == "/" else namespace.encode() + b","
    own = TOKENS[token]
    admitted = bool(own) and (namespace == "/" or namespace.endswith(str(own)))
    victim_token, victim_company = ("admin", 1) if own == 2 else ("stranger", 2)
    async with serving(Logs()) as (server, port):
        victim = await open_websocket(port, victim_token)
        await victim.say(b"40")
        pid = msgspec.json.decode((await victim.text())[2:])["pid"]
        offset = msgspec.json.decode((await victim.text())[2:])[1]
        await victim.stream.aclose()
        await until(lambda: server.stats().sockets == 0)
        say(server, victim_company, 1)
        spy = await open_websocket(port, token)
        await spy.say(b"40" + where + msgspec.json.encode({"pid": pid, "offset": offset}))
        answer = await spy.text()
        assert answer.startswith((b"40" if admitted else b"44") + where)
        if not admitted:
            assert server.stats().sockets == 0
            return
        assert pid.encode() not in answer
        say(server, victim_company, 2)
        say(server, own, 1)
        text = await spy.text()
        while b"said" not in text:
            text = await spy.text()
        assert msgspec.json.decode(text[2 + len(where) :])[1]["of"] == own
