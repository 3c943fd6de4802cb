"""Files are what their bytes say, stay inside their company, and never name a path."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.channels.base import Account, FetchFailed, Media
from actors.channels.simulator_files import PDF, png, wav
from actors.media import (
    LocalMediaStore,
    MediaFailed,
    MediaFetched,
    MediaMissing,
    fetch_inbound,
)
from actors.media_types import (
    EXTENSIONS,
    RangeNotSatisfiable,
    byte_range,
    download_headers,
    sniff,
)
from tests.actors.media_conformance import PNG, check_media_store

ACCOUNT = Account(connection_id=1, company_id=7, external_id="1")


def files(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


async def test_the_local_folder_keeps_the_promises(tmp_path: Path) -> None:
    await check_media_store(LocalMediaStore(tmp_path))


@pytest.mark.parametrize(
    "key",
    [
        "",
        ".",
        "..",
        "../../etc/passwd",
        "/etc/passwd",
        "a" * 64,
        "a" * 64 + ".",
        "a" * 64 + "./x",
        "a" * 64 + ".png\n",
        "a" * 64 + ".png\x00",
        "A" * 64 + ".png",
        "é" * 64 + ".png",
        "a" * 63 + "/.png",
        "..%2f" * 12 + "aaaa.png",
        ".incoming-0011223344556677",
    ],
)
async def test_only_keys_of_the_store_reach_the_disk(tmp_path: Path, key: str) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / ".incoming-0011223344556677").write_bytes(b"half")
    store = LocalMediaStore(tmp_path)
    for call in (store.stat, store.read, store.delete):
        with pytest.raises(MediaMissing):
            await call(1, key)


async def test_a_link_planted_in_the_folder_is_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    store = LocalMediaStore(tmp_path / "media")
    stored = await store.put(1, PNG, limit=5000)
    path = tmp_path / "media" / "1" / stored.key[:2] / stored.key
    path.unlink()
    path.symlink_to(secret)
    with pytest.raises(OSError, match=r"symbolic links"):
        await store.read(1, stored.key)


async def test_a_file_that_fails_on_the_way_leaves_nothing(tmp_path: Path) -> None:
    store = LocalMediaStore(tmp_path)

    async def broken() -> AsyncIterator[bytes]:
        yield b"x" * 100
        raise ConnectionError

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x"
            await trio.sleep(0.001)

    with pytest.raises(ConnectionError):
        await store.put(1, broken(), limit=1000)
    with trio.move_on_after(0.05):
        await store.put(1, endless(), limit=10**9)
    assert files(tmp_path) == []


async def test_files_are_private_to_the_server(tmp_path: Path) -> None:
    await LocalMediaStore(tmp_path / "media").put(1, PNG, limit=5000)
    for folder in (tmp_path / "media" / "1", *(tmp_path / "media" / "1").iterdir()):
        assert folder.stat().st_mode & 0o077 == 0


OOXML = b"PK\x03\x04\x14\x00\x06\x00[Content_Types].xml" + b"\x00" * 40
TYPES = {
    "image/jpeg": b"\xff\xd8\xff\xe0\x00\x10JFIF",
    "image/png": png(2, 2),
    "image/gif": b"GIF89a\x01\x00",
    "image/x-icon": b"\x00\x00\x01\x00\x01\x00",
    "image/webp": b"RIFF\x10\x00\x00\x00WEBPVP8 ",
    "video/mp4": b"\x00\x00\x00\x18ftypisom",
    "video/3gpp": b"\x00\x00\x00\x18ftyp3gp4",
    "video/quicktime": b"\x00\x00\x00\x14ftypqt  ",
    "video/webm": b"\x1aE\xdf\xa3\x01",
    "audio/mp4": b"\x00\x00\x00\x18ftypM4A ",
    "audio/mpeg": b"ID3\x04\x00",
    "audio/ogg": b"OggS\x00\x02",
    "audio/amr": b"#!AMR\n",
    "audio/aac": b"\xff\xf1\x50\x80",
    "audio/wav": wav(0.01),
    "application/pdf": PDF,
    "application/zip": b"PK\x03\x04\x14\x00notes.txt",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": OOXML + b"word/",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": OOXML + b"xl/",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": OOXML + b"ppt/",
    "application/x-ole-storage": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\x00",
    "text/plain": "preço: 10\r\n".encode(),
    "application/octet-stream": b"\x00\x01\x02",
}


@pytest.mark.parametrize("mime", sorted(TYPES))
def test_a_type_is_known_by_its_first_bytes(mime: str) -> None:
    assert sniff(TYPES[mime], claimed="image/jpeg") == mime


def test_every_listed_type_is_recognised() -> None:
    assert set(TYPES) == set(EXTENSIONS)
    assert len(set(EXTENSIONS.values())) == len(EXTENSIONS)


@pytest.mark.parametrize(
    ("head", "claimed", "mime"),
    [
        (b"<html><script>alert(1)</script>", "image/png", "text/plain"),
        (b"<svg xmlns='x' onload='alert(1)'/>", "image/svg+xml", "text/plain"),
        (b"MZ\x90\x00", "application/pdf", "application/octet-stream"),
        (b"", "image/png", "application/octet-stream"),
        (b"\x00\x00\x00\x18ftypisom", "audio/mp4; codecs=x", "audio/mp4"),
        (b"\xff\xfb\x90\x00", "", "audio/mpeg"),
        (b"RIFF\x00\x00\x00\x00AVI ", "", "application/octet-stream"),
        ("é".encode()[:1] * 3, "", "application/octet-stream"),
        (("x" * 10 + "é").encode()[:-1], "", "text/plain"),
    ],
)
def test_a_claim_is_not_believed(head: bytes, claimed: str, mime: str) -> None:
    assert sniff(head, claimed) == mime


@given(st.binary(max_size=64), st.text(max_size=20))
@settings(deadline=None)
def test_any_file_has_a_type_that_no_browser_runs(head: bytes, claimed: str) -> None:
    mime = sniff(head, claimed)
    assert mime in EXTENSIONS
    assert not {"html", "svg", "xml", "javascript"} & set(mime.replace("+", "/").split("/"))


@given(st.sampled_from(sorted(EXTENSIONS)), st.text(max_size=300))
@settings(deadline=None)
def test_download_headers_are_safe_for_any_name(mime: str, filename: str) -> None:
    headers = dict(download_headers(mime, filename))
    assert headers["x-content-type-options"] == "nosniff"
    disposition = headers["content-disposition"]
    assert disposition.isascii()
    assert disposition.isprintable()
    assert disposition.count('"') in (0, 2)
    shown = mime.startswith(("image/", "audio/", "video/")) or mime == "application/pdf"
    assert disposition.startswith("inline" if shown else "attachment")
    assert "sandbox" in headers["content-security-policy"]


def test_a_portuguese_name_survives_the_download() -> None:
    headers = dict(download_headers("application/pdf", 'nota "ção".pdf'))
    plain, encoded = "nota ___o_.pdf", "nota%20%22%C3%A7%C3%A3o%22.pdf"
    assert headers["content-disposition"] == (
        f"inline; filename=\"{plain}\"; filename*=UTF-8''{encoded}"
    )


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-99", (0, 100)),
        ("bytes=0-", (0, 1000)),
        ("bytes=990-2000", (990, 1000)),
        ("bytes=-10", (990, 1000)),
        ("bytes=-5000", (0, 1000)),
        ("bytes=999-999", (999, 1000)),
        ("BYTES = 5-6", (5, 7)),
        ("", None),
        ("bytes=", None),
        ("bytes=-", None),
        ("bytes=5", None),
        ("bytes=9-5", None),
        ("bytes=0-1,5-6", None),
        ("bytes=a-b", None),
        ("bytes=²-", None),
        ("items=0-5", None),
        ("bytes=" + "9" * 30 + "-", None),
    ],
)
def test_ranges_are_read_as_rfc_9110_has_them(
    header: str, expected: tuple[int, int] | None
) -> None:
    assert byte_range(header, 1000) == expected


@given(st.text(max_size=40) | st.from_regex(r"bytes ?= ?\d{0,20}-\d{0,20}"), st.integers(0, 10**12))
def test_any_range_header_is_a_part_of_the_file_or_none(header: str, size: int) -> None:
    try:
        found = byte_range(header, size)
    except RangeNotSatisfiable:
        return
    assert found is None or 0 <= found[0] < found[1] <= size


@pytest.mark.parametrize(
    ("header", "size"), [("bytes=1000-", 1000), ("bytes=0-", 0), ("bytes=-0", 1000)]
)
def test_a_range_outside_the_file_cannot_be_satisfied(header: str, size: int) -> None:
    with pytest.raises(RangeNotSatisfiable):
        byte_range(header, size)


class Files:
    """A channel as far as the fetch job looks: it has files, or fails."""

    def __init__(self, answer: tuple[bytes, str] | Exception) -> None:
        self._answer = answer

    async def fetch(self, _account: Account, _media: Media, *, limit: int) -> tuple[bytes, str]:
        await trio.lowlevel.checkpoint()
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


async def fetched(
    tmp_path: Path, answer: tuple[bytes, str] | Exception
) -> MediaFetched | MediaFailed:
    media = Media(kind="image", id="1", filename="../../x.png")
    store = LocalMediaStore(tmp_path)
    return await fetch_inbound(Files(answer), store, ACCOUNT, media, limit=10_000)  # type: ignore[arg-type]


async def test_the_job_stores_what_the_channel_brings(tmp_path: Path) -> None:
    first = await fetched(tmp_path, (PNG, "image/png"))
    again = await fetched(tmp_path, (PNG, "image/png"))
    assert isinstance(first, MediaFetched)
    assert first == again
    assert await LocalMediaStore(tmp_path).read(7, first.stored.key) == PNG
    assert len(files(tmp_path)) == 1


async def test_the_job_says_whether_to_try_again(tmp_path: Path) -> None:
    gone = await fetched(tmp_path, FetchFailed("HTTP 410", permanent=True))
    slow = await fetched(tmp_path, FetchFailed("deadline", permanent=False))
    large = await fetched(tmp_path, (b"x" * 10_001, "image/png"))
    assert (gone, slow) == (
        MediaFailed(reason="HTTP 410", permanent=True),
        MediaFailed(reason="deadline", permanent=False),
    )
    assert large == MediaFailed(reason="more than 10000 bytes", permanent=True)


async def test_a_full_disk_is_worth_another_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    failed = await fetched(tmp_path, (PNG, "image/png"))
    assert failed == MediaFailed(reason="not stored: No space left on device", permanent=False)
    assert files(tmp_path) == []


async def test_what_a_killed_process_had_begun_is_swept_away(tmp_path: Path) -> None:
    store = LocalMediaStore(tmp_path)
    kept = await store.put(1, b"whole", limit=100)
    old, fresh = tmp_path / ".incoming" / "0011", tmp_path / ".incoming" / "2233"
    for path in (old, fresh):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    assert await store.sweep() == 1
    assert not old.exists()
    assert fresh.exists()
    assert await store.read(1, kept.key) == b"whole"
