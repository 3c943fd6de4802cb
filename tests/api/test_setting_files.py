"""Files of settings: logos for everybody, certificates for nobody, by what they are and not by name."""

import msgspec
import pytest
import sqlalchemy as sa

from storage import settings
from storage.settings import INSTALLATION
from tests.api.conftest import World

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64
ICO = b"\0\0\1\0\1\0" + b"\0" * 64
SVG = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
KEY = b"-----BEGIN PRIVATE KEY-----"


async def upload(world: World, path: str, content: bytes, token: str = "", **fields: str):
    parts = [
        f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    head = '--x\r\nContent-Disposition: form-data; name="file"; filename="../../logo.png"\r\n'
    body = b"".join(parts) + head.encode() + b"Content-Type: image/png\r\n\r\n" + content
    return await world.client(
        "POST",
        path,
        body=body + b"\r\n--x--\r\n",
        headers={"content-type": "multipart/form-data; boundary=x"},
        token=token or world.super,
    )


@pytest.mark.parametrize("path", ["/settings-whitelabel/logo", "/settings/logo"])
@pytest.mark.parametrize(
    ("mode", "key", "content", "kind"),
    [
        ("Light", "appLogoLight", PNG, "image/png"),
        ("favicon", "appLogoFavicon", ICO, "image/x-icon"),
    ],
)
async def test_a_logo_is_shown_to_everybody(world: World, path, mode, key, content, kind):
    answer = await upload(world, path, content, mode=mode)
    assert answer.status == 200, answer
    name = answer.json()
    assert (await world.call("GET", f"/public-settings/{key}")).json() == name
    shown = await world.call("GET", f"/public/{name}")
    assert (shown.status, shown.body, shown.headers["content-type"]) == (200, content, kind)
    assert shown.headers["x-content-type-options"] == "nosniff"


async def test_what_is_no_picture_is_406_whatever_it_is_called(world: World):
    for path, fields in (
        ("/settings/logo", {"mode": "Light"}),
        ("/settings/publicFile", {"settingKey": "loginSidePanelImage"}),
    ):
        for content in (SVG, KEY, b"", b"\0\1\2"):
            answer = await upload(world, path, content, **fields)
            assert (answer.status, answer.json()["error"]) == (406, "ERR_FILE_NOT_ACCEPTED")


async def test_only_files_that_a_public_setting_names_are_shown(world: World):
    private = await world.app.parts.media.put(INSTALLATION, PNG + b"of a customer", limit=1000)
    assert (await world.call("GET", f"/public/{private.key}")).status == 404
    old = (await upload(world, "/settings/logo", PNG, mode="dark")).json()
    new = (await upload(world, "/settings/logo", PNG + b"new", mode="dark")).json()
    assert (await world.call("GET", f"/public/{old}")).status == 404
    assert (await world.call("GET", f"/public/{new}")).status == 200
    for name in ("", "..", "x.png", "%2e%2e", "0" * 64 + ".png"):
        assert (await world.call("GET", f"/public/{name}")).status == 404


async def test_a_private_file_is_sealed_and_never_shown(world: World):
    answer = await upload(world, "/settings/privateFile", KEY, settingKey="_efiCertFile")
    assert (answer.status, answer.json()) == (200, "../../logo.png")  # its name, which is data
    other = await upload(world, "/settings/cert-upload", KEY)
    assert other.status == 200
    database, box = world.app.parts.database, world.app.parts.box
    stored = await database.value(sa.text("select string_agg(value, ' ') from settings"))
    assert "PRIVATE" not in stored
    for key in ("_efiCertFile", "gerencianetPixCert"):
        kept = await settings.find(database, INSTALLATION, key)
        file = msgspec.json.decode(settings.opened(kept, box))
        assert file["name"] == "../../logo.png"
        shown = await world.call("GET", f"/setting/{key}", token=world.super)
        assert shown.json()["value"] == "••••••••"


async def test_what_does_not_fit_is_refused(world: World):
    for path, fields, status in (
        ("/settings/logo", {"mode": "Sideways"}, 400),
        ("/settings/publicFile", {"settingKey": "stripeprivatekey"}, 400),
        ("/settings/privateFile", {"settingKey": "appName"}, 400),
        ("/settings/privateFile", {"settingKey": "../secrets"}, 400),
    ):
        assert (await upload(world, path, PNG, **fields)).status == status
    for path in ("/settings/logo", "/settings/cert-upload"):
        assert (await world.call("POST", path, {"mode": "Light"}, token=world.super)).status == 400
        assert (await upload(world, path, PNG, world.a.admin, mode="Light")).status == 403
    large = b"x" * (64 * 1024 + 1)
    assert (await upload(world, "/settings/cert-upload", large)).status == 413
