"""The commands as the README tells them: people, backup while it runs, restore into nothing."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
import trio

from api.app import open_app
from api.command_line import _parser
from storage import dead_letters
from storage.database import Database, open_database
from storage.embedded import EmbeddedPostgres
from storage.tables import ALL as TABLES
from tests.api.conftest import World, settings_for
from tests.api.conftest import World as Server

README = (Path(__file__).parents[2] / "README.md").read_text()


async def chatia(*arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run the command as a person would; it must not print a traceback."""
    done = await trio.run_process(
        [sys.executable, "-W", "error::UserWarning", "-m", "api", *arguments],
        env=os.environ | {"BCRYPT_ROUNDS": "4"} | environment,
        stdin=subprocess.DEVNULL,
        capture_stdout=True,
        capture_stderr=True,
        check=False,
    )
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return done


async def content(database: Database) -> dict[str, str]:
    """A digest of every table."""
    found = {}
    for table in TABLES:
        whole = sa.text(
            "select count(*) || ' ' || coalesce(md5(string_agg(t::text, '|' order by t::text)), '')"
            f" from {table.name} t"
        )
        found[table.name] = await database.value(whole)
    return found


@pytest.fixture
async def blank(postgres: EmbeddedPostgres) -> str:
    """An empty database."""
    async with open_database(postgres.dsn, pool=1) as database:
        await database.execute(sa.text("DROP DATABASE IF EXISTS blank_for_restore"))
        await database.execute(sa.text("CREATE DATABASE blank_for_restore TEMPLATE template0"))
    return postgres.dsn_of("blank_for_restore")


async def test_the_schema_goes_down_and_up(blank: str, tmp_path: Path):
    data = ("--data", str(tmp_path))
    newest = (await chatia(*data, "migrate", DATABASE_URL=blank)).stdout
    back = await chatia(*data, "migrate", "--down-to", "0006", DATABASE_URL=blank)
    assert back.stdout == b"at revision 0006\n", back.stderr
    for wrong in ("0007", "nonsense"):
        refused = await chatia(*data, "migrate", "--down-to", wrong, DATABASE_URL=blank)
        assert (refused.returncode, b"no " in refused.stderr) == (1, True)
    assert (await chatia(*data, "migrate", DATABASE_URL=blank)).stdout == newest


async def test_a_backup_of_a_running_server_restores_to_the_same_data(
    world: World, blank: str, tmp_path: Path
):
    database, file = world.app.parts.database, tmp_path / "backup.file"
    data = ("--data", str(tmp_path))
    made = await chatia(*data, "backup", str(file), DATABASE_URL=database.dsn)
    assert made.returncode == 0, made.stderr
    assert file.stat().st_mode & 0o077 == 0
    before = await content(database)
    assert before["messages"].startswith("2 ")
    restored = await chatia(*data, "restore", str(file), DATABASE_URL=blank)
    assert restored.returncode == 0, restored.stderr
    async with open_database(blank, pool=1) as other:
        assert await content(other) == before
    again = await chatia(*data, "restore", str(file), DATABASE_URL=blank)
    assert again.returncode == 1
    assert b"empty" in again.stderr
    settings = settings_for(tmp_path)
    async with open_app(settings, blank) as app:
        second = Server(app, settings)
        token = (await second.login("admin@a.test")).json()["token"]
        shown = await second.call("GET", f"/messages/{world.a.ticket_id}", token=token)
        assert shown.json()["messages"][0]["body"] == "hello a"
        webhook = await second.call("GET", f"/whatsapp/{world.a.cloud_id}/webhook", token=token)
        assert webhook.json()["url"].endswith(world.a.cloud_token)


@pytest.mark.prove
async def test_the_commands_work_on_the_private_server_too(tmp_path: Path):
    first, second = ("--data", str(tmp_path / "first")), ("--data", str(tmp_path / "second"))
    file = str(tmp_path / "backup.file")
    made = await chatia(*first, "user", "create", "root@x.test", "--super")
    assert made.returncode == 0, made.stderr
    assert re.search(rb"password: \S{12,}\nuser 1 of company 1: root@x.test", made.stdout)
    assert (await chatia(*first, "backup", file)).returncode == 0
    assert (await chatia("restore", *second, file)).returncode == 0
    taken = await chatia(*second, "user", "create", "ROOT@x.test", "--password", "secret-secret")
    assert (taken.returncode, taken.stdout) == (1, b"")
    assert taken.stderr.startswith(b"chatia: ")
    wrong = await chatia(*second, "user", "create", "b@x.test", "--company", "7")
    assert (wrong.returncode, b"company 7" in wrong.stderr) == (1, True)


