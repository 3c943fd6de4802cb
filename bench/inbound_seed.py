"""The world of the inbound bench: companies with departments, agents, a number and customers.

Written through the storage functions before the server starts; tokens are signed as the server
signs them, with its own secrets. Every customer has a pending ticket in one department, so that
a message reaches that department's agents and the company's admins.
"""

import hashlib
import secrets
import uuid
from collections.abc import Iterator, Sequence

import msgspec
import sqlalchemy as sa

from api.passwords import Passwords
from api.settings import Settings
from api.tokens import AccessClaims, Tokens, now
from storage import connections, departments, refresh_families, users
from storage.connections import ConnectionPatch, ConnectionSecrets
from storage.contacts import contact_aliases, contacts
from storage.database import Database, Tx, open_database
from storage.departments import DepartmentPatch
from storage.founding import NewCompany, create_company
from storage.ids import CompanyId, ConnectionId, DepartmentId
from storage.migrate import upgrade
from storage.secrets import SecretBox
from storage.tickets import tickets
from storage.users import NewUser, User

ADMINS = 2
ROWS = 500  # a statement: far below the protocol's 32,767 parameters
HOUR = 3600


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """How much of everything there is, over all companies (departments: in each)."""

    companies: int = 1
    agents: int = 100
    departments: int = 10
    contacts: int = 1000
    all_see_all: bool = False


class Customer(msgspec.Struct, frozen=True):
    """One customer: a name that no other has, and the number it writes from."""

    name: str
    number: str


class Seeded(msgspec.Struct, frozen=True, kw_only=True):
    """A company as its load clients need it."""

    company_id: CompanyId
    connection_id: ConnectionId
    phone_number_id: str
    path: str
    secret: str
    admins: list[str]
    agents: list[str]
    customers: list[Customer]


async def seed(settings: Settings, dsn: str, shape: Shape) -> list[Seeded]:
    """Bring the schema up to date and write everybody in; gives tokens, paths and secrets."""
    await upgrade(dsn)
    hashed = await Passwords(4).hash("bench")
    async with open_database(dsn, pool=4) as database:
        return [
            await _Founding(settings, database, shape, index, hashed).run()
            for index in range(shape.companies)
        ]


