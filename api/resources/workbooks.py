"""Rows of a spreadsheet file: CSV, XLSX or XLS, told apart by content, within fixed bounds.

Everything here runs in a worker thread, which nothing can cancel, on files of strangers: reading
stops at the first row, cell, element or letter beyond the bounds.
"""

import csv
import io
from collections.abc import Iterator
from typing import Final, NoReturn

from api.errors import Detail, Invalid
from api.resources import xls, xlsx

MOST_BYTES: Final = 10 * 1024 * 1024
MOST_CELLS: Final = 500_000
"""An empty row counts as one."""

MOST_COLUMNS: Final = 100
MOST_ROW: Final = 256 * 1024
"""Letters of a row of CSV before it is taken apart."""

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
        rows = xls.rows(content, columns=MOST_COLUMNS)
    else:
        rows = _csv(content)
    cells = 0
    while True:
        try:
            row = next(rows, None)
        except Invalid:
            raise
        except xlsx.Refused as error:
            raise Invalid(Detail("$.file", str(error))) from error
        except Exception as error:  # whatever a parser makes of a stranger's file
            raise Invalid(Detail("$.file", "not a readable spreadsheet")) from error
        if row is None:
            return
        cells += max(len(row), 1)
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
    size = 0

    def lines() -> Iterator[str]:
        nonlocal size
        for line in io.StringIO(text):
            size += len(line)  # of a row so far: within quotes it goes on over many lines
            if size > MOST_ROW:
                _refuse(f"a row of more than {MOST_ROW >> 10} KB")
            yield line

    for row in csv.reader(lines(), delimiter=delimiter):
        size = 0
        yield [cell.strip() for cell in row[:MOST_COLUMNS]]


def _decoded(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _xlsx(content: bytes) -> Iterator[Row]:
    yield from xlsx.Book(content, columns=MOST_COLUMNS).rows()
