"""Spreadsheets as people send them: headings in two languages, lines that do not fit reported."""

import csv
import io
from collections.abc import Iterator

import msgspec

from api.errors import Detail, Invalid

MOST_LINES = 5000
COLUMNS = {
    "name": ("nome", "name"),
    "number": ("numero", "número", "number", "telefone", "phone"),
    "email": ("email", "e-mail"),
}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class LineError(msgspec.Struct, frozen=True):
    """What was wrong with one line, counted from 1 with the headings."""

    line: int
    error: str


def digits(text: str) -> str:
    """A phone number reduced to its digits; empty when they are too few or too many."""
    found = "".join(letter for letter in text if letter.isascii() and letter.isdigit())
    return found if 8 <= len(found) <= 20 else ""


def plain(text: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def lines_of(content: bytes) -> Iterator[tuple[int, dict[str, str]]]:
    """Line numbers and cells of a CSV with headings; `,` or `;`, UTF-8 or Latin-1.

    Raises Invalid for a file without a column of numbers, or with too many lines.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    text = text.replace("\x00", "")
    head = text.partition("\n")[0]
    rows = csv.reader(
        io.StringIO(text), delimiter=";" if head.count(";") > head.count(",") else ","
    )
    try:
        titles = [title.strip().lower() for title in next(rows, [])]
        places = {
            key: next((titles.index(name) for name in names if name in titles), -1)
            for key, names in COLUMNS.items()
        }
        if places["number"] < 0:
            raise Invalid(Detail("$.file", "no column of numbers"))
        for line, row in enumerate(rows, start=2):
            if line > MOST_LINES + 1:
                raise Invalid(Detail("$.file", f"more than {MOST_LINES} lines"))
            if any(cell.strip() for cell in row):
                yield (
                    line,
                    {
                        key: row[place].strip() if 0 <= place < len(row) else ""
                        for key, place in places.items()
                    },
                )
    except csv.Error as error:
        raise Invalid(Detail("$.file", "no CSV")) from error
