"""Starts, adopts, watches and stops the private PostgreSQL server of one data folder."""

import ctypes
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Self

import trio

from storage.embedded.binaries import account, reachable_install
from storage.embedded.cluster import (
    Postmaster,
    forget_stranger,
    initialize,
    place,
    postmaster,
    socket_folder,
)

SETTINGS = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "max_connections": "64",
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    "listen_addresses": "",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %a ",
}
"""Sized for two cores beside the program itself. Nothing listens on the network: the socket's
folder is open to the server's user (and root) only, which is why connections need no password."""

START_TIMEOUT = 300.0  # a crash can leave 2 GB of log to replay
START_DEATHS = 20
START_PAUSE = 0.3
STOP_TIMEOUT = 30.0
POLL = 0.01
LONGEST_PAUSE = 5.0
LOG_LIMIT = 16 * 1024 * 1024
PR_SET_PDEATHSIG = 1

RUNNING, LEAVING = b"running", b"leaving"
"""What the program that holds the folder's lock is doing, as the lock's file says."""


class PostgresFailed(RuntimeError):
    """The server did not become ready; the message ends with its log's last lines."""


class EmbeddedPostgres:
    """PostgreSQL for one data folder, from the wheel's programs.

    The first program on a folder runs the server and stops it; a second one attaches to it and
    never stops it, unless the first is just ending: then it waits and runs its own. Linux ends the
    server (fast shutdown, nothing is lost) when the *thread* that started it dies, so call
    `start()` on the main thread. A server that outlives its program is about to end for that
    reason: its end is awaited, not its last moments used.
    """

    def __init__(self, data: Path | str, *, settings: Mapping[str, str] | None = None) -> None:
        self.data = Path(data).absolute()
        self.restarts = 0
        self._settings = {**SETTINGS, **(settings or {})}
        self._process: subprocess.Popen[Any] | None = None
        self._lock: IO[bytes] | None = None
        self._stopping = False
        self._deaths = 0

    @property
    def dsn(self) -> str:
        """Where to connect, as a URL; valid once started."""
        return self.dsn_of("postgres")

    def dsn_of(self, database: str) -> str:
        """Where to connect for another database of this server."""
        folder = socket_folder(self._cluster, self._user)
        return f"postgresql://postgres@/{database}?host={folder}&port=5432"

    @property
    def attached(self) -> bool:
        """Whether another program runs the server."""
        return self._lock is None

    @property
    def pid(self) -> int | None:
        """Process id of the live server."""
        found = postmaster(self._cluster)
        return found.pid if found else None

    def start(self) -> Self:
        """Return once the server accepts connections; creates the cluster on first use.

        Blocks the thread: about 1 s for a new cluster, 0.1 s for an existing one, more after a
        crash.

        Raises:
            PostgresFailed: the server does not start, or not within 5 minutes.
        """
        if threading.current_thread() is not threading.main_thread():
            message = "start() on the main thread: the server ends with the thread that starts it"
            raise RuntimeError(message)
        self._user = account((self.data / "postgres").resolve())
        self._cluster = place(self.data, self._user)
        self._stopping = False
        self._take_lock()
        deadline = time.monotonic() + START_TIMEOUT
        self._deaths = 0
        while not self._step():
            # A server may die once or twice while orphans of a killed one still hold its memory.
            if time.monotonic() > deadline or self._deaths > START_DEATHS:
                said = self._log_tail()
                self.stop(at_once=True)
                raise PostgresFailed(said)
            time.sleep(min(self._pause(), START_PAUSE))
        return self

    def leave(self) -> None:
        """Tell programs that start from now on to wait until this one has stopped the server."""
        if self._lock is not None:
            _mark(self._lock, LEAVING)

    def stop(self, *, at_once: bool = False) -> None:
        """Stop the server unless another program runs it; blocks until it is gone.

        Queries in progress are rolled back, everything is written out. After 30 s, or `at_once`, it
        is ended without that; the next start repairs it from the log, as after a crash.
        """
        if self._lock is None:
            return
        self._stopping = True
        self.leave()
        if at_once or not self._end(signal.SIGINT, STOP_TIMEOUT):
            self._end(signal.SIGQUIT, STOP_TIMEOUT)
        if self._process is not None:
            self._process.kill()  # it has ended by now, or it never came as far as its pid file
            self._process.wait()
            self._process = None
        self._lock.close()
        self._lock = None

    async def supervise(self, on_restart: Callable[[], object] | None = None) -> None:
        """Restart the server whenever it dies, with growing pauses while it keeps dying.

        Runs until cancelled; from a trio task of the main thread. When attached, it takes the
        server over once the program that ran it is gone.
        """
        while True:
            live = postmaster(self._cluster)
            if live is not None:
                await _ended(live.pid)
            if self._stopping:
                return
            await self._restart()
            self.restarts += 1
            if on_restart is not None:
                on_restart()

    async def _restart(self) -> None:
        self._deaths = 0
        while True:
            try:
                if self._step():
                    return
            except OSError:
                self._deaths += 1  # no process, no memory, no disk: all of these can pass
            await trio.sleep(self._pause())

    def _pause(self) -> float:
        return min(POLL * 2.0 ** max(self._deaths - 1, 0), LONGEST_PAUSE)

    def _create(self) -> None:
        self._cluster.parent.mkdir(parents=True, exist_ok=True)
        initialize(self._cluster, self._install(), self._user)

    def _install(self) -> Path:
        return reachable_install(self._user, self._cluster.parent)

    def _step(self) -> bool:
        """Look once, do the next thing; True when the server accepts connections."""
        live = postmaster(self._cluster)
        if self.attached:
            if live is not None and not self._others_leave():
                return live.ready
            self._take_lock()  # its program is ending, then the folder is ours to run
            return False
        if live is not None:
            return live.ready and not self._is_orphan(live)
        if self._process is not None:
            if self._process.poll() is None:
                return False
            self._deaths += 1
        self._spawn()
        return False

    def _take_lock(self) -> None:
        """Become the program that runs the server, unless another one is."""
        self._lock = _try_lock(self._lock_file)
        if self._lock is not None:
            _mark(self._lock, RUNNING)
            if not (self._cluster / "PG_VERSION").exists():
                self._create()

    @property
    def _lock_file(self) -> Path:
        return self.data / "postgres.lock"

    def _others_leave(self) -> bool:
        return self._lock_file.read_bytes() == LEAVING

    def _is_orphan(self, live: Postmaster) -> bool:
        """Whether the server is not ours; then it is asked to end, if the kernel has not already."""
        if sys.platform != "linux" or (self._process and self._process.pid == live.pid):
            return False
        with suppress(ProcessLookupError):
            os.kill(live.pid, signal.SIGINT)
        return True

    def _spawn(self) -> None:
        forget_stranger(self._cluster)
        folder = socket_folder(self._cluster, self._user)
        settings = {**self._settings, "unix_socket_directories": str(folder)}
        command = [str(self._install() / "bin" / "postgres"), "-D", str(self._cluster)]
        command += [f"--{name}={value}" for name, value in settings.items()]
        with _open_log(self.data / "postgres.log") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env={},
                start_new_session=True,  # Ctrl-C at the terminal is for the program alone
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
                **self._user.popen(),
            )

    def _end(self, how: signal.Signals, timeout: float) -> bool:
        live = postmaster(self._cluster)
        if live is not None:
            os.kill(live.pid, how)
        deadline = time.monotonic() + timeout
        while live is not None and self._alive(live):
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL)
        return True

    def _alive(self, live: Postmaster) -> bool:
        if self._process is not None and self._process.pid == live.pid:
            return self._process.poll() is None  # reaps our own child
        return postmaster(self._cluster) is not None

    def _log_tail(self) -> str:
        return (self.data / "postgres.log").read_text(errors="replace")[-2000:]


_libc = ctypes.CDLL(None)


def _die_with_parent() -> None:
    """Have the kernel send SIGINT (fast shutdown) when the starting thread is gone."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGINT)


def _try_lock(path: Path) -> IO[bytes] | None:
    """Take the folder's lock, which the kernel releases with the process, however it ends."""
    handle = path.open("ab")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.close()
        return None
    return handle


def _mark(lock: IO[bytes], state: bytes) -> None:
    lock.truncate(0)
    lock.write(state)
    lock.flush()


def _open_log(path: Path) -> IO[bytes]:
    if path.exists() and path.stat().st_size > LOG_LIMIT:
        path.replace(path.with_suffix(".log.1"))
    return path.open("ab")


async def _ended(pid: int) -> None:
    """Wait until a process, child or not, has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except (AttributeError, OSError):  # another system, or gone already
        await trio.sleep(0.2)
        return
    try:
        await trio.lowlevel.wait_readable(descriptor)
    finally:
        os.close(descriptor)
