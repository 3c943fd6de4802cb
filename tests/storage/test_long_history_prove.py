"""Reports and searches on a million messages: by index, and what each takes (printed, not judged)."""

import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
import trio

from storage import contact_lists, messages, reports, ticket_lists, ticket_reports
from storage.contact_lists import ContactFilter
from storage.database import Database
from storage.ids import CompanyId, UserId
from storage.reports import Period
from storage.ticket_lists import TicketFilter, Viewer
from storage.ticket_reports import CaseFilter
from tests.storage.world import found

HISTORY = (
    "insert into contacts (company_id, name, number, created_at)"
    " select :company, (array['José','Ana','Conceição','Márcia'])[1 + n % 4] || ' ' ||"
    " (array['Silva','Araújo','Souza'])[1 + n % 3] || ' ' || n, '5511' || (900000000 + n),"
    " now() - n * interval '50 minutes' from generate_series(1, 10000) n",
    "insert into tickets (company_id, uuid, contact_id, status, updated_at)"
    " select company_id, gen_random_uuid(), id, 'closed', created_at from contacts",
    "insert into ticket_trackings"
    " (company_id, ticket_id, user_id, created_at, started_at, first_reply_at, finished_at)"
    " select t.company_id, t.id, :agent, at, at + interval '5 minutes', at + interval '6 minutes',"
    " at + interval '1 hour' from generate_series(0, 9) n, tickets t,"
    " lateral (select now() - (n * 36 + t.id % 36) * interval '1 day' as at) x order by at",
    "vacuum analyze contacts",
    "vacuum analyze tickets",
    "vacuum analyze ticket_trackings",
    "vacuum analyze messages",
)
TALK = (
    "insert into messages (company_id, ticket_id, contact_id, body, from_me, created_at)"
    " select t.company_id, t.id, t.contact_id, 'pedido ' || :n || ' com informação e boleto' ||"
    " case when (t.id * 100 + :n) % 99991 = 0 then ' xilofone' else '' end, :n % 2 = 0,"
    " now() - :n * interval '3 days' from tickets t"
)
"""One message in every conversation, `n` times three days ago."""

NOW = datetime.now(UTC)
MONTH = Period(NOW - timedelta(days=30), NOW)
YEAR = Period(NOW - timedelta(days=365), NOW)
ADMIN = Viewer(user_id=UserId(1), is_admin=True)
Ask = Callable[[], Awaitable[Any]]


def questions(database: Database, company_id: CompanyId) -> dict[str, Ask]:
    """What people ask of a long history, by the words it is printed under."""

    def tickets(text: str, *, in_messages: bool) -> Ask:
        wanted = TicketFilter(
            status="search", show_all=True, search=text, search_messages=in_messages
        )
        return lambda: ticket_lists.page(database, company_id, ADMIN, wanted)

    def people(text: str) -> Ask:
        return lambda: contact_lists.page(database, company_id, ContactFilter(search=text))

    found: dict[str, Ask] = {}
    for words, period in (("a month", MONTH), ("a year", YEAR)):
        asked = (database, company_id, period)
        found |= {
            f"handling of {words}": lambda a=asked: reports.handling(*a),
            f"agents in {words}": lambda a=asked: reports.by_agent(*a),
            f"cases by day of {words}": lambda a=asked: reports.begun(
                *a, zone="America/Sao_Paulo", by_hour=False
            ),
            f"messages of {words}": lambda a=asked: reports.message_count(*a, from_me=None),
            f"new contacts of {words}": lambda a=asked: reports.new_contacts(*a),
            f"cases of {words}": lambda p=period: ticket_reports.cases(
                database, company_id, CaseFilter(period=p)
            ),
        }
    found |= {
        "tickets by a rare word said": tickets("xilofone", in_messages=True),
        "tickets by a common word said": tickets("informacao", in_messages=True),
        "tickets by a name": tickets("conceicao souza", in_messages=False),
        "contacts by a name": people("conceicao souza"),
        "contacts by part of a number": people("900001"),
        "contacts nobody has": people("zzzz"),
    }
    return found


@pytest.mark.prove
async def test_a_long_history_is_asked(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    place = await found(database, "a")
    values = {"company": int(place.company_id), "agent": int(place.agent.id)}
    for statement in (
        *HISTORY[:3],
        *(TALK.replace(":n", str(n)) for n in range(100, 0, -1)),
        *HISTORY[3:],
    ):
        needed = {name: value for name, value in values.items() if f":{name}" in statement}
        await database.execute(sa.text(statement).bindparams(**needed))
    await messages.work_in_texts(database)
    lines = []
    for words, ask in questions(database, place.company_id).items():
        took = []
        for _ in range(7):
            began = trio.current_time()
            answer = await ask()
            took.append((trio.current_time() - began) * 1000)
        assert answer is not None
        lines.append(f"{words:32} median {sorted(took)[3]:7.1f} ms, longest {max(took):7.1f} ms")
    with capsys.disabled():
        sys.stdout.write("\n" + "\n".join(lines) + "\n")
    rare = await questions(database, place.company_id)["tickets by a rare word said"]()
    assert 0 < rare.count == len(rare.keys) < 40