class _Founding:
    """One company on its way into the database."""

    def __init__(
        self, settings: Settings, database: Database, shape: Shape, index: int, hashed: str
    ) -> None:
        self.database = database
        self.shape = shape
        self.index = index
        self.hashed = hashed
        keys = settings.secrets
        self.tokens = Tokens(keys.jwt_secret, keys.jwt_refresh_secret)
        self.box = SecretBox(hashlib.sha256(keys.data_key.encode()).digest())

    async def run(self) -> Seeded:
        """Found the company and fill it."""
        admin = NewUser(
            name="Admin 0",
            email=f"admin.{self.index}.0@bench.test",
            password_hash=self.hashed,
            profile="admin",
        )
        founded = await create_company(self.database, NewCompany(name=f"Bench {self.index}"), admin)
        company_id = founded.company.id
        people = [founded.admin]
        async with self.database.begin(company_id) as tx:
            made = [
                await departments.create(tx, company_id, self._department(number))
                for number in range(self.shape.departments)
            ]
            ids = [department.id for department in made]
            for number in range(1, ADMINS):
                new = msgspec.structs.replace(
                    admin, name=f"Admin {number}", email=f"admin.{self.index}.{number}@bench.test"
                )
                people.append(await users.create(tx, company_id, new))
            agents = [
                await users.create(tx, company_id, self._agent(number, ids))
                for number in range(self._share(self.shape.agents))
            ]
            connection_id, door = await self._number(tx, company_id)
        customers = await self._customers(company_id, connection_id, ids)
        return Seeded(
            company_id=company_id,
            connection_id=connection_id,
            phone_number_id=self._phone_number_id,
            path=f"/webhooks/whatsapp/{door.webhook_token}",
            secret=door.app_secret,
            admins=[await self._token(user) for user in people],
            agents=[await self._token(user) for user in agents],
            customers=customers,
        )

    def _share(self, total: int) -> int:
        """This company's part of what is spread over all of them."""
        return len(range(self.index, total, self.shape.companies))

    @property
    def _phone_number_id(self) -> str:
        return f"10000{self.index:010}"

    def _department(self, number: int) -> DepartmentPatch:
        return DepartmentPatch(name=f"Department {number}", color=f"#{number:06x}")

    def _agent(self, number: int, ids: Sequence[DepartmentId]) -> NewUser:
        everywhere = self.shape.all_see_all
        return NewUser(
            name=f"Agent {number}",
            email=f"agent.{self.index}.{number}@bench.test",
            password_hash=self.hashed,
            department_ids=tuple(ids) if everywhere else (ids[number % len(ids)],),
        )

    async def _number(
        self, tx: Tx, company_id: CompanyId
    ) -> tuple[ConnectionId, ConnectionSecrets]:
        new = ConnectionPatch(
            name="Cloud API",
            channel="whatsapp_cloud",
            status="CONNECTED",
            is_default=True,
            number="15550000000",
            external_account_id=self._phone_number_id,
        )
        made = await connections.create(tx, company_id, new)
        door = ConnectionSecrets(
            webhook_token=secrets.token_urlsafe(24), app_secret=secrets.token_hex(16)
        )
        await connections.write_secrets(tx, company_id, made.id, door, box=self.box)
        return made.id, door

    async def _token(self, user: User) -> str:
        family = await refresh_families.create(
            self.database,
            user.company_id,
            family=secrets.token_urlsafe(24),
            user_id=user.id,
            lifetime=float(HOUR),
            address="127.0.0.1",
            user_agent="bench",
        )
        assert family is not None  # the user is there: it was made just now
        issued = int(now())
        return self.tokens.sign_access(
            AccessClaims(
                usarname=user.name,
                profile=user.profile,
                id=user.id,
                companyId=user.company_id,
                super=user.is_super,
                sessionId=family.id,
                iat=issued,
                exp=issued + HOUR,
            )
        )

    async def _customers(
        self, company_id: CompanyId, connection_id: ConnectionId, ids: Sequence[DepartmentId]
    ) -> list[Customer]:
        """Contacts, the names the channel knows them by, and a pending ticket for each."""
        found = [
            Customer(f"c{self.index}x{number}", f"55119{self.index:02}{number:06}")
            for number in range(self._share(self.shape.contacts))
        ]
        for start in range(0, len(found), ROWS):
            part = found[start : start + ROWS]
            async with self.database.begin(company_id) as tx:
                await self._write(tx, company_id, connection_id, ids, part)
        return found

    async def _write(
        self,
        tx: Tx,
        company_id: CompanyId,
        connection_id: ConnectionId,
        ids: Sequence[DepartmentId],
        part: Sequence[Customer],
    ) -> None:
        rows = [
            {"company_id": company_id, "name": item.name, "number": item.number} for item in part
        ]
        stored = await tx.rows(
            sa.insert(contacts).values(rows).returning(contacts.c.id, contacts.c.number)
        )
        by_number = {number: key for key, number in stored}
        keys = [by_number[item.number] for item in part]
        names = [
            {
                "company_id": company_id,
                "channel": "whatsapp",
                "alias": f"phone:{item.number}",
                "contact_id": key,
            }
            for item, key in zip(part, keys, strict=True)
        ]
        await tx.execute(sa.insert(contact_aliases).values(names))
        await tx.execute(
            sa.insert(tickets).values(list(_pending(company_id, connection_id, ids, keys)))
        )


def _pending(
    company_id: CompanyId,
    connection_id: ConnectionId,
    ids: Sequence[DepartmentId],
    contact_ids: Sequence[int],
) -> Iterator[dict[str, object]]:
    for place, contact_id in enumerate(contact_ids):
        yield {
            "company_id": company_id,
            "uuid": str(uuid.uuid4()),
            "status": "pending",
            "contact_id": contact_id,
            "connection_id": connection_id,
            "department_id": ids[place % len(ids)],
        }
