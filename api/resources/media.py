"""Stored files, shown only to their company: by cookie or token, or by a signed address."""

import hashlib
import hmac
import re
import struct
import zlib

import msgspec

from actors.media import MediaMissing
from actors.media_types import RangeNotSatisfiable, byte_range, download_headers
from api.endpoint import PublicCtx, Raw, Routes, Short, Stream, public, signed
from api.errors import Missing, Unauthorized

routes = Routes("/public", tag="media", guard=signed)
_FOLDER = re.compile(r"company(\d{1,15})")


class MediaQuery(msgspec.Struct):
    """`s` signs this one file; `name` is what a saved file is called."""

    s: Short = ""
    name: Short = ""


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _blank(side: int = 96, grey: int = 0xD8) -> bytes:
    """A plain grey square as PNG (ISO/IEC 15948): the picture of people who have none."""
    rows = (b"\0" + bytes([grey]) * side) * side
    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    parts = _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


_BLANK = Raw(
    content=_blank(),
    content_type="image/png",
    headers=(("cache-control", "public, max-age=86400"),),
)
pictures = Routes(tag="media", guard=public)


@pictures.get("/nopicture.png")
async def show_blank(ctx: PublicCtx) -> Raw:
    """Send the picture of contacts who have none."""
    return _BLANK


def signature(secret: str, company_id: int, key: str) -> str:
    """What `?s=` must be for a file to be shown without a session."""
    text = f"{company_id}/{key}".encode()
    return hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()[:32]


@routes.get("/{folder}/{key}")
async def show(ctx: PublicCtx, folder: str, key: str, query: MediaQuery) -> Stream | Raw:
    """Send a file or the asked range of it."""
    company_id = _company(folder)
    await _check(ctx, company_id, key, query.s)
    return await _file(ctx, company_id, key, query.name)


@routes.get("/{folder}/contacts/{key}")
async def show_picture(ctx: PublicCtx, folder: str, key: str, query: MediaQuery) -> Stream | Raw:
    """Send a contact's stored picture."""
    return await show(ctx, folder, key, query)


@routes.get("/{folder}/{place}/{key}")
async def show_there(
    ctx: PublicCtx, folder: str, place: str, key: str, query: MediaQuery
) -> Stream | Raw:
    """Send a file under the folder names that frontends put before it (user, quickMessage)."""
    return await show(ctx, folder, key, query)


def _company(folder: str) -> int:
    match = _FOLDER.fullmatch(folder.lower())
    if match is None:
        raise Missing
    return int(match[1])


async def _check(ctx: PublicCtx, company_id: int, key: str, given: str) -> None:
    """Raises Unauthorized without any proof, Missing for a session of another company."""
    expected = signature(ctx.parts.settings.secrets.media_secret, company_id, key)
    if given and hmac.compare_digest(given.encode(), expected.encode()):
        return
    auth = ctx.parts.auth
    if token := ctx.request.bearer():
        principal = await auth.bearers.authenticate(token)
    elif cookie := ctx.request.cookie("jrt"):
        principal = await auth.bearers.authenticate_cookie(cookie)
    else:
        raise Unauthorized
    if principal.company_id != company_id:
        raise Missing


async def _file(ctx: PublicCtx, company_id: int, key: str, name: str) -> Stream | Raw:
    media = ctx.parts.media
    try:
        found = await media.stat(company_id, key)
    except MediaMissing as error:
        raise Missing from error
    kind, *headers = download_headers(found.mime, name)
    try:
        part = byte_range(ctx.request.headers.get("range", ""), found.size)
    except RangeNotSatisfiable:
        outside = ("content-range", f"bytes */{found.size}")
        return Raw(content=b"", content_type=kind[1], status=416, headers=(outside,))
    start, stop = part or (0, found.size)
    if part is not None:
        headers.append(("content-range", f"bytes {start}-{stop - 1}/{found.size}"))
    return Stream(
        chunks=media.stream(company_id, key, start, stop),
        length=stop - start,
        content_type=kind[1],
        status=200 if part is None else 206,
        headers=tuple(headers),
    )
