"""The first sheet of an XLSX file (ECMA-376), read as a stream.

A library that loads the workbook builds trees of its styles and names before the first cell: 20 KB
of a stranger's file took a minute and 800 MB. Here expat is fed piece by piece and four parts are
looked at: where the workbook is, where its first sheet is, the shared texts, the cells. Every
element and attribute counts, and reading stops at the first beyond the bounds.
"""

import io
import posixpath
import zipfile
from collections.abc import Callable, Iterator
from typing import Final, NoReturn
from xml.parsers import expat

MOST_UNPACKED: Final = 100 * 1024 * 1024
MOST_MEMBERS: Final = 1000
MOST_TEXT: Final = 32_767
"""Letters of a cell: what the format allows."""

MOST_ITEMS: Final = 2_500_000
"""Elements and attributes of all parts together."""

MOST_LETTERS: Final = 32_000_000
"""Letters of all texts together."""

MOST_NAMES: Final = 1000
"""Different names of elements and attributes in a part; expat never forgets one."""

MOST_DEPTH: Final = 32

_PIECE: Final = 64 * 1024
_MOST_SILENT: Final = 4
"""Pieces without an event: a longer token would be kept whole."""

_ENTRY: Final = b"PK\x01\x02"


class Refused(Exception):
    """The file goes beyond a bound."""


def _refuse(why: str) -> NoReturn:
    raise Refused(why)


class Book:
    """An opened archive. Raises Refused before anything of it is unpacked."""

    def __init__(self, content: bytes, *, columns: int) -> None:
        if content.count(_ENTRY) > MOST_MEMBERS:
            _refuse("too many parts")
        self._archive = zipfile.ZipFile(io.BytesIO(content))
        members = self._archive.infolist()
        if len(members) > MOST_MEMBERS:
            _refuse("too many parts")
        if sum(member.file_size for member in members) > MOST_UNPACKED:
            _refuse(f"more than {MOST_UNPACKED >> 20} MB unpacked")
        plain = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
        if any(member.compress_type not in plain for member in members):
            _refuse("compressed in another way than deflate")
        self._columns = columns
        self._items = self._letters = 0

    def rows(self) -> Iterator[list[str]]:
        """The rows of the first sheet, cells as text, at most `columns` of each."""
        book = self._related("_rels/.rels", "", lambda had: _kind(had) == "officeDocument")
        wanted = self._first(book, "sheet", _relation_id)
        folder, name = posixpath.split(book)
        relations = posixpath.join(folder, "_rels", f"{name}.rels")
        place = self._related(relations, folder, lambda had: had.get("Id") == wanted)
        shared = self._related(relations, folder, lambda had: _kind(had) == "sharedStrings")
        texts = _Texts()
        if shared:
            for _ in self._read(shared, texts):
                pass
        cells = _Cells(texts.found, self._columns)
        for _ in self._read(place, cells):
            yield from cells.rows
            cells.rows.clear()

    def _related(self, part: str, folder: str, is_it: Callable[[dict[str, str]], bool]) -> str:
        """The part that the first such relation leads to; empty for none."""
        target = self._first(
            part, "Relationship", lambda had: had.get("Target") if is_it(had) else None
        )
        if not target or target.startswith("/"):
            return target[1:]
        return posixpath.normpath(posixpath.join(folder, target))

    def _first(self, part: str, name: str, find: Callable[[dict[str, str]], str | None]) -> str:
        """What `find` says of the first element of that name that it says anything of."""
        found = _Found(name, find)
        for _ in self._read(part, found):
            pass
        return found.value or ""

    def _read(self, part: str, reader: "_Reader") -> Iterator[None]:
        """Feeds a part to a reader, giving way after every piece."""
        names: dict[str, str] = {}
        parser = expat.ParserCreate(intern=names)
        depth = silent = 0

        def begun(name: str, attributes: dict[str, str]) -> None:
            nonlocal depth, silent
            depth, silent = depth + 1, 0
            self._items += 1 + len(attributes)
            if self._items > MOST_ITEMS or depth > MOST_DEPTH or len(names) > MOST_NAMES:
                _refuse("more elements than a list of people has")
            reader.begin(name.rpartition(":")[2], attributes)

        def ended(name: str) -> None:
            nonlocal depth, silent
            depth, silent = depth - 1, 0
            reader.end(name.rpartition(":")[2])

        def text(letters: str) -> None:
            nonlocal silent
            silent = 0
            self._letters += len(letters)
            if self._letters > MOST_LETTERS:
                _refuse("more text than a list of people has")
            reader.text(letters)

        def declared(*_: object) -> None:
            _refuse("a document type, which may define entities")

        parser.StartElementHandler = begun
        parser.EndElementHandler = ended
        parser.CharacterDataHandler = text
        parser.StartDoctypeDeclHandler = declared
        with self._archive.open(part) as content:
            while not reader.done and (piece := content.read(_PIECE)):
                silent += 1
                if silent > _MOST_SILENT:
                    _refuse("a piece of text longer than a cell")
                parser.Parse(piece)
                yield
            if not reader.done:
                parser.Parse(b"", True)


