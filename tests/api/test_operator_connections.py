"""Operators and other companies' connections; telephony tokens; every session started again."""

from storage import connections
from tests.api.conftest import World


async def test_an_operator_shows_changes_and_deletes_any_companys_connection(world: World):
    path = f"/whatsapp-admin/{world.b.connection_id}"
    shown = await world.call("GET", path, token=world.super)
    assert (shown.status, shown.json()["companyId"]) == (200, world.b.id)
    assert world.b.api_token not in shown.body.decode()
    changed = await world.call("PUT", path, {"name": "Renamed"}, token=world.super)
    assert (changed.status, changed.json()["name"]) == (200, "Renamed")
    listed = (await world.call("GET", "/whatsapp", token=world.b.admin)).json()
    assert "Renamed" in {row["name"] for row in listed}
    deleted = await world.call("DELETE", path, token=world.super)
    assert deleted.status == 200, deleted
    assert (await world.call("GET", path, token=world.super)).status == 404
    ticket = await world.call("GET", f"/tickets/{world.b.ticket_id}", token=world.b.admin)
    assert ticket.json()["status"] == "closed"


async def test_an_operator_ends_any_companys_session(world: World):
    path = f"/whatsappsession/admin/{world.b.connection_id}"
    assert (await world.call("DELETE", path, token=world.super)).status == 200
    shown = await world.call("GET", f"/whatsapp/{world.b.connection_id}", token=world.b.admin)
    assert shown.json()["status"] == "DISCONNECTED"


async def test_restarting_touches_the_own_company_alone(world: World):
    for company in (world.a, world.b):
        path = f"/whatsappsession/{company.connection_id}"
        assert (await world.call("DELETE", path, token=company.admin)).status == 200
    assert (await world.call("POST", "/whatsapp-restart", token=world.a.admin)).status == 200
    states = [
        (await world.call("GET", f"/whatsapp/{c.connection_id}", token=c.admin)).json()["status"]
        for c in (world.a, world.b)
    ]
    assert states == ["CONNECTED", "DISCONNECTED"]


async def test_a_telephony_token_is_sealed_masked_and_taken_away(world: World):
    path = f"/wavoip/{world.a.connection_id}"
    assert (await world.call("GET", path, token=world.a.admin)).json()["token"] == ""
    token = "wavoip-token-of-company-a"
    kept = await world.call("POST", path, {"token": token}, token=world.a.admin)
    assert kept.json() == {"whatsappId": world.a.connection_id, "token": "••••••••ny-a"}
    back = await world.call("POST", path, {"token": "••••••••ny-a"}, token=world.a.admin)
    assert back.status == 200
    parts = world.app.parts
    stored = await connections.read_secrets(
        parts.database, world.a.id, world.a.connection_id, box=parts.box
    )
    assert (stored.telephony_token, stored.token) == (token, world.a.api_token)
    assert (await world.call("POST", path, {"token": " "}, token=world.a.admin)).status == 400
    assert (await world.call("DELETE", path, token=world.a.admin)).status == 200
    assert (await world.call("GET", path, token=world.a.admin)).json()["token"] == ""
