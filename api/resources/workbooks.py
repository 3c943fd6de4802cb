"""Rows of a spreadsheet file: CSV, XLSX or XLS, told apart by content, within fixed bounds.

Everything here runs in a worker thread on files of strangers: a file is judged by what unpacking
it would cost before a parser sees it, and reading stops at the first cell beyond the bounds.
"""

import csv
import io
import zipfile
from collections.abc import Iterator
from typing import Any, Final, NoReturn

from api.errors import Detail, Invalid

MOST_BYTES: Final = 10 * 1024 * 1024
MOST_UNPACKED: Final = 100 * 1024 * 1024
MOST_MEMBERS: Final = 1000
MOST_CELLS: Final = 2_000_000
MOST_COLUMNS: Final = 100

_ZIP: Final = b"PK\x03\x04"
_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
Row = list[str]


def rows_of(content: bytes) -> Iterator[Row]:
    """The rows of the first sheet, cells as text. Raises Invalid, also in the middle."""
    if len(content) > MOST_BYTES:
        _refuse(f"larger than {MOST_BYTES >> 20} MB")
    if content.startswith(_ZIP):
        rows = _xlsx(content)
    elif content.startswith(_OLE):
        rows = _xls(content)
    else:
        rows = _csv(content)
    cells = 0
    while True:
        try:
            row = next(rows, None)
        except Invalid:
            raise
        except Exception as error:  # whatever a parser makes of a stranger's file
            raise Invalid(Detail("$.file", "not a readable spreadsheet")) from error
        if row is None:
            return
        cells += len(row)
        if cells > MOST_CELLS:
            _refuse(f"more than {MOST_CELLS} cells")
        yield row


def _refuse(why: str) -> NoReturn:
    raise Invalid(Detail("$.file", why))


def _csv(content: bytes) -> Iterator[Row]:
    """`,`, `;` or tab; UTF-8, UTF-16 with its mark, or Latin-1."""
    text = _decoded(content).replace("\x00", "")
    head = text.partition("\n")[0]
    delimiter = max(",;\t", key=head.count)
    for row in csv.reader(io.StringIO(text), delimiter=delimiter):
        yield [cell.strip() for cell in row[:MOST_COLUMNS]]


def _decoded(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _xlsx(content: bytes) -> Iterator[Row]:
    from openpyxl import load_workbook  # 0.2 s, wanted by few processes

    _check_archive(content)
    book = load_workbook(io.BytesIO(content), read_only=True, data_only=True, keep_links=False)
    try:
        sheet = book.worksheets[0]
        sheet.reset_dimensions()  # the size that a file claims is not believed
        for row in sheet.iter_rows(max_col=MOST_COLUMNS, values_only=True):
            yield [_text(value) for value in row]
    finally:
        book.close()


def _check_archive(content: bytes) -> None:
    """Refuses what would unpack to too much; no member yields more than its listed size."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = archive.infolist()
        if len(members) > MOST_MEMBERS:
            _refuse("too many parts")
        if sum(member.file_size for member in members) > MOST_UNPACKED:
            _refuse(f"more than {MOST_UNPACKED >> 20} MB unpacked")


def _xls(content: bytes) -> Iterator[Row]:
    import xlrd

    book = xlrd.open_workbook(
        file_contents=content, on_demand=True, ragged_rows=True, logfile=io.StringIO()
    )
    sheet = book.sheet_by_index(0)
    for place in range(sheet.nrows):
        yield [_text(value) for value in sheet.row_values(place, 0, MOST_COLUMNS)]


def _text(value: Any) -> str:
    """A cell as a person reads it: a phone number kept as a number has no decimals."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).replace("\x00", "").strip()
