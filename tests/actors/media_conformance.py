"""What every media store promises; run it on each."""

from collections.abc import AsyncIterator

import pytest

from actors.media import MediaMissing, MediaStore, MediaTooLarge

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4


async def check_media_store(store: MediaStore) -> None:
    """Puts, reads, ranges, refuses and deletes, for two companies."""
    stored = await store.put(1, PNG, limit=5000, claimed="text/html")
    assert (stored.mime, stored.size) == ("image/png", len(PNG))
    assert await store.stat(1, stored.key) == stored
    assert await store.read(1, stored.key) == PNG
    assert await store.read(1, stored.key, 3, 10) == PNG[3:10]
    assert await store.read(1, stored.key, 1000) == PNG[1000:]
    assert await store.read(1, stored.key, 5, 5) == b""
    assert b"".join([part async for part in store.stream(1, stored.key, 4, 900)]) == PNG[4:900]
    assert b"".join([part async for part in store.stream(1, stored.key)]) == PNG
    await _companies_are_apart(store, stored.key)
    await _size_is_bounded(store)
    assert await store.put(1, PNG, limit=5000) == stored, "storing twice is storing once"
    await store.delete(1, stored.key)
    await store.delete(1, stored.key)
    with pytest.raises(MediaMissing):
        await store.stat(1, stored.key)
    await _a_company_ends(store)


async def _a_company_ends(store: MediaStore) -> None:
    theirs = [await store.put(7, bytes((n,)), limit=10) for n in range(5)]
    other = await store.put(8, b"x", limit=10)
    for _ in range(2):
        await store.delete_all(7)
    for stored in theirs:
        with pytest.raises(MediaMissing):
            await store.stat(7, stored.key)
    assert await store.stat(8, other.key) == other


async def _companies_are_apart(store: MediaStore, key: str) -> None:
    for call in (store.stat, store.read):
        with pytest.raises(MediaMissing):
            await call(2, key)
    with pytest.raises(MediaMissing):
        async for _ in store.stream(2, key):
            pass
    await store.delete(2, key)
    assert await store.stat(1, key)
    other = await store.put(2, PNG, limit=5000)
    assert other.key != key, "a key tells nothing about another company's files"


async def _size_is_bounded(store: MediaStore) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield b"x" * 100

    assert (await store.put(1, chunks(), limit=1000)).size == 1000
    with pytest.raises(MediaTooLarge):
        await store.put(1, chunks(), limit=999)
    with pytest.raises(MediaTooLarge):
        await store.put(1, b"x" * 11, limit=10)
    assert (await store.put(1, b"", limit=10)).size == 0
