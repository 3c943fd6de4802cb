"""The event log over REST: numbers without gaps, per company, honest about what was forgotten."""

import sqlalchemy as sa

from tests.api.conftest import World


async def events(world: World, token: str, **query: int) -> dict:
    text = "&".join(f"{name}={value}" for name, value in query.items())
    answer = await world.call("GET", "/events", token=token, query=text)
    assert answer.status == 200, answer
    return answer.json()


async def test_an_integrator_can_prove_that_it_missed_nothing(world: World):
    whole = await events(world, world.a.admin, limit=1000)
    assert (whole["hasMore"], whole["complete"]) == (False, True)
    assert [event["seq"] for event in whole["events"]] == list(range(1, whole["lastSeq"] + 1))
    seen: list[dict] = []
    while True:
        page = await events(world, world.a.admin, since=len(seen), limit=2)
        assert page["complete"]
        seen += page["events"]
        if not page["hasMore"]:
            break
    assert seen == whole["events"]
    assert seen[-1].keys() == {"seq", "kind", "ids", "createdAt"}
    await world.receive(world.a, "5511900000999", "one more")
    new = await events(world, world.a.admin, since=len(seen))
    assert "message.created" in {event["kind"] for event in new["events"]}
    assert new["lastSeq"] == new["events"][-1]["seq"] > len(seen)


async def test_nothing_new_is_complete_and_a_number_never_given_is_not(world: World):
    last = (await events(world, world.a.admin))["lastSeq"]
    now = await events(world, world.a.admin, since=last)
    assert (now["events"], now["hasMore"], now["complete"]) == ([], False, True)
    ahead = await events(world, world.a.admin, since=last + 1)
    assert (ahead["events"], ahead["complete"], ahead["lastSeq"]) == ([], False, last)


async def test_forgotten_events_are_told_and_not_passed_over(world: World):
    database = world.app.parts.database
    last = (await events(world, world.a.admin))["lastSeq"]
    gone = "delete from events where company_id = {} and seq <= {}"
    await database.execute(sa.text(gone.format(int(world.a.id), 2)))
    assert not (await events(world, world.a.admin, since=0))["complete"]
    assert not (await events(world, world.a.admin, since=1))["complete"]
    assert (await events(world, world.a.admin, since=2))["complete"]
    await database.execute(sa.text(gone.format(int(world.a.id), last)))
    emptied = await events(world, world.a.admin, since=2)
    assert (emptied["events"], emptied["complete"], emptied["lastSeq"]) == ([], False, last)
    assert (await events(world, world.b.admin))["complete"]


async def test_each_company_has_its_own_numbers_and_rows(world: World):
    before = (await events(world, world.b.admin))["lastSeq"]
    await world.receive(world.a, "5511900000777", "for company a")
    assert (await events(world, world.b.admin))["lastSeq"] == before
    for company in (world.a, world.b):
        page = await events(world, company.admin, limit=1000)
        contacts = {e["ids"]["contact"] for e in page["events"] if "contact" in e["ids"]}
        rows = await world.call("GET", "/contacts", token=company.admin)
        assert contacts <= {contact["id"] for contact in rows.json()["contacts"]}
        assert company.contact_id in contacts


async def test_only_admins_read_it_and_only_as_declared(world: World):
    refused = await world.call("GET", "/events", token=world.a.user)
    assert (refused.status, refused.json()["error"]) == (403, "ERR_NO_PERMISSION")
    for query in ("since=-1", "since=x", "limit=0", "limit=1001", "from=3", "since=9e99"):
        answer = await world.call("GET", "/events", token=world.a.admin, query=query)
        assert (query, answer.status) == (query, 400)
