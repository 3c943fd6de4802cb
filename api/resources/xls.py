"""The first sheet of an Excel 97 file, read by a process of its own.

The parser follows whatever a stranger's file says of its own structure, names that refer to names
among it, and cannot be stopped from outside. So it runs where the kernel stops it: in a process
without the program's memory or environment, that may write no file, with a few seconds of CPU.
"""

import io
import resource
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

MOST_CPU: Final = 5
"""Seconds."""

MOST_MEMORY: Final = 512 * 1024 * 1024
MOST_WAIT: Final = 30.0
"""Seconds until the process has answered, however busy the machine is."""

MOST_LETTERS: Final = 16_000_000
"""Of all cells: one text that the file holds once can be the text of every cell."""

_CELL: Final = "\x1f"
_ROW: Final = "\x1e"


class Unreadable(Exception):
    """The process did not come to an end."""


def rows(content: bytes, *, columns: int) -> Iterator[list[str]]:
    """The rows of the first sheet, cells as text, at most `columns` of each. Raises Unreadable."""
    command = [sys.executable, "-I", __file__, str(columns)]
    try:
        ended = subprocess.run(
            command, input=content, capture_output=True, check=True, timeout=MOST_WAIT, env={}
        )
    except subprocess.SubprocessError as error:
        raise Unreadable from error
    text = ended.stdout.decode("utf-8", "replace")
    for row in text.split(_ROW)[:-1]:
        yield row.split(_CELL)[:-1]


def _write(content: bytes, columns: int, out: BinaryIO) -> None:
    import xlrd

    book = xlrd.open_workbook(
        file_contents=content, on_demand=True, ragged_rows=True, logfile=io.StringIO()
    )
    sheet = book.sheet_by_index(0)
    letters = 0
    for place in range(sheet.nrows):
        cells = [_text(value) for value in sheet.row_values(place, 0, columns)]
        letters += len(cells) + sum(map(len, cells))
        if letters > MOST_LETTERS:
            sys.exit(1)
        out.write(("".join(cell + _CELL for cell in cells) + _ROW).encode("utf-8", "replace"))


def _text(value: Any) -> str:
    """A cell as a person reads it: a phone number kept as a number has no decimals."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value)[:32_767].translate(_MARKS).strip()


_MARKS: Final = {0: None, ord(_CELL): None, ord(_ROW): None}


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_CPU, MOST_CPU))
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    _write(sys.stdin.buffer.read(), int(sys.argv[1]), sys.stdout.buffer)
