"""Files of settings: logos and pictures that everybody sees, certificates that nobody does.

A public file lies in the installation's media folder and is shown while a public setting names it.
A private one is sealed into its setting's row, so that it is as safe as any other secret.
"""

import base64

import msgspec

from actors.events import RecordChanged
from actors.media import MediaMissing
from actors.media_types import HEAD, download_headers, sniff
from api.endpoint import Ctx, Done, PublicCtx, Raw, Routes, Short, Upload, public, super_user
from api.errors import Detail, Invalid, Missing, NotAcceptable, TooLarge
from storage import settings
from storage.setting_keys import FILE, KEYS
from storage.settings import INSTALLATION
from storage.views import setting_view

routes = Routes(tag="settings", guard=super_user, missing="ERR_NO_SETTING_FOUND")
LOGOS = {"light": "appLogoLight", "dark": "appLogoDark", "favicon": "appLogoFavicon"}
PUBLIC = frozenset(key for key, spec in KEYS.items() if spec.visible == "public")
PRIVATE = frozenset(key for key, spec in KEYS.items() if spec.kind is FILE)
CERTIFICATE = "gerencianetPixCert"
MOST_PUBLIC = 5 * 1024 * 1024
MOST_PRIVATE = 64 * 1024


class Logo(msgspec.Struct):
    """Which logo: Light, Dark or Favicon."""

    mode: Short = ""


class OfSetting(msgspec.Struct, rename="camel"):
    """Of which setting the file is."""

    setting_key: Short = ""


class PrivateFile(msgspec.Struct, frozen=True):
    """A sealed file with the name it came under."""

    name: str
    content: str


@routes.post("/settings-whitelabel/logo", files=1)
async def set_logo(ctx: Ctx, body: Logo, uploads: tuple[Upload, ...]) -> str:
    """Set the installation's logo; answers the file's name below `/public`."""
    key = LOGOS.get(body.mode.strip().lower())
    if key is None:
        raise Invalid(Detail("$.mode", "Light, Dark or Favicon"))
    return await _publish(ctx, key, await _content(uploads, MOST_PUBLIC))


@routes.post("/settings/logo", files=1)
async def set_logo_there(ctx: Ctx, body: Logo, uploads: tuple[Upload, ...]) -> str:
    """The same under the path that other clients use."""
    return await set_logo(ctx, body, uploads)


@routes.post("/settings/publicFile", files=1)
async def set_public(ctx: Ctx, body: OfSetting, uploads: tuple[Upload, ...]) -> str:
    """Keep a picture of a public setting; answers its name below `/public`."""
    if body.setting_key not in PUBLIC:
        raise Invalid(Detail("$.settingKey", "no public setting"))
    return await _publish(ctx, body.setting_key, await _content(uploads, MOST_PUBLIC))


@routes.post("/settings/privateFile", files=1)
async def set_private(ctx: Ctx, body: OfSetting, uploads: tuple[Upload, ...]) -> str:
    """Keep a private file of a setting, sealed; answers its name."""
    if body.setting_key not in PRIVATE:
        raise Invalid(Detail("$.settingKey", "no setting that is a private file"))
    return await _seal(ctx, body.setting_key, uploads)


@routes.post("/settings/cert-upload", files=1)
async def set_certificate(ctx: Ctx, uploads: tuple[Upload, ...]) -> Done:
    """Keep the payment certificate, sealed."""
    await _seal(ctx, CERTIFICATE, uploads)
    return Done("Certificate kept")


@routes.get("/public/{key}", guard=public, tag="media")
async def show_public(ctx: PublicCtx, key: str) -> Raw:
    """Send a public file of the installation: a logo, the login page's picture."""
    found = await settings.all_of(ctx.parts.database, INSTALLATION)
    if not any(item.key in PUBLIC and item.value == key for item in found):
        raise Missing
    try:
        kept = await ctx.parts.media.stat(INSTALLATION, key)
        content = await ctx.parts.media.read(INSTALLATION, key)
    except MediaMissing as error:
        raise Missing from error
    kind, *headers = download_headers(kept.mime, "")
    return Raw(content=content, content_type=kind[1], headers=tuple(headers))


async def _content(uploads: tuple[Upload, ...], most: int) -> bytes:
    """The first file's bytes. Raises Invalid when there is none, TooLarge over `most`."""
    if not uploads:
        raise Invalid(Detail("$.file", "missing"))
    if uploads[0].size > most:
        raise TooLarge
    return await uploads[0].read()


async def _publish(ctx: Ctx, key: str, content: bytes) -> str:
    if not sniff(content[:HEAD]).startswith("image/"):
        raise NotAcceptable
    kept = await ctx.parts.media.put(INSTALLATION, content, limit=MOST_PUBLIC)
    await _write(ctx, key, kept.key)
    return kept.key


async def _seal(ctx: Ctx, key: str, uploads: tuple[Upload, ...]) -> str:
    content = base64.b64encode(await _content(uploads, MOST_PRIVATE)).decode()
    name = uploads[0].filename
    await _write(ctx, key, msgspec.json.encode(PrivateFile(name, content)).decode())
    return name


async def _write(ctx: Ctx, key: str, value: str) -> None:
    async with ctx.parts.database.begin(INSTALLATION) as tx:
        shown = setting_view(await settings.put(tx, INSTALLATION, key, value, ctx.parts.box))
        event = RecordChanged(
            company_id=INSTALLATION, noun="setting", action="update", record_id=key, record=shown
        )
        tx.publish(event)
