"""Files of people and of enemies: read within bounds, written so that no cell runs."""

import io
import zipfile
from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook, load_workbook

from api.endpoint.asgi import Closing
from api.errors import Invalid
from api.resources import spreadsheets, workbooks
from api.resources.spreadsheets import exported, plain, read_people
from api.resources.workbooks import rows_of
from tests.api.old_workbooks import xls

ROWS = [
    ["Nome", "Telefone", "E-mail", "Tags"],
    ["Ána", 5511988880001, "a@x", "vip, novo"],
    [None, None, None, None],
    ["Zé", "+55 (11) 98888-0002", None, None],
    ["Ninguém", "12", None, None],
    ["Ána 2", 5511988880001, None, None],
]


def xlsx(rows: list[list[object]]) -> bytes:
    book, file = Workbook(), io.BytesIO()
    for row in rows:
        book.active.append(row)
    book.save(file)
    return file.getvalue()


def text(rows: list[list[object]], encoding: str, delimiter: str) -> bytes:
    lines = [delimiter.join("" if cell is None else str(cell) for cell in row) for row in rows]
    return "\n".join(lines).encode(encoding)


FILES = {
    "xlsx": xlsx(ROWS),
    "xls": xls([["" if cell is None else cell for cell in row] for row in ROWS]),
    "csv": text([[f'"{c}"' if "," in str(c) else c for c in row] for row in ROWS], "utf-8", ","),
    "latin-1": text(ROWS, "latin-1", ";"),
    "tabs": text(ROWS, "utf-16", "\t"),
}


@pytest.mark.parametrize("name", FILES)
def test_the_same_people_are_read_from_every_kind_of_file(name: str):
    found = read_people(FILES[name])
    assert [(p.number, p.name, p.email) for p in found.people] == [
        ("5511988880001", "Ána", "a@x"),
        ("5511988880002", "Zé", ""),
    ]
    assert found.people[0].tags == ("vip", "novo")
    assert [(error.line, error.error) for error in found.failed] == [(5, "no number")]
    assert found.repeated == 1


@pytest.mark.parametrize(
    ("bound", "value"),
    [
        ("MOST_BYTES", 1000),
        ("MOST_UNPACKED", 1000),
        ("MOST_MEMBERS", 3),
        ("MOST_CELLS", 5),
    ],
)
def test_a_file_beyond_the_bounds_is_refused(
    monkeypatch: pytest.MonkeyPatch, bound: str, value: int
):
    monkeypatch.setattr(workbooks, bound, value)
    with pytest.raises(Invalid):
        list(rows_of(FILES["xlsx"]))


def test_too_many_lines_are_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(spreadsheets, "MOST_LINES", 3)
    with pytest.raises(Invalid):
        read_people(FILES["csv"])


def test_an_archive_that_would_unpack_to_gigabytes_is_refused_unread():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", bytes(10_000))
    packed = file.getvalue()
    size = (10_000).to_bytes(4, "little")
    listed = packed[: packed.rindex(b"PK\x01\x02")] + packed[
        packed.rindex(b"PK\x01\x02") :
    ].replace(size, (2**31).to_bytes(4, "little"))
    with pytest.raises(Invalid) as refused:
        list(rows_of(listed))
    assert "unpacked" in refused.value.details[0].message


def test_a_cell_at_the_far_end_of_the_sheet_costs_nothing():
    book, file = Workbook(), io.BytesIO()
    book.active["A1"], book.active["XFD2000"] = "number", "far"
    book.save(file)
    rows = list(rows_of(file.getvalue()))
    assert len(rows) <= 2000
    assert {len(row) for row in rows} <= set(range(workbooks.MOST_COLUMNS + 1))


@settings(max_examples=300, deadline=None)
@given(
    kind=st.sampled_from(sorted(FILES)),
    place=st.integers(0, 10_000),
    junk=st.binary(max_size=40),
    cut=st.integers(0, 10_000),
)
def test_damaged_files_are_read_or_refused(kind: str, place: int, junk: bytes, cut: int):
    whole = FILES[kind]
    damaged = whole[: place % len(whole)] + junk + whole[place % len(whole) + len(junk) :]
    try:
        rows = list(rows_of(damaged[: max(len(damaged) - cut % len(damaged), 8)]))
    except Invalid:
        return
    assert all(isinstance(cell, str) for row in rows for cell in row)


@given(st.text())
def test_no_written_cell_begins_a_formula(cell: str):
    assert not plain(cell).startswith(("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d"))


HOSTILE = ["=1+1", "+1", "-1", "@sum", "\tx", "\rx", "a\x00\x07b", "x" * 40_000]


async def pages() -> AsyncIterator[list[list[str]]]:
    yield [[cell, "ok"] for cell in HOSTILE]


async def test_exports_hold_texts_alone():
    for form in ("csv", "xlsx"):
        stream = await exported("x", form, ("name", "other"), pages())
        content = b"".join([chunk async for chunk in stream.chunks])
        assert isinstance(stream.chunks, Closing)
        await stream.chunks.aclose()
        assert len(content) == stream.length
        if form == "xlsx":
            sheet = load_workbook(io.BytesIO(content)).active
            cells = [row[0] for row in sheet.iter_rows(min_row=2)]
            assert {cell.data_type for cell in cells} == {"s"}
            assert cells[0].value == "'=1+1"
            assert cells[6].value == "ab"
        else:
            assert content.startswith(b"\xef\xbb\xbfname,other\r\n'=1+1,ok\r\n")
    with pytest.raises(Invalid):
        await exported("x", "exe", (), pages())
