"""The private server: every way it can be found at start, and every way it can die."""

import os
import select
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
import trio

from storage.backup import BackupFailed, backup, restore
from storage.database import open_database
from storage.embedded import EmbeddedPostgres, PostgresFailed
from storage.embedded.binaries import Account, install_folder
from storage.embedded.cluster import place, postmaster, socket_folder
from storage.embedded.server import LEAVING
from storage.errors import Conflict
from storage.migrate import UnknownRevision, render, upgrade
from tests._postgres import roomy_memory

SMALL = {"shared_buffers": "16MB", "max_connections": "20"}
LIVE_ON = """
import sys
from storage.embedded import EmbeddedPostgres
postgres = EmbeddedPostgres(sys.argv[1], settings={"shared_buffers": "16MB"}).start()
print(postgres.pid, postgres.attached, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def data() -> Iterator[Path]:
    """A data folder that an unprivileged server can reach."""
    folder = Path(tempfile.mkdtemp(prefix="chatia-embedded-", dir=roomy_memory()))
    folder.chmod(0o711)
    yield folder / "data"
    shutil.rmtree(folder)


@pytest.fixture
def server(data: Path) -> Iterator[EmbeddedPostgres]:
    postgres = EmbeddedPostgres(data, settings=SMALL).start()
    yield postgres
    postgres.stop(at_once=True)


@pytest.fixture
async def blank(postgres: EmbeddedPostgres, request: pytest.FixtureRequest) -> str:
    """An empty database on the test run's server."""
    name = f"blank_{abs(hash(request.node.name))}"
    await query(postgres.dsn, f"CREATE DATABASE {name} TEMPLATE template0")
    return postgres.dsn_of(name)


async def query(dsn: str, sql: str) -> object:
    async with open_database(dsn, patience=20.0) as database:
        return await database.value(sa.text(sql))


