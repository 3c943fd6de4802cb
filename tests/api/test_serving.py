"""The program as a person runs it: one port, signals, one owner; and under another ASGI server."""

import os
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import httpx
import msgspec
import pytest
import trio
from hypercorn.config import Config
from hypercorn.trio import serve as hypercorn_serve

from api.app import listening, open_app
from tests.api.conftest import World, settings_for

HANGING = "chatia_edge_connections 2"
"""The one that asks, and one that waits for an answer."""


async def under_hypercorn(world: World, nursery: trio.Nursery) -> str:
    config = Config()
    config.bind = ["127.0.0.1:0"]
    config.accesslog = None
    binds = await nursery.start(partial(hypercorn_serve, world.app.asgi, config))
    return binds[0]


async def day(world: World, base: str) -> None:
    """Log in, list, send a text and a file, refresh, log out: over a real socket."""
    async with httpx.AsyncClient(base_url=base, timeout=20) as client:
        login = await client.post(
            "/auth/login/", json={"email": "admin@a.test", "password": "correct horse"}
        )
        assert login.status_code == 200
        headers = {"authorization": f"Bearer {login.json()['token']}"}
        listed = await client.get("/Tickets/", params={"status": "pending"}, headers=headers)
        ticket = listed.json()["tickets"][0]
        path = f"/messages/{ticket['id']}"
        text = await client.post(path, json={"body": "over the wire"}, headers=headers)
        assert text.status_code == 200
        files = [("medias", ("n.txt", b"hello file", "text/plain"))]
        media = await client.post(path, data={"body": "cap"}, files=files, headers=headers)
        assert media.status_code == 200, media.text
        assert (await client.post("/auth/refresh_token")).status_code == 200
        assert (await client.get("/nowhere", headers=headers)).json() == {"error": "ERR_NOT_FOUND"}
        assert (await client.delete("/auth/logout")).status_code == 200
        assert (await client.post("/auth/refresh_token")).status_code == 401


async def test_the_api_works_over_the_edge(world: World, tmp_path: Path):
    settings = settings_for(tmp_path, PORT="0")
    async with listening(settings, world.app.asgi) as port:
        await day(world, f"http://127.0.0.1:{port}")
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            page = await client.get("/console/")
            assert page.headers["content-type"].startswith("text/html")
            polling = await client.get("/socket.io/", params={"EIO": "4", "transport": "polling"})
            assert polling.status_code == 200


async def test_the_api_works_under_hypercorn(world: World):
    async with trio.open_nursery() as nursery:
        base = await under_hypercorn(world, nursery)
        await day(world, base)
        nursery.cancel_scope.cancel()


async def test_a_second_server_on_the_same_data_refuses_to_start(world: World, tmp_path: Path):
    dsn = world.app.parts.database.dsn
    with pytest.raises(Exception, match="is owned by") as refused:
        async with open_app(settings_for(tmp_path / "second"), dsn):
            pass
    assert type(refused.value).__name__ == "AlreadyOwned"


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_the_command_serves_the_demo_and_stops_on_a_signal(tmp_path: Path, dsn: str):
    environment = os.environ | {
        "DATABASE_URL": dsn,
        "BCRYPT_ROUNDS": "4",
        "PORT": "0",
        "PYTHONUNBUFFERED": "1",
    }
    command = [sys.executable, "-m", "api", "--data", str(tmp_path), "serve", "--demo"]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        said = [server.stdout.readline() for _ in range(5)]
        base = re.search(r"http://\S+\d", said[0])
        assert base, said
        password = said[4].split()[-1]
        body = {"email": "agent@example.com", "password": password}
        login = httpx.post(f"{base[0]}/auth/login", json=body, timeout=20)
        assert login.status_code == 200
        assert login.json()["user"]["queues"]
        figures = httpx.get(f"{base[0]}/metrics", timeout=20).text
        assert "chatia_edge_connections " in figures
        assert "chatia_edge_evicted 0" in figures
        path = f"{base[0]}/socket.io/?EIO=4&transport=polling"
        sid = msgspec.json.decode(httpx.get(path, timeout=20).content[1:])["sid"]
        with ThreadPoolExecutor() as pool:
            hanging = pool.submit(httpx.get, f"{path}&sid={sid}", timeout=20)
            seen = 0
            while seen < 5:  # a connection that is just closing may stand in for it once
                seen += HANGING in httpx.get(f"{base[0]}/metrics", timeout=20).text
            server.send_signal(signal.SIGTERM)
            assert (
                hanging.result(20).text == "1"
            )  # told, not cut; and nobody waits for its next ping
        assert server.wait(20) == 0
