"""What goes into and comes out of an endpoint, free of any web framework."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from http.cookies import CookieError, SimpleCookie
from typing import IO, Generic, TypeVar

import msgspec
import trio

T_co = TypeVar("T_co", covariant=True)


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """One uploaded file, open until its request is answered.

    `filename` is what the client calls it: data, never a path; `digest` is SHA-256.
    """

    field: str
    filename: str
    content_type: str
    size: int
    digest: bytes
    file: IO[bytes]

    async def read(self) -> bytes:
        """The whole content, for what is known to be small."""
        return await trio.to_thread.run_sync(self._piece, 0, self.size)

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The content in pieces, from the beginning."""
        start = 0
        while piece := await trio.to_thread.run_sync(self._piece, start, _PIECE):
            start += len(piece)
            yield piece

    def _piece(self, start: int, size: int) -> bytes:
        self.file.seek(start)
        return self.file.read(size)


_PIECE = 256 * 1024


class Request(msgspec.Struct, kw_only=True):
    """One HTTP request with its whole body; header names are lower case, the last value wins."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str]
    body: bytes = b""
    client: str = ""
    request_id: str = ""
    form: Mapping[str, list[str]] | None = None
    uploads: tuple[Upload, ...] = ()
    receive_form: Callable[[], Awaitable[None]] | None = None
    """Reads a form that is still to come into `form` and `uploads`."""

    @property
    def origin(self) -> str | None:
        """The browser origin that sent this, if a browser did."""
        return self.headers.get("origin")

    def cookie(self, name: str) -> str | None:
        """A cookie's value, or None when it is missing or the header is garbage."""
        text = self.headers.get("cookie")
        if not text or name not in text:
            return None
        try:
            morsel = SimpleCookie(text).get(name)
        except CookieError:
            return None
        return morsel.value if morsel is not None else None

    def bearer(self) -> str | None:
        """The bearer token of the Authorization header, or None when there is none."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        token = token.strip()
        return token if scheme.lower() == "bearer" and token else None


class Reply(msgspec.Struct, Generic[T_co], frozen=True, kw_only=True):
    """An endpoint's result with another status or extra headers than the declared ones."""

    body: T_co
    status: int | None = None
    headers: tuple[tuple[str, str], ...] = ()


class Raw(msgspec.Struct, frozen=True, kw_only=True):
    """A result that is not JSON: bytes with their media type."""

    content: bytes
    content_type: str = "text/plain; charset=utf-8"
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """A result sent in pieces as they come; `length` bytes in all."""

    chunks: AsyncIterator[bytes]
    length: int
    content_type: str
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()


class Response(msgspec.Struct, kw_only=True):
    """What the transport sends: a whole body, or `chunks` of `length` bytes."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes = b""
    chunks: AsyncIterator[bytes] | None = None
