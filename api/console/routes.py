"""Serves the console's files from memory; a fixed list, so no request names a path on disk."""

import hashlib
from importlib.resources import files
from typing import Any, Final

import msgspec

Message = dict[str, Any]

PREFIX: Final = "/console/"
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
    """One file of the page, with its validator."""

    body: bytes
    content_type: bytes
    etag: bytes


def _load() -> dict[str, Asset]:
    assets: dict[str, Asset] = {}
    for file in files("api.console").joinpath("static").iterdir():
        kind = file.name.rpartition(".")[2]
        if kind in _TYPES:
            body = file.read_bytes()
            etag = b'"%s"' % hashlib.sha256(body).hexdigest()[:20].encode()
            assets[file.name] = Asset(body, _TYPES[kind], etag)
    return assets


_ASSETS: Final = _load()


async def console(scope: Message, receive: Any, send: Any) -> None:
    """ASGI application for `/console/…`: GET and HEAD of the page's files, 404 for the rest.

    `/console` redirects to `/console/`, so that the page's relative links hold.
    """
    path: str = scope["path"]
    if path == PREFIX[:-1]:
        await _answer(send, 308, [(b"location", PREFIX.encode())])
        return
    asset = _ASSETS.get(path.removeprefix(PREFIX) or "index.html")
    if asset is None or not path.startswith(PREFIX):
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


async def _answer(
    send: Any, status: int, headers: list[tuple[bytes, bytes]], body: bytes = b""
) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