def _kind(relation: dict[str, str]) -> str:
    return relation.get("Type", "").rpartition("/")[2]


def _relation_id(sheet: dict[str, str]) -> str | None:
    return next((value for name, value in sheet.items() if name.endswith(":id")), None)


class _Reader:
    """What wants the events of a part; `done` once it has what it looks for."""

    done = False

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins."""

    def end(self, name: str) -> None:
        """An element ends."""

    def text(self, letters: str) -> None:
        """Some of the text between elements."""


class _Found(_Reader):
    """Looks for one element."""

    def __init__(self, name: str, find: Callable[[dict[str, str]], str | None]) -> None:
        self._name, self._find = name, find
        self.value: str | None = None

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        if name == self._name and not self.done:
            self.value = self._find(attributes)
            self.done = self.value is not None


class _Collecting(_Reader):
    """Keeps text while it is `_open`, as much as a cell may have."""

    def __init__(self) -> None:
        self._open = False
        self._pieces: list[str] = []
        self._size = 0

    def text(self, letters: str) -> None:
        if self._open and self._size < MOST_TEXT:
            self._pieces.append(letters[: MOST_TEXT - self._size])
            self._size += len(letters)

    def _taken(self) -> str:
        text = "".join(self._pieces)
        self._pieces.clear()
        self._size = 0
        return text


class _Texts(_Collecting):
    """The shared texts, without their formats and readings."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._reading = False

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        self._open = name == "t" and not self._reading
        self._reading = self._reading or name == "rPh"

    def end(self, name: str) -> None:
        self._open = False
        if name == "rPh":
            self._reading = False
        elif name == "si":
            self.found.append(self._taken())


class _Cells(_Collecting):
    """The rows of a sheet: cells beyond the columns wanted are passed over."""

    def __init__(self, shared: list[str], columns: int) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self._shared, self._columns = shared, columns
        self._row: list[str] = []
        self._place = -1
        self._kind = ""

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        if name == "row":
            self._row, self._place = [], -1
        elif name == "c":
            self._place = _column(attributes.get("r", ""), self._place + 1)
            self._kind = attributes.get("t", "n")
            self._taken()
        self._open = name in ("v", "t") and self._place < self._columns

    def end(self, name: str) -> None:
        self._open = False
        if name == "row":
            self.rows.append(self._row)
        elif name == "c" and 0 <= self._place < self._columns:
            self._row.extend([""] * (self._place + 1 - len(self._row)))
            self._row[self._place] = self._value(self._taken())

    def _value(self, text: str) -> str:
        if self._kind == "s":
            return self._shared[int(text)].strip() if text else ""
        return _number(text) if self._kind == "n" else text.strip()


def _column(place: str, following: int) -> int:
    """The column of a place like `C5`, counted from 0; the following one where none is said."""
    column = 0
    for letter in place[:3]:
        if not "A" <= letter <= "Z":
            break
        column = 26 * column + ord(letter) - 64
    return column - 1 if column else following


def _number(text: str) -> str:
    """A number as a person reads it: a phone number that became one has no decimals."""
    text = text.strip()
    if text.isdigit():
        return text
    try:
        value = float(text)
    except ValueError:
        return text
    return str(int(value)) if value.is_integer() else text
