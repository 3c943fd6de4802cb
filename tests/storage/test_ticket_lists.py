"""Lists show what the viewer may open, nothing else, in order and in whole pages."""

import itertools
import random
from collections.abc import Hashable
from datetime import timedelta
from typing import ClassVar

import msgspec
import pytest
import sqlalchemy as sa

from storage import departments, tags, ticket_lists
from storage.contacts import contacts
from storage.database import Database
from storage.departments import DepartmentPatch
from storage.events import DomainEvent
from storage.ids import DepartmentId, TagId, TicketId
from storage.tags import TagPatch, ticket_tags
from storage.ticket_lists import Counts, TicketFilter, Viewer, may_see, pages, sight
from storage.tickets import Ticket, tickets
from tests.storage.world import NOON, Place, found, put_contact, put_ticket

LISTS = ("", "open", "pending", "closed", "group", "search", "nps", "lgpd")


async def _tickets(database: Database, place: Place, sales: DepartmentId) -> dict[TicketId, Ticket]:
    """One ticket of every status, department and owner, each of a contact of its own."""
    stored: dict[TicketId, Ticket] = {}
    owners = (None, place.agent.id, place.admin.id)
    everything = itertools.product(
        ("open", "pending", "closed", "group", "nps", "lgpd"),
        (None, place.department_id, sales),
        owners,
    )
    for index, (status, department_id, user_id) in enumerate(everything):
        contact = await put_contact(database, place.company_id, f"55{index}", f"Contact {index}")
        ticket = await put_ticket(
            database,
            place,
            contact_id=contact.id,
            status=status,
            is_group=status == "group",
            department_id=department_id,
            user_id=user_id,
            updated_at=NOON + timedelta(minutes=index),
        )
        stored[ticket.id] = ticket
    return stored


async def _sales(database: Database, place: Place) -> DepartmentId:
    async with database.begin(place.company_id) as tx:
        made = await departments.create(
            tx, place.company_id, DepartmentPatch(name="Sales", color="#998877")
        )
    return made.id


async def _open_to(database: Database, place: Place, viewer: Viewer) -> set[TicketId]:
    """The tickets that the viewer may open, as the database tells."""
    who = sa.literal(viewer.user_id, sa.BigInteger)
    where = sa.literal(list(viewer.department_ids), sa.ARRAY(sa.BigInteger))
    allowed = sight._may_see(viewer, who, where)
    rows = sa.select(tickets.c.id).where(tickets.c.company_id == place.company_id, *allowed)
    return {TicketId(row[0]) for row in await database.rows(rows)}


async def test_whatever_a_list_shows_its_viewer_may_open(database: Database) -> None:
    place = await found(database, "one")
    sales = await _sales(database, place)
    stored = await _tickets(database, place, sales)
    flags = list(itertools.product((False, True), repeat=4))
    for all_ticket, all_historic, all_user_chat, allow_group in flags:
        viewer = Viewer(
            user_id=place.agent.id,
            department_ids=(place.department_id,),
            all_ticket=all_ticket,
            all_historic=all_historic,
            all_user_chat=all_user_chat,
            allow_group=allow_group,
        )
        open_to = {ticket.id for ticket in stored.values() if may_see(viewer, ticket)}
        assert await _open_to(database, place, viewer) == open_to, viewer
        for status, show_all in itertools.product(LISTS, (False, True)):
            wanted = TicketFilter(status=status, show_all=show_all, page_size=100)
            page = await ticket_lists.page(database, place.company_id, viewer, wanted)
            hidden = [t for t in page.rows.tickets if not may_see(viewer, t)]
            assert not hidden, (viewer, wanted, hidden[0])
            assert page.count == len(page.rows.tickets)
            assert all(stored[ticket.id] == ticket for ticket in page.rows.tickets)


async def test_own_open_tickets_are_listed_whatever_their_department(database: Database) -> None:
    place = await found(database, "one")
    stored = await _tickets(database, place, await _sales(database, place))
    viewer = Viewer(user_id=place.agent.id, department_ids=(place.department_id,))
    page = await ticket_lists.page(
        database, place.company_id, viewer, TicketFilter(status="open", page_size=100)
    )
    own = {
        ticket.id
        for ticket in stored.values()
        if ticket.status == "open" and ticket.user_id == viewer.user_id
    }
    assert {ticket.id for ticket in page.rows.tickets} == own


