"""The official `socket.io-client` in Node, in every dialect and transport.

Needs Node and `npm ci` in tests/node; skipped where they are missing.
"""

import os
import shutil
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


async def test_the_official_client_works_in_every_dialect_and_transport() -> None:
    settings = RealtimeSettings(origins=("http://frontend.example",), timer_step=0.02)
    async with serving(settings=settings) as (_, port):
        with trio.fail_after(120):
            done = await trio.run_process(
                [str(MOCHA), "--timeout", "20000", "sockets.spec.js"],
                cwd=FOLDER,
                env={**os.environ, "CHATIA_URL": f"http://127.0.0.1:{port}"},
                capture_stdout=True,
                capture_stderr=True,
                check=False,
            )
    assert done.returncode == 0, (done.stdout + done.stderr).decode()
