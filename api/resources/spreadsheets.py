"""Spreadsheets in and out: headings in two languages, a report per line, no cell that runs.

Reading and writing happen in worker threads, a few at a time; exports are written to a file
without a name, so that memory stays bounded however many rows there are.
"""

import csv
import io
import tempfile
from collections.abc import AsyncIterator, Sequence
from typing import IO, Any, Final, Protocol, Self

import msgspec
import trio

from api.endpoint import Short, Stream, Upload
from api.errors import Detail, Invalid
from api.resources.workbooks import MOST_BYTES, rows_of

MOST_LINES: Final = 20_000
MOST_TAGS: Final = 50
"""On one line, or of one contact."""

COLUMNS: Final = {
    "name": ("nome", "name"),
    "number": ("numero", "número", "number", "telefone", "phone"),
    "email": ("email", "e-mail"),
    "tags": ("tags", "etiquetas", "tag"),
}
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What begins a formula somewhere; the last four are the wide forms of the first four."""
_WORKERS: Final = trio.CapacityLimiter(2)
_CHUNK: Final = 64 * 1024
_MOST_ROWS: Final = 1_000_000
_XLSX_TYPE: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class ExportQuery(msgspec.Struct):
    """csv or xlsx."""

    format: Short = "csv"


class LineError(msgspec.Struct, frozen=True):
    """What was wrong with one line, counted from 1 with the headings."""

    line: int
    error: str


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """One line of an import; `number` is digits."""

    number: str
    name: str
    email: str
    tags: tuple[str, ...]


class People(msgspec.Struct, frozen=True, kw_only=True):
    """The people of a file, each number once; how often one came again; the lines that fit not."""

    people: list[Person]
    repeated: int
    failed: list[LineError]


def digits(text: str) -> str:
    """A phone number reduced to its digits; empty when they are too few or too many."""
    found = "".join(letter for letter in text if letter.isascii() and letter.isdigit())
    return found if 8 <= len(found) <= 20 else ""


async def people_in(upload: Upload) -> People:
    """The people of a CSV, XLSX or XLS file with headings.

    Raises Invalid for a file that is none of these, is too large or has no column of numbers.
    """
    if upload.size > MOST_BYTES:
        raise Invalid(Detail("$.file", f"larger than {MOST_BYTES >> 20} MB"))
    return await trio.to_thread.run_sync(read_people, await upload.read(), limiter=_WORKERS)


def read_people(content: bytes) -> People:
    """The same, from the content of the file."""
    rows = rows_of(content)
    titles = [title.lower() for title in next(rows, [])]
    places = {
        key: next((titles.index(name) for name in names if name in titles), -1)
        for key, names in COLUMNS.items()
    }
    if places["number"] < 0:
        raise Invalid(Detail("$.file", "no column of numbers"))
    found: dict[str, Person] = {}
    failed: list[LineError] = []
    filled = 0
    for line, row in enumerate(rows, start=2):
        if not any(row):
            continue
        filled += 1
        if filled > MOST_LINES:
            raise Invalid(Detail("$.file", f"more than {MOST_LINES} lines"))
        cells = {key: row[at] if 0 <= at < len(row) else "" for key, at in places.items()}
        try:
            person = _person(cells)
        except ValueError as error:
            failed.append(LineError(line, str(error)))
        else:
            found.setdefault(person.number, person)
    return People(
        people=list(found.values()), repeated=filled - len(failed) - len(found), failed=failed
    )


def _person(cells: dict[str, str]) -> Person:
    """Raises ValueError, saying what is wrong with the line."""
    number = digits(cells["number"])
    if not number:
        message = "no number"
        raise ValueError(message)
    return Person(
        number=number,
        name=cells["name"][:255] or number,
        email=cells["email"][:255],
        tags=tag_names(cells["tags"]),
    )


def tag_names(text: str) -> tuple[str, ...]:
    """The names in a text that separates them by commas. Raises ValueError for too many."""
    pieces = text.split(",", MOST_TAGS)
    if len(pieces) > MOST_TAGS:
        message = f"more than {MOST_TAGS} tags"
        raise ValueError(message)
    return tuple(name.strip()[:255] for name in pieces if name.strip())


def plain(text: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


Cells = Sequence[str]


class Writing(Protocol):
    """A file being written, row by row; `finish` completes it."""

    def add(self, rows: Sequence[Cells]) -> None: ...

    def finish(self) -> None: ...


class _Csv:
    """UTF-8 with the mark by which spreadsheets know it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._text = io.TextIOWrapper(file, "utf-8-sig", newline="", write_through=True)
        self._writer = csv.writer(self._text)

    def add(self, rows: Sequence[Cells]) -> None:
        self._writer.writerows([[plain(cell) for cell in row] for row in rows])

    def finish(self) -> None:
        self._text.flush()
        self._text.detach()


class _Xlsx:
    """One sheet; rows go to a file of the library's as they come."""

    def __init__(self, file: IO[bytes]) -> None:
        from openpyxl import Workbook

        self._file = file
        self._book = Workbook(write_only=True)
        self._sheet = self._book.create_sheet()

    def add(self, rows: Sequence[Cells]) -> None:
        for row in rows:
            self._sheet.append([_writable(plain(cell)) for cell in row])

    def finish(self) -> None:
        self._book.save(self._file)


def _writable(text: str) -> str:
    """Without the control characters that XML cannot hold, within a cell's 32,767 letters."""
    return "".join(c for c in text if c >= " " or c in "\t\n\r")[:32_767]


FORMATS: Final[dict[str, tuple[Any, str]]] = {
    "csv": (_Csv, "text/csv; charset=utf-8"),
    "xlsx": (_Xlsx, _XLSX_TYPE),
}


async def exported(
    name: str, form: str, titles: Cells, pages: AsyncIterator[Sequence[Cells]]
) -> Stream:
    """A download of all `pages` under `titles`; `form` is csv or xlsx.

    Raises Invalid for another form, and for more rows than a sheet has.
    """
    if form not in FORMATS:
        raise Invalid(Detail("$.format", "csv or xlsx"))
    make, content_type = FORMATS[form]
    file: IO[bytes] = await trio.to_thread.run_sync(tempfile.TemporaryFile)
    try:
        writing: Writing = await _threaded(make, file)
        await _threaded(writing.add, [titles])
        count = 0
        async for rows in pages:
            count += len(rows)
            if count > _MOST_ROWS:
                raise Invalid(Detail("$", f"more than {_MOST_ROWS} rows"))
            await _threaded(writing.add, rows)
        await _threaded(writing.finish)
        size = await _threaded(file.seek, 0, io.SEEK_END)
        await _threaded(file.seek, 0)
    except BaseException:
        file.close()
        raise
    named = ("content-disposition", f'attachment; filename="{name}.{form}"')
    return Stream(chunks=_Download(file), length=size, content_type=content_type, headers=(named,))


class _Download:
    """The pieces of a written file, which is gone when they are sent or no longer wanted."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        chunk: bytes = await _threaded(self._file.read, _CHUNK)
        if not chunk:
            raise StopAsyncIteration
        return chunk

    async def aclose(self) -> None:
        self._file.close()


async def _threaded(work: Any, *args: Any) -> Any:
    return await trio.to_thread.run_sync(work, *args, limiter=_WORKERS)
