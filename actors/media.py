"""Files of messages: the store's port, a local folder behind it, and fetching what came in.

A file is named by a digest of its company and content, so storing it twice is storing it once,
and by the extension of its sniffed type. Names given by people never become paths.
"""

import hashlib
import os
import re
import secrets
import shutil
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import msgspec
import trio

from actors.channels.base import Account, Channel, FetchFailed, Media
from actors.media_types import EXTENSIONS, HEAD, OCTETS, TYPES, sniff

_KEY = re.compile(r"[0-9a-f]{64}\.[a-z0-9]{2,5}")
_CHUNK = 256 * 1024

UNFINISHED_AFTER = 3600.0
"""Seconds without a write after which an incoming file is a killed process's."""


class MediaMissing(Exception):
    """This company has no such file."""


class MediaTooLarge(Exception):
    """The content exceeds the limit, which is in bytes."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"more than {limit} bytes")
        self.limit = limit


class StoredMedia(msgspec.Struct, frozen=True, kw_only=True):
    """A stored file: its key within the company, its sniffed content type, its size in bytes."""

    key: str
    mime: str
    size: int


class MediaStore(Protocol):
    """Where files live. Every call names the company; a key of another company is missing."""

    async def put(
        self,
        company_id: int,
        content: bytes | AsyncIterable[bytes],
        *,
        limit: int,
        claimed: str = "",
    ) -> StoredMedia:
        """Stores content durably, whole or not at all; a generator is closed in any case.

        Raises MediaTooLarge, OSError.
        """
        ...

    async def stat(self, company_id: int, key: str) -> StoredMedia:
        """Type and size. Raises MediaMissing."""
        ...

    async def read(
        self, company_id: int, key: str, start: int = 0, stop: int | None = None
    ) -> bytes:
        """The bytes [start, stop). Raises MediaMissing."""
        ...

    def stream(
        self, company_id: int, key: str, start: int = 0, stop: int | None = None
    ) -> AsyncIterator[bytes]:
        """The same in chunks, for sending on. Raises MediaMissing."""
        ...

    async def delete(self, company_id: int, key: str) -> None:
        """Removes a file; one that is not there is no error."""
        ...

    async def delete_all(self, company_id: int) -> None:
        """Removes every file of a company that is ended. Raises OSError, and may be repeated."""
        ...


class LocalMediaStore:
    """Files under `root/<company>/<first two of key>/<key>`.

    Written to `root/.incoming`, flushed to disk, then renamed: a crash leaves a whole file, or an
    unfinished one there, which `sweep` removes.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._incoming = root / ".incoming"

    async def sweep(self) -> int:
        """Remove what killed processes had begun and nobody writes any more; returns how many."""
        return await trio.to_thread.run_sync(_sweep, self._incoming)

    def _path(self, company_id: int, key: str) -> Path:
        if not _KEY.fullmatch(key) or company_id < 0:
            raise MediaMissing(key[:80])
        return self._root / str(int(company_id)) / key[:2] / key

    async def put(
        self,
        company_id: int,
        content: bytes | AsyncIterable[bytes],
        *,
        limit: int,
        claimed: str = "",
    ) -> StoredMedia:
        """See MediaStore."""
        incoming = await trio.to_thread.run_sync(_Incoming, self._incoming, company_id, limit)
        try:
            if isinstance(content, bytes):
                await trio.to_thread.run_sync(incoming.write, content)
            else:
                await _pour(content, incoming)
            stored = incoming.described(claimed)
            await trio.to_thread.run_sync(incoming.keep, self._path(company_id, stored.key))
        finally:
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(incoming.discard)
        return stored

    async def stat(self, company_id: int, key: str) -> StoredMedia:
        """See MediaStore."""
        path = self._path(company_id, key)
        try:
            found = await trio.to_thread.run_sync(lambda: path.stat(follow_symlinks=False))
        except FileNotFoundError:
            raise MediaMissing(key) from None
        mime = TYPES.get(key.rpartition(".")[2], OCTETS)
        return StoredMedia(key=key, mime=mime, size=found.st_size)

    async def read(
        self, company_id: int, key: str, start: int = 0, stop: int | None = None
    ) -> bytes:
        """See MediaStore."""
        path = self._path(company_id, key)
        length = -1 if stop is None else max(stop - start, 0)
        return await trio.to_thread.run_sync(_read, path, start, length)

    async def stream(
        self, company_id: int, key: str, start: int = 0, stop: int | None = None
    ) -> AsyncIterator[bytes]:
        """See MediaStore."""
        end = (await self.stat(company_id, key)).size if stop is None else stop
        while start < end:
            chunk = await self.read(company_id, key, start, min(start + _CHUNK, end))
            if not chunk:
                return
            yield chunk
            start += len(chunk)

    async def delete(self, company_id: int, key: str) -> None:
        """See MediaStore."""
        path = self._path(company_id, key)
        await trio.to_thread.run_sync(lambda: path.unlink(missing_ok=True))

    async def delete_all(self, company_id: int) -> None:
        """See MediaStore."""
        await trio.to_thread.run_sync(_delete_tree, self._root / str(int(company_id)))