async def test_an_admin_who_shows_all_sees_every_ticket(database: Database) -> None:
    place, other = await found(database, "one"), await found(database, "two")
    stored = await _tickets(database, place, await _sales(database, place))
    await put_ticket(database, other)
    viewer = Viewer(user_id=place.admin.id, is_admin=True)
    shown: set[TicketId] = set()
    for status in LISTS:
        wanted = TicketFilter(status=status, show_all=True, page_size=100)
        page = await ticket_lists.page(database, place.company_id, viewer, wanted)
        shown |= {ticket.id for ticket in page.rows.tickets}
        assert {contact.id for contact in page.rows.contacts} == {
            t.contact_id for t in page.rows.tickets
        }
    assert shown == set(stored)


async def test_pages_follow_each_other_without_gap_or_overlap(database: Database) -> None:
    place = await found(database, "one")
    await _tickets(database, place, await _sales(database, place))
    viewer = Viewer(user_id=place.admin.id, is_admin=True)
    for oldest_first in (False, True):
        seen: list[Ticket] = []
        for number in itertools.count(1):
            wanted = TicketFilter(
                status="search", show_all=True, page=number, page_size=7, oldest_first=oldest_first
            )
            page = await ticket_lists.page(database, place.company_id, viewer, wanted)
            rows = {ticket.id: ticket for ticket in page.rows.tickets}
            seen.extend(rows[key.id] for key in page.keys)
            if not page.keys:
                break
        moments = [ticket.updated_at for ticket in seen]
        assert moments == sorted(moments, reverse=not oldest_first)
        assert len({ticket.id for ticket in seen}) == len(seen) == 54


async def test_a_list_too_long_to_count_still_knows_whether_more_follows(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "COUNTED", 3)
    place = await found(database, "one")
    stored = await _tickets(database, place, await _sales(database, place))
    viewer = Viewer(user_id=place.admin.id, is_admin=True)
    for number in (1, 2, 26, 27):
        wanted = TicketFilter(status="search", show_all=True, page=number, page_size=2)
        page = await ticket_lists.page(database, place.company_id, viewer, wanted)
        more = page.count > (number - 1) * 2 + len(page.rows.tickets)
        assert more == (number * 2 < len(stored))


async def test_closed_and_search_show_the_newest_case_of_a_conversation(
    database: Database,
) -> None:
    place = await found(database, "one")
    viewer = Viewer(user_id=place.admin.id, is_admin=True)
    for _ in range(3):
        last = await put_ticket(database, place, status="closed")
    for status in ("closed", "search"):
        wanted = TicketFilter(status=status, show_all=True)
        page = await ticket_lists.page(database, place.company_id, viewer, wanted)
        assert [ticket.id for ticket in page.rows.tickets] == [last.id]
        assert page.count == 1


async def test_filters_narrow_and_never_widen(database: Database) -> None:
    place = await found(database, "one")
    sales = await _sales(database, place)
    stored = await _tickets(database, place, sales)
    viewer = Viewer(user_id=place.admin.id, is_admin=True)
    choose = random.Random(7).sample(sorted(stored), 3)
    contact_id = stored[choose[0]].contact_id
    cases = {
        TicketFilter(contact_id=contact_id): {choose[0]},
        TicketFilter(user_ids=(place.agent.id,)): _ids(stored, user_id=place.agent.id),
        TicketFilter(statuses=("nps",)): _ids(stored, status="nps"),
        TicketFilter(search="CONTÁCT 17"): {min(stored) + 17},
        TicketFilter(search="%"): set(),
        TicketFilter(unread_only=True): set(),
        TicketFilter(not_closed=True): set(stored) - _ids(stored, status="closed"),
        TicketFilter(updated_until=NOON + timedelta(minutes=1)): {min(stored)},
        TicketFilter(updated_from=NOON + timedelta(minutes=53)): {max(stored)},
        TicketFilter(connection_ids=(place.connection_id,)): set(stored),
    }
    for narrowed, expected in cases.items():
        wanted = TicketFilter(
            **{
                **{name: getattr(narrowed, name) for name in narrowed.__struct_fields__},
                "status": "search",
                "show_all": True,
                "page_size": 100,
            }
        )
        page = await ticket_lists.page(database, place.company_id, viewer, wanted)
        assert {ticket.id for ticket in page.rows.tickets} == expected, narrowed


