"""Files in the format of Excel 97 (MS-XLS in MS-CFB), just enough of it to hold one sheet."""

import struct

_SECTOR = 512
_END, _FAT, _FREE = 0xFFFFFFFE, 0xFFFFFFFD, 0xFFFFFFFF


def xls(rows: list[list[str | float]]) -> bytes:
    """A workbook with one sheet of texts and numbers."""
    sheet = _begin(0x0010)
    for y, row in enumerate(rows):
        for x, cell in enumerate(row):
            at = struct.pack("<HHH", y, x, 0)
            if isinstance(cell, str):
                text = cell.encode("utf-16-le")
                sheet += _record(0x0204, at + struct.pack("<HB", len(cell), 1) + text)
            else:
                sheet += _record(0x0203, at + struct.pack("<d", cell))
    sheet += _record(0x000A)
    book = _begin(0x0005) + _record(0x0042, struct.pack("<H", 1200))
    name = struct.pack("<BBBB", 0, 0, 1, 0) + b"S"
    start = len(book) + 4 + 4 + len(name) + 4
    book += _record(0x0085, struct.pack("<I", start) + name) + _record(0x000A)
    return _compound((book + sheet).ljust(8 * _SECTOR, b"\0"))


def _record(kind: int, data: bytes = b"") -> bytes:
    return struct.pack("<HH", kind, len(data)) + data


def _begin(kind: int) -> bytes:
    return _record(0x0809, struct.pack("<HHHHII", 0x0600, kind, 0x0DBB, 0x07CC, 0, 6))


def _compound(stream: bytes) -> bytes:
    """One stream in a compound file: sector 0 holds the chains, 1 the directory, the rest it."""
    stream = stream.ljust(-(-len(stream) // _SECTOR) * _SECTOR, b"\0")
    sectors = len(stream) // _SECTOR
    chain = [_FAT, _END, *range(3, 2 + sectors), _END]
    chain += [_FREE] * (_SECTOR // 4 - len(chain))
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16)
    head += struct.pack("<HHHHH6x", 0x3E, 3, 0xFFFE, 9, 6)
    head += struct.pack("<IIIIIIIII", 0, 1, 1, 0, 4096, _END, 0, _END, 0)
    head += struct.pack("<109I", 0, *[_FREE] * 108)
    folder = _entry("Root Entry", 5, 1, _END, 0) + _entry("Workbook", 2, _FREE, 2, len(stream))
    folder = folder.ljust(_SECTOR, b"\0")
    return head + struct.pack(f"<{len(chain)}I", *chain) + folder + stream


def _entry(name: str, kind: int, child: int, start: int, size: int) -> bytes:
    encoded = name.encode("utf-16-le")
    named = encoded.ljust(64, b"\0") + struct.pack("<H", len(encoded) + 2)
    links = struct.pack("<BBIII", kind, 1, _FREE, _FREE, child)
    return named + links + bytes(36) + struct.pack("<IQ", start, size)
