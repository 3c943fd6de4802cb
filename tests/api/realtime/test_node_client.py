"""The official `socket.io-client` in Node, in every dialect and transport.

Needs Node and `npm ci` in tests/node; skipped where they are missing.
"""

import os
import shutil
import sys
from pathlib import Path

import pytest
import trio

from api.realtime.settings import RealtimeSettings
from tests.api.realtime.harness import serving

FOLDER = Path(__file__).parents[2] / "node"
MOCHA = FOLDER / "node_modules" / ".bin" / "mocha"
NODE = shutil.which("node")

pytestmark = pytest.mark.skipif(
    NODE is None or not MOCHA.exists(), reason="needs Node and `npm ci` in tests/node"
)


async def mocha(drops: int, *arguments: str) -> str:
    """Run the tests in Node; what they printed."""
    settings = RealtimeSettings(origins=("http://frontend.example",), timer_step=0.02)
    async with serving(settings=settings) as (_, port):
        with trio.fail_after(240):
            done = await trio.run_process(
                [str(MOCHA), "--timeout", "60000", *arguments, "sockets.spec.js"],
                cwd=FOLDER,
                env=os.environ
                | {"CHATIA_URL": f"http://127.0.0.1:{port}", "CHATIA_DROPS": str(drops)},
                capture_stdout=True,
                capture_stderr=True,
                check=False,
            )
    assert done.returncode == 0, (done.stdout + done.stderr).decode()
    return done.stdout.decode()


async def test_the_official_client_works_in_every_dialect_and_transport() -> None:
    await mocha(10)


@pytest.mark.prove
async def test_fifty_drops_in_each_transport_miss_and_double_nothing() -> None:
    said = await mocha(50, "--grep", "forced drops")
    sys.stdout.write("".join(f"{line}\n" for line in said.splitlines() if "figures" in line))
    assert said.count("figures") == 3
