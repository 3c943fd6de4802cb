"""Files of people and of enemies: read within bounds, written so that no cell runs."""

import io
import re
import tracemalloc
import zipfile
from collections.abc import AsyncIterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook, load_workbook

from api.endpoint.asgi import Closing
from api.errors import Invalid
from api.resources import spreadsheets, workbooks, xls, xlsx
from api.resources.spreadsheets import exported, plain, read_people
from api.resources.workbooks import rows_of
from tests.api import old_workbooks

ROWS = [
    ["Nome", "Telefone", "E-mail", "Tags"],
    ["Ána", 5511988880001, "a@x", "vip, novo"],
    [None, None, None, None],
    ["Zé", "+55 (11) 98888-0002", None, None],
    ["Ninguém", "12", None, None],
    ["Ána 2", 5511988880001, None, None],
]


def written(rows: list[list[object]]) -> bytes:
    book, file = Workbook(), io.BytesIO()
    for row in rows:
        book.active.append(row)
    book.save(file)
    return file.getvalue()


def text(rows: list[list[object]], encoding: str, delimiter: str) -> bytes:
    lines = [delimiter.join("" if cell is None else str(cell) for cell in row) for row in rows]
    return "\n".join(lines).encode(encoding)


FILES = {
    "xlsx": written(ROWS),
    "xls": old_workbooks.xls([["" if cell is None else cell for cell in row] for row in ROWS]),
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
        ("workbooks.MOST_BYTES", 1000),
        ("workbooks.MOST_CELLS", 5),
        ("xlsx.MOST_UNPACKED", 1000),
        ("xlsx.MOST_MEMBERS", 3),
        ("xlsx.MOST_ITEMS", 40),
        ("xlsx.MOST_LETTERS", 20),
        ("xlsx.MOST_NAMES", 2),
        ("xlsx.MOST_DEPTH", 2),
    ],
)
def test_a_file_beyond_the_bounds_is_refused(
    monkeypatch: pytest.MonkeyPatch, bound: str, value: int
):
    monkeypatch.setattr(f"api.resources.{bound}", value)
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


MAIN = b'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
TITLED = b"<sheetData><row><c t='str'><v>number</v></c></row>"
HOSTILE_PARTS = {
    "styles": ("xl/styles.xml", b"<styleSheet %s><fonts>" % MAIN + b"<font/>" * 500_000),
    "names": ("xl/workbook.xml", b"<workbook><names>" + b"<name/>" * 5_000_000),
    "texts": ("xl/sharedStrings.xml", b"<sst>" + b"<si><t/></si>" * 5_000_000),
    "one text": ("xl/sharedStrings.xml", b"<sst><si><t>" + b"x" * 90_000_000),
    "a long token": ("xl/workbook.xml", b"<workbook a='" + b"x" * 90_000_000),
    "a long comment": ("xl/workbook.xml", b"<workbook><!--" + b"x" * 90_000_000),
    "depth": ("xl/workbook.xml", b"<a>" * 20_000_000),
    "attributes": ("xl/workbook.xml", b"<a %s/>" % b" ".join(b"b%d=''" % n for n in range(9000))),
    "elements": ("xl/workbook.xml", b"<a>" + b"".join(b"<b%d/>" % n for n in range(900_000))),
    "entities": ("xl/workbook.xml", b"<!DOCTYPE a [<!ENTITY b 'bb'>]><workbook>&b;</workbook>"),
    "rows": ("xl/worksheets/sheet1.xml", TITLED + b"<row/>" * 10_000_000),
    "cells": ("xl/worksheets/sheet1.xml", TITLED + b"<row>" + b"<c/>" * 20_000_000),
    "far cells": (
        "xl/worksheets/sheet1.xml",
        TITLED + b"<row><c r='CV1'/></row>" * 3_000_000,
    ),
}


