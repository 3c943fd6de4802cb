"""Recorded deliveries of the Cloud API, where the folder of samples is present."""

import re
from pathlib import Path

import pytest

from tests.api.conftest import APP_SECRET, World
from tests.api.test_webhooks import post

FOLDER = Path(__file__).parents[3] / "shared" / "samples" / "cloud-api"
SAMPLES = {path.name: path.read_bytes() for path in sorted(FOLDER.rglob("*.json"))}
_PHONE_ID = re.compile(rb'("phone_number_id"\s*:\s*)"[^"]+"')


async def deliver(world: World, name: str) -> int:
    """Post a sample for company a's number as a provider does: again after a 503."""
    raw = _PHONE_ID.sub(rb'\1"' + world.a.phone_id.encode() + b'"', SAMPLES[name])
    status = 503
    for _ in range(3):
        if status == 503:
            status = (await post(world, "/webhook", raw, APP_SECRET)).status
    return status


async def wids(world: World) -> list[str]:
    """The provider ids of everything stored for company a's number."""
    query = f"showAll=true&whatsapps=[{world.a.cloud_id}]&all=true"
    found: list[str] = []
    for status in ("open", "pending", "closed", "group"):
        listed = await world.call(
            "GET", "/tickets", token=world.a.admin, query=f"{query}&status={status}"
        )
        for ticket in listed.json()["tickets"]:
            page = await world.call(
                "GET", f"/messages/{ticket['id']}", token=world.a.admin, query="markAsRead=false"
            )
            found += [message["wid"] for message in page.json()["messages"]]
    return sorted(found)


@pytest.mark.skipif(not SAMPLES, reason="no folder of recorded samples")
async def test_every_recorded_delivery_is_taken_and_its_repetition_stores_nothing(world: World):
    for sample in SAMPLES:
        assert (sample, await deliver(world, sample)) == (sample, 200)
    stored = await wids(world)
    assert len(stored) > 10
    for sample in SAMPLES:
        assert (sample, await deliver(world, sample)) == (sample, 200)
    assert await wids(world) == stored
