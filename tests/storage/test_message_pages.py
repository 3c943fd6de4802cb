"""Pages of a conversation: oldest first on the page, earlier cases as far as they may be seen."""

from storage import message_pages
from storage.database import Database
from storage.ids import MessageId
from storage.ticket_lists import Viewer
from tests.storage.world import found, put_contact, put_message, put_ticket


async def test_pages_go_back_in_time_and_read_forward(database: Database) -> None:
    place = await found(database, "one")
    viewer = Viewer(user_id=place.admin.id, is_admin=True)
    ticket = await put_ticket(database, place)
    sent = [(await put_message(database, place, ticket.id)).id for _ in range(7)]
    pages: list[list[MessageId]] = []
    for number in (1, 2, 3, 4):
        rows = await message_pages.page(
            database, place.company_id, viewer, ticket, number=number, size=3
        )
        pages.append([message.id for message in rows.messages])
        assert rows.count == 7
    assert pages == [sent[4:], sent[1:4], sent[:1], []]


async def test_quoted_messages_and_the_contact_come_along(database: Database) -> None:
    place = await found(database, "one")
    viewer = Viewer(user_id=place.admin.id, is_admin=True)
    ticket = await put_ticket(database, place)
    first = await put_message(database, place, ticket.id)
    await put_message(database, place, ticket.id, quoted_id=first.id)
    rows = await message_pages.page(database, place.company_id, viewer, ticket, size=1)
    assert rows.quoted == [first]
    assert rows.contact is not None
    assert rows.contact.id == place.contact_id


async def test_earlier_cases_of_foreign_departments_are_hidden(database: Database) -> None:
    place = await found(database, "one")
    closed_elsewhere = await put_ticket(database, place, status="closed")
    closed_here = await put_ticket(
        database, place, status="closed", department_id=place.department_id
    )
    now = await put_ticket(database, place, user_id=place.agent.id, status="open")
    later = await put_ticket(database, place, status="closed", department_id=place.department_id)
    stranger = await put_contact(database, place.company_id, "1")
    foreign = await put_ticket(database, place, contact_id=stranger.id)
    ids = {}
    for ticket in (closed_elsewhere, closed_here, now, later):
        ids[ticket.id] = (await put_message(database, place, ticket.id)).id
    await put_message(database, place, foreign.id, contact_id=stranger.id)
    agent = Viewer(user_id=place.agent.id, department_ids=(place.department_id,))
    all_history = Viewer(user_id=place.agent.id, all_historic=True)
    for viewer, expected in (
        (agent, [closed_here, now]),
        (all_history, [closed_elsewhere, closed_here, now]),
    ):
        rows = await message_pages.page(database, place.company_id, viewer, now)
        assert [message.id for message in rows.messages] == [ids[t.id] for t in expected]
