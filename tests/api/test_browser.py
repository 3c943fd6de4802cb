"""Headless Chromium on the real server: the console, and the official client in a page.

Needs Node, `npm ci` in tests/node, and Chromium; skipped with a message where one is missing.
"""

import os
import shutil
import socket
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from api.app import listening
from api.realtime.handshake import respond
from api.realtime.settings import RealtimeSettings
from tests.api.conftest import PASSWORD, World, settings_for
from tests.api.realtime.harness import serving

FOLDER = Path(__file__).parents[1] / "node"
MOCHA = FOLDER / "node_modules" / ".bin" / "mocha"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""
MISSING = [
    name
    for name, there in (
        ("Node", shutil.which("node")),
        ("`npm ci` in tests/node", (FOLDER / "node_modules" / "playwright-core").exists()),
        ("Chromium", CHROMIUM),
    )
    if not there
]

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}")


async def mocha(spec: str, port: int, *arguments: str, **more: str) -> str:
    """Run one file of tests in Node; what they printed."""
    known = {"CHATIA_URL": f"http://127.0.0.1:{port}", "CHATIA_CHROMIUM": CHROMIUM}
    with trio.fail_after(180):
        done = await trio.run_process(
            [str(MOCHA), "--timeout", "60000", "--bail", *arguments, spec],
            cwd=FOLDER,
            env={**os.environ, **known, **more},
            capture_stdout=True,
            capture_stderr=True,
            check=False,
        )
    assert done.returncode == 0, (done.stdout + done.stderr).decode()
    return done.stdout.decode()


async def sockets(drops: int, *arguments: str) -> str:
    """The official client in a page of another origin."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        page_port = held.getsockname()[1]
    settings = RealtimeSettings(origins=(f"http://localhost:{page_port}",), timer_step=0.02)
    async with serving(settings=settings) as (_, port):
        page, count = str(page_port), str(drops)
        return await mocha(
            "browser_sockets.spec.js", port, *arguments, CHATIA_PAGE_PORT=page, CHATIA_DROPS=count
        )


async def test_the_official_client_works_in_a_browser() -> None:
    await sockets(10)


@pytest.mark.prove
async def test_fifty_drops_in_each_transport_miss_and_double_nothing() -> None:
    said = await sockets(50, "--grep", "forced drops")
    sys.stdout.write("".join(f"{line}\n" for line in said.splitlines() if "figures" in line))
    assert said.count("figures") == 3


async def test_an_agents_day_in_the_console(world: World, tmp_path: Path) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] != "/control":
            await world.app.asgi(scope, receive, send)
            return
        order = msgspec.json.decode((await receive())["body"])
        await world.receive(world.a, order["phone"], *order["texts"])
        await respond(send, 200)

    async with listening(settings_for(tmp_path, PORT="0"), app) as port:
        await mocha("console.spec.js", port, CHATIA_PASSWORD=PASSWORD)
    assert world.app.simulator.composing, "the customer saw that the agent typed"