async def _pour(content: AsyncIterable[bytes], incoming: "_Incoming") -> None:
    try:
        async for chunk in content:
            await trio.to_thread.run_sync(incoming.write, chunk)
    finally:
        if isinstance(content, AsyncGenerator):  # it may be left in the middle
            with trio.CancelScope(shield=True):
                await content.aclose()


def _read(path: Path, start: int, length: int) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    except FileNotFoundError:
        raise MediaMissing(path.name) from None
    with os.fdopen(descriptor, "rb") as file:
        file.seek(start)
        return file.read(length)


def _delete_tree(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


def _sweep(folder: Path) -> int:
    now = datetime.now(UTC).timestamp()
    stale = [path for path in folder.glob("*") if now - path.stat().st_mtime > UNFINISHED_AFTER]
    for path in stale:
        path.unlink(missing_ok=True)
    return len(stale)


class _Incoming:
    """A file being written; every method runs in a worker thread."""

    def __init__(self, folder: Path, company_id: int, limit: int) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path = folder / secrets.token_hex(8)
        self._file = self._path.open("xb")
        self._digest = hashlib.sha256(f"{company_id}\0".encode())
        self._head = b""
        self._limit = limit
        self._size = 0

    def write(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if self._size > self._limit:
            raise MediaTooLarge(self._limit)
        if len(self._head) < HEAD:
            self._head += chunk[: HEAD - len(self._head)]
        self._digest.update(chunk)
        self._file.write(chunk)

    def described(self, claimed: str) -> StoredMedia:
        mime = sniff(self._head, claimed)
        key = f"{self._digest.hexdigest()}.{EXTENSIONS[mime]}"
        return StoredMedia(key=key, mime=mime, size=self._size)

    def keep(self, path: Path) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        for folder in (path.parent.parent, path.parent):
            folder.mkdir(exist_ok=True, mode=0o700)
        self._path.replace(path)
        descriptor = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def discard(self) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)


class MediaFetched(msgspec.Struct, frozen=True, kw_only=True, tag="fetched"):
    """The bytes of an inbound file are stored."""

    stored: StoredMedia


class MediaFailed(msgspec.Struct, frozen=True, kw_only=True, tag="failed"):
    """They are not; `permanent` = repeating the job is useless."""

    reason: str
    permanent: bool


async def fetch_inbound(
    channel: Channel, store: MediaStore, account: Account, media: Media, *, limit: int
) -> MediaFetched | MediaFailed:
    """One attempt of the outbox job that brings an inbound file in; repeating it is harmless.

    `limit` in bytes. Never raises for what the network, the provider or the disk does.
    """
    try:
        content, claimed = await channel.fetch(account, media, limit=limit)
        stored = await store.put(account.company_id, content, limit=limit, claimed=claimed)
    except FetchFailed as error:
        return MediaFailed(reason=str(error), permanent=error.permanent)
    except MediaTooLarge as error:
        return MediaFailed(reason=str(error), permanent=True)
    except OSError as error:
        return MediaFailed(reason=f"not stored: {error.strerror}", permanent=False)
    return MediaFetched(stored=stored)