async def test_a_file_that_is_no_backup_is_refused(blank: str, tmp_path: Path):
    file = tmp_path / "nonsense"
    file.write_bytes(b"nonsense")
    done = await chatia("--data", str(tmp_path), "restore", str(file), DATABASE_URL=blank)
    assert (done.returncode, done.stderr[:8]) == (1, b"chatia: ")


def test_every_command_of_the_readme_is_understood():
    told = re.findall(r"^chatia (.+?) *(?:#.*)?$", README, re.M)
    assert {line.split()[0] for line in told} >= {"serve", "user", "backup", "restore"}
    for line in told:
        assert _parser().parse_args(line.split()).run


async def test_what_could_not_be_stored_is_listed_written_and_dealt_with(
    world: World, tmp_path: Path
):
    parts, raw, file = world.app.parts, b"\x00 their words \xff", tmp_path / "letter"
    await dead_letters.park(
        parts.database,
        world.a.id,
        address="ticket:1:2",
        kind="inbound",
        error="\x1b[2J",
        payload=raw,
    )

    async def letters(*arguments: str) -> tuple[int, str]:
        data = ("--data", str(tmp_path))
        done = await chatia("letters", *arguments, *data, DATABASE_URL=parts.database.dsn)
        return done.returncode, (done.stdout + done.stderr).decode()

    status, text = await letters("list")
    assert status == 0
    assert text.startswith(f"1: company {world.a.id}, ticket:1:2, 20")
    assert text.endswith(f", {len(raw)} bytes: '\\x1b[2J'\n")
    assert (await letters("write", "1", str(file)))[0] == 0
    assert (file.read_bytes(), file.stat().st_mode & 0o077) == (raw, 0)
    assert (await letters("write", "1", str(file)))[0] == 1
    assert (await letters("done", "1"))[0] == 0
    assert await letters("list") == (0, "")
    assert await letters("done", "7") == (1, "chatia: letter 7\n")


async def test_audit_verify_finds_a_doctored_log_and_a_cut_end(world: World, tmp_path: Path):
    database, a = world.app.parts.database, world.a
    for name in ("One", "Two", "Three"):
        await world.call("PUT", f"/contacts/{a.contact_id}", {"name": name}, token=a.admin)

    async def verify(*more: str) -> tuple[int, str]:
        done = await chatia(
            "audit", "verify", *more, "--data", str(tmp_path), DATABASE_URL=database.dsn
        )
        return done.returncode, done.stdout.decode()

    status, text = await verify()
    assert status == 0
    assert f"company {a.id}: 3 entries, head 3:" in text
    (kept,) = re.findall(rf"company {a.id}: .* head (\S+):", text)
    assert await verify("--company", str(a.id), "--since", kept) == (
        0,
        f"company {a.id}: 0 entries, head {kept}: ok\n",
    )
    second = "SELECT hash FROM audit_log WHERE company_id = :company AND seq = 2"
    mine = {"company": int(a.id)}
    cut = "UPDATE company_stream SET audit_seq = 2, audit_hash = ({}) WHERE company_id = :company"
    for statement in ("DELETE FROM audit_log WHERE company_id = :company AND seq = 3", cut):
        await database.execute(sa.text(statement.format(second)).bindparams(**mine))
    assert (await verify("--company", str(a.id)))[0] == 0
    assert (await verify("--company", str(a.id), "--since", kept))[0] == 1
    rewritten = "UPDATE audit_log SET entry = entry || '{{\"user_id\"\\: 9}}' WHERE seq = 1"
    await database.execute(sa.text(rewritten.format()))
    status, text = await verify()
    assert (status, "entry 1 was altered" in text) == (1, True)
