"""Pages read one after the other go on where the last one ended, whatever comes in meanwhile."""

from typing import Any

import pytest

from storage import bookmarks, contact_lists, message_pages, ticket_lists
from storage.bookmarks import GOOD_FOR, Bookmarks
from storage.contact_lists import ContactFilter
from storage.database import Database
from storage.ticket_lists import TicketFilter, Viewer
from tests.storage.world import NOON, Place, found, put_contact, put_message, put_ticket


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_page_is_remembered_for_a_while_and_its_question_alone():
    clock = Clock()
    marks = Bookmarks(clock)
    marks.keep("q", 1, (7,))
    assert marks.before("q", 2) == (7,)
    assert marks.before("q", 1) is None
    assert marks.before("other", 2) is None
    clock.now = GOOD_FOR + 1
    assert marks.before("q", 2) is None


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bookmarks, "KEPT", 3)
    marks = Bookmarks()
    for page in range(10):
        marks.keep("q", page, (page,))
    assert [marks.before("q", page + 1) for page in (6, 7, 8, 9)] == [None, (7,), (8,), (9,)]


async def tickets_of(
    database: Database, place: Place, page: int, marks: Bookmarks | None, **more: Any
) -> tuple[list[int], bool]:
    viewer = Viewer(user_id=place.admin.id, is_admin=True)
    wanted = TicketFilter(status="pending", show_all=True, page=page, page_size=3, **more)
    shown = await ticket_lists.page(database, place.company_id, viewer, wanted, marks=marks)
    return [key.id for key in shown.keys], shown.more


async def contacts_of(
    database: Database, place: Place, page: int, marks: Bookmarks | None
) -> tuple[list[int], bool]:
    wanted = ContactFilter(page=page, page_size=3)
    shown = await contact_lists.page(database, place.company_id, wanted, marks=marks)
    return [contact.id for contact in shown.contacts], shown.more


async def add_tickets(database: Database, place: Place, numbers: range) -> list[int]:
    """Waiting tickets; some of them changed at the same moment."""
    ids = []
    for n in numbers:
        contact = await put_contact(database, place.company_id, f"99{n}", f"Nome {n // 2:03}")
        at = NOON.replace(minute=n // 2)
        ticket = await put_ticket(database, place, contact_id=contact.id, updated_at=at)
        ids.append(ticket.id)
    return ids


@pytest.mark.parametrize("oldest_first", [False, True])
async def test_ticket_pages_neither_repeat_nor_skip(database: Database, oldest_first: bool):
    place = await found(database, "a")
    old = await add_tickets(database, place, range(8))
    expected = old if oldest_first else old[::-1]
    plain = [
        await tickets_of(database, place, page, None, oldest_first=oldest_first)
        for page in (1, 2, 3)
    ]
    assert [ids for ids, _ in plain] == [expected[:3], expected[3:6], expected[6:]]
    assert [more for _, more in plain] == [True, True, False]
    marks = Bookmarks()
    seen: list[int] = []
    for page in (1, 2, 3):
        ids, more = await tickets_of(database, place, page, marks, oldest_first=oldest_first)
        assert more == (page < 3)
        seen += ids
        if not oldest_first:
            await add_tickets(database, place, range(40 + 4 * page, 44 + 4 * page))
    assert seen == expected


async def test_contact_pages_neither_repeat_nor_skip(database: Database):
    place = await found(database, "a")
    await add_tickets(database, place, range(8))
    marks = Bookmarks()
    whole = [await contacts_of(database, place, page, None) for page in (1, 2, 3)]
    assert [more for _, more in whole] == [True, True, False]
    seen: list[int] = []
    for page in (1, 2, 3):
        ids, more = await contacts_of(database, place, page, marks)
        seen += ids
        await put_contact(database, place.company_id, f"1{page}", "Ábel")
        assert more == (page < 3)
    assert seen == [contact for ids, _ in whole for contact in ids]


async def test_a_conversation_goes_back_past_what_is_said_meanwhile(database: Database):
    place = await found(database, "a")
    viewer = Viewer(user_id=place.admin.id, is_admin=True)
    ticket = await put_ticket(database, place)
    sent = [(await put_message(database, place, ticket.id)).id for _ in range(7)]
    marks = Bookmarks()
    pages, more = [], []
    for number in (1, 2, 3):
        rows = await message_pages.page(
            database, place.company_id, viewer, ticket, number=number, size=3, marks=marks
        )
        pages.append([message.id for message in rows.messages])
        more.append(rows.more)
        await put_message(database, place, ticket.id)
    assert pages == [sent[4:], sent[1:4], sent[:1]]
    assert more == [True, True, False]
