"""The whole OpenAPI document against a running server, by a program that knows only the document.

Whatever is asked, no answer is a failure of the server (but the 501 of what a later version
brings, where it is declared), and every answer is one that the document promises.
"""

import os
import re
import sys
import sysconfig
from pathlib import Path

import msgspec
import pytest
import trio

from api.app import listening
from api.routes import table
from tests.api.conftest import PASSWORD, World, settings_for
from tests.api.rows import stock

ROOT = Path(__file__).parents[2]
CONFIG = """
[checks]
not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", "501"]
"""
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
OPTIONS = {
    "--checks": ",".join(CHECKS),
    "--seed": "1",
    "--generation-with-security-parameters": "false",
    "--generation-database": "none",
    "--request-timeout": "40",  # longer than the server's own deadline, as on a busy machine
    "--warnings": "off",
}
CALL = r'chatia_requests_total\{endpoint="([^"]+)"'
SUCCESS = CALL + r',status="2\d\d"\}'
LONG = {"JWT_EXPIRES_SECONDS": "86400", "WEBHOOK_DEADLINE_SECONDS": "30"}
"""For a run that lasts, and that a busy machine may hold up: neither is a fault of the document."""
LIVELY = 0.6
"""The share of built endpoints that must have done what was asked: refusals alone prove little."""


def rows(world: World) -> dict[str, object]:
    """A row for each path parameter; of companies the other one."""
    a = world.a
    own = {name: getattr(a, name) for name in a.__struct_fields__ if name.endswith("_id")}
    more = {"ticket_key": a.ticket_id, "uuid": a.uuid, "key": a.contact_id}
    return own | a.rows | more | {"company_id": world.b.id}


async def ask(world: World, folder: Path, *phases: str) -> str:
    """What schemathesis says after it has asked for everything; it must have found nothing."""
    await stock(world)
    config = folder / "schemathesis.toml"
    config.write_text(CONFIG)
    program = str(Path(sysconfig.get_path("scripts"), "st"))
    async with listening(settings_for(folder, PORT="0"), world.app.asgi) as port:
        base = f"http://127.0.0.1:{port}"
        options = [text for pair in OPTIONS.items() for text in pair]
        asked = [program, "--no-color", "--config-file", str(config), "run", f"{base}/openapi.json"]
        asking = (base, PASSWORD, "root@a.test", "user@b.test", world.installation)
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "SCHEMATHESIS_HOOKS": "tests.api.contract_hooks",
            "CONTRACT": "|".join(asking),
            "CONTRACT_ROWS": msgspec.json.encode(rows(world)).decode(),
        }
        done = await trio.run_process(
            [*asked, *options, "--continue-on-failure", "--no-shrink", *phases],
            capture_stdout=True,
            capture_stderr=True,
            check=False,
            env=environment,
            cwd=folder,  # what it remembers of a run stays with the run
        )
    said = (done.stdout + done.stderr).decode()
    assert done.returncode == 0, said
    return said


def succeeded(world: World) -> set[str]:
    """The endpoints that have answered 2xx at least once."""
    return set(re.findall(SUCCESS, world.app.parts.metrics.text()))


async def test_no_answer_breaks_the_document(world: World, tmp_path: Path):
    await ask(world, tmp_path, "--phases", "coverage")
    called = set(re.findall(CALL, world.app.parts.metrics.text()))
    assert {endpoint.name for endpoint in table()} <= called
    # Files are more than this phase makes up.
    built = {endpoint.name for endpoint in table() if endpoint.built and not endpoint.uploads}
    refused = built - succeeded(world)
    assert len(refused) <= len(built) * (1 - LIVELY), sorted(refused)


@pytest.mark.prove
@pytest.mark.parametrize("environment", [LONG])
async def test_no_answer_to_made_up_requests_breaks_the_document(world: World, tmp_path: Path):
    phases = ("--phases", "coverage,fuzzing,stateful", "--max-examples", "100")
    said = await ask(world, tmp_path, *phases)
    sys.stdout.write(said[said.index("SUMMARY") :])
