"""What a file is, by its first bytes; a sender's word and a file's name are not believed."""

import codecs
from urllib.parse import quote

#: Content type → extension. A type that is not listed is stored as application/octet-stream.
EXTENSIONS = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/gif": "gif",
    "image/webp": "webp",
    "image/x-icon": "ico",
    "video/mp4": "mp4",
    "video/3gpp": "3gp",
    "video/quicktime": "mov",
    "video/webm": "webm",
    "audio/mp4": "m4a",
    "audio/mpeg": "mp3",
    "audio/ogg": "ogg",
    "audio/amr": "amr",
    "audio/aac": "aac",
    "audio/wav": "wav",
    "application/pdf": "pdf",
    "application/zip": "zip",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": "pptx",
    "application/x-ole-storage": "doc",
    "text/plain": "txt",
    "application/octet-stream": "bin",
}
TYPES = {extension: mime for mime, extension in EXTENSIONS.items()}

_UTF8 = codecs.getincrementaldecoder("utf-8")

#: How much of a file `sniff` looks at.
HEAD = 64 * 1024

_MAGIC = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"\0\0\1\0", "image/x-icon"),
    (b"OggS", "audio/ogg"),
    (b"ID3", "audio/mpeg"),
    (b"#!AMR", "audio/amr"),
    (b"%PDF-", "application/pdf"),
    (b"\x1aE\xdf\xa3", "video/webm"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
)
_OFFICE = (
    (b"word/", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    (b"xl/", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    (b"ppt/", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
)
#: Shown in the page; everything else is offered for saving.
_INLINE = ("image/", "audio/", "video/", "application/pdf")


def sniff(head: bytes, claimed: str = "") -> str:
    """The content type of a file that begins with `head`.

    `claimed` only decides between sound and picture inside the same container (MP4).
    """
    for magic, mime in _MAGIC:
        if head.startswith(magic):
            return mime
    if head[:4] == b"RIFF":
        return {b"WEBP": "image/webp", b"WAVE": "audio/wav"}.get(head[8:12], OCTETS)
    if head[4:8] == b"ftyp":
        return _iso_media(head[8:12], claimed)
    if head[:4] == b"PK\x03\x04":
        return next((mime for name, mime in _OFFICE if name in head[:HEAD]), "application/zip")
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:
        return "audio/aac" if head[1] & 0xF6 == 0xF0 else "audio/mpeg"
    return "text/plain" if _is_text(head[:HEAD]) else OCTETS


OCTETS = "application/octet-stream"


def _iso_media(brand: bytes, claimed: str) -> str:
    if brand[:3] == b"M4A" or claimed.partition(";")[0].strip().lower() in _AUDIO_MP4:
        return "audio/mp4"
    if brand[:2] == b"3g":
        return "video/3gpp"
    return "video/quicktime" if brand == b"qt  " else "video/mp4"


_AUDIO_MP4 = frozenset(("audio/mp4", "audio/x-m4a", "audio/m4a", "audio/aac"))


def _is_text(head: bytes) -> bool:
    if not head or any(byte < 9 or (13 < byte < 32 and byte != 27) for byte in head):
        return False
    try:
        _UTF8().decode(head)  # a character may be cut at the end of the head
    except UnicodeDecodeError:
        return False
    return True


def download_headers(mime: str, filename: str) -> tuple[tuple[str, str], ...]:
    """Response headers under which a browser will not run a customer's file.

    `filename` is the sender's; it is quoted as RFC 6266 asks and has no other use.
    """
    inline = mime.startswith(_INLINE)
    plain = "".join(c if c.isascii() and (c.isalnum() or c in " ._-") else "_" for c in filename)
    disposition = "inline" if inline else "attachment"
    named = f"; filename=\"{plain[:150]}\"; filename*=UTF-8''{_encoded(filename)}"
    return (
        ("content-type", "text/plain; charset=utf-8" if mime == "text/plain" else mime),
        ("content-disposition", disposition + (named if filename else "")),
        ("x-content-type-options", "nosniff"),
        (
            "content-security-policy",
            "sandbox; default-src 'none'; media-src 'self'; img-src 'self'",
        ),
        ("cache-control", "private, max-age=86400, immutable"),
        ("accept-ranges", "bytes"),
    )


def _encoded(filename: str) -> str:
    return quote(filename[:150].encode("utf-8", "replace"), safe="")


class RangeNotSatisfiable(Exception):
    """The asked range lies outside the file: answer 416 with `Content-Range: bytes */size`."""


def byte_range(header: str, size: int) -> tuple[int, int] | None:
    """The part of a file of `size` bytes that a Range header asks for, as [start, stop).

    None: answer the whole file (no header, several ranges, or a unit or syntax that RFC 9110 lets
    us ignore). Raises RangeNotSatisfiable.
    """
    unit, equals, spec = header.strip().partition("=")
    first, dash, last = spec.strip().partition("-")
    first, last = first.strip(), last.strip()
    well_formed = all(not part or (part.isascii() and part.isdigit()) for part in (first, last))
    if unit.strip().lower() != "bytes" or not equals or not dash or not well_formed:
        return None
    if (not first and not last) or len(first) > 18 or len(last) > 18:
        return None
    if first and last and int(first) > int(last):
        return None
    start = int(first) if first else max(size - int(last), 0)
    stop = min(int(last) + 1, size) if first and last else size
    if start >= size or (not first and int(last) == 0):
        raise RangeNotSatisfiable
    return start, stop