def program(data: Path) -> subprocess.Popen[str]:
    """Another program that runs, or attaches to, the server of a folder."""
    return subprocess.Popen(
        [sys.executable, "-c", LIVE_ON, str(data)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


async def test_what_was_committed_is_there_after_stop_and_start(server: EmbeddedPostgres) -> None:
    await query(server.dsn, "CREATE TABLE kept AS SELECT 7 AS n")
    server.stop()
    assert server.pid is None
    server.start()
    assert await query(server.dsn, "SELECT n FROM kept") == 7


async def test_durability_is_on_and_the_network_is_off(postgres: EmbeddedPostgres) -> None:
    for setting in ("fsync", "full_page_writes", "synchronous_commit", "data_checksums"):
        assert await query(postgres.dsn, f"SHOW {setting}") == "on"
    assert await query(postgres.dsn, "SHOW listen_addresses") == ""
    folder = str(await query(postgres.dsn, "SHOW unix_socket_directories"))
    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700


async def test_letters_with_accents_fold_their_case(blank: str) -> None:
    assert await query(blank, "SELECT 'AÇÃO' ILIKE 'ação' AND lower('Á') = 'á'") is True


async def test_a_half_made_cluster_is_thrown_away(data: Path) -> None:
    partial = data / "postgres.init"
    partial.mkdir(parents=True)
    (partial / "PG_VERSION").write_text("18")
    postgres = EmbeddedPostgres(data, settings=SMALL).start()
    try:
        assert not partial.exists()
        assert await query(postgres.dsn, "SELECT 1") == 1
    finally:
        postgres.stop(at_once=True)


@pytest.mark.skipif(sys.platform != "linux", reason="the parent-death signal is Linux's")
def test_the_server_ends_with_the_program_that_is_killed(data: Path) -> None:
    killed = program(data)
    assert killed.stdout is not None
    pid = int(killed.stdout.readline().split()[0])
    watch = os.pidfd_open(pid)
    end(killed)
    try:  # not our child: its end shows through the descriptor only
        assert select.select([watch], [], [], 30.0)[0]
    finally:
        os.close(watch)


@pytest.mark.skipif(sys.platform != "linux", reason="the parent-death signal is Linux's")
async def test_a_server_whose_program_died_is_not_used_in_its_last_moments(
    server: EmbeddedPostgres,
) -> None:
    """Forgetting the process and the lock is all that the death of a program changes."""
    pid = server.pid
    lock, server._lock = server._lock, None
    process, server._process = server._process, None
    assert lock is not None
    assert process is not None
    lock.close()
    successor = EmbeddedPostgres(server.data, settings=SMALL).start()
    process.wait()
    assert not successor.attached
    assert successor.pid not in (None, pid)
    assert await query(successor.dsn, "SELECT 1") == 1
    successor.stop()
    assert successor.pid is None


async def test_a_program_that_starts_while_another_stops_waits_and_runs_its_own(
    data: Path,
) -> None:
    first = program(data)
    assert first.stdout is not None
    pid = int(first.stdout.readline().split()[0])
    (data / "postgres.lock").write_bytes(LEAVING)
    second = EmbeddedPostgres(data, settings=SMALL)
    with ThreadPoolExecutor() as later:
        later.submit(end, first)
        second.start()
    try:
        assert not second.attached
        assert second.pid not in (None, pid)
        assert await query(second.dsn, "SELECT 1") == 1
    finally:
        second.stop(at_once=True)


async def test_a_program_that_attached_takes_over_when_the_other_ends(data: Path) -> None:
    first = program(data)
    assert first.stdout is not None
    first.stdout.readline()
    second = EmbeddedPostgres(data, settings=SMALL).start()
    assert second.attached
    send, restarted = trio.open_memory_channel[None](1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(second.supervise, lambda: send.send_nowait(None))
        end(first)
        await restarted.receive()
        nursery.cancel_scope.cancel()
    assert not second.attached
    assert await query(second.dsn, "SELECT 1") == 1
    second.stop(at_once=True)


async def test_a_second_program_attaches_and_never_stops_the_server(
    server: EmbeddedPostgres,
) -> None:
    second = EmbeddedPostgres(server.data).start()
    assert second.attached
    second.stop()
    assert await query(server.dsn, "SELECT 1") == 1


async def test_a_stale_pid_file_with_a_strangers_number_does_not_hinder(
    server: EmbeddedPostgres,
) -> None:
    server.stop()
    pid_file = server.data / "postgres" / "postmaster.pid"
    lines = [
        str(os.getpid()),
        str(server.data / "postgres"),
        "0",
        "5432",
        "/x",
        "",
        "  1 1",
        "ready",
    ]
    pid_file.write_text("\n".join(lines) + "\n")
    assert postmaster(pid_file.parent) is None
    server.start()
    assert await query(server.dsn, "SELECT 1") == 1


async def test_a_killed_server_is_restarted_and_nothing_committed_is_lost(
    server: EmbeddedPostgres,
) -> None:
    send, restarted = trio.open_memory_channel[None](1)
    async with open_database(server.dsn, patience=30.0) as database, trio.open_nursery() as nursery:
        await database.execute(sa.text("CREATE TABLE kept AS SELECT 7 AS n"))
        nursery.start_soon(server.supervise, lambda: send.send_nowait(None))
        for _ in range(2):
            before = server.pid
            assert before is not None
            os.kill(before, signal.SIGKILL)
            await restarted.receive()
            assert server.pid not in (None, before)
            assert (
                await database.value(sa.select(sa.column("n")).select_from(sa.table("kept"))) == 7
            )
        assert server.restarts == 2
        nursery.cancel_scope.cancel()


def test_a_server_that_cannot_run_says_why(data: Path) -> None:
    postgres = EmbeddedPostgres(data, settings={"shared_buffers": "nonsense"})
    with pytest.raises(PostgresFailed, match="nonsense"):
        postgres.start()
    postgres.stop()


def test_only_the_main_thread_may_start_it(data: Path) -> None:
    async def elsewhere() -> None:
        await trio.to_thread.run_sync(EmbeddedPostgres(data).start)

    with pytest.raises(RuntimeError, match="main thread"):
        trio.run(elsewhere)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root changes its user")
def test_root_runs_it_as_somebody_else(postgres: EmbeddedPostgres) -> None:
    assert postgres.pid is not None
    assert Path(f"/proc/{postgres.pid}").stat().st_uid != 0
    assert (postgres.data / "postgres" / "PG_VERSION").stat().st_uid != 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root changes its user")
async def test_a_data_folder_in_roots_home_works_through_a_link(data: Path) -> None:
    data.parent.chmod(0o700)
    postgres = EmbeddedPostgres(data, settings=SMALL).start()
    cluster = (data / "postgres").resolve()
    try:
        assert (data / "postgres").is_symlink()
        assert await query(postgres.dsn, "SELECT 1") == 1
    finally:
        postgres.stop(at_once=True)
        shutil.rmtree(cluster.parent)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user to run as")
def test_a_normal_user_runs_its_own_server(data: Path) -> None:
    nobody = 65534
    if not Account(nobody, nobody).reaches(install_folder()):
        pytest.skip("the virtual environment cannot be read by another user")
    data.mkdir(mode=0o700)
    os.chown(data, nobody, nobody)
    become = f"import os; os.setgroups([]); os.setgid({nobody}); os.setuid({nobody})\n"
    imports, _, rest = LIVE_ON.partition("postgres =")
    done = subprocess.run(
        [sys.executable, "-c", f"{imports}{become}postgres ={rest}postgres.stop()", str(data)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[1] == "False"
    assert (data / "postgres").stat().st_uid == nobody


def test_a_long_path_gets_its_socket_elsewhere(tmp_path: Path) -> None:
    user = Account(os.geteuid(), os.getegid())
    deep = tmp_path / ("x" * 120) / "postgres"
    deep.parent.mkdir()
    folder = socket_folder(deep, user)
    try:
        assert len(str(folder)) < 100
        assert folder == socket_folder(deep, user)
    finally:
        folder.rmdir()


def test_a_socket_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").symlink_to("/tmp")
    with pytest.raises(RuntimeError, match="somebody else"):
        socket_folder(tmp_path / "postgres", Account(os.geteuid(), os.getegid()))


def test_the_cluster_lies_in_the_data_folder(tmp_path: Path) -> None:
    user = Account(os.geteuid(), os.getegid())
    if user.reaches(tmp_path):
        assert place(tmp_path / "data", user) == tmp_path / "data" / "postgres"


async def test_migrating_twice_changes_nothing_the_second_time(blank: str) -> None:
    head = await upgrade(blank)
    assert head == render(None)[0]
    assert await query(blank, "SELECT version_num FROM alembic_version") == head
    assert await upgrade(blank) == head
    assert render(head) == (head, "")


async def test_a_newer_schema_is_refused(blank: str) -> None:
    await query(blank, "CREATE TABLE alembic_version AS SELECT '9999'::text AS version_num")
    with pytest.raises(UnknownRevision, match="9999"):
        await upgrade(blank)


async def test_a_backup_restores_into_an_empty_database_only(blank: str, tmp_path: Path) -> None:
    file = tmp_path / "chatia.backup"
    await query(blank, "CREATE TABLE kept AS SELECT n FROM generate_series(1, 100) n")
    await backup(blank, file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with pytest.raises(Conflict, match="empty"):
        await restore(blank, file)
    await query(blank, "DROP TABLE kept")
    await restore(blank, file)
    assert await query(blank, "SELECT sum(n) FROM kept") == 5050


async def test_a_damaged_backup_writes_nothing(blank: str, tmp_path: Path) -> None:
    file = tmp_path / "chatia.backup"
    await query(blank, "CREATE TABLE kept AS SELECT n FROM generate_series(1, 20000) n")
    await backup(blank, file)
    await query(blank, "DROP TABLE kept")
    file.write_bytes(file.read_bytes()[:-2000])
    with pytest.raises(BackupFailed):
        await restore(blank, file)
    assert await query(blank, "SELECT to_regclass('kept')::text") is None
