"""Multipart forms are read piece by piece: whole or refused, files on disk, nothing left behind."""

import gc
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from pathlib import Path

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from api.endpoint import forms
from api.endpoint.forms import Form, FormReader, boundary_of
from api.errors import BadRequest, TooLarge
from api.http_types import Upload

LIMIT = 1_000_000


def field(name: str, text: bytes) -> bytes:
    head = f'--x\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n'
    return head.encode() + text + b"\r\n"


def file(name: str, filename: str, content: bytes, kind: str = "image/png") -> bytes:
    head = (
        f'--x\r\ncontent-disposition: form-data; name="{name}"; filename="{filename}"\r\n'
        f"content-type: {kind}\r\n\r\n"
    )
    return head.encode() + content + b"\r\n"


END = b"--x--\r\n"


async def pieces(whole: bytes, sizes: Sequence[int]) -> AsyncGenerator[bytes, None]:
    start = 0
    for size in (*sizes, len(whole)):
        yield whole[start : start + size]
        start += size
        if start >= len(whole):
            return


async def read(
    whole: bytes, folder: Path, sizes: Sequence[int] = (), limit: int = LIMIT
) -> tuple[Form, list[tuple[str, str, str, bytes]]]:
    reader = FormReader(b"x", folder, limit)
    try:
        async with aclosing(pieces(whole, sizes)) as body:
            form, uploads = await reader.read(body)
        return form, [await shown(upload) for upload in uploads]
    finally:
        reader.close()


async def shown(upload: Upload) -> tuple[str, str, str, bytes]:
    content = await upload.read()
    assert content == b"".join([piece async for piece in upload.chunks()])
    assert len(content) == upload.size
    return upload.field, upload.filename, upload.content_type, content


WHOLE = (
    field("body", b"ol\xc3\xa1")
    + field("tags[]", b"1")
    + field("tags[]", b"2")
    + file("medias", "../../etc/p\x00.png", b"\x89PNG\r\n--x-")
    + file("medias[]", "b", b"y" * 200_000, "text/plain; charset=x")
    + END
)


@given(sizes=st.lists(st.integers(1, 70_000), max_size=40))
@settings(max_examples=60, deadline=None)
async def test_a_form_is_the_same_however_it_is_cut(sizes: list[int], tmp_path_factory):
    form, files = await read(WHOLE, tmp_path_factory.getbasetemp(), sizes)
    assert form == {"body": ["olá"], "tags": ["1", "2"]}
    assert files == [
        ("medias", "../../etc/p.png", "image/png", b"\x89PNG\r\n--x-"),
        ("medias", "b", "text/plain", b"y" * 200_000),
    ]


@given(cut=st.integers(0, len(WHOLE) - 3), junk=st.binary(max_size=20))
@settings(max_examples=100, deadline=None)
async def test_what_ends_in_the_middle_is_refused(cut: int, junk: bytes, tmp_path_factory):
    with pytest.raises(BadRequest):
        await read(WHOLE[:cut] + junk.replace(b"-", b""), tmp_path_factory.getbasetemp())


async def test_the_first_byte_over_a_bound_ends_the_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    taken = 0

    async def endless() -> AsyncGenerator[bytes, None]:
        nonlocal taken
        yield file("f", "f", b"")[:-2]
        while True:
            taken += 1
            yield b"z" * 10_000

    reader = FormReader(b"x", tmp_path, 100_000)
    async with aclosing(endless()) as body:
        with pytest.raises(TooLarge):
            await reader.read(body)
    reader.close()
    assert taken == 10
    with pytest.raises(TooLarge):
        await read(field("a", b"a" * (forms.MOST_TEXT + 1)), tmp_path, limit=4 * LIMIT)
    monkeypatch.setattr(forms, "MOST_PARTS", 2)
    with pytest.raises(TooLarge):
        await read(WHOLE, tmp_path)


async def test_a_form_opens_a_bounded_number_of_files(tmp_path: Path):
    def of(count: int, size: int) -> bytes:
        return b"".join(file("f", "f", b"y" * size) for _ in range(count)) + END

    _, whole = await read(of(forms.MOST_FILES, 1), tmp_path)
    assert len(whole) == forms.MOST_FILES
    reader = FormReader(b"x", tmp_path, 100 * LIMIT)
    async with aclosing(pieces(of(forms.MOST_FILES + 1, forms.IN_MEMORY + 1), ())) as body:
        with pytest.raises(TooLarge):
            await reader.read(body)
    reader.close()
    reader = FormReader(b"x", tmp_path, LIMIT, 1)
    async with aclosing(pieces(of(2, 1), ())) as body:
        with pytest.raises(TooLarge):
            await reader.read(body)
    reader.close()
    assert forms.MOST_FILES * forms.IN_MEMORY < 2 * 1024 * 1024


async def test_no_file_remains(tmp_path: Path):
    with pytest.raises(BadRequest):
        await read(WHOLE[:-20], tmp_path)
    await read(WHOLE, tmp_path)
    gc.collect()
    assert list(await trio.Path(tmp_path).iterdir()) == []


def test_a_boundary_is_needed_and_bounded():
    assert boundary_of({"content-type": "application/json"}) is None
    assert boundary_of({"content-type": 'Multipart/Form-Data; boundary="a b"'}) == b"a b"
    for kind in ("multipart/form-data", "multipart/form-data; boundary=" + "b" * 300):
        with pytest.raises(BadRequest):
            boundary_of({"content-type": kind})
