"""The cluster folder: created whole or not at all, and who runs on it now."""

import hashlib
import os
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

import msgspec

from storage.embedded.binaries import Account

SOCKET_LIMIT = 100
"""Bytes a socket folder's path may take: sun_path holds 108, PostgreSQL appends a file name."""

SYSTEM_FOLDER = Path("/var/lib/chatia-flow")
"""Where root's cluster goes when its data folder cannot be reached by an unprivileged user."""


class Postmaster(msgspec.Struct, frozen=True):
    """What `postmaster.pid` says."""

    pid: int
    ready: bool


def place(data: Path, user: Account) -> Path:
    """Return the cluster's folder for the program's data folder `data`, which is created.

    Normally `data/postgres`. If the server's user cannot pass through `data` (root's home is 0700),
    the cluster lies under /var/lib/chatia-flow and `data/postgres` is a link to it.
    """
    data.mkdir(mode=0o711, parents=True, exist_ok=True)
    link = data / "postgres"
    if link.is_symlink() or user.reaches(data):
        return link.resolve()
    SYSTEM_FOLDER.mkdir(mode=0o711, parents=True, exist_ok=True)
    cluster = SYSTEM_FOLDER / _digest(data) / "postgres"
    cluster.parent.mkdir(mode=0o711, exist_ok=True)
    link.symlink_to(cluster)
    return cluster


def socket_folder(cluster: Path, user: Account) -> Path:
    """Return a folder, private to `user`, whose path is short enough for a unix socket.

    Raises:
        RuntimeError: somebody else owns the folder in the shared temporary directory.
    """
    folder = cluster.parent / "run"
    if len(os.fsencode(folder)) > SOCKET_LIMIT:
        folder = Path(tempfile.gettempdir()) / f"chatia-{_digest(cluster)}"
    try:
        folder.mkdir(mode=0o700)
        user.own(folder)
    except FileExistsError:
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (user.uid, os.geteuid()):
            message = f"{folder} belongs to somebody else"
            raise RuntimeError(message) from None
        user.own(folder)
        folder.chmod(0o700)
    return folder


def initialize(cluster: Path, install: Path, user: Account) -> None:
    """Create the cluster under another name, flush it, then rename: it is whole when it appears.

    The builtin C.UTF-8 locale sorts by code point, the same on every machine, and folds the case of
    every letter (ILIKE finds `AÇÃO`), which plain C does not.
    """
    partial = cluster.with_name(cluster.name + ".init")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(mode=0o700)
    user.own(partial)
    command = [str(install / "bin" / "initdb"), "--pgdata", str(partial), "--username=postgres"]
    command += ["--auth=trust", "--encoding=UTF8", "--no-instructions", "--locale=C"]
    command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    done = subprocess.run(
        command, cwd="/", env={}, capture_output=True, text=True, check=False, **user.popen()
    )
    if done.returncode != 0:
        message = f"initdb failed: {done.stderr.strip()}"
        raise RuntimeError(message)
    partial.rename(cluster)
    _flush(cluster.parent)


def _flush(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def postmaster(cluster: Path) -> Postmaster | None:
    """Return the live server of this cluster, None when there is none (or only its stale file)."""
    try:
        lines = (cluster / "postmaster.pid").read_text().splitlines()
        pid = int(lines[0])
    except (OSError, ValueError, IndexError):
        return None
    if not _runs_on(pid, cluster):
        return None
    return Postmaster(pid, ready=len(lines) > 7 and lines[7].strip() == "ready")


def forget_stranger(cluster: Path) -> None:
    """Remove a stale `postmaster.pid` whose number now belongs to another program.

    PostgreSQL itself only looks whether the number is alive, and would refuse to start.
    """
    if postmaster(cluster) is None:
        (cluster / "postmaster.pid").unlink(missing_ok=True)


def _runs_on(pid: int, cluster: Path) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # alive, another user's: /proc tells whose
    process = Path("/proc") / str(pid)
    if not process.exists():
        return not Path("/proc/self").exists()  # no /proc on this system: believe the number
    try:
        program = os.readlink(process / "exe").removesuffix(" (deleted)")
        return Path(program).name == "postgres" and os.readlink(process / "cwd") == str(cluster)
    except OSError:
        return False


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]