def _ids(stored: dict[TicketId, Ticket], **values: object) -> set[TicketId]:
    return {
        ticket.id
        for ticket in stored.values()
        if all(getattr(ticket, name) == value for name, value in values.items())
    }


async def test_a_page_of_known_tickets_brings_no_rows_until_one_of_them_changes(
    database: Database,
) -> None:
    place = await found(database, "one")
    stored = await _tickets(database, place, await _sales(database, place))
    viewer = Viewer(user_id=place.admin.id, is_admin=True)
    wanted = TicketFilter(status="pending", show_all=True, page_size=4, page=2)
    first = await ticket_lists.page(database, place.company_id, viewer, wanted)
    assert [key.id for key in first.keys] == _in_order(stored, "pending", "lgpd")[4:8]
    changes = (
        sa.update(tickets).where(tickets.c.id == first.keys[0].id).values(last_message="new"),
        sa.update(contacts)
        .where(contacts.c.id == stored[first.keys[0].id].contact_id)
        .values(name="New"),
        sa.insert(ticket_tags).values(
            company_id=place.company_id,
            ticket_id=first.keys[0].id,
            tag_id=await _tag(database, place),
        ),
    )
    known = set(first.keys)
    for change in changes:
        same = await ticket_lists.page(database, place.company_id, viewer, wanted, known=known)
        assert set(same.keys) == known
        assert same.rows.tickets == []
        await database.execute(change)
        renewed = await ticket_lists.page(database, place.company_id, viewer, wanted, known=known)
        assert [ticket.id for ticket in renewed.rows.tickets] == [first.keys[0].id]
        assert len(set(renewed.keys) - known) == 1
        known = set(renewed.keys)


def _in_order(stored: dict[TicketId, Ticket], *statuses: str) -> list[TicketId]:
    found = [ticket for ticket in stored.values() if ticket.status in statuses]
    return [ticket.id for ticket in sorted(found, key=lambda t: t.updated_at, reverse=True)]


async def _tag(database: Database, place: Place) -> TagId:
    async with database.begin(place.company_id) as tx:
        return (await tags.create(tx, place.company_id, TagPatch(name="VIP"))).id


class Happened(DomainEvent, frozen=True, kw_only=True):
    kind: ClassVar[str] = "test.happened"

    def ids(self) -> dict[str, int | str]:
        return {}


class Watched(Counts):
    """Tells how often a list was counted."""

    counted = 0

    def keep(self, question: Hashable, seq: int, count: int) -> None:
        self.counted += 1
        super().keep(question, seq, count)


async def test_a_list_is_counted_again_only_after_an_event_of_its_company(
    database: Database,
) -> None:
    place, other = await found(database, "one"), await found(database, "two")
    await _tickets(database, place, await _sales(database, place))
    viewer = Viewer(user_id=place.admin.id, is_admin=True)
    wanted = TicketFilter(status="open", show_all=True, page_size=4)
    counts = Watched()
    closing = sa.update(tickets).where(tickets.c.user_id == place.agent.id).values(status="closed")
    steps = ((None, 9, 1), (other, 9, 1), (place, 6, 2))
    for happened, length, counted in steps:
        if happened is not None:
            async with database.begin(happened.company_id) as tx:
                if happened is place:
                    await tx.execute(closing)
                tx.publish(Happened(company_id=happened.company_id))
        for number in (1, 2):
            asked = msgspec.structs.replace(wanted, page=number)
            page = await ticket_lists.page(database, place.company_id, viewer, asked, counts=counts)
            assert (page.count, counts.counted) == (length, counted)
