"""What only operators may see, and how a collector gets in."""

from pathlib import Path

import pytest

from api.settings import SettingsError
from tests.api.conftest import World, settings_for
from tests.api.endpoint.conftest import Client

TOKEN = "a collector's long token"


def peer(world: World, address: str) -> Client:
    """A client whose connection comes from `address`."""

    async def app(scope, receive, send):
        await world.app.asgi(scope | {"client": (address, 5)}, receive, send)

    return Client(app)


async def test_metrics_are_for_super_users_and_local_collectors_only(world: World):
    far = await world.call("GET", "/metrics")
    assert (far.status, far.json()["error"]) == (401, "ERR_SESSION_EXPIRED")
    for token, status in (
        (world.a.user, 403),
        (world.a.admin, 403),
        ("guess", 403),
        (TOKEN, 403),  # none is configured here
        (world.super, 200),
    ):
        assert (await world.call("GET", "/metrics", token=token)).status == status
    for address in ("127.0.0.1", "::1", "127.3.2.1"):
        here = await peer(world, address)("GET", "/metrics")
        assert (here.status, b"chatia_uptime_seconds" in here.body) == (200, True)
    for header in ("x-forwarded-for", "forwarded", "x-real-ip"):
        proxied = await peer(world, "127.0.0.1")("GET", "/metrics", headers={header: "127.0.0.1"})
        assert proxied.status == 401
    for address in ("10.0.0.1", "", "localhost", "unix:"):
        assert (await peer(world, address)("GET", "/metrics")).status == 401


@pytest.mark.parametrize("environment", [{"METRICS_TOKEN": TOKEN}])
async def test_a_collector_shows_its_configured_token(world: World):
    assert (await world.call("GET", "/metrics", token=TOKEN)).status == 200
    assert (await world.call("GET", "/metrics", token=TOKEN[:-1])).status == 403
    assert (await world.call("GET", "/metrics")).status == 401
    assert (await world.call("GET", "/tickets", token=TOKEN)).status == 403


def test_a_short_metrics_token_is_refused(tmp_path: Path):
    with pytest.raises(SettingsError, match="METRICS_TOKEN"):
        settings_for(tmp_path, METRICS_TOKEN="short")
