"""Every migration since the first release, up and down, on a million messages with people at work."""

import sys
from collections.abc import Awaitable, Callable

import pytest
import sqlalchemy as sa
import trio

from storage import contact_lists, message_pages, migrate, ticket_lists
from storage.contact_lists import ContactFilter
from storage.database import Database, open_database
from storage.ticket_lists import TicketFilter, Viewer
from tests.storage.test_migration_forms import BASE
from tests.storage.world import Place, found, put_message, put_ticket

MOST = 2.0
"""Seconds that nobody may have to wait for a migration."""

HISTORY = (
    "insert into contacts (company_id, name, number)"
    " select :company, 'Person ' || n, '55119' || n from generate_series(1, 10000) n",
    "insert into tickets (company_id, uuid, contact_id, status)"
    " select company_id, gen_random_uuid(), id, 'pending' from contacts where number <> '1'",
    "insert into messages (company_id, seq, ticket_id, contact_id, body)"
    " select t.company_id, n, t.id, t.contact_id, 'message ' || n || ' of the conversation'"
    " from generate_series(1, 100) n, tickets t",
)


class Waits:
    """The longest statement of each kind of work."""

    def __init__(self) -> None:
        self.longest: dict[str, float] = {}
        self.done: dict[str, int] = {}

    async def go_on(self, name: str, work: Callable[[], Awaitable[object]]) -> None:
        """Work until cancelled."""
        while True:
            began = trio.current_time()
            await work()
            took = trio.current_time() - began
            self.longest[name] = max(self.longest.get(name, 0.0), took)
            self.done[name] = self.done.get(name, 0) + 1


def _work(
    database: Database, place: Place, ticket: ticket_lists.TicketRows
) -> dict[str, Callable[[], Awaitable[object]]]:
    (case,) = ticket.tickets
    viewer = Viewer(user_id=place.admin.id, is_admin=True)
    company_id = place.company_id
    touch = sa.text(f"update tickets set last_message = 'x' where id = {int(case.id)}")
    everyone = sa.text("update contacts set name = name where id % 100 = 7")
    pending = TicketFilter(status="pending", show_all=True)
    return {
        "message written": lambda: put_message(database, place, case.id),
        "ticket written": lambda: database.execute(touch),
        "contacts written": lambda: database.execute(everyone),
        "list read": lambda: ticket_lists.page(database, company_id, viewer, pending),
        "page read": lambda: message_pages.page(database, company_id, viewer, case),
        "contacts read": lambda: contact_lists.page(database, company_id, ContactFilter()),
        "person read": lambda: database.value(
            sa.text("select count(*) from users u join refresh_families f on f.user_id = u.id")
        ),
    }


@pytest.mark.prove
async def test_nobody_waits_long_for_a_migration(dsn: str) -> None:
    first = f"{BASE:04}"
    async with open_database(dsn, pool=8) as database:
        place = await found(database, "one")
        ticket = await put_ticket(database, place)
        case = await ticket_lists.one(database, place.company_id, ticket.id)
        await migrate.downgrade(dsn, first)
        for statement in HISTORY:
            await database.execute(
                sa.text(statement).bindparams(
                    **({"company": place.company_id} if ":company" in statement else {})
                )
            )
        assert await database.value(sa.text("select count(*) >= 1000000 from messages"))
        await database.execute(sa.text("analyze"))
        for way in ("up", "down", "up again"):
            waits = Waits()
            async with trio.open_nursery() as nursery:
                for name, work in _work(database, place, case).items():
                    nursery.start_soon(waits.go_on, name, work)
                began = trio.current_time()
                if way == "down":
                    await migrate.downgrade(dsn, first)
                else:
                    assert await migrate.upgrade(dsn) == migrate.newest()
                took = trio.current_time() - began
                nursery.cancel_scope.cancel()
            sys.stdout.write(f"\n{way}: {took:.1f} s; longest {waits.longest}; {waits.done}\n")
            assert set(waits.done) == set(_work(database, place, case)), "everybody worked"
            assert max(waits.longest.values()) < MOST, (way, took, waits.longest)
