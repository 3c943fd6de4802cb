"""Serves pages from memory, the console and the API's; no request names a path on disk."""

import hashlib
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Final

import msgspec

Message = dict[str, Any]

_TYPES: Final = {
    "html": b"text/html; charset=utf-8",
    "js": b"text/javascript; charset=utf-8",
    "css": b"text/css; charset=utf-8",
    "svg": b"image/svg+xml",
}
_SECURITY: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (
        b"content-security-policy",
        b"default-src 'self'; img-src 'self' data: blob: https:; media-src 'self' blob: https:;"
        b" connect-src 'self' ws: wss:; base-uri 'none'; form-action 'self'; object-src 'none';"
        b" frame-ancestors 'none'",
    ),
)


class Asset(msgspec.Struct, frozen=True):
    """One file of a page, with its validator."""

    body: bytes
    content_type: bytes
    etag: bytes


class Pages:
    """ASGI application for the files of one folder: GET and HEAD of them, 404 for the rest.

    The prefix without its slash redirects, so that the pages' relative links hold.
    """

    def __init__(self, prefix: str, folder: Traversable) -> None:
        """`prefix` begins and ends with a slash; the files are read now, once."""
        self._prefix = prefix
        self._assets = _load(folder)

    async def __call__(self, scope: Message, receive: Any, send: Any) -> None:
        """Answer one request."""
        path: str = scope["path"]
        if path == self._prefix[:-1]:
            await _answer(send, 308, [(b"location", self._prefix.encode())])
            return
        asset = self._assets.get(path.removeprefix(self._prefix) or "index.html")
        if asset is None or not path.startswith(self._prefix):
            body = msgspec.json.encode({"error": "ERR_NOT_FOUND"})
            await _answer(send, 404, [(b"content-type", b"application/json")], body)
            return
        if scope["method"] not in ("GET", "HEAD"):
            await _answer(send, 405, [(b"allow", b"GET, HEAD")])
            return
        headers = [
            (b"content-type", asset.content_type),
            (b"etag", asset.etag),
            (b"cache-control", b"no-cache"),
            *_SECURITY,
        ]
        seen = next((value for name, value in scope["headers"] if name == b"if-none-match"), None)
        if seen == asset.etag:
            await _answer(send, 304, headers)
        else:
            await _answer(send, 200, headers, asset.body)


def _load(folder: Traversable) -> dict[str, Asset]:
    assets: dict[str, Asset] = {}
    for file in folder.iterdir():
        kind = file.name.rpartition(".")[2]
        if kind in _TYPES:
            body = file.read_bytes()
            etag = b'"%s"' % hashlib.sha256(body).hexdigest()[:20].encode()
            assets[file.name] = Asset(body, _TYPES[kind], etag)
    return assets


async def _answer(
    send: Any, status: int, headers: list[tuple[bytes, bytes]], body: bytes = b""
) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


console: Final = Pages("/console/", files("api.console").joinpath("static"))
docs: Final = Pages("/docs/", files("api.console").joinpath("docs"))
