"""Who lives in the proven database, and what the database says in the end."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa

from api.passwords import Passwords
from api.settings import read_settings
from storage import connections
from storage.connections import ConnectionPatch, ConnectionSecrets
from storage.database import Database, open_database
from storage.founding import NewCompany, create_company
from storage.secrets import SecretBox
from storage.users import NewUser
from tests.proofs.history import (
    Accepted,
    EpochWrite,
    EventRow,
    History,
    OutboxRow,
    Stored,
    TicketRow,
)
from tests.proofs.processes import APP_SECRET, FakeGraph

PASSWORD = "correct horse"

# Every committed batch with its epoch. A batch holds its shard's row from this update until its
# commit, so that the numbers of one shard are in the order of commit.
JOURNAL = (
    "CREATE TABLE proof_batches (n bigserial PRIMARY KEY, shard int, epoch bigint, batch uuid)",
    "CREATE FUNCTION proof_batch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
    " INSERT INTO proof_batches (shard, epoch, batch) VALUES (NEW.id, NEW.epoch, NEW.batch);"
    " RETURN NULL; END $$",
    "CREATE TRIGGER proof_batch AFTER UPDATE ON shards FOR EACH ROW"
    " WHEN (NEW.batch IS DISTINCT FROM OLD.batch) EXECUTE FUNCTION proof_batch()",
)


class Company(msgspec.Struct, frozen=True, kw_only=True):
    """A company with one Cloud connection, and how to speak as its admin and its provider."""

    id: int
    email: str
    connection_id: int
    phone_number_id: str
    webhook: str
    secret: str


async def found(dsn: str, folder: Path, companies: int = 2) -> list[Company]:
    """Found companies in a migrated database that nobody serves; `folder` is the server's data."""
    settings = read_settings({}, data_dir=folder / "data")
    box = SecretBox(hashlib.sha256(settings.secrets.data_key.encode()).digest())
    hashed = await Passwords(4).hash(PASSWORD)
    async with open_database(dsn, pool=1) as database:
        for statement in JOURNAL:
            await database.execute(sa.text(statement))
        return [await _company(database, box, hashed, n) for n in range(companies)]


async def _company(database: Database, box: SecretBox, hashed: str, n: int) -> Company:
    email = f"admin@c{n}.test"
    admin = NewUser(name="Admin", email=email, password_hash=hashed, profile="admin", is_super=True)
    founded = await create_company(database, NewCompany(name=f"C{n}"), admin)
    company_id = founded.company.id
    phone_number_id = f"10000000{company_id}"
    kept = ConnectionSecrets(
        webhook_token=f"webhook-of-{company_id}", app_secret=APP_SECRET, access_token="token"
    )
    async with database.begin(company_id) as tx:
        cloud = ConnectionPatch(
            name="Cloud",
            channel="whatsapp_cloud",
            status="CONNECTED",
            is_default=True,
            external_account_id=phone_number_id,
        )
        made = await connections.create(tx, company_id, cloud)
        await connections.write_secrets(tx, company_id, made.id, kept, box=box)
    return Company(
        id=company_id,
        email=email,
        connection_id=made.id,
        phone_number_id=phone_number_id,
        webhook=f"/webhooks/whatsapp/{kept.webhook_token}",
        secret=kept.app_secret,
    )


class Look:
    """Looks into the database while and after it is proven, on a connection of its own each time."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    async def rows(self, sql: str, **values: object) -> Sequence[Any]:
        """Rows of a query."""
        async with open_database(self._dsn, pool=1) as database:
            return await database.rows(sa.text(sql).bindparams(**values))

    async def value(self, sql: str, **values: object) -> Any:
        """The first column of the first row."""
        return (await self.rows(sql, **values))[0][0]

    async def tickets(self) -> dict[tuple[int, str], int]:
        """(company, customer's number) to the active ticket."""
        rows = await self.rows(
            "SELECT t.company_id, c.number, t.id FROM tickets t"
            " JOIN contacts c ON c.company_id = t.company_id AND c.id = t.contact_id"
            " WHERE t.status <> 'closed'"
        )
        return {(row[0], row[1]): row[2] for row in rows}

    async def unsettled(self) -> int:
        """Orders that are neither done nor given up to doubt."""
        found: int = await self.value(
            "SELECT count(*) FROM outbox WHERE state IN ('pending', 'sending')"
        )
        return found

    async def into(self, history: History, graph: FakeGraph) -> None:
        """Add what the database and the provider's witness say."""
        history.stored = [
            Stored(
                company=r[0], conversation=r[1], provider_id=r[2], from_me=r[3],
                read=r[4], seq=r[5], ack=r[6],
            )
            for r in await self.rows(
                "SELECT m.company_id, c.number, m.provider_id, m.from_me, m.read, m.seq, m.ack"
                " FROM messages m JOIN contacts c"
                " ON c.company_id = m.company_id AND c.id = m.contact_id"
                " WHERE m.provider_id IS NOT NULL"
            )
        ]  # fmt: skip
        history.events = [
            EventRow(company=r[0], seq=r[1], kind=r[2])
            for r in await self.rows("SELECT company_id, seq, kind FROM events")
        ]
        history.outbox = [
            OutboxRow(id=r[0], key=(r[1] or "").split(":", 2)[-1], state=r[2])
            for r in await self.rows("SELECT id, idempotency_key, state FROM outbox")
        ]
        history.tickets = [
            TicketRow(company=r[0], conversation=r[1], unread=r[2])
            for r in await self.rows(
                "SELECT t.company_id, c.number, t.unread_messages FROM tickets t"
                " JOIN contacts c ON c.company_id = t.company_id AND c.id = t.contact_id"
                " WHERE t.status <> 'closed'"
            )
        ]
        history.batches = [
            EpochWrite(shard=r[0], epoch=r[1], batch=str(r[2]))
            for r in await self.rows("SELECT shard, epoch, batch FROM proof_batches ORDER BY n")
        ]
        history.accepted = [
            Accepted(
                outbox_id=line.outbox_id or 0,
                provider_id=line.provider_id,
                conversation=f"{line.phone_number_id}:{line.to}",
            )
            for line in graph.accepted()
        ]
