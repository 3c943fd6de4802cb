"""Multipart forms (RFC 7578) as they come in: files go to disk piece by piece, never into memory.

werkzeug's decoder knows the grammar and does no I/O; the bounds, the files and the pace are ours.
The next piece is asked for when the last one is written, so a client cannot outrun the disk.
"""

import hashlib
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, Final, cast

import trio
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder, NeedData

from api.errors import BadRequest, TooLarge
from api.http_types import Upload

IN_MEMORY: Final = 64 * 1024
"""Files up to this many bytes never touch the disk."""

MOST_FILES: Final = 20
"""Each is an open file, or that much memory; an endpoint may take fewer."""

MOST_PARTS: Final = 1000
MOST_TEXT: Final = 1024 * 1024
"""Bytes of all text fields together."""

Form = dict[str, list[str]]


def boundary_of(headers: Mapping[str, str]) -> bytes | None:
    """The boundary of a multipart form; None for another kind of body.

    Raises BadRequest for a form that names none.
    """
    kind, options = parse_options_header(headers.get("content-type", ""))
    if kind.lower() != "multipart/form-data":
        return None
    boundary = options.get("boundary", "")
    if not boundary or len(boundary) > 200 or not boundary.isascii():
        raise BadRequest(code="ERR_MALFORMED_FORM")
    return boundary.encode()


class FormReader:
    """Reads one form. `close` lets go of its files, whatever became of the request."""

    def __init__(self, boundary: bytes, folder: Path, limit: int, files: int = MOST_FILES) -> None:
        """`limit` bounds the whole body in bytes, `files` how many files it brings.

        Larger files lie in `folder` without a name.
        """
        self._decoder = MultipartDecoder(boundary, MOST_TEXT, max_parts=MOST_PARTS)
        self._folder = folder
        self._limit = limit
        self._form: Form = {}
        self._uploads: list[Upload] = []
        self._left = files
        self._files = ExitStack()
        self._part: _TextPart | _FilePart | None = None
        self._size = self._text = 0

    async def read(self, pieces: AsyncIterator[bytes]) -> tuple[Form, tuple[Upload, ...]]:
        """The fields by name and the files in order.

        Raises TooLarge at the first byte over a bound, BadRequest for what is no whole form.
        """
        try:
            async for piece in pieces:
                self._size += len(piece)
                if self._size > self._limit:
                    raise TooLarge
                await self._take(piece)
            await self._take(None)  # a form that ends in the middle is found out here
        except RequestEntityTooLarge as error:
            raise TooLarge from error
        except (HTTPException, ValueError) as error:
            raise BadRequest(code="ERR_MALFORMED_FORM") from error
        return self._form, tuple(self._uploads)

    async def _take(self, piece: bytes | None) -> None:
        self._decoder.receive_data(piece)
        while not isinstance(event := self._decoder.next_event(), NeedData | Epilogue):
            if isinstance(event, Field | File):
                self._part = self._begun(event)
            elif isinstance(event, Data):
                await self._add(event)

    def _begun(self, event: Field | File) -> "_TextPart | _FilePart":
        if not event.name:
            raise BadRequest(code="ERR_MALFORMED_FORM")
        if isinstance(event, Field):
            return _TextPart(event.name)
        if not self._left:
            raise TooLarge
        self._left -= 1
        spooled = tempfile.SpooledTemporaryFile(IN_MEMORY, dir=str(self._folder))  # noqa: SIM115
        return _FilePart(event, cast("IO[bytes]", self._files.enter_context(spooled)))

    async def _add(self, event: Data) -> None:
        part = self._part
        if isinstance(part, _FilePart):
            await part.add(event.data)
            if not event.more_data:
                self._uploads.append(part.upload())
        elif part is not None:
            self._text += len(event.data)
            if self._text > MOST_TEXT:
                raise TooLarge
            part.text += event.data
            if not event.more_data:
                text = part.text.decode("utf-8", "replace").replace("\x00", "")
                self._form.setdefault(part.name, []).append(text)

    def close(self) -> None:
        """Lets go of every file."""
        self._files.close()


class _TextPart:
    """A field being read."""

    def __init__(self, name: str) -> None:
        self.name = name.removesuffix("[]")
        self.text = bytearray()


class _FilePart:
    """A file being read."""

    def __init__(self, event: File, file: IO[bytes]) -> None:
        self._field = event.name.removesuffix("[]")
        self._name = event.filename.replace("\x00", "")[:255]
        kind, _ = parse_options_header(event.headers.get("content-type", ""))
        self._type = (kind or "application/octet-stream")[:255]
        self._file = file
        self._digest = hashlib.sha256()
        self._size = 0

    async def add(self, piece: bytes) -> None:
        self._digest.update(piece)
        self._size += len(piece)
        write: Any = self._file.write
        if self._size <= IN_MEMORY:
            write(piece)
        else:
            await trio.to_thread.run_sync(write, piece)

    def upload(self) -> Upload:
        return Upload(
            field=self._field,
            filename=self._name,
            content_type=self._type,
            size=self._size,
            digest=self._digest.digest(),
            file=self._file,
        )
