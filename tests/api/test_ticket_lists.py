"""Lists of tickets are encoded once, and always show what is true now."""

import msgspec

from api.ticket_lists import TicketLists
from storage import ticket_lists
from storage.database import Database
from storage.snapshots import CompanySnapshot, load_snapshot
from storage.ticket_lists import TicketFilter, TicketPage, Viewer
from tests.api.conftest import World
from tests.storage.world import Place, found, put_contact, put_ticket


async def test_a_list_shows_every_change_of_what_its_tickets_name(world: World) -> None:
    a = world.a

    async def shown() -> dict:
        query = "status=pending&showAll=true"
        page = (await world.call("GET", "/tickets", token=a.admin, query=query)).json()
        (ticket,) = page["tickets"]
        return ticket

    before = await shown()
    assert before == await shown()
    path = f"/tickets/{a.ticket_id}"
    change = {"queueId": a.department_id}
    changed = await world.call("PUT", path, change, token=a.admin)
    assert (await shown())["queue"] == changed.json()["queue"]
    renamed = {"name": "Renamed", "color": "#010203"}
    await world.call("PUT", f"/queue/{a.department_id}", renamed, token=a.admin)
    assert (await shown())["queue"]["name"] == "Renamed"
    body = {"name": "Maria", "number": "5511000000001"}
    await world.call("PUT", f"/contacts/{a.contact_id}", body, token=a.admin)
    assert (await shown())["contact"]["name"] == "Maria"
    tagged = await world.call("PUT", f"/ticket-tags/{a.ticket_id}/{a.tag_id}", token=a.admin)
    assert tagged.status == 200
    seen = await shown()
    single = (await world.call("GET", path, token=a.admin)).json()
    assert seen == single


async def test_encoded_tickets_are_few_and_forgotten_by_whole_companies(
    database: Database,
) -> None:
    places = [await found(database, name) for name in ("one", "two")]
    lists = TicketLists(kept=4)
    for place in places:
        for n in range(3):
            contact = await put_contact(database, place.company_id, f"9{n}")
            await put_ticket(database, place, contact_id=contact.id)
    one, two = [await load_snapshot(database, place.company_id) for place in places]
    assert await _fetched(database, lists, places[0], one) == 3
    assert await _fetched(database, lists, places[0], one) == 0
    assert await _fetched(database, lists, places[1], two) == 3
    assert len(lists) == 4, "the other company was forgotten"
    assert await _fetched(database, lists, places[0], one) == 3
    renewed = await load_snapshot(database, places[0].company_id)
    assert await _fetched(database, lists, places[0], renewed) == 3, "another configuration"
    assert len(lists) == 4


async def _fetched(
    database: Database, lists: TicketLists, place: Place, snapshot: CompanySnapshot
) -> int:
    """How many rows a list had to be told; the encoded ones are the asked company's."""
    viewer = Viewer(user_id=place.admin.id, is_admin=True)
    cards = lists.cards(snapshot)
    page: TicketPage = await ticket_lists.page(
        database, place.company_id, viewer, TicketFilter(show_all=True), known=cards
    )
    lists.add(cards, page.rows, snapshot)
    for key in page.keys:
        assert msgspec.json.decode(cards[key])["companyId"] == place.company_id
    return len(page.rows.tickets)