SHARED = (
    b'<Relationship Id="x" Type="http://x/sharedStrings" Target="sharedStrings.xml"/>'
    b"</Relationships>"
)


def changed(part: str, content: bytes) -> bytes:
    """A workbook of people with one part replaced."""
    file = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(FILES["xlsx"])) as old,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            if name != part:
                new.writestr(name, old.read(name).replace(b"</Relationships>", SHARED))
        for name, text in ({"xl/sharedStrings.xml": b"<sst/>"} | {part: content}).items():
            new.writestr(name, text)
    return file.getvalue()


@pytest.mark.parametrize("name", HOSTILE_PARTS)
def test_a_small_file_takes_little_memory_whatever_it_holds(
    name: str, monkeypatch: pytest.MonkeyPatch
):
    content = changed(*HOSTILE_PARTS[name])
    for bound in ("MOST_ITEMS", "MOST_LETTERS"):  # a twentieth, as tracing is slow
        monkeypatch.setattr(xlsx, bound, getattr(xlsx, bound) // 20)
    tracemalloc.start()
    try:
        with nullcontext() if name == "styles" else pytest.raises(Invalid):
            assert len(read_people(content).people) == 2
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 30_000_000


def test_shared_formatted_and_prefixed_texts_are_read_as_people_read_them():
    texts = (
        b"<x:sst xmlns:x='x'><x:si><x:t>number</x:t></x:si><x:si><x:t>name</x:t></x:si>"
        b"<x:si><x:r><x:rPr><x:b/></x:rPr><x:t>A</x:t></x:r><x:r><x:t>nn</x:t></x:r>"
        b"<x:rPh><x:t>no</x:t></x:rPh></x:si></x:sst>"
    )
    cells = (
        b"<worksheet><sheetData><row><c t='s'><v>0</v></c><c t='s'><v>1</v></c></row><row/>"
        b"<row><c r='A3'><v>5.511988880001E12</v></c><c r='C3'/><c r='B3' t='s'><v>2</v></c></row>"
        b"</sheetData></worksheet>"
    )
    file = io.BytesIO(changed("xl/sharedStrings.xml", texts))
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(into := io.BytesIO(), "w") as new:
        for name in old.namelist():
            new.writestr(name, cells if name.endswith("sheet1.xml") else old.read(name))
    assert list(rows_of(into.getvalue())) == [
        ["number", "name"],
        [],
        ["5511988880001", "Ann", ""],
    ]


def test_a_table_of_newlines_is_refused_at_the_first_row_too_many():
    with pytest.raises(Invalid) as refused:
        list(rows_of(b"number\n" + b"\n" * workbooks.MOST_CELLS))
    assert "cells" in refused.value.details[0].message


@pytest.mark.parametrize("row", [b"," * 300_000, b'"' + b'\n","' * 100_000, b"x" * 300_000])
def test_a_row_is_refused_before_it_is_taken_apart(row: bytes):
    with pytest.raises(Invalid) as refused:
        list(rows_of(b"number\n" + row))
    assert "row of more" in refused.value.details[0].message


@pytest.mark.parametrize("limits", ['MOST_CPU", 0', 'MOST_LETTERS", 3', 'MOST_MEMORY", 1_000_000'])
def test_an_old_file_is_read_where_the_kernel_stops_its_reader(
    limits: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    name, _, value = limits.partition('", ')
    source = Path(xls.__file__).read_text()
    bounded = re.sub(rf"^{name}: Final = .*$", f"{name}: Final = {value}", source, flags=re.M)
    (reader := tmp_path / "reader.py").write_text(bounded)
    monkeypatch.setattr(xls, "__file__", str(reader))
    with pytest.raises(Invalid):
        list(rows_of(FILES["xls"]))


def test_an_old_file_is_given_up_when_its_reader_takes_too_long(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(xls, "MOST_WAIT", 0.0)
    with pytest.raises(Invalid):
        list(rows_of(FILES["xls"]))


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
