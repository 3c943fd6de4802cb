"""The world of the REST bench: one company with many tickets and a long history."""

import sqlalchemy as sa

from api.passwords import Passwords
from storage.database import Database, open_database

PASSWORD = "bench password"
CHUNK = 1000  # tickets of one statement

_STATUSES = sa.text(
    "update tickets set last_message = 'message', updated_at = now() - id % 10000 * interval '1 minute',"
    " status = case when id % 10 < 4 then 'pending' when id % 10 < 8 then 'open' else 'closed' end,"
    " user_id = case when id % 10 < 4 then null else (select min(id) from users) + id % 100 end"
)
_MESSAGES = sa.text(
    "insert into messages (company_id, seq, ticket_id, contact_id, connection_id, department_id,"
    " body, from_me, ack, created_at, updated_at)"
    " select t.company_id, n, t.id, t.contact_id, t.connection_id, t.department_id,"
    " 'message ' || n || ' of the conversation', n % 2 = 0, 3, now() - (:each - n) * interval '1 hour',"
    " now() from generate_series(1, :each) n, tickets t"
    " where t.id >= :first and t.id < :first + :chunk order by n, t.id"
)


async def fill(dsn: str, messages: int, rounds: int) -> list[int]:
    """Give the seeded tickets statuses, owners and `messages` messages in all; gives their ids."""
    hashed = await Passwords(rounds).hash(PASSWORD)
    async with open_database(dsn, pool=2) as database:
        await database.execute(sa.text("update connections set channel = 'simulator'"))
        await database.execute(sa.text("update users set password_hash = :h").bindparams(h=hashed))
        await database.execute(_STATUSES)
        return await _history(database, messages)


async def _history(database: Database, messages: int) -> list[int]:
    ids = [row[0] for row in await database.rows(sa.text("select id from tickets order by id"))]
    each = max(messages // len(ids), 1)
    for first in range(ids[0], ids[-1] + 1, CHUNK):
        part = _MESSAGES.bindparams(each=each, first=first, chunk=CHUNK)
        await database.execute(part)
    for table in ("messages", "tickets", "contacts", "contact_aliases"):
        await database.execute(sa.text(f"vacuum analyze {table}"))
    return ids


async def settle(dsn: str) -> None:
    """Take the statistics that a server has taken of itself after its first minute.

    Tables that were empty a moment ago are planned for as if they were until then.
    """
    async with open_database(dsn, pool=1) as database:
        await database.execute(sa.text("analyze"))


async def transactions(dsn: str) -> int:
    """How many transactions the database has committed; a read by itself is one."""
    wanted = sa.text("select xact_commit from pg_stat_database where datname = current_database()")
    async with open_database(dsn, pool=1) as database:
        found: int = await database.value(wanted)
    return found
