"""Lists are compiled once per shape of question: no company's value is ever part of a statement."""

from datetime import timedelta
from typing import Any

import pytest

from storage import contact_lists, tags, ticket_lists
from storage.contact_lists import ContactFilter
from storage.database import Database
from storage.ids import CompanyId, ConnectionId, ContactId, DepartmentId, TagId, UserId
from storage.sql import Query
from storage.tags import TagPatch
from storage.ticket_lists import TicketFilter, Viewer
from tests.storage.world import NOON, Place, found, put_contact, put_message, put_ticket

ODD = 770_001  # a value that no statement has a reason to hold


class Recorder:
    """Stands in for the database: keeps what would have been sent."""

    def __init__(self, answer: str) -> None:
        self.answer = answer
        self.asked: list[tuple[Query, dict[str, Any]]] = []

    async def value(self, query: Query, **params: Any) -> str:
        self.asked.append((query, params))
        return self.answer


def _viewer(n: int, *, is_admin: bool = False, **flags: bool) -> Viewer:
    return Viewer(
        user_id=UserId(n),
        is_admin=is_admin,
        department_ids=(DepartmentId(n + 1),),
        connection_id=ConnectionId(n + 2),
        **flags,
    )


def _everything(n: int, status: str) -> TicketFilter:
    return TicketFilter(
        status=status,
        department_ids=(DepartmentId(n + 3),),
        contact_id=ContactId(n + 4),
        tag_ids=(TagId(n + 5), TagId(n + 6)),
        user_ids=(UserId(n + 7),),
        connection_ids=(ConnectionId(n + 8),),
        statuses=(f"status {n}",),
        search=f"text {n}",
        search_messages=True,
        created_from=NOON + timedelta(seconds=n),
        created_until=NOON + timedelta(seconds=n + 1),
        updated_from=NOON + timedelta(seconds=n + 2),
        updated_until=NOON + timedelta(seconds=n + 3),
        page=n,
    )


@pytest.mark.parametrize("status", ["", "open", "pending", "closed", "group", "search"])
@pytest.mark.parametrize("is_admin", [False, True])
async def test_a_ticket_lists_statement_holds_no_value_of_the_question(
    status: str, is_admin: bool
) -> None:
    recorder: Any = Recorder('{"keys":[],"seq":0,"count":0}')
    for n in (ODD, ODD * 2):
        viewer = _viewer(n, is_admin=is_admin, allow_group=True)
        await ticket_lists.page(recorder, CompanyId(n + 9), viewer, _everything(n, status))
    (first, given), (second, others) = recorder.asked
    assert first is second
    assert given["company"] == ODD + 9
    assert others["company"] == ODD * 2 + 9
    assert all(given[name] != others[name] for name in given if name != "seen")
    _holds_no_value(first)


async def test_a_contact_lists_statement_holds_no_value_of_the_question() -> None:
    recorder: Any = Recorder('{"contacts":[],"fields":[],"tags":[],"wallets":[],"count":0}')
    for n in (ODD, ODD * 2):
        wanted = ContactFilter(
            search=f"text {n}",
            is_group=n == ODD,
            tag_ids=(TagId(n),),
            contact_id=ContactId(n),
            number=f"{n}",
            page=n,
            page_size=n,
        )
        await contact_lists.page(recorder, CompanyId(n), wanted)
    (first, given), (second, others) = recorder.asked
    assert first is second
    assert all(given[name] != others[name] for name in given)
    _holds_no_value(first)


def _holds_no_value(query: Query) -> None:
    constants = [value for value in query.compiled.params.values() if value is not None]
    assert str(ODD) not in query.sql
    assert not any(str(number) in str(constants) for number in range(ODD, ODD + 10))


async def test_companies_that_ask_the_same_each_get_their_own(database: Database) -> None:
    places = [await found(database, name) for name in ("one", "two")]
    for place in places:
        ticket = await put_ticket(database, place, created_at=NOON, updated_at=NOON)
        await put_message(database, place, ticket.id, body="Olá, água")
        other = await put_contact(database, place.company_id, f"77{place.company_id}", "Other")
        await put_ticket(database, place, contact_id=other.id)
        async with database.begin(place.company_id) as tx:
            for name in ("VIP", "Late"):
                tag = await tags.create(tx, place.company_id, TagPatch(name=name))
                await tags.add_to_ticket(tx, place.company_id, ticket.id, tag.id)
    for place in (*places, *places):
        for wanted in await _questions(database, place):
            viewer = Viewer(user_id=place.admin.id, is_admin=True)
            page = await ticket_lists.page(database, place.company_id, viewer, wanted)
            assert [t.contact_id for t in page.rows.tickets] == [place.contact_id], wanted
            assert [t.company_id for t in page.rows.tickets] == [place.company_id]
            assert page.count == 1


async def _questions(database: Database, place: Place) -> list[TicketFilter]:
    """Questions that only the place's first ticket answers, each narrowed by one value."""
    own = [tag.id for tag in await tags.rows.all_of(database, place.company_id)]
    return [
        TicketFilter(show_all=True, contact_id=place.contact_id),
        TicketFilter(show_all=True, tag_ids=(own[0],)),
        TicketFilter(show_all=True, tag_ids=(*own, own[0])),
        TicketFilter(show_all=True, search="jose"),
        TicketFilter(show_all=True, search="(11) 99999"),
        TicketFilter(show_all=True, search="ola, agua", search_messages=True),
        TicketFilter(show_all=True, created_until=NOON + timedelta(seconds=1)),
        TicketFilter(show_all=True, updated_until=NOON + timedelta(seconds=1)),
    ]
